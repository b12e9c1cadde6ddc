// seqcls/smoothing.py once more, for the sliders: the same windows, filters and roundings, so that the page finds what
// `seqcls replay` finds. Scores are float32, all arithmetic in between is float64, as there.

export const TIME_TOLERANCE_S = 1e-6; // as in types.py: PTS do not add up exactly in float seconds
const CORRELATION_S = 0.2;
const MARGIN = 0.01;

export const SMOOTHING_USES = {
  none: [],
  exponential: ["time_constant_s"],
  median: ["window_s", "look_ahead_s"],
  mean: ["window_s", "look_ahead_s"],
  hmm: ["dwell_s"],
};

// By how much a smoothed score lags behind its frame at most.
export function delayOf(options) {
  return options.kind === "median" || options.kind === "mean" ? options.look_ahead_s : 0;
}

const PIECE = 1 << 15; // rows between two pauses

// One Float32Array per organ. scored: (T,) whether a frame has scores; gapRows, gaps: stretches without any frame, and
// the row before which each stands. Pauses now and then, so that the page can answer meanwhile.
export function* smoothedInPieces(time_s, raw, scored, gapRows, gaps, options) {
  if (options.kind === "none" || raw.length === 0) return raw.map((column) => column.slice());
  if (options.kind === "exponential") return yield* filtered(raw, scored, exponential(time_s, options));
  if (options.kind === "hmm") return yield* filtered(raw, scored, markov(time_s, options));
  const rows = rowsOf(scored);
  if (runsBack(time_s, gapRows, gaps)) return streamed(time_s, raw, rows, gapRows, gaps, options);
  return yield* windowed(time_s, raw, rows, options);
}

// What a generator gives in the end.
export function drained(pieces) {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
}

function rowsOf(scored) {
  const rows = new Uint32Array(scored.length);
  let count = 0;
  for (let row = 0; row < scored.length; row++) if (scored[row]) rows[count++] = row;
  return rows.subarray(0, count);
}

function* filtered(raw, scored, makeFilter) {
  const all = raw.map((column) => new Float32Array(column.length).fill(NaN));
  for (const [organ, column] of raw.entries()) {
    const filter = makeFilter();
    for (let from = 0; from < column.length; from += PIECE) {
      filterPiece(column, scored, filter, all[organ], from, Math.min(from + PIECE, column.length));
      yield;
    }
  }
  return all;
}

function filterPiece(column, scored, filter, smooth, from, to) {
  for (let row = from; row < to; row++) if (scored[row]) smooth[row] = filter(row, column[row]);
}

const exponential = (time_s, { time_constant_s }) => () => {
  let before = -1;
  let value = 0;
  return (row, score) => {
    if (before < 0 || time_constant_s <= 0) value = score;
    else value += -Math.expm1(-Math.max(0, time_s[row] - time_s[before]) / time_constant_s) * (score - value);
    before = row;
    return value;
  };
};

const markov = (time_s, { dwell_s }) => () => {
  let present = 0.5;
  let before_s = -Infinity;
  return (row, score) => {
    const clipped = clip(score);
    const elapsed_s = Math.max(0, time_s[row] - before_s);
    const flip = -Math.expm1((-2 * elapsed_s) / dwell_s) / 2;
    const prior = present * (1 - flip) + (1 - present) * flip;
    const evidence = (prior / (1 - prior)) * (clipped / (1 - clipped)) ** Math.min(1, elapsed_s / CORRELATION_S);
    present = clip(evidence / (1 + evidence));
    before_s = time_s[row];
    return present;
  };
};

function clip(score) {
  return Math.min(Math.max(score, MARGIN), 1 - MARGIN);
}

// Whether any time, of a frame or of a gap's begin, lies before the one in front of it.
function runsBack(time_s, gapRows, gaps) {
  let latest_s = -Infinity;
  let gap = 0;
  for (let row = 0; row <= time_s.length; row++) {
    for (; gap < gaps.length && gapRows[gap] === row; gap++) {
      if (gaps[gap].start_s < latest_s) return true;
      latest_s = gaps[gap].start_s;
    }
    if (row < time_s.length) {
      if (time_s[row] < latest_s) return true;
      latest_s = time_s[row];
    }
  }
  return false;
}

function reach({ window_s, look_ahead_s }) {
  return [window_s - look_ahead_s + TIME_TOLERANCE_S, look_ahead_s + TIME_TOLERANCE_S];
}

// Times that never run back: a window is a stretch of the scored rows.
function* windowed(time_s, raw, rows, options) {
  const [behind_s, ahead_s] = reach(options);
  const count = rows.length;
  const first = new Uint32Array(count);
  const last = new Uint32Array(count);
  for (let place = 0, from = 0, to = 0; place < count; place++) {
    const now_s = time_s[rows[place]];
    while (time_s[rows[from]] < now_s - behind_s) from++;
    while (to < count && time_s[rows[to]] <= now_s + ahead_s) to++;
    first[place] = from;
    last[place] = options.look_ahead_s === 0 ? place + 1 : to;
  }
  const all = raw.map((column) => new Float32Array(column.length).fill(NaN));
  for (const [organ, column] of raw.entries()) {
    const dense = new Float64Array(count);
    for (let place = 0; place < count; place++) dense[place] = column[rows[place]];
    const reduced = new Float32Array(count);
    const reduce = options.kind === "mean" ? means(dense, first, last, reduced, raw.length === 1) : medians(dense, first, last, reduced);
    for (let from = 0; from < count; from += PIECE) {
      reduce(from, Math.min(from + PIECE, count));
      yield;
    }
    for (let place = 0; place < count; place++) all[organ][rows[place]] = reduced[place];
  }
  return all;
}

const means = (dense, first, last, reduced, alone) => (begin, end) => {
  for (let place = begin; place < end; place++) {
    const from = first[place];
    const to = last[place];
    reduced[place] = (alone ? pairwiseSum(dense, from, to - from) : plainSum(dense, from, to)) / (to - from);
  }
};

// The window is kept sorted. Mostly one score goes and one comes: what lies between their places moves by one.
function medians(dense, first, last, reduced) {
  let sorted = new Float64Array(64);
  let size = 0;
  let [from, to] = [0, 0];
  let strange = 0; // scores that are no numbers
  const placeOf = (value) => {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const settle = (value, at) => {
    while (at > 0 && sorted[at - 1] > value) sorted[at] = sorted[--at];
    while (at + 1 < size && sorted[at + 1] < value) sorted[at] = sorted[++at];
    sorted[at] = value;
  };
  const put = (value) => {
    if (size === sorted.length) {
      const larger = new Float64Array(2 * size);
      larger.set(sorted);
      sorted = larger;
    }
    settle(value, size++);
  };
  const drop = (value) => {
    const at = placeOf(value);
    sorted.copyWithin(at, at + 1, size--);
  };
  return (begin, end) => {
    for (let place = begin; place < end; place++) {
      while (to < last[place] || from < first[place]) {
        const comes = to < last[place];
        const goes = from < first[place];
        const coming = comes ? dense[to++] : NaN;
        const going = goes ? dense[from++] : NaN;
        if (comes && Number.isNaN(coming)) strange++;
        if (goes && Number.isNaN(going)) strange--;
        if (!Number.isNaN(coming) && !Number.isNaN(going)) settle(coming, placeOf(going));
        else if (!Number.isNaN(coming)) put(coming);
        else if (!Number.isNaN(going)) drop(going);
      }
      reduced[place] = strange ? NaN : middleOf(sorted, size);
    }
  };
}

function middleOf(sorted, size) {
  const half = size >> 1;
  return size % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Frame by frame, as a live run does it: what a window holds depends on what has come until its frame is finished.
function streamed(time_s, raw, rows, gapRows, gaps, options) {
  const [behind_s, ahead_s] = reach(options);
  const scored = new Set(rows);
  const smooth = raw.map((column) => new Float32Array(column.length).fill(NaN));
  const waiting = []; // {row, time_s}; a gap has the row -1
  let [given, dropped] = [0, 0];
  const known = [];
  const release = (now_s) => {
    for (; given < waiting.length && now_s > waiting[given].time_s + ahead_s; given++) {
      const item = waiting[given];
      if (!scored.has(item.row)) continue;
      while (time_s[known[dropped]] < item.time_s - behind_s) dropped++;
      const inside = known.slice(dropped).filter((row) => time_s[row] <= item.time_s + ahead_s);
      raw.forEach((column, organ) => {
        const values = Float64Array.from(inside, (row) => column[row]);
        smooth[organ][item.row] = reduced(values, options.kind, raw.length === 1);
      });
    }
  };
  const push = (row, at_s) => {
    release(at_s);
    waiting.push({ row, time_s: at_s });
    if (scored.has(row)) known.push(row);
    if (options.look_ahead_s === 0) release(Infinity);
  };
  let gap = 0;
  for (let row = 0; row <= time_s.length; row++) {
    for (; gap < gaps.length && gapRows[gap] === row; gap++) push(-1, gaps[gap].start_s);
    if (row < time_s.length) push(row, time_s[row]);
  }
  release(Infinity);
  return smooth;
}

function reduced(values, kind, alone) {
  if (kind === "mean") {
    return (alone ? pairwiseSum(values, 0, values.length) : plainSum(values, 0, values.length)) / values.length;
  }
  return values.some(Number.isNaN) ? NaN : middleOf(values.sort(), values.length);
}

function plainSum(values, from, to) {
  let sum = 0;
  for (let at = from; at < to; at++) sum += values[at];
  return sum;
}

// NumPy adds up neighbours in memory in this order (pairwise summation, eight at a time), which decides the last bit.
export function pairwiseSum(values, from, count) {
  if (count < 8) {
    let sum = -0;
    for (let at = from; at < from + count; at++) sum += values[at];
    return sum;
  }
  if (count <= 128) {
    const r = Float64Array.from(values.subarray(from, from + 8));
    let done = 8;
    for (; done < count - (count % 8); done += 8) for (let k = 0; k < 8; k++) r[k] += values[from + done + k];
    let sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
    for (; done < count; done++) sum += values[from + done];
    return sum;
  }
  let half = count >> 1;
  half -= half % 8;
  return pairwiseSum(values, from, half) + pairwiseSum(values, from + half, count - half);
}
