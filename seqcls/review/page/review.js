// The page of a review: opens clips, turns keys, buttons and drags into edits, and keeps the server informed. What an
// edit does is in edit.js, how it is kept in saving.js, what is drawn in view.js and labels.js.
import * as edit from "./edit.js";
import { FrameStage } from "./frames.js";
import { act, begin, redo, replaced, undo } from "./history.js";
import { ACTIONS, OTHERS, actionOf, keyName } from "./keys.js";
import { LabelLayer, inWords } from "./labels.js";
import { smoothedOf } from "./replay.js";
import { readRun } from "./run.js";
import { Saver } from "./saving.js";
import { themeButton } from "./theme.js";
import { TimelineView } from "./view.js";
import { button, clock, counted, make } from "./words.js";

const at = (id) => document.getElementById(id);
const READING_MS = 300;
const PULSE_MS = 2000;
const ROOM_S = 1.5; // around what is to be looked at

const keyOf = (doubt) => doubt.slice(0, 4).join(" ");
const own = (track) => track.spans.filter((span) => span.by === "reader");

class Review {
  constructor(state) {
    this.state = state;
    this.hidden = state.blind;
    this.place = -1;
    this.organ = 0;
    this.histories = new Map(); // by clip
    this.visited = new Set(); // what was offered by "next doubt" already
    this.added = null; // where an addition began
    this.lost = false;
    this.areOthers = false;
    this.saver = new Saver((text, kind) => this.saving(text, kind), (clip, organ) => this.readAgain(clip, organ), (changed) => this.takeOver(changed));
    this.stage = new FrameStage(at("frame"), at("video"), (text) => this.caption(text));
    this.stage.onRow = (row) => this.view?.seek(this.run.shown_s[row], "play");
    this.furnish();
  }

  // --- the page -----------------------------------------------------------------------------------------------------

  furnish() {
    const labelled = ACTIONS.filter((action) => action.label && action.id !== "help");
    const buttons = new Map(
      labelled.map((action) => {
        const made = button("", action.label, `${action.help} (${keyName(action.keys[0])})`, () => this.do(action.id));
        made.id = `do-${action.id}`;
        made.append(make("kbd", "", keyName(action.keys[0])));
        return [action.id, made];
      }),
    );
    at("clips-part").open = matchMedia("(min-width: 120rem) and (min-height: 60rem)").matches; // a wall has room for it
    const two = ["starts", "ends"].map((id) => buttons.get(id)); // enough to label with: always in sight
    this.tabs = make("div", "tabs"); // for a finger: the organs, each to choose by one touch
    this.tabs.setAttribute("role", "group");
    this.tabs.setAttribute("aria-label", "organs");
    at("two").append(this.tabs, ...two);
    at("actions").append(...[...buttons.values()].filter((one) => !two.includes(one)));
    at("tools").append(button("", "keys ?", "all keys (?)", () => this.do("help")), themeButton(() => this.view?.theme()));
    const listed = [...ACTIONS.map((action) => [action.keys.slice(0, 2).map(keyName).join(", "), action.help]), ...OTHERS];
    at("keys").append(...listed.map(([keys, help]) => make("div", "", make("kbd", "", keys), make("span", "", help))));
    document.addEventListener("keydown", (event) => this.key(event), { capture: true });
    at("new-organ").addEventListener("submit", (event) => {
      event.preventDefault();
      this.addOrgan(at("organ-name").value);
    });
    addEventListener("beforeunload", (event) => this.saver.unsaved && event.preventDefault());
    setInterval(() => this.pulse(), PULSE_MS);
  }

  saving(text, kind) {
    const shown = kind === "saved" && this.state.labels ? `saved in ${this.state.labels}` : text;
    at("saving").textContent = shown;
    at("saving").dataset.kind = kind;
  }

  caption(text) {
    at("frame-note").textContent = text;
  }

  showClips() {
    const clips = this.state.clips;
    at("clips-part").hidden = clips.length < 2;
    at("clips-sum").textContent = `${counted(clips.length, "clip")}, ${this.place + 1} is open`;
    const known = at("clips");
    if (known.children.length !== clips.length) {
      known.replaceChildren(...clips.map((clip, place) => make("li", "", button("", clip.title, `open ${clip.title}`, () => this.open(place)), make("span"))));
    }
    clips.forEach((clip, place) => {
      const done = Object.entries(clip.labelled).filter(([, count]) => count);
      const text = clip.problem || done.map(([organ, count]) => `${organ}: ${counted(count, "label")}`).join(", ") || "not labelled yet";
      const line = known.children[place];
      if (line.lastChild.textContent !== text) line.lastChild.textContent = text;
      line.setAttribute("aria-current", place === this.place);
    });
  }

  // --- opening ------------------------------------------------------------------------------------------------------

  async open(place, { organ = null, row = null, behind = null } = {}) {
    const asked = (this.asked = {});
    this.added = null;
    this.opening = true; // what is pressed meanwhile is meant for the clip that comes
    this.stage.stop();
    const clip = await this.readClip(place, asked);
    if (!clip || asked !== this.asked) return;
    const run = await readRun(clip.facts, clip.numbers);
    if (asked !== this.asked) return;
    this.opening = false;
    [this.place, this.clip, this.run] = [place, clip, run];
    this.hasModel = run.organs.length > 0;
    this.found = [...run.intervals]; // of the model
    this.smooth = run.raw.length ? smoothedOf(run, run.smoothing) : [];
    this.raw = run.raw;
    this.organs = clip.organs.map((one) => one.organ);
    run.hints = this.organs.map(() => "no model looked for it");
    this.predictions = new Map(clip.organs.map((one) => [one.organ, one.prediction]));
    this.unfit = new Map(clip.organs.map((one) => [one.organ, one.unfit]));
    this.saved = new Map();
    const notes = [...clip.notes];
    if (!this.histories.has(place)) this.histories.set(place, begin({}));
    for (const one of clip.organs) {
      const known = this.saver.known(place, one.organ);
      if (!this.saver.hasUnsaved(place, one.organ)) {
        this.saver.know(place, one.organ, one.number);
        if (known !== undefined && known !== one.number) {
          this.histories.set(place, replaced(this.history, one.organ, edit.EMPTY)); // filled anew below
          notes.push(`${one.organ} was changed in another window: that is shown now`);
        }
      }
      if (one.track && one.frames === run.frames) this.saved.set(one.organ, one.track);
      else if (one.track) notes.push(`the labels of ${one.organ} were made on ${counted(one.frames, "frame")}, the clip has ${run.frames.toLocaleString("en-US")}: they are not shown`);
    }
    this.fillTracks();
    this.stage.open(place, run, clip.plays, clip.has_frames);
    at("title").textContent = clip.title;
    document.title = `${clip.title} – seqcls review`;
    this.showNotes(notes);
    this.build();
    this.saver.note(place, this.prediction);
    const wanted = organ === null ? 0 : this.organs.indexOf(organ);
    this.choose(Math.max(0, wanted));
    const first = row ?? 0;
    if (row !== null && behind !== null) this.frameRows(first, behind);
    this.view.seek(run.shown_s[first] ?? run.start_s, "open");
    this.showClips();
    at("about").textContent = this.aboutClip();
    document.body.dataset.open = place;
  }

  aboutClip() {
    const { run, state } = this;
    const length = `${counted(run.frames, "frame")}, ${(run.end_s - run.start_s).toFixed(1)} s`;
    return `reader ${state.reader} · ${length} · ${this.hasModel ? (this.hidden ? "the model's answer is hidden" : "the model's answer is shown") : "no model"}`;
  }

  async readClip(place, asked) {
    for (;;) {
      const clip = await getJson(`/clip?n=${place}`).catch((error) => ({ problem: error.message, reading: 0 }));
      if (asked !== this.asked) return null;
      if (clip.facts) return clip;
      const share = clip.declared ? ` of ${clip.declared.toLocaleString("en-US")}` : "";
      this.caption(clip.problem || `reading ${this.state.clips[place].title}${clip.reading ? `: ${clip.reading.toLocaleString("en-US")}${share} frames` : " …"}`);
      document.body.dataset.problem = clip.problem;
      if (clip.reading && !this.stage.plays) await this.stage.preview(place, clip.reading - 1); // what is there is shown
      await new Promise((done) => setTimeout(done, READING_MS));
    }
  }

  showNotes(notes) {
    if (this.clip.problem) notes.unshift(this.clip.problem);
    at("notes").hidden = !notes.length;
    at("notes").replaceChildren(...notes.map((note) => make("li", "", note)));
  }

  // What is said of each organ: by this reader so far, else by the model where it is shown.
  fillTracks() {
    const history = this.histories.get(this.place);
    const touched = new Set([...history.past, ...history.future].map((entry) => entry.organ));
    const tracks = { ...history.tracks };
    for (const organ of this.organs) {
      if (!touched.has(organ)) tracks[organ] = this.saved.get(organ) ?? this.untouched(organ);
    }
    this.histories.set(this.place, { ...history, tracks });
  }

  untouched(organ) {
    return (this.hidden ? null : this.predictions.get(organ)) ?? edit.EMPTY;
  }

  get prediction() {
    return !this.hasModel ? "none" : this.hidden ? "hidden" : "shown";
  }

  get history() {
    return this.histories.get(this.place);
  }

  // A new view: of another clip, of more organs, or with the model's answer shown or hidden.
  build() {
    const { run } = this;
    const before = this.view && this.view.run === run ? this.view : null;
    this.view?.close();
    run.organs = this.organs;
    const none = run.raw.map((column) => new Float32Array(column.length).fill(NaN));
    run.raw = this.hidden ? none : this.raw;
    run.intervals = this.organs.map((_, place) => (this.hidden ? [] : this.found[place] ?? []));
    at("timeline").replaceChildren();
    this.view = new TimelineView(at("timeline"), run);
    this.view.show({ intervals: run.intervals, smooth: this.hidden ? none : this.smooth, options: run.options });
    this.layer = new LabelLayer(this.view, {
      track: (organ) => this.history.tracks[this.organs[organ]],
      edited: (organ, track) => this.change("drag", organ, track),
      select: (organ) => this.choose(organ),
    });
    this.view.addEventListener("seek", ({ detail }) => this.moved(detail.row));
    if (before) {
      this.view.setRange(before.from_s, before.to_s);
      this.view.seek(before.position_s, "again");
    }
    this.choose(Math.min(this.organ, Math.max(0, this.organs.length - 1)));
    this.said();
    at("new-organ").hidden = false;
  }

  frameRows(first, behind) {
    const [from_s, to_s] = [this.layer.timeOf(first), this.layer.timeOf(behind)];
    this.view.setRange(from_s - ROOM_S, to_s + ROOM_S);
  }

  // --- where we are -------------------------------------------------------------------------------------------------

  get row() {
    return this.view.rowAt(this.view.position_s);
  }

  moved(row) {
    this.stage.show(row);
    this.said();
    this.stage.expect(this.likely(row));
  }

  // Rows that one key leads to: the next edges on both sides, and the next doubt of this clip.
  likely(row) {
    const all = edit.edges(this.history.tracks[this.organs[this.organ]] ?? edit.EMPTY).filter((edge) => edge < this.run.frames);
    const doubt = this.doubts?.find((one) => one[0] === this.place && !this.visited.has(keyOf(one)) && !this.isSettled(one));
    return [all.find((edge) => edge > row), all.findLast((edge) => edge < row), doubt?.[2]].filter((one) => one !== undefined);
  }

  choose(organ) {
    this.organ = organ;
    this.view.draw(); // on a phone the organ that is chosen alone has its scores drawn
    document.querySelectorAll(".lane").forEach((lane, place) => {
      lane.setAttribute("aria-current", place === organ);
      if (place === organ && at("timeline").scrollHeight > at("timeline").clientHeight) lane.scrollIntoView({ block: "nearest" });
    });
    this.said();
  }

  said() {
    if (!this.view) return;
    const { row } = this;
    const lines = this.organs.map((organ, place) => {
      const { mark, text } = inWords(this.history.tracks[organ] ?? edit.EMPTY, row);
      const line = make("p", "", make("b", "", organ), make("span", "", text));
      line.dataset.mark = mark;
      line.setAttribute("aria-current", place === this.organ);
      return line;
    });
    at("said").replaceChildren(...(lines.length ? lines : [make("p", "", "name an organ below to begin")]));
    this.view.heads.forEach(({ sum }, place) => {
      const { length } = own(this.history.tracks[this.organs[place]] ?? edit.EMPTY);
      sum.textContent = length ? `${counted(length, "label")} of yours` : "no label of yours";
    });
    this.showTabs();
    at("do-undo").disabled = !this.history.past.length;
    at("do-redo").disabled = !this.history.future.length;
    at("do-hide").disabled = !this.hasModel;
    at("do-hide").firstChild.textContent = this.hidden ? "show model" : "hide model";
    at("do-add").firstChild.textContent = this.added ? "… to here" : "add";
  }

  touch(organ) {
    this.choose(organ);
    document.querySelectorAll(".lane")[organ].scrollIntoView({ block: "nearest" });
  }

  showTabs() {
    const { tabs, organs } = this;
    tabs.hidden = organs.length < 2;
    if (tabs.children.length !== organs.length || [...tabs.children].some((tab, place) => tab.textContent !== organs[place])) {
      tabs.replaceChildren(...organs.map((organ, place) => button("", organ, `label ${organ}`, () => this.touch(place))));
    }
    organs.forEach((organ, place) => {
      const tab = tabs.children[place];
      tab.dataset.mark = inWords(this.history.tracks[organ] ?? edit.EMPTY, this.row).mark;
      if ((tab.getAttribute("aria-pressed") === "true") === (place === this.organ)) return;
      tab.setAttribute("aria-pressed", place === this.organ);
      if (place === this.organ) tabs.scrollLeft = tab.offsetLeft - tabs.offsetLeft - 0.3 * tabs.clientWidth;
    });
  }

  // --- doing --------------------------------------------------------------------------------------------------------

  key(event) {
    if (at("help").open || event.target.closest?.("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur?.();
      return;
    }
    if (event.target.closest?.("button, summary") && (event.key === " " || event.key === "Enter")) return;
    if (event.key === "Escape" && this.added) {
      this.added = null;
      this.why("");
      this.said();
      return;
    }
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    this.do(action.id, action);
  }

  do(id, { organ = this.organ, by = 1 } = {}) {
    if (id === "help") {
      at("help").showModal();
      at("help").scrollTop = 0;
      return undefined;
    }
    if (id.startsWith("clip")) return this.toClip(this.place + (id === "clipAfter" ? 1 : -1));
    if (!this.view || !this.run.frames || this.opening) return undefined;
    if (organ !== this.organ && organ < this.organs.length) this.choose(organ);
    const steps = { organUp: -1, organDown: 1, edgeBefore: -1, edgeAfter: 1 };
    if (id === "play") return this.stage.toggle();
    if (id === "next") return this.next();
    if (id === "hide") return this.toggleModel();
    if (id === "organ") return at("organ-name").focus();
    if (id === "undo" || id === "redo") return this.back(id);
    if (id === "acceptAll") return this.acceptAll();
    if (id.startsWith("organ")) return this.choose(Math.min(Math.max(0, this.organ + steps[id]), Math.max(0, this.organs.length - 1)));
    if (!this.organs.length) return this.why("name an organ first (L)");
    if (organ >= this.organs.length) return this.why("there is no such organ");
    if (id.startsWith("edge")) return this.toEdge(steps[id]);
    return this.onTrack(id, organ, by);
  }

  onTrack(id, organ, by) {
    const track = this.history.tracks[this.organs[organ]];
    const { row, run } = this;
    const acts = {
      starts: () => edit.markFrom(track, row, "present", run.frames),
      ends: () => edit.markFrom(track, row, "absent", run.frames),
      accept: () => edit.accept(track, row),
      split: () => edit.split(track, row),
      merge: () => edit.merge(track, row),
      remove: () => edit.remove(track, row),
      add: () => this.addition(track, row),
      earlier: () => this.nudged(track, row, -by),
      later: () => this.nudged(track, row, by),
    };
    const next = acts[id] ? acts[id]() : this.marked(track, row, id);
    if (id === "accept" && !edit.spanAt(track, row)) return this.why(`nothing is said of this frame yet${this.hintOfModel}`);
    this.change(id, organ, next);
    return id === "accept" ? this.next() : undefined;
  }

  get hintOfModel() {
    return this.hidden && this.hasModel ? "; H shows what the model found" : "";
  }

  // The span here, or what lies unlabelled between two.
  marked(track, row, mark) {
    if (edit.spanAt(track, row)) return edit.setMark(track, row, mark);
    const before = track.spans.filter((span) => span.behind <= row).at(-1);
    const after = track.spans.find((span) => span.first > row);
    const closed = track.opened ? { ...track, opened: null } : track;
    return edit.add(closed, before ? before.behind : 0, after ? after.first : this.run.frames, mark);
  }

  nudged(track, row, by) {
    const edge = edit.nearestEdge(track, row);
    if (!edge) return track;
    const moved = edit.moveEdge(track, edge.place, edge.side, track.spans[edge.place][edge.side] + by, this.run.frames);
    const span = moved.spans[edge.place];
    this.view.seek(this.layer.timeOf(edge.side === "first" ? span.first : span.behind - 1), "nudge");
    return moved;
  }

  addition(track, row) {
    if (this.added?.organ !== this.organ) {
      this.added = { organ: this.organ, row };
      this.why(`a presence of ${this.organs[this.organ]} begins at frame ${this.run.index[row]}: go to the last frame that shows it and press A again (Esc leaves it)`);
      this.said();
      return track;
    }
    const [first, last] = [Math.min(this.added.row, row), Math.max(this.added.row, row)];
    this.added = null;
    this.why("");
    return edit.add(track, first, last + 1, "present");
  }

  toEdge(direction) {
    const all = edit.edges(this.history.tracks[this.organs[this.organ]]).filter((edge) => edge < this.run.frames);
    const beyond = all.filter((edge) => (direction > 0 ? edge > this.row : edge < this.row));
    if (beyond.length) this.view.seek(this.layer.timeOf(direction > 0 ? beyond[0] : beyond.at(-1)), "edge");
  }

  change(action, organ, track) {
    const name = this.organs[organ];
    if (this.unfit.get(name)) return this.why(`${name} cannot be labelled: ${this.unfit.get(name)}`);
    const next = act(this.history, name, action, track);
    if (next === this.history) return this.said();
    this.histories.set(this.place, next);
    return this.keep(action, name, track);
  }

  keep(action, organ, track) {
    const words = action.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    this.saver.send({ clip: this.place, title: this.clip.title, organ, action: words, track, prediction: this.prediction });
    this.state.clips[this.place].labelled[organ] = own(track).length;
    this.said();
    this.view.draw();
    this.showClips();
  }

  back(id) {
    const { history } = this;
    const entry = id === "undo" ? history.past.at(-1) : history.future[0];
    if (!entry) return;
    const next = id === "undo" ? undo(history) : redo(history);
    this.histories.set(this.place, next);
    const place = this.organs.indexOf(entry.organ);
    if (place >= 0) this.choose(place);
    this.keep(id, entry.organ, next.tracks[entry.organ]);
  }

  acceptAll() {
    if (this.organs.every((organ) => !this.history.tracks[organ].spans.length && !this.history.tracks[organ].opened)) {
      return this.why(`nothing is labelled here yet${this.hintOfModel}`);
    }
    this.organs.forEach((organ, place) => this.change("accept all", place, edit.acceptAll(this.history.tracks[organ], this.run.frames)));
    return this.next({ fromHere: true });
  }

  toggleModel() {
    if (!this.hasModel) return;
    this.hidden = !this.hidden;
    this.fillTracks();
    this.build();
    at("about").textContent = this.aboutClip();
    this.saver.note(this.place, this.prediction);
  }

  toClip(place) {
    if (place >= 0 && place < this.state.clips.length) this.open(place);
  }

  async next({ fromHere = false } = {}) {
    const queue = await getJson("/queue").catch(() => null);
    if (!queue) return;
    this.doubts = queue.items;
    const settled = new Set(fromHere ? [this.place] : []);
    const item = queue.items.find((one) => !this.visited.has(keyOf(one)) && !settled.has(one[0]) && !this.isSettled(one));
    if (!item) {
      this.why(queue.ranked ? "no doubt is left: all of it is looked at" : "the clips are still being ranked; press N again");
      return;
    }
    this.visited.add(keyOf(item));
    const [place, organ, first, behind, share, why] = item;
    if (place !== this.place) await this.open(place, { organ, row: first, behind });
    else {
      this.choose(Math.max(0, this.organs.indexOf(organ)));
      this.frameRows(first, behind);
      this.view.seek(this.layer.timeOf(first), "next");
    }
    this.why(organ ? `${organ}: ${why} (doubt ${share.toFixed(2)})` : why);
  }

  // By what was not sent yet, too.
  isSettled([place, organ, first, behind]) {
    const track = this.histories.get(place)?.tracks[organ];
    if (!track) return false;
    const covered = (span) => Math.max(0, Math.min(span.behind, behind) - Math.max(span.first, first));
    return behind > first && track.spans.filter((span) => span.by === "reader").reduce((sum, span) => sum + covered(span), 0) >= behind - first;
  }

  why(text) {
    at("why").textContent = text;
  }

  addOrgan(text) {
    const name = text.normalize("NFC").trim();
    const spelt = (one) => one.replace(/[_\s-]+/g, " ").trim().toLowerCase();
    const unfit = /[<>:"/\\|?*\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(name);
    const alike = this.organs.find((one) => spelt(one) === spelt(name));
    const hint = !name ? "type a name" : unfit ? 'it must not hold < > : " / \\ | ? *' : alike ? `there is ${alike} already` : "";
    at("organ-hint").textContent = hint;
    if (hint) return;
    this.organs = [...this.organs, name];
    if (!this.state.organs.includes(name)) this.state.organs.push(name);
    this.run.hints.push("no model looked for it");
    this.fillTracks();
    this.organ = this.organs.length - 1;
    this.build();
    at("organ-name").value = "";
    at("organ-name").blur();
  }

  // --- the server ---------------------------------------------------------------------------------------------------

  // What seqcls has of an organ now: what this page had at the beginning is older.
  async readAgain(place, organ) {
    const { clips } = await getJson("/state");
    const now = clips.findIndex((one) => one.title === this.state.clips[place].title);
    const clip = await getJson(`/clip?n=${now}`);
    if (!clip.organs) throw new Error("the clip is being read again");
    return clip.organs.find((one) => one.organ === organ) ?? { number: 0, track: null };
  }

  // Another page of this reader changed an organ, or an edit was refused: what the server has is shown.
  takeOver({ clip, organ, track, why }) {
    const history = this.histories.get(clip);
    if (!history) return;
    const isOpen = clip === this.place && !this.opening;
    this.histories.set(clip, replaced(history, organ, track ?? (isOpen ? this.untouched(organ) : edit.EMPTY)));
    this.state.clips[clip].labelled[organ] = own(track ?? edit.EMPTY).length;
    this.showClips();
    if (!isOpen) return;
    if (track) this.saved.set(organ, track);
    else this.saved.delete(organ);
    this.why(`${organ}: ${why}; what seqcls has of it is shown now`);
    this.said();
    this.view.draw();
  }

  async pulse() {
    if (this.place < 0) return;
    try {
      const sign = await getJson(`/progress?n=${this.place}`);
      if (this.lost && !this.saver.unsaved) this.saver.rest();
      this.lost = false;
      if (this.areOthers && !this.saver.unsaved) return location.reload(); // it was started again with other clips
      if (sign.instance !== this.state.instance) {
        this.state.instance = sign.instance;
        this.stage.show(this.row); // what waited for the old one
        const { clips } = await getJson("/state");
        this.areOthers = clips.length !== this.state.clips.length || clips.some((clip, place) => clip.title !== this.state.clips[place].title);
      }
      if (sign.problem && sign.problem !== this.clip.problem) {
        this.clip.problem = sign.problem;
        this.showNotes([...this.clip.notes]);
      }
    } catch (error) {
      this.lost = true;
      if (!this.saver.unsaved) this.saving(`connection lost: ${error.message}; trying again`, "failed");
    }
  }
}

async function getJson(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(20000) });
  } catch {
    throw new Error("seqcls does not answer; is it running?");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim().replace(/^seqcls: /, ""));
  return answer.json();
}

async function start() {
  const state = await getJson("/state");
  const review = new Review(state);
  window.seqcls = { review, edit }; // for those who look into it
  review.saving("saved", "saved");
  const queue = await getJson("/queue").catch(() => ({ items: [] }));
  review.doubts = queue.items;
  const first = state.clips.length > 1 && queue.items.length ? queue.items[0] : null;
  if (first) await review.open(first[0], first[1] ? { organ: first[1], row: first[2], behind: first[3] } : {});
  else await review.open(0);
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  at("saving").textContent = error.message;
  at("saving").dataset.kind = "failed";
  throw error;
});
