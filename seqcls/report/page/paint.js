// Strips: present is a full bar, absent a thin line, unknown hatched; each also has its word where there is room.
import { lengthOf } from "./words.js";

const NARROWEST_PX = 2; // nothing is too short to be seen
const WORD_PX = 7; // what a letter takes, about

// The page's colours by their names, anew whenever light and dark change.
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const colours = {};
  for (const name of ["ground", "plate", "ink", "soft", "line", "present", "present-soft", "absent", "unknown", "smooth", "raw"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.font = style.fontFamily;
  colours.size = parseFloat(style.fontSize);
  return colours;
}

export function hatch(context, colour, ratio, em = 16) {
  const size = Math.round((ratio * em) / 2);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 0.28 * size;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift - 2, size + 2);
    pen.lineTo(shift + size + 2, -2);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

// A canvas as large as its element; gives its context, in pixels of the page, wiped.
export function wiped(canvas) {
  const onPaper = document.documentElement.dataset.printing !== undefined; // there it is printed as lines, not as pixels
  const ratio = onPaper ? 1 : window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, ratio };
}

// Those of the intervals that reach into a stretch: they lie in order, without holes.
export function within(intervals, from_s, to_s) {
  let [low, high] = [0, intervals.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (intervals[middle].end_s < from_s) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < intervals.length && intervals[end].start_s <= to_s) end++;
  return intervals.slice(low, end);
}

export function paintStrip(area, box, intervals, scale, colours, { words = true } = {}) {
  const { context, ratio } = area;
  const { top, height } = box;
  const seen = within(intervals, scale.from_s, scale.to_s);
  const pattern = hatch(context, colours.unknown, ratio, colours.size);
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  const bars = seen.map((interval) => {
    const [left, right] = [scale.x(interval.start_s), scale.x(interval.end_s)];
    const width = Math.max(right - left, NARROWEST_PX);
    return { interval, left: Math.min(left, scale.width - width), width };
  });
  for (const { interval, left, width } of bars) {
    if (interval.state === "absent") {
      context.fillStyle = colours.absent;
      const thick = height < 8 ? 0.5 : 2;
      context.fillRect(left, top + (height - thick) / 2, width, thick);
    }
  }
  for (const { interval, left, width } of bars) {
    if (interval.state === "absent") continue;
    context.fillStyle = interval.state === "present" ? colours.present : pattern;
    context.fillRect(left, top, width, height);
    if (interval.state === "unknown") {
      context.strokeStyle = colours.unknown;
      context.lineWidth = 1;
      context.strokeRect(left + 0.5, top + 0.5, Math.max(0, width - 1), height - 1);
    }
  }
  if (!words) return;
  context.font = `600 ${Math.max(11, Math.min(colours.size, height * 0.5))}px ${colours.font}`;
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const { interval, left, width } of bars) {
    if (interval.state === "absent") continue;
    const [from, to] = [Math.max(0, left), Math.min(scale.width, left + width)];
    const text = wordFor(interval, to - from, context);
    if (!text) continue;
    if (interval.state === "unknown") {
      const half = context.measureText(text).width / 2 + 4;
      context.fillStyle = colours.ground;
      context.fillRect((from + to) / 2 - half, top + 3, 2 * half, height - 6);
    }
    context.fillStyle = interval.state === "present" ? "#ffffff" : colours.ink;
    context.fillText(text, (from + to) / 2, top + height / 2 + 0.5);
  }
}

function wordFor(interval, width, context) {
  const long = `${interval.state} ${lengthOf(interval).toFixed(1)} s`;
  const all = interval.state === "unknown" && interval.reason ? [`unknown: ${interval.reason}`, interval.reason, "unknown", "?"] : [long, interval.state];
  if (width < 2 * WORD_PX) return "";
  return all.find((text) => context.measureText(text).width + 12 <= width) ?? "";
}

// Times to write on an axis: round, and not nearer to each other than ``least_px``.
const STEPS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

export function ticksOf(from_s, to_s, width, least_px) {
  const least_s = ((to_s - from_s) * least_px) / Math.max(1, width);
  const step_s = STEPS_S.find((step) => step >= least_s) ?? 86400 * Math.ceil(least_s / 86400);
  const ticks = [];
  for (let number = Math.ceil(from_s / step_s - 1e-9); number * step_s <= to_s + 1e-9 * step_s && ticks.length < 1000; number++) ticks.push(number * step_s);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step_s) + 1e-9)), step_s };
}
