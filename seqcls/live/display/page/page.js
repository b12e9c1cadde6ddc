"use strict";
// Draws what /view answers. One rule above all: PRESENT or ABSENT stands on the screen only while the feed runs and
// news of it is fresh; whatever else happens, every sign says UNKNOWN.

const LOST_MS = 3000; // no answer from the server
const AGAIN_MS = 500; // before it is asked again
const QUIET_S = 3; // no snapshot from the run
const AXIS_S = 60; // of scores and states; organ_history.py keeps so much
const MOST_INTERVALS = 20;
const THIN_PX = 2; // page.css makes no bar narrower
const LEAST = 1 / 8; // nor is one lower

const at = (id) => document.getElementById(id);

const loadedMs = performance.now();
let heardMs = -Infinity; // when the last answer was asked for: what it says is no older
let open = false;
let view = null;
let version = 0;
let quietS = 0;
let stranger = false; // another run stands at this address, which does not know the token
let spoken = { feed: "", states: [] };

// --- news ---------------------------------------------------------------------------------------------------------

async function ask() {
  const askedMs = performance.now();
  const answer = await fetch(`/view?seen=${version}`, { cache: "no-store", signal: AbortSignal.timeout(LOST_MS) });
  stranger = answer.status === 403;
  hear(await answer.json(), askedMs);
}

function hear(message, askedMs) {
  open = true;
  heardMs = askedMs;
  quietS = message.quiet_s;
  if (message.view || message.version !== version) view = message.view; // a run that has just begun has none
  version = message.version;
  show();
  fetchPicture();
}

async function listen() {
  for (;;) {
    try {
      await ask(); // the server answers when there is news, or after half a second
    } catch {
      open = false;
      show();
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

// What holds now: {trusted, kind, word, seconds, why}
function verdict() {
  const now = performance.now();
  if (!open || now - heardMs > LOST_MS) {
    if (heardMs === -Infinity && now - loadedMs < LOST_MS) return untrusted("connecting", "connecting to seqcls", (now - loadedMs) / 1000, "");
    const seconds = (now - Math.max(heardMs, loadedMs)) / 1000;
    if (view && view.feed === "stopped") return untrusted("stopped", "the run has ended", seconds, view.why);
    return untrusted("lost", "connection to seqcls lost", seconds, stranger ? "another run is at this address: open the one that it printed" : "trying again by itself");
  }
  if (!view) return untrusted("connecting", "starting: loading the model", quietS, "");
  const quiet = agoS();
  if (view.feed !== "stopped" && quiet > QUIET_S) return untrusted("lost", "no news from the run", quiet, "seqcls is busy or hangs");
  const kind = view.feed === "running" && view.paused ? "paused" : view.feed;
  return { trusted: view.holds, kind, word: view.word, seconds: 0, why: view.why, outage: view.outage };
}

function untrusted(kind, word, seconds, why) {
  return { trusted: false, kind, word, seconds, why };
}

// How old the view is at most.
function agoS() {
  return quietS + (performance.now() - heardMs) / 1000;
}

// --- words --------------------------------------------------------------------------------------------------------

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// One child for each item, made anew only when the items change: a screen reader reads out what is new.
function list(element, items, made) {
  const key = JSON.stringify(items);
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...items.map(made));
}

function make(tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text; // never markup: names and reasons come from files and servers
  return element;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function span(seconds) {
  return seconds < 100 ? `${Math.floor(Math.max(0, seconds))} s` : clock(seconds);
}

function number(value, digits) {
  return value === null ? "–" : value.toFixed(digits);
}

function show() {
  const now = verdict();
  document.body.dataset.feed = now.kind;
  document.body.dataset.trusted = now.trusted ? "yes" : "no";
  put(at("feed-word"), now.word);
  put(at("feed-for"), now.outage ?? span(now.seconds)); // how long no frame came is counted by the run, whatever is tried
  put(at("feed-why"), now.why);
  document.title = `${now.word} – seqcls`;
  for (const button of document.querySelectorAll("[data-act]")) button.disabled = !view || now.kind === "lost" || view.feed === "stopped";
  if (view) showView(now);
  showPictureNote(now);
  speak(now);
}

function showView(now) {
  const counts = view.frame_counts;
  list(at("organs"), view.organs.map((organ) => organ.organ), makeCard);
  [...at("organs").children].forEach((card, place) => showOrgan(card, view.organs[place], now));
  put(at("source"), view.started ? `${view.source} · since ${view.started.slice(0, 16).replace("T", " ")}` : view.source);
  put(at("rate"), now.trusted ? `${number(view.rate_hz, 1)} /s` : "–");
  put(at("latency"), `${view.latency_ms.map((ms) => number(ms, 0)).join(" / ")} ms`);
  for (const name of ["received", "dropped", "rejected"]) put(at(name), String(counts[name]));
  put(at("now"), clock(view.now_s));
  at("storage").dataset.rec = now.kind !== "lost" && view.storage?.is_recording ? "yes" : "no";
  at("storage").dataset.full = view.storage?.nearly_full ? "yes" : "no";
  put(at("storage"), view.storage ? view.storage.text + (view.storage.nearly_full ? "  DISK NEARLY FULL" : "") : "");
  put(at("checklist"), view.checklist);
  put(document.querySelector("[data-act=pause]"), view.paused ? "go on" : "pause");
  showIntervals(now);
  list(at("messages"), view.messages.slice(-3), (text) => make("li", "", text));
}

// When each organ was present, the newest first, in times of the run.
function showIntervals(now) {
  const count = view.organs.reduce((sum, organ) => sum + organ.presences, 0);
  put(at("all"), whole ? "newest" : `all ${count}`);
  at("intervals").classList.toggle("whole", whole !== null);
  const recent = view.organs.flatMap(({ organ, latest }) => latest.map((stretch) => ({ organ, ...stretch })));
  const presences = (whole ?? recent).sort((a, b) => b.start_s - a.start_s);
  const end = (seconds) => (seconds !== null ? clock(seconds) : now.trusted ? "now" : "?");
  const lines = presences.slice(0, whole ? undefined : MOST_INTERVALS).map(({ organ, start_s, end_s }) => [`${clock(start_s)} – ${end(end_s)}`, organ]);
  list(at("intervals"), lines.length ? lines : [["none", ""]], ([when, organ]) => {
    const line = make("li", "", "");
    line.append(make("span", "when", when), make("span", "whose", organ));
    return line;
  });
}

// All presences are many after a day: they are asked for only while somebody reads them.
let whole = null;

async function fetchWhole() {
  const answer = await fetch("/presences", { cache: "no-store", signal: AbortSignal.timeout(LOST_MS) });
  const byOrgan = Object.entries(await answer.json());
  whole = byOrgan.flatMap(([organ, stretches]) => stretches.map(([start_s, end_s]) => ({ organ, start_s, end_s })));
}

at("all").addEventListener("click", async () => {
  const pressed = at("all").getAttribute("aria-pressed") !== "true";
  at("all").setAttribute("aria-pressed", String(pressed));
  if (pressed) await fetchWhole().catch(() => at("all").setAttribute("aria-pressed", "false")); // the next press tries again
  else whole = null;
  show();
});
setInterval(() => { if (whole) fetchWhole().then(show, () => {}); }, 2000);

// --- what a person does -------------------------------------------------------------------------------------------

async function act(name) {
  const posted = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ act: name }) };
  await fetch("/act", { ...posted, signal: AbortSignal.timeout(LOST_MS) }).catch(() => {}); // the run says what came of it
}

for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => act(button.dataset.act));
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});

let audio = null; // browsers allow sound only after a click
at("sound").addEventListener("click", () => {
  audio = audio ? (audio.close(), null) : new AudioContext();
  at("sound").setAttribute("aria-pressed", String(audio !== null));
  put(at("sound"), audio ? "sound: on" : "sound: off");
});

const HERTZ = { present: 880, absent: 440, unknown: 220 };
function beep(state) {
  if (!audio) return;
  const [tone, loud] = [audio.createOscillator(), audio.createGain()];
  tone.frequency.value = HERTZ[state];
  loud.gain.value = 0.2;
  tone.connect(loud).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.15);
}

function speak(now) {
  const states = [...at("organs").children].map((card) => `${card.dataset.organ} ${card.dataset.state}`);
  const news = states.filter((state, place) => state !== spoken.states[place]);
  if (now.word !== spoken.feed) news.unshift(now.word);
  const changed = states.findIndex((state, place) => state !== spoken.states[place]);
  if (changed >= 0 && spoken.states.length) beep(at("organs").children[changed].dataset.state);
  spoken = { feed: now.word, states };
  if (news.length) put(at("spoken"), news.join(", "));
}

// --- one organ ----------------------------------------------------------------------------------------------------

function makeCard(organ) {
  const card = at("card").content.firstElementChild.cloneNode(true);
  const name = card.querySelector(".name");
  card.dataset.organ = name.textContent = name.title = organ;
  card.querySelector(".trace").setAttribute("aria-label", `score of ${organ}, last minute`);
  card.querySelector(".strip").setAttribute("aria-label", `states of ${organ}, last minute`);
  return card;
}

function showOrgan(card, organ, now) {
  const part = (name) => card.querySelector(`.${name}`);
  const state = now.trusted ? organ.state : "unknown";
  card.dataset.state = state;
  put(part("word"), state.toUpperCase());
  put(part("score"), number(now.trusted ? organ.score : null, 2));
  const held = `for ${span(view.now_s - organ.since_s)}`;
  put(part("why"), !now.trusted ? now.word : organ.reason ? `${held}, ${organ.reason}` : held);
  const wanted = organ.wanted_s === null ? "" : organ.missing_s ? "☐ " : "☑ ";
  put(part("count"), `${wanted}${organ.presences} × present, ${number(organ.present_s, 2)} s in all`);
  card.dataset.coming = now.trusted && organ.coming ? "yes" : "no";
  draw(part, organ, now);
}

// While no news comes the past moves on, and nothing is known of what came since.
function draw(part, organ, now) {
  const nowS = view.now_s + (now.trusted ? 0 : agoS());
  const knownS = view.now_s - view.outage_s;
  const spans = organ.spans.map(({ state, start_s, end_s }) => [state, start_s, end_s]).filter(([, from, to]) => to > from);
  const last = spans.at(-1);
  if (last && last[0] === "unknown") last[2] = nowS;
  else if (nowS > view.now_s) spans.push(["unknown", view.now_s, nowS]);
  drawBars(part("strip"), spans, nowS);
  drawBars(part("unseen"), spans.filter(([state]) => state === "unknown"), nowS);
  let line = "";
  let before = -Infinity;
  for (const [time, score] of organ.trace.filter(([time]) => time > nowS - AXIS_S && time <= knownS)) {
    if (score !== null) line += `${time - before > 1 ? "M" : "L"}${(time - nowS).toFixed(2)} ${(1 - score).toFixed(3)}`;
    before = score === null ? -Infinity : time;
  }
  part("scores").setAttribute("d", line);
  part("thresholds").setAttribute("d", [organ.onset, organ.offset].map((score) => `M-${AXIS_S} ${1 - score}H0`).join(""));
}

function drawBars(element, spans, nowS) {
  const place = (time) => 100 * Math.max(0, 1 + (time - nowS) / AXIS_S);
  element.replaceChildren(...spans.filter(([, , to]) => place(to) > 0).map(([state, from, to]) => {
    const bar = make("i", state, "");
    bar.style.left = `${place(from)}%`;
    bar.style.width = `${place(to) - place(from)}%`;
    const px = ((to - from) / AXIS_S) * element.clientWidth;
    if (state === "present" && px < THIN_PX) bar.style.top = `${100 * (1 - Math.max(LEAST, px / THIN_PX))}%`; // its true area
    return bar;
  }));
}

// --- picture ------------------------------------------------------------------------------------------------------

let pictureMs = -Infinity; // when it came
let pictureVersion = 0;
let pictureBusy = false;

// A picture that stands still must not look alive, whatever the reason.
function showPictureNote(now) {
  const oldMs = performance.now() - pictureMs;
  let note = "";
  if (pictureMs === -Infinity) note = "no picture yet";
  else if (!now.trusted) note = `not live: ${now.word}`;
  else if (!view.has_picture) note = "not live: the feed has no picture";
  else if (oldMs > LOST_MS) note = `not live: ${span(oldMs / 1000)} old`;
  document.body.dataset.picture = note ? "none" : "live";
  put(at("picture-note"), note);
}

async function fetchPicture() {
  if (pictureBusy || document.hidden || !view || !view.has_picture || version === pictureVersion || !verdict().trusted) return;
  pictureBusy = true;
  const fetched = version;
  try {
    const answer = await fetch("/picture.jpg", { cache: "no-store", signal: AbortSignal.timeout(LOST_MS) });
    const picture = await createImageBitmap(await answer.blob()); // fails where there is none
    const canvas = at("picture");
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    pictureMs = performance.now();
    pictureVersion = fetched;
  } catch {
    // the next message tries again
  } finally {
    pictureBusy = false;
  }
}

listen();
setInterval(show, 250);
document.addEventListener("visibilitychange", () => { show(); fetchPicture(); });
show();
