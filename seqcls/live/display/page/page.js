"use strict";
// Draws what comes from /events. One rule above all: PRESENT or ABSENT stands on the screen only while the feed runs and
// news of it is fresh; whatever else happens, every sign says UNKNOWN.

const LOST_MS = 3000; // no word from the server
const REOPEN_MS = 2000; // and how often the stream is opened anew
const QUIET_S = 3; // no snapshot from the run
const LATE_S = 3; // news that lay on the way
const DRIFT = 2e-4; // by how much the clocks of two machines (an SSH tunnel) may run apart: 17 s a day
const TRACE_S = 60; // publisher.py has the same figures
const STRIP_S = 300;
const MOST_INTERVALS = 20;

const at = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let stream = null;
let openedMs = -Infinity;
let heardMs = -Infinity; // performance.now() of the last message
let loadedMs = performance.now();
let open = false;
let view = null;
let quietS = 0;
let lag = { least: Infinity, now: 0, sent: 0 };
let cards = [];
let drawnMs = -Infinity;
let spoken = { feed: "", states: [] };

// --- news ---------------------------------------------------------------------------------------------------------

function connect() {
  if (stream) stream.close();
  open = false;
  lag = { least: Infinity, now: 0, sent: 0 };
  openedMs = performance.now();
  stream = new EventSource("/events");
  stream.onmessage = (event) => hear(JSON.parse(event.data));
  stream.onerror = () => { stream.close(); open = false; show(); }; // watch opens the next: it knows when it asked
}

function hear(message) {
  const now = performance.now();
  const away = now / 1000 - message.sent_s; // both clocks only ever run forward; their distance is what counts
  const first = lag.least === Infinity; // nothing to compare with yet: what was asked for late is late
  const least = Math.min(away, lag.least + (lag.now > LATE_S ? 0 : DRIFT * (message.sent_s - lag.sent)));
  lag = { least, now: first ? (now - openedMs) / 1000 : away - least, sent: message.sent_s };
  open = true;
  heardMs = now;
  quietS = message.quiet_s;
  if (message.view) view = message.view;
  show();
  fetchPicture();
}

function watch() {
  const now = performance.now();
  const dead = !open || now - heardMs > LOST_MS || lag.now > LATE_S;
  if (dead && now - openedMs > (stream.readyState === EventSource.CLOSED ? REOPEN_MS : 3 * REOPEN_MS)) connect();
  show();
}

// What holds now: {trusted, kind, word, seconds, why}
function verdict() {
  const now = performance.now();
  if (!open || now - heardMs > LOST_MS) {
    if (heardMs === -Infinity && now - loadedMs < LOST_MS) return untrusted("connecting", "connecting to seqcls", (now - loadedMs) / 1000, "");
    const seconds = (now - (heardMs === -Infinity ? loadedMs : heardMs)) / 1000;
    if (view && view.feed === "stopped") return untrusted("stopped", "the run has ended", seconds, view.feed_reason);
    return untrusted("lost", "connection to seqcls lost", seconds, "is it running? A new run has a new address");
  }
  if (lag.now > LATE_S) return untrusted("lost", "this page lags behind", lag.now, "the way from seqcls to this page is too slow");
  if (!view) return untrusted("connecting", "waiting for the run", quietS, "");
  const quiet = quietS + (now - heardMs) / 1000;
  if (view.feed !== "stopped" && quiet > QUIET_S) return untrusted("lost", "no news from the run", quiet, "seqcls is busy or hangs");
  return {
    trusted: view.feed === "running",
    kind: view.feed,
    word: `feed ${view.feed}`,
    seconds: view.feed_for_s + quiet,
    why: view.feed_reason,
  };
}

function untrusted(kind, word, seconds, why) {
  return { trusted: false, kind, word, seconds, why };
}

// --- words --------------------------------------------------------------------------------------------------------

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
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
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function show() {
  const now = verdict();
  document.body.dataset.feed = now.kind;
  document.body.dataset.trusted = now.trusted ? "yes" : "no";
  put(at("feed-word"), now.word);
  put(at("feed-for"), now.kind === "running" ? "" : span(now.seconds));
  put(at("feed-why"), now.why);
  document.title = `${now.word} – seqcls`;
  if (view) showView(now);
  showPictureNote(now);
  speak(now);
  const ms = performance.now();
  if (view && (ms - drawnMs >= (calm.matches ? 1000 : 150) || !now.trusted)) {
    drawnMs = ms;
    const ink = inks();
    cards.forEach((card, place) => drawCard(card, view.organs[place], now, ink));
  }
}

function showView(now) {
  if (cards.length !== view.organs.length || cards.some((card, place) => card.organ !== view.organs[place].organ)) {
    cards = view.organs.map((organ) => makeCard(organ.organ));
    at("organs").replaceChildren(...cards.map((card) => card.root));
  }
  cards.forEach((card, place) => showOrgan(card, view.organs[place], now));
  put(at("source"), view.started ? `${view.source} · since ${view.started.slice(0, 16).replace("T", " ")}` : view.source);
  put(at("rate"), now.trusted ? `${number(view.rate_hz, 1)} /s` : "–");
  put(at("latency"), `${view.latency_ms.map((ms) => number(ms, 0)).join(" / ")} ms`);
  put(at("received"), String(view.received));
  put(at("dropped"), String(view.dropped));
  put(at("rejected"), String(view.rejected));
  put(at("now"), clock(view.now_s));
  put(at("disclaimer"), view.disclaimer);
  showIntervals(now);
  showMessages(view.messages);
}

// When each organ was present, the newest first, in times of the run.
function showIntervals(now) {
  const spans = view.organs.flatMap(({ organ, latest }) => latest.map(([from, to]) => ({ organ, from, to })));
  spans.sort((a, b) => b.from - a.from);
  const open = now.trusted ? "now" : "?";
  const lines = spans.slice(0, MOST_INTERVALS).map(({ organ, from, to }) => [`${clock(from)} – ${to === null ? open : clock(to)}`, organ]);
  const list = at("intervals");
  if (!lines.length) lines.push(["none", ""]);
  if (JSON.stringify(lines) === list.dataset.lines) return;
  list.dataset.lines = JSON.stringify(lines);
  list.replaceChildren(...lines.map(([when, organ]) => inside(make("li"), make("span", "when", when), make("span", "whose", organ))));
}

function showMessages(messages) {
  const list = at("messages");
  const latest = messages.slice(-3);
  if (latest.length === list.children.length && latest.every((text, place) => list.children[place].textContent === text)) return;
  list.replaceChildren(...latest.map((text) => make("li", "", text)));
}

function showOrgan(card, organ, now) {
  const state = now.trusted ? organ.state : "unknown";
  card.root.dataset.state = state;
  put(card.word, state.toUpperCase());
  put(card.score, now.trusted && organ.score !== null ? organ.score.toFixed(2) : "–");
  const reason = now.trusted ? organ.reason : now.word;
  put(card.why, now.trusted ? `for ${span(organ.for_s)}${reason ? `, ${reason}` : ""}` : reason);
  put(card.count, `${organ.presences} × present`);
}

function speak(now) {
  const states = cards.map((card) => `${card.organ} ${card.root.dataset.state}`);
  const news = states.filter((state, place) => state !== spoken.states[place]);
  if (now.word !== spoken.feed) news.unshift(now.word);
  spoken = { feed: now.word, states };
  if (news.length) put(at("spoken"), news.join(", "));
}

// --- one organ ----------------------------------------------------------------------------------------------------

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text; // never markup: names and reasons come from files and servers
  return element;
}

function inside(element, ...children) {
  element.append(...children);
  return element;
}

function makeCanvas(name, label) {
  const canvas = make("canvas", name);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

function makeCard(organ) {
  const card = {
    organ,
    root: make("article", "organ"),
    score: make("span", "score", "–"),
    word: make("span", "word", "UNKNOWN"),
    why: make("span", "why"),
    count: make("span", "count"),
    trace: makeCanvas("trace", `score of ${organ}, last minute`),
    strip: makeCanvas("strip", `states of ${organ}, last five minutes`),
  };
  const shape = make("span", "shape");
  shape.setAttribute("aria-hidden", "true");
  const name = make("span", "name", organ);
  name.title = organ;
  inside(card.root, inside(make("div", "inside"),
    inside(make("h2"), name, card.score),
    inside(make("p", "sign"), inside(make("span", "large"), shape, card.word)),
    inside(make("p", "about"), card.why, card.count),
    inside(make("div", "trace-part"), card.trace, axis("score, last 60 s")),
    inside(make("div", "strip-part"), card.strip, axis("5 min ago"))));
  card.root.dataset.state = "unknown";
  return card;
}

function axis(text) {
  return inside(make("p", "axis"), make("span", "", text), make("span", "", "now"));
}

// --- drawings -----------------------------------------------------------------------------------------------------

function inks() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), soft: of("soft"), line: of("line"), trace: of("trace"), present: of("present"), unknown: of("unknown") };
}

// The canvas's drawing area in CSS pixels, cleared; null while it has no size.
function canvasOf(canvas) {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return null;
  const scale = Math.min(3, devicePixelRatio || 1);
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

let hatching = null;
function hatch(pen, color) {
  if (!hatching || hatching.color !== color) {
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [8, 8];
    const brush = tile.getContext("2d");
    brush.strokeStyle = color;
    brush.lineWidth = 2.5;
    for (const x of [-8, 0, 8]) { brush.moveTo(x - 1, 9); brush.lineTo(x + 9, -1); }
    brush.stroke();
    hatching = { color, tile };
  }
  return pen.createPattern(hatching.tile, "repeat");
}

// The organ's past as of this moment: while no news comes it moves on, and what the run last said is no longer known.
function past(organ, now) {
  if (now.trusted) return { ...organ, unknownS: 0 };
  const agoS = quietS + (performance.now() - heardMs) / 1000;
  const unknownS = Math.min(STRIP_S, agoS + (view.feed === "running" ? 0 : view.feed_for_s));
  return {
    onset: organ.onset,
    offset: organ.offset,
    trace: organ.trace.map(([time, score]) => [time - agoS, score]).filter(([time]) => time <= -unknownS),
    spans: organ.spans.map(([state, from, to]) => [state, from - agoS, to === null ? null : to - agoS]),
    unknownS,
  };
}

function drawCard(card, organ, now, ink) {
  const shown = past(organ, now);
  drawTrace(card.trace, shown, ink);
  drawStrip(card.strip, shown, ink);
}

function drawTrace(canvas, organ, ink) {
  const area = canvasOf(canvas);
  if (!area) return;
  const { pen, width, height } = area;
  const x = (time) => (1 + time / TRACE_S) * width;
  const y = (score) => 2 + (1 - Math.min(1, Math.max(0, score))) * (height - 4);
  for (const [from, to] of unknownStretches(organ)) {
    pen.fillStyle = hatch(pen, ink.unknown);
    pen.fillRect(x(from), 0, Math.max(1, x(to) - x(from)), height);
  }
  pen.lineWidth = 1;
  pen.strokeStyle = ink.line;
  pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  drawThresholds(pen, [organ.onset, organ.offset].map(y), width, ink);
  pen.strokeStyle = ink.trace;
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.beginPath();
  let last = null;
  for (const [time, score] of organ.trace) {
    if (score === null) { last = null; continue; }
    if (last === null || time - last > 1) pen.moveTo(x(time), y(score));
    else pen.lineTo(x(time), y(score));
    last = time;
  }
  pen.stroke();
}

function drawThresholds(pen, heights, width, ink) {
  pen.strokeStyle = ink.soft;
  pen.setLineDash([2, 4]);
  for (const height of heights) {
    pen.beginPath();
    pen.moveTo(0, height);
    pen.lineTo(width, height);
    pen.stroke();
  }
  pen.setLineDash([]);
}

function unknownStretches({ spans, unknownS }) {
  const stretches = spans.filter(([state]) => state === "unknown").map(([, from, to]) => [from, to === null ? 0 : to]);
  if (unknownS > 0) stretches.push([-unknownS, 0]);
  return stretches.map(([from, to]) => [Math.max(-STRIP_S, from), Math.min(0, to)]).filter(([from, to]) => to > from);
}

function drawStrip(canvas, organ, ink) {
  const area = canvasOf(canvas);
  if (!area) return;
  const { pen, width, height } = area;
  const x = (time) => (1 + Math.max(-STRIP_S, Math.min(0, time)) / STRIP_S) * width;
  const bar = (from, to, top, tall, fill) => {
    pen.fillStyle = fill;
    pen.fillRect(x(from), top, Math.max(2, x(to) - x(from)), tall); // nothing is too short to be seen
  };
  for (const [state, from, to] of organ.spans) {
    const end = Math.min(-organ.unknownS, to === null ? 0 : to);
    if (end <= from) continue;
    if (state === "present") bar(from, end, 0, height, ink.trace);
    else if (state === "absent") bar(from, end, height / 2 - 1.5, 3, ink.soft);
  }
  for (const [from, to] of unknownStretches(organ)) bar(from, to, 0, height, hatch(pen, ink.unknown));
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  pen.fillStyle = ink.line;
  for (let minute = 1; minute * 60 < STRIP_S; minute += 1) pen.fillRect(Math.round(x(-60 * minute)), height - 5, 1, 5);
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
  if (pictureBusy || document.hidden || !view || !view.has_picture || view.version === pictureVersion || !verdict().trusted) return;
  pictureBusy = true;
  const version = view.version;
  try {
    const answer = await fetch("/picture.jpg", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    if (answer.status === 200) {
      const picture = await createImageBitmap(await answer.blob());
      const canvas = at("picture");
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        [canvas.width, canvas.height] = [picture.width, picture.height];
      }
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
      pictureMs = performance.now();
      pictureVersion = version;
    }
  } catch {
    // the next message tries again
  } finally {
    pictureBusy = false;
  }
}

connect();
setInterval(watch, 250);
document.addEventListener("visibilitychange", () => { watch(); fetchPicture(); });
addEventListener("pageshow", watch);
show();
