// The index: clips with a strip per organ, sorted and filtered.
import { coloursOf, paintStrip, wiped } from "./paint.js";
import { themeButton } from "./theme.js";
import { button, counted, lasting, make, percent } from "./words.js";

const STATES = ["absent", "present", "unknown"];
const AT_ONCE = 100;
const WRONG = ["truncated", "damaged", "interrupted"];
const at = (id) => document.getElementById(id);

const clips = JSON.parse(at("clips-data").textContent).clips;
const organs = [...new Set(clips.flatMap((clip) => Object.keys(clip.organs ?? {})))];
const failed = (clip) => clip.failed !== "" || WRONG.includes(clip.verdict);
const summed = (clip, name) => own(clip).reduce((sum, [, one]) => sum + one[name], 0);

const FILTERS = {
  "all clips": () => true,
  "with the organ in view": (clip) => summed(clip, "present_s") > 0,
  "without the organ in view": (clip) => !clip.failed && summed(clip, "present_s") === 0,
  uncertain: (clip) => summed(clip, "uncertain_s") > 0,
  "failed or damaged": failed,
};
const ORDERS = {
  "by name": (a, b) => a.title.localeCompare(b.title, "en", { numeric: true }),
  "most seconds in view first": (a, b) => summed(b, "present_s") - summed(a, "present_s"),
  "fewest seconds in view first": (a, b) => summed(a, "present_s") - summed(b, "present_s"),
  "most uncertain first": (a, b) => summed(b, "uncertain_s") - summed(a, "uncertain_s"),
  "failed first": (a, b) => Number(failed(b)) - Number(failed(a)),
};
let colours = {};
let shown = [];

// Of the chosen organ, or of all.
function own(clip) {
  return Object.entries(clip.organs ?? {}).filter(([organ]) => at("organ").value === "" || organ === at("organ").value);
}

function refresh() {
  const words = at("name").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (clip) => words.every((word) => clip.title.toLowerCase().includes(word));
  shown = clips.filter((clip) => fits(clip) && FILTERS[at("filter").value](clip) && summed(clip, "present_s") >= Number(at("least").value));
  shown.sort((a, b) => ORDERS[at("sort").value](a, b) || ORDERS["by name"](a, b));
  at("count").textContent = `${shown.length.toLocaleString("en-US")} of ${counted(clips.length, "clip")}`;
  at("clips").replaceChildren();
  grow();
}

function grow() {
  const from = at("clips").children.length;
  at("clips").append(...shown.slice(from, from + AT_ONCE).map(card));
  paintAll();
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
  const card = make("article", "clip", head);
  card.clip = clip;
  for (const [organ, one] of own(clip)) {
    const strip = make("canvas");
    strip.organ = one;
    strip.setAttribute("role", "img");
    const said = one.times ? `${lasting(one.present_s)} in view, ${one.times}×` : "not in view";
    const unsure = one.uncertain_s > 0.005 ? `, ${lasting(one.uncertain_s)} uncertain` : "";
    strip.setAttribute("aria-label", `${organ}: ${said}${unsure}`);
    card.append(make("div", "row", make("span", "whose", organ), strip, make("span", "numbers", said + unsure)));
  }
  return card;
}

function paintAll() {
  for (const card of at("clips").children) for (const strip of card.querySelectorAll("canvas")) near.observe(strip);
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
  paintAll();
}

function begin() {
  at("organ").append(new Option("all organs", ""), ...organs.map((organ) => new Option(organ, organ)));
  at("filter").append(...Object.keys(FILTERS).map((name) => new Option(name, name)));
  at("sort").append(...Object.keys(ORDERS).map((name) => new Option(name, name)));
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
  refresh();
  document.body.dataset.ready = Math.round(performance.now());
}

begin();
