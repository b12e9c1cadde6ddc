// Scores over time, one plot per organ, drawn by uPlot while it is on the screen: of many frames the lowest and the
// highest of each pixel, so that no peak is lost.
import { firstFrom } from "./intervals.js";
import { hatch, within } from "./paint.js";

const AT_FIRST = 4; // plots drawn before it is known what is on the screen
const BLOCKS = 3; // so many blocks per pixel at least, before frames are thinned out
const LONG_S = 1; // as pauses.py: after so long without a frame a line is broken
const LONG_TIMES = 5;
const SAMPLE = 10000; // waits that are enough to know the usual one

export class Traces {
  constructor(run, elements) {
    this.run = run;
    this.elements = elements;
    this.plots = elements.map(() => null);
    this.near = elements.map((_, place) => place < AT_FIRST);
    this.ticks = [];
    this.breaks = breaksOf(run);
    this.last = null;
    const seen = new IntersectionObserver((entries) => this.appear(entries), { rootMargin: "300px" });
    for (const element of elements) seen.observe(element);
    addEventListener("beforeprint", () => this.all());
  }

  theme(colours) {
    this.colours = colours;
    this.plots.forEach((plot) => plot?.destroy());
    this.plots.fill(null);
  }

  appear(entries) {
    for (const entry of entries) this.near[Number(entry.target.dataset.organ)] = entry.isIntersecting;
    if (this.last) this.draw(...this.last);
  }

  all() {
    this.near.fill(true);
    if (this.last) this.draw(...this.last);
  }

  draw(scale, smooth, intervals, options) {
    this.last = [scale, smooth, intervals, options];
    this.elements.forEach((element, organ) => {
      if (!this.near[organ]) return;
      const [width, height] = [element.clientWidth, element.clientHeight];
      if (width < 2 || height < 2) return;
      this.plots[organ] ??= this.plot(element, organ);
      const plot = this.plots[organ];
      // A batch is drawn at once. What uPlot puts off comes too late for paper: Firefox copies the page before.
      plot.batch(() => {
        if (plot.width !== width || plot.height !== height) plot.setSize({ width, height });
        plot.setData(thinned(this.run, this.run.raw[organ], smooth[organ], scale, this.breaks));
      });
    });
  }

  plot(element, organ) {
    const { colours } = this;
    const line = (stroke, width) => ({ stroke, width: (width * colours.size) / 16, points: { show: false }, pxAlign: 0 });
    return new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        padding: [0, 0, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        select: { show: false },
        scales: {
          x: { time: false, range: () => [this.last[0].from_s, this.last[0].to_s] },
          y: { range: [-0.04, 1.04] },
        },
        axes: [{ show: false }, { show: false }],
        series: [{}, line(colours.raw, 1), line(colours.smooth, 2)],
        hooks: { drawClear: [(plot) => this.behind(plot, organ)], draw: [(plot) => this.lonely(plot)] },
      },
      [[], [], []],
      element,
    );
  }

  // Presence tinted, unknown hatched, thresholds dotted.
  behind(plot, organ) {
    const [scale, , intervals, options] = this.last;
    const { ctx, bbox } = plot;
    const { colours } = this;
    const x = (time_s) => bbox.left + ((time_s - scale.from_s) / (scale.to_s - scale.from_s)) * bbox.width;
    const y = (score) => plot.valToPos(score, "y", true);
    const ratio = window.devicePixelRatio || 1;
    ctx.save();
    const pattern = hatch(ctx, colours.unknown, ratio, colours.size);
    for (const interval of within(intervals[organ], scale.from_s, scale.to_s)) {
      if (interval.state === "absent") continue;
      const [left, right] = [Math.max(bbox.left, x(interval.start_s)), Math.min(bbox.left + bbox.width, x(interval.end_s))];
      ctx.globalAlpha = interval.state === "present" ? 1 : 0.3;
      ctx.fillStyle = interval.state === "present" ? colours["present-soft"] : pattern;
      ctx.fillRect(left, bbox.top, Math.max(ratio, right - left), bbox.height);
    }
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colours.line;
    ctx.lineWidth = ratio;
    ctx.beginPath();
    for (const tick_s of this.ticks) {
      const at = Math.round(x(tick_s)) + 0.5;
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
    }
    ctx.stroke();
    ctx.strokeStyle = colours.soft;
    ctx.setLineDash([2 * ratio, 4 * ratio]);
    ctx.beginPath();
    for (const level of [options[organ].onset, options[organ].offset]) {
      ctx.moveTo(bbox.left, y(level));
      ctx.lineTo(bbox.left + bbox.width, y(level));
    }
    ctx.stroke();
    ctx.restore();
  }

  // A frame between gaps makes no line: it becomes a dot.
  lonely(plot) {
    const { ctx, data } = plot;
    const ratio = window.devicePixelRatio || 1;
    ctx.save();
    ctx.fillStyle = this.colours.smooth;
    const [times, , scores] = data;
    for (let at = 0; at < times.length; at++) {
      if (scores[at] === null || (scores[at - 1] ?? null) !== null || (scores[at + 1] ?? null) !== null) continue;
      ctx.beginPath();
      ctx.arc(plot.valToPos(times[at], "x", true), plot.valToPos(scores[at], "y", true), (3 * ratio * this.colours.size) / 16, 0, 7);
      ctx.fill();
    }
    ctx.restore();
  }
}

// (T,) before which rows a line is broken: a gap, or much more time than usual.
function breaksOf(run) {
  const breaks = new Uint8Array(run.frames);
  const waits = new Float64Array(Math.max(0, run.frames - 1));
  for (let row = 0; row < waits.length; row++) waits[row] = run.shown_s[row + 1] - run.shown_s[row];
  const some = waits.filter((_, row) => row % Math.ceil(waits.length / SAMPLE) === 0);
  const usual_s = some.length ? some.sort()[some.length >> 1] : 0;
  const long_s = Math.max(LONG_S, LONG_TIMES * usual_s);
  for (let row = 0; row < waits.length; row++) if (waits[row] > long_s) breaks[row + 1] = 1;
  for (const gap of run.gaps) {
    const row = firstFrom(run.shown_s, gap.start_s - 1e-6);
    if (row < run.frames) breaks[row] = 1;
  }
  return breaks;
}

// [times, raw, smooth] for uPlot; null where there is no score, and where a line is broken.
export function thinned(run, raw, smooth, scale, breaks) {
  const times = run.shown_s;
  const first = Math.max(0, firstFrom(times, scale.from_s) - 1);
  const end = Math.min(times.length, firstFrom(times, scale.to_s) + 1);
  const step = Math.max(1, Math.floor((end - first) / (BLOCKS * Math.max(1, scale.width))));
  const [x, low, high] = [[], [], []];
  const put = (row) => {
    x.push(times[row]);
    low.push(Number.isNaN(raw[row]) ? null : raw[row]);
    high.push(Number.isNaN(smooth[row]) ? null : smooth[row]);
  };
  for (let block = first; block < end; block += step) {
    const until = Math.min(end, block + step);
    let broken = false;
    for (let row = block; row < until; row++) if (breaks[row]) broken = true;
    if (broken) {
      x.push(times[block]);
      low.push(null);
      high.push(null);
    }
    if (step === 1) {
      put(block);
      continue;
    }
    for (const row of extremes(raw, smooth, block, until)) put(row);
  }
  return [x, low, high];
}

// The rows of the lowest and highest of both curves, in order; the first where there are no scores.
function extremes(raw, smooth, from, to) {
  const rows = new Set();
  for (const column of [raw, smooth]) {
    let [lowest, highest, gone] = [-1, -1, -1];
    for (let row = from; row < to; row++) {
      const score = column[row];
      if (Number.isNaN(score)) gone = row;
      else {
        if (lowest < 0 || score < column[lowest]) lowest = row;
        if (highest < 0 || score > column[highest]) highest = row;
      }
    }
    for (const row of [lowest, highest, gone]) if (row >= 0) rows.add(row);
  }
  return [...rows].sort((a, b) => a - b);
}
