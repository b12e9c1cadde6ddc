// The timeline on the screen: pictures, a strip and a trace per organ, zoom, pan, position. It edits nothing; who wants
// to edit adds layers and takes the pointer (see `layers`, `pointer` and `keys`).
//
// Events (details): "hover" {time_s, row} or null; "seek" {time_s, row, by}; "select" {organ, interval};
// "range" {from_s, to_s}; "drawn". Times are seconds of the run, rows count its frames, organs by their place.
import { firstFrom } from "./intervals.js";
import { coloursOf, paintStrip, ticksOf, wiped, within } from "./paint.js";
import { Traces } from "./traces.js";
import { button, clock, counted, figure, lasting, make, totalOf, unseen } from "./words.js";

const CLICK_PX = 5; // a pointer that moved less has clicked
const LEAST_S = 0.02; // that can be zoomed to
const ZOOM = 1.5;

export class TimelineView extends EventTarget {
  // run: of run.js. pictures: [{time_s, url}], may be none.
  constructor(root, run, pictures = []) {
    super();
    this.run = run;
    this.pictures = pictures;
    this.intervals = run.intervals; // one list per organ
    this.smooth = run.raw; // one array per scored organ
    this.options = run.options;
    this.least_s = run.start_s;
    this.most_s = run.end_s > run.start_s ? run.end_s : run.start_s + 1;
    if (run.frames === 1) this.least_s -= 0.02 * (this.most_s - this.least_s); // its dot is not to sit on the edge
    [this.from_s, this.to_s] = [this.least_s, this.most_s];
    this.position_s = run.start_s;
    this.hover_s = null;
    this.layers = []; // functions ({organ, context, scale, top, height, colours}), called after a strip is painted
    this.pointer = null; // function ({kind: down|move|up, organ, time_s, x, event}); true where it takes the pointer
    this.keys = new Map(); // key -> function (event), "Shift+N" with Shift
    this.selected = null;
    this.build(root);
    this.listen();
    this.theme();
  }

  // --- what others call --------------------------------------------------------------------------------------------

  show({ intervals, smooth, options }) {
    if (intervals) this.intervals = intervals;
    if (smooth) this.smooth = smooth;
    if (options) this.options = options;
    this.selected = null;
    this.sums();
    this.draw();
  }

  // Another one takes its place.
  close() {
    this.ended.abort();
  }

  setRange(from_s, to_s) {
    const whole_s = this.most_s - this.least_s;
    const length_s = Math.min(whole_s, Math.max(LEAST_S, to_s - from_s));
    const middle_s = (from_s + to_s) / 2;
    const begin_s = Math.min(Math.max(middle_s - length_s / 2, this.least_s), this.most_s - length_s);
    if (begin_s === this.from_s && begin_s + length_s === this.to_s) return;
    [this.from_s, this.to_s] = [begin_s, length_s === whole_s ? this.most_s : begin_s + length_s];
    this.dispatchEvent(new CustomEvent("range", { detail: { from_s: this.from_s, to_s: this.to_s } }));
    this.draw();
  }

  zoom(factor, at_s = this.position_s) {
    const held_s = at_s >= this.from_s && at_s <= this.to_s ? at_s : (this.from_s + this.to_s) / 2;
    this.setRange(held_s - (held_s - this.from_s) / factor, held_s + (this.to_s - held_s) / factor);
  }

  pan(share) {
    const by_s = share * (this.to_s - this.from_s);
    this.setRange(this.from_s + by_s, this.to_s + by_s);
  }

  fit() {
    this.setRange(this.least_s, this.most_s);
  }

  seek(time_s, by = "call") {
    this.position_s = Math.min(Math.max(time_s, this.least_s), this.most_s);
    this.reveal(this.position_s);
    if (by !== "player") this.hover_s = null; // the position is read until the pointer moves again
    this.place();
    this.dispatchEvent(new CustomEvent("seek", { detail: { time_s: this.position_s, row: this.rowAt(this.position_s), by } }));
  }

  reveal(time_s) {
    const length_s = this.to_s - this.from_s;
    if (time_s < this.from_s || time_s > this.to_s) this.setRange(time_s - length_s / 10, time_s + (9 * length_s) / 10);
  }

  select(organ, interval) {
    this.selected = interval ? { organ, interval } : null;
    this.draw();
    this.dispatchEvent(new CustomEvent("select", { detail: this.selected }));
  }

  // An interval with some room around it.
  frame(interval) {
    const room_s = Math.max(1, 0.5 * (interval.end_s - interval.start_s));
    this.setRange(interval.start_s - room_s, interval.end_s + room_s);
  }

  // The frame that is on the screen at this time.
  rowAt(time_s) {
    return Math.max(0, firstFrom(this.run.shown_s, time_s + 1e-9) - 1);
  }

  // Frames forward or back.
  step(frames) {
    const row = Math.min(Math.max(this.rowAt(this.position_s) + frames, 0), this.run.frames - 1);
    if (row >= 0) this.seek(this.run.shown_s[row], "step");
  }

  intervalAt(organ, time_s) {
    return within(this.intervals[organ], time_s, time_s).at(-1) ?? null;
  }

  // The next, or the one before, of all organs' edges.
  edge(direction) {
    const now_s = this.position_s;
    const edges = this.intervals.flatMap((own) => own.map((interval) => interval.start_s));
    const beyond = edges.filter((edge_s) => (direction > 0 ? edge_s > now_s + 1e-6 : edge_s < now_s - 1e-6));
    if (beyond.length) this.seek(beyond.reduce((a, b) => ((direction > 0 ? a < b : a > b) ? a : b)), "edge");
  }

  get scale() {
    const width = this.axis.clientWidth || 1;
    const { from_s, to_s } = this;
    return { from_s, to_s, width, x: (time_s) => ((time_s - from_s) / (to_s - from_s)) * width, time: (x) => from_s + (x / width) * (to_s - from_s) };
  }

  // --- elements ----------------------------------------------------------------------------------------------------

  build(root) {
    const { run } = this;
    this.clock = make("output", "clock");
    this.about = make("span", "about-frame");
    const tools = make("div", "tools");
    tools.append(
      make("div", "readout", this.clock, this.about),
      make(
        "div",
        "buttons",
        button("", "‹", "pan to earlier times (Page Up)", () => this.pan(-0.5)),
        button("", "›", "pan to later times (Page Down)", () => this.pan(0.5)),
        button("", "−", "zoom out (-)", () => this.zoom(1 / ZOOM)),
        button("", "+", "zoom in (+)", () => this.zoom(ZOOM)),
        button("wide", "all", "show all (0)", () => this.fit()),
      ),
    );
    this.lanes = make("div", "lanes");
    this.lanes.tabIndex = 0;
    this.lanes.setAttribute("role", "group");
    this.lanes.setAttribute("aria-label", "timeline: arrows go from frame to frame, N and P from edge to edge, + and - zoom");
    this.overview = make("canvas", "overview");
    this.overview.style.height = `${Math.min(4.2, Math.max(1.9, 0.5 * run.organs.length))}rem`;
    this.strips = [];
    this.heads = [];
    this.cross = make("div", "cross");
    this.cross.hidden = true;
    this.now = make("div", "now");
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    this.lanes.append(this.overview);
    this.thumbs = make("div", "thumbs");
    if (this.pictures.length) this.lanes.append(this.thumbs);
    const traces = [];
    run.organs.forEach((organ, place) => {
      const name = make("h3", "name", organ);
      const chip = make("span", "chip");
      const sum = make("span", "sum");
      const strip = make("canvas", "strip");
      strip.dataset.organ = place;
      strip.setAttribute("role", "img");
      const lane = make("section", place < run.raw.length ? "lane" : "lane derived", make("div", "head", name, chip, sum), strip);
      if (place < run.raw.length) {
        const labels = make("div", "levels", make("i", "", "1"), make("i", "", "0"));
        const trace = make("div", "trace");
        trace.dataset.organ = place;
        lane.append(make("div", "trace-box", labels, trace));
        traces[place] = trace;
      } else {
        lane.append(make("p", "hint", run.hints?.[place] ?? `--where: ${run.where[place - run.raw.length]}`));
      }
      this.heads.push({ chip, sum });
      this.strips.push(strip);
      this.lanes.append(lane);
    });
    this.axis = make("div", "axis");
    this.lanes.append(this.axis, this.cross, this.now, this.tip);
    root.classList.add("view");
    root.append(tools, this.lanes);
    this.traces = new Traces(run, traces);
    this.sums();
  }

  // How long each organ is in view.
  sums() {
    this.heads.forEach(({ sum }, organ) => {
      const own = this.intervals[organ];
      const times = own.filter((interval) => interval.state === "present").length;
      const said = times ? `in view ${lasting(totalOf(own, "present"))}, ${counted(times, "time")}` : unseen(own.map((interval) => interval.state));
      sum.textContent = said;
      this.strips[organ].setAttribute("aria-label", `${this.run.organs[organ]}: ${said}`);
    });
  }

  // --- pointer, wheel, keys ----------------------------------------------------------------------------------------

  listen() {
    const { lanes } = this;
    const pointers = new Map();
    let drag = null;
    const at = (event) => {
      const box = this.axis.getBoundingClientRect();
      const x = event.clientX - box.left;
      const organ = event.target.dataset?.organ ?? event.target.closest?.(".trace")?.dataset.organ;
      return { x, time_s: this.scale.time(x), organ: organ === undefined ? null : Number(organ), event };
    };
    lanes.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest("button")) return;
      const place = at(event);
      lanes.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event.clientX);
      if (event.target === this.overview) drag = { kind: "overview" };
      else if (this.pointer?.({ kind: "down", ...place })) drag = { kind: "taken" };
      else drag = { kind: "pan", x: event.clientX, from_s: this.from_s, to_s: this.to_s, moved: false, place };
      if (pointers.size === 2) drag = { kind: "pinch", apart: apart(pointers), from_s: this.from_s, to_s: this.to_s };
      if (drag.kind === "overview") this.toOverview(event);
    });
    lanes.addEventListener("pointermove", (event) => {
      const place = at(event);
      if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event.clientX);
      if (!drag) this.pointer?.({ kind: "move", ...place });
      else if (drag.kind === "taken") this.pointer?.({ kind: "move", ...place });
      else if (drag.kind === "overview") this.toOverview(event);
      else if (drag.kind === "pinch") this.pinch(drag, pointers);
      else this.drag(drag, event);
      this.hover(event.target === this.overview ? null : place);
    });
    const end = (event) => {
      const place = at(event);
      pointers.delete(event.pointerId);
      const done = drag;
      if (pointers.size === 0) drag = null;
      if (done?.kind === "taken") this.pointer?.({ kind: "up", ...place });
      if (done?.kind === "pan" && !done.moved && event.type === "pointerup") this.click(done.place);
    };
    lanes.addEventListener("pointerup", end);
    lanes.addEventListener("pointercancel", end);
    lanes.addEventListener("pointerleave", () => this.hover(null));
    lanes.addEventListener("wheel", (event) => this.wheel(event, at(event).time_s), { passive: false });
    this.ended = new AbortController();
    const { signal } = this.ended;
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    new ResizeObserver(() => this.draw()).observe(this.lanes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.theme(), { signal });
    addEventListener("beforeprint", () => this.forPaper(true), { signal });
    addEventListener("afterprint", () => this.forPaper(false), { signal });
    const keys = {
      "+": () => this.zoom(ZOOM), "=": () => this.zoom(ZOOM), "-": () => this.zoom(1 / ZOOM), 0: () => this.fit(),
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      "Shift+ArrowLeft": () => this.seek(this.position_s - 1, "step"), "Shift+ArrowRight": () => this.seek(this.position_s + 1, "step"),
      PageUp: () => this.pan(-0.5), PageDown: () => this.pan(0.5),
      Home: () => this.seek(this.least_s, "step"), End: () => this.seek(this.run.shown_s.at(-1) ?? this.most_s, "step"),
      n: () => this.edge(1), p: () => this.edge(-1),
    };
    for (const [key, act] of Object.entries(keys)) this.keys.set(key, act);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, video, summary")) return;
    if (event.target.closest?.("button") && (event.key === " " || event.key === "Enter")) return;
    const key = event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : event.key;
    const act = (event.shiftKey && this.keys.get(`Shift+${key}`)) || this.keys.get(key);
    if (!act) return;
    event.preventDefault();
    act(event);
  }

  wheel(event, at_s) {
    const across = event.shiftKey ? event.deltaX + event.deltaY : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    const all = this.from_s === this.least_s && this.to_s === this.most_s;
    if (across) this.pan(across / 1000);
    else if (event.deltaY > 0 && all) return; // nothing to zoom out of: the page scrolls
    else this.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(0.5, Math.abs(event.deltaY) / 400)), at_s);
    event.preventDefault();
  }

  drag(drag, event) {
    if (!drag.moved && Math.abs(event.clientX - drag.x) < CLICK_PX) return;
    drag.moved = true;
    const by_s = ((drag.x - event.clientX) / this.scale.width) * (drag.to_s - drag.from_s);
    this.setRange(drag.from_s + by_s, drag.to_s + by_s);
  }

  pinch(drag, pointers) {
    if (pointers.size < 2) return;
    const factor = apart(pointers) / Math.max(1, drag.apart);
    const middle_s = (drag.from_s + drag.to_s) / 2;
    const half_s = (drag.to_s - drag.from_s) / 2 / Math.max(0.01, factor);
    this.setRange(middle_s - half_s, middle_s + half_s);
  }

  toOverview(event) {
    const box = this.overview.getBoundingClientRect();
    const time_s = this.least_s + ((event.clientX - box.left) / box.width) * (this.most_s - this.least_s);
    const half_s = (this.to_s - this.from_s) / 2;
    if (half_s * 2 < this.most_s - this.least_s) this.setRange(time_s - half_s, time_s + half_s);
    else this.seek(time_s, "click");
  }

  click({ time_s, organ }) {
    this.seek(time_s, "click");
    if (organ !== null) this.select(organ, this.intervalAt(organ, time_s));
  }

  hover(place) {
    const inside = place && place.time_s >= this.from_s && place.time_s <= this.to_s;
    this.hover_s = inside ? place.time_s : null;
    this.place();
    if (inside && place.event.pointerType !== "touch") this.tell(place);
    else this.tip.hidden = true;
    const detail = inside ? { time_s: place.time_s, row: this.rowAt(place.time_s) } : null;
    this.dispatchEvent(new CustomEvent("hover", { detail }));
  }

  tell({ time_s, x, event, organ }) {
    const lines = [make("b", "", `${this.clockOf(time_s)}  #${this.run.index[this.rowAt(time_s)] ?? "–"}`)];
    const few = this.run.organs.length <= 6 ? this.run.organs.keys() : organ === null ? [] : [organ];
    for (const own of few) lines.push(make("span", "", `${this.run.organs[own]}: ${this.wordsAt(own, time_s)}`));
    this.tip.replaceChildren(...lines);
    this.tip.hidden = false;
    const box = this.lanes.getBoundingClientRect();
    const left = this.axis.offsetLeft + x;
    const right = left + 18 + this.tip.offsetWidth > box.width;
    this.tip.style.left = `${Math.max(0, right ? left - 14 - this.tip.offsetWidth : left + 14)}px`;
    this.tip.style.top = `${Math.min(event.clientY - box.top + 16, box.height - this.tip.offsetHeight)}px`;
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  theme() {
    this.colours = coloursOf(this.lanes);
    this.traces.theme(this.colours);
    this.draw();
  }

  // A page that is laid out for paper is not drawn any more: before that all of it is, in the width of the paper (see
  // data-printing in page.css) and in light colours.
  forPaper(begins) {
    const { dataset } = document.documentElement;
    if (begins) {
      this.onScreen = [dataset.theme, this.from_s, this.to_s];
      dataset.theme = "light";
      dataset.printing = "";
      [this.from_s, this.to_s] = [this.least_s, this.most_s];
    } else if (this.onScreen) {
      delete dataset.printing;
      if (this.onScreen[0] === undefined) delete dataset.theme;
      else [dataset.theme] = this.onScreen;
      [, this.from_s, this.to_s] = this.onScreen;
      this.onScreen = null;
    }
    this.colours = coloursOf(this.lanes);
    this.traces.theme(this.colours);
    this.paint();
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }

  paint() {
    const scale = this.scale;
    if (scale.width < 2) return;
    this.strips.forEach((canvas, organ) => this.paintOrgan(canvas, organ, scale));
    this.paintOverview();
    this.paintAxis(scale);
    this.paintPictures(scale);
    this.traces.draw(scale, this.smooth, this.intervals, this.options);
    this.place();
    this.dispatchEvent(new Event("drawn"));
  }

  paintOrgan(canvas, organ, scale) {
    const area = wiped(canvas);
    const box = { top: 0, height: area.height };
    paintStrip(area, box, this.intervals[organ], scale, this.colours, { words: !this.layers.length }); // a layer has its own
    if (this.selected?.organ === organ) {
      const { start_s, end_s } = this.selected.interval;
      area.context.strokeStyle = this.colours.ink;
      area.context.lineWidth = 2;
      area.context.strokeRect(scale.x(start_s), 1, Math.max(2, scale.x(end_s) - scale.x(start_s)), area.height - 2);
    }
    for (const layer of this.layers) layer({ organ, scale, colours: this.colours, ...box, ...area });
  }

  paintOverview() {
    const area = wiped(this.overview);
    const { context, width, height } = area;
    const [from_s, to_s] = [this.least_s, this.most_s];
    const scale = { from_s, to_s, width, x: (time_s) => ((time_s - from_s) / (to_s - from_s)) * width };
    const few = this.intervals.slice(0, 12);
    const each = (height - 4) / few.length;
    few.forEach((own, place) => {
      paintStrip(area, { top: 2 + place * each + 1, height: Math.max(1, each - 2) }, own, scale, this.colours, { words: false });
    });
    const [left, right] = [scale.x(this.from_s), scale.x(this.to_s)];
    context.fillStyle = this.colours.ground;
    context.globalAlpha = 0.65;
    context.fillRect(0, 0, left, height);
    context.fillRect(right, 0, width - right, height);
    context.globalAlpha = 1;
    context.strokeStyle = this.colours.soft;
    context.lineWidth = 2;
    context.strokeRect(left + 1, 1, Math.max(2, right - left - 2), height - 2);
  }

  paintAxis(scale) {
    const { ticks, digits } = ticksOf(scale.from_s, scale.to_s, scale.width, 7 * this.colours.size * 0.8);
    this.digits = digits;
    const like_s = Math.max(Math.abs(this.least_s), Math.abs(this.most_s));
    this.axis.replaceChildren(
      ...ticks.map((tick_s) => {
        const label = make("span", "", clock(tick_s, like_s < 180 ? digits : Math.min(digits, 3), like_s));
        label.style.left = `${scale.x(tick_s)}px`;
        if (scale.x(tick_s) < 2 * this.colours.size) label.className = "first";
        if (scale.x(tick_s) > scale.width - 2 * this.colours.size) label.className = "last";
        return label;
      }),
    );
    this.traces.ticks = ticks;
  }

  // Each picture once, about where its frame lies, as far as there is room.
  paintPictures(scale) {
    if (!this.pictures.length) return;
    const height = this.thumbs.clientHeight;
    const slot = Math.max(40, height * (this.pictures[0].ratio ?? 1.2));
    const count = Math.max(1, Math.floor(scale.width / slot));
    const shown = [];
    let before = null;
    for (let place = 0; place < count; place++) {
      const [left_s, right_s] = [scale.time((place / count) * scale.width), scale.time(((place + 1) / count) * scale.width)];
      const middle_s = (left_s + right_s) / 2;
      const nearest = this.pictures.reduce((a, b) => (Math.abs(a.time_s - middle_s) <= Math.abs(b.time_s - middle_s) ? a : b));
      const far = Math.abs(nearest.time_s - middle_s) > Math.max(right_s - left_s, (this.most_s - this.least_s) / this.pictures.length);
      if (nearest === before || (far && count > 1)) continue;
      before = nearest;
      shown.push([nearest, (place / count) * scale.width, scale.width / count]);
    }
    this.thumbs.replaceChildren(
      ...shown.map(([picture, left, width]) => {
        const image = make("img");
        image.src = picture.url;
        image.alt = `frame at ${clock(picture.time_s)}`;
        image.draggable = false;
        image.style.left = `${left + 1}px`;
        image.style.width = `${width - 2}px`;
        return image;
      }),
    );
  }

  clockOf(time_s) {
    const like_s = Math.max(Math.abs(this.least_s), Math.abs(this.most_s));
    return clock(time_s, Math.max(2, this.digits ?? 2), like_s);
  }

  wordsAt(organ, time_s) {
    const state = this.intervalAt(organ, time_s)?.state ?? "unknown";
    const score = organ < this.smooth.length && this.run.frames ? this.smooth[organ][this.rowAt(time_s)] : NaN;
    return Number.isNaN(score) ? state : `${state} ${figure(score)}`;
  }

  // The lines at the position and under the pointer, and what is there.
  place() {
    const scale = this.scale;
    const left = this.axis.offsetLeft;
    for (const [line, time_s] of [[this.now, this.position_s], [this.cross, this.hover_s]]) {
      line.hidden = time_s === null || time_s < this.from_s || time_s > this.to_s;
      if (!line.hidden) line.style.transform = `translateX(${left + scale.x(time_s)}px)`;
    }
    const time_s = this.hover_s ?? this.position_s;
    const row = this.rowAt(time_s);
    this.clock.textContent = this.clockOf(time_s);
    this.about.textContent = this.run.frames ? `frame ${this.run.index[row]}${this.run.measured[row] ? "" : ", not measured"}` : "no frame";
    this.heads.forEach(({ chip }, organ) => {
      const interval = this.intervalAt(organ, time_s);
      chip.dataset.state = interval?.state ?? "unknown";
      chip.textContent = this.wordsAt(organ, time_s);
      chip.title = interval?.reason ?? "";
    });
  }
}

function apart(pointers) {
  const [a, b] = [...pointers.values()];
  return Math.abs(a - b);
}
