// The index: clips with a strip per organ, sorted and filtered.
import { coloursOf, paintStrip, wiped } from "./paint.js";
import { themeButton } from "./theme.js";
import { button, counted, lasting, make, percent, unseen } from "./words.js";

const STATES = ["absent", "present", "unknown"];
const AT_ONCE = 40;
const WRONG = ["truncated", "damaged", "interrupted"];
const at = (id) => document.getElementById(id);

const clips = JSON.parse(at("clips-data").textContent).clips;
const organs = [...new Set(clips.flatMap((clip) => Object.keys(clip.organs ?? {})))];
const failed = (clip) => clip.failed !== "" || WRONG.includes(clip.verdict);
const collator = new Intl.Collator("en", { numeric: true });
[...clips].sort((a, b) => collator.compare(a.title, b.title)).forEach((clip, rank) => Object.assign(clip, { rank, lower: clip.title.toLowerCase() }));

// Of the chosen organ, or of all: a clip's sums are made anew when another one is chosen. most_s is how long it may be in
// view, with all that is unknown: without end for a clip that failed, or whose model does not know the organ.
const FILTERS = {
  "all clips": () => true,
  "with the organ in view": (clip) => clip.present_s > 0,
  "without the organ in view": (clip) => clip.most_s === 0,
  uncertain: (clip) => clip.uncertain_s > 0,
  "failed or damaged": failed,
};
const ORDERS = {
  "by name": () => 0,
  "most seconds in view first": (a, b) => b.present_s - a.present_s,
  "fewest seconds in view first": (a, b) => rising(a.most_s, b.most_s),
  "most uncertain first": (a, b) => b.uncertain_s - a.uncertain_s,
  "failed first": (a, b) => Number(failed(b)) - Number(failed(a)),
};
const rising = (a, b) => (a === b ? 0 : a - b);
let colours = {};
let shown = [];

function own(clip) {
  const organ = at("organ").value;
  return Object.entries(clip.organs ?? {}).filter(([name]) => organ === "" || name === organ);
}

function sum() {
  for (const clip of clips) {
    const known = own(clip);
    [clip.present_s, clip.uncertain_s, clip.most_s] = [0, 0, known.length ? 0 : Infinity];
    for (const [, one] of known) {
      clip.most_s += one.present_s + one.unknown_s;
      clip.present_s += one.present_s;
      clip.uncertain_s += one.uncertain_s;
    }
  }
}

function refresh() {
  const words = at("name").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [filter, order, least_s] = [FILTERS[at("filter").value], ORDERS[at("sort").value], Number(at("least").value)];
  shown = clips.filter((clip) => words.every((word) => clip.lower.includes(word)) && filter(clip) && clip.present_s >= least_s);
  shown.sort((a, b) => order(a, b) || a.rank - b.rank);
  at("count").textContent = `${shown.length.toLocaleString("en-US")} of ${counted(clips.length, "clip")}`;
  near.disconnect();
  at("clips").replaceChildren();
  grow();
}

function grow() {
  const from = at("clips").children.length;
  const cards = shown.slice(from, from + AT_ONCE).map(card);
  at("clips").append(...cards);
  observe(cards);
}

function card(clip) {
  const title = clip.link ? make("a", "", clip.title) : make("b", "", clip.title);
  if (clip.link) title.href = clip.link;
  const head = make("div", "clip-head", title);
  const mark = (level, text) => {
    const sign = make("span", "mark", text);
    sign.dataset.level = level;
    head.append(sign);
  };
  if (clip.failed) mark("bad", "failed");
  else if (failed(clip)) mark("bad", `input ${clip.verdict}`);
  if (!clip.failed && clip.coverage < 1) mark("fair", `${percent(clip.coverage)} scorable`);
  const why = clip.failed || clip.note;
  if (why) head.append(make("span", "hint", why));
  if (!clip.failed) head.append(make("span", "hint end", lasting(clip.end_s - clip.start_s)));
  const body = make("div", "clip-body", head);
  const card = make("article", "clip", ...(clip.picture ? [thumbnail(clip.picture)] : []), body);
  card.clip = clip;
  for (const [organ, one] of own(clip)) {
    const strip = make("canvas");
    strip.organ = one;
    strip.setAttribute("role", "img");
    const said = one.times ? `${lasting(one.present_s)} in view, ${one.times}×` : unseen(one.spans.map(([code]) => STATES[code]));
    const unsure = one.uncertain_s > 0.005 ? `, ${lasting(one.uncertain_s)} uncertain` : "";
    strip.setAttribute("aria-label", `${organ}: ${said}${unsure}`);
    body.append(make("div", "row", make("span", "whose", organ), strip, make("span", "numbers", said + unsure)));
  }
  return card;
}

// Read from its file when it comes near to the screen.
function thumbnail(address) {
  const image = make("img", "picture");
  Object.assign(image, { loading: "lazy", decoding: "async", alt: "", src: address });
  image.addEventListener("error", () => image.remove());
  return image;
}

function observe(cards) {
  for (const card of cards) for (const strip of card.querySelectorAll("canvas")) near.observe(strip);
}

function paint(strip) {
  const { clip } = strip.closest(".clip");
  const area = wiped(strip);
  const [from_s, to_s] = [clip.start_s, clip.end_s > clip.start_s ? clip.end_s : clip.start_s + 1];
  const spans = strip.organ.spans.map(([code, start_s], place, all) => ({ state: STATES[code], start_s, end_s: all[place + 1]?.[1] ?? to_s, reason: "" }));
  const scale = { from_s, to_s, width: area.width, x: (time_s) => ((time_s - from_s) / (to_s - from_s)) * area.width };
  paintStrip(area, { top: 0, height: area.height }, spans, scale, colours, { words: false });
}

const near = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && paint(entry.target)), { rootMargin: "400px" });

function theme() {
  colours = coloursOf(document.body);
  near.disconnect();
  observe(at("clips").children);
}

function begin() {
  at("organ").append(new Option("all organs", ""), ...organs.map((organ) => new Option(organ, organ)));
  at("filter").append(...Object.keys(FILTERS).map((name) => new Option(name, name)));
  at("sort").append(...Object.keys(ORDERS).map((name) => new Option(name, name)));
  at("organ").addEventListener("input", sum);
  for (const id of ["name", "organ", "filter", "least", "sort"]) at(id).addEventListener("input", refresh);
  at("tools").append(themeButton(theme), button("print", "print", "print this page", () => print()));
  colours = coloursOf(document.body);
  addEventListener("resize", theme);
  for (const rule of ["(prefers-color-scheme: dark)", "print"]) matchMedia(rule).addEventListener("change", theme);
  const end = make("div");
  at("clips").after(end);
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && at("clips").children.length < shown.length && grow(), { rootMargin: "800px" }).observe(end);
  addEventListener("beforeprint", () => {
    while (at("clips").children.length < Math.min(shown.length, 2000)) grow();
    document.querySelectorAll(".clip canvas").forEach(paint);
  });
  sum();
  refresh();
  document.body.dataset.ready = Math.round(performance.now());
}

begin();
