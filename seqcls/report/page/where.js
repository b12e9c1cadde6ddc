// seqcls/algebra once more, for the sliders: organs that are made of others, decided stretch by stretch. See there for
// the logic and the why.
import { firstFrom } from "./intervals.js";
import { TIME_TOLERANCE_S } from "./smoothing.js";

const STATES = ["absent", "unknown", "present"];
const [ABSENT, UNKNOWN, PRESENT] = [0, 1, 2];

// One list of intervals for each of run.made_of. scored: the lists of the organs that have scores, in their order.
export function madeOfOthers(run, scored) {
  if (!run.made_of?.length) return [];
  const grid = gridOf(run, scored);
  return run.made_of.map(([name, tree]) => {
    const made = evaluated(tree, grid);
    const own = { codes: made.codes, reasons: reasonsOf(made, grid) };
    grid.organs.set(name, own);
    return intervalsOf(own, grid, run);
  });
}

// All organs' states over common stretches, [edges_s[k], edges_s[k + 1]).
function gridOf(run, scored) {
  const all = Float64Array.from([run.start_s, run.end_s, ...scored.flatMap((own) => own.map((one) => one.start_s))]).sort();
  const edges_s = [...all.filter((edge_s, at) => at === 0 || edge_s - all[at - 1] > TIME_TOLERANCE_S)];
  if (edges_s.at(-1) < run.end_s || edges_s.length < 2) edges_s.push(run.end_s);
  const organs = new Map();
  scored.forEach((own, organ) => {
    const codes = new Int8Array(edges_s.length - 1);
    const reasons = [];
    let at = 0;
    for (let k = 0; k < codes.length; k++) {
      while (at + 1 < own.length && own[at + 1].start_s <= edges_s[k] + TIME_TOLERANCE_S) at++;
      codes[k] = STATES.indexOf(own[at].state);
      reasons.push(own[at].reason);
    }
    organs.set(run.scored_organs[organ], { codes, reasons });
  });
  return { edges_s, organs };
}

function evaluated([operator, ...parts], grid) {
  if (operator === "organ") return { codes: grid.organs.get(parts[0]).codes, organs: [parts[0]] };
  const made = parts.map((part) => evaluated(part, grid));
  const organs = [...new Set(made.flatMap((one) => one.organs))];
  if (operator === "not") return { codes: made[0].codes.map((code) => PRESENT - code), organs };
  return { codes: JOINS[operator](made[0].codes, made[1].codes), organs };
}

const JOINS = {
  or: (left, right) => left.map((code, k) => Math.max(code, right[k])),
  and: (left, right) => left.map((code, k) => Math.min(code, right[k])),
  before,
  during,
};

function during(left, right) {
  const [possibleOf, inside] = [around(left), among(right, (code) => code !== PRESENT)];
  const outside = among(right, (code) => code === ABSENT);
  const made = left.map((code, k) => (code === UNKNOWN && right[k] !== ABSENT ? UNKNOWN : ABSENT));
  for (const run of runs(left, (code) => code === PRESENT)) {
    const state = inside(possibleOf(run)) === 0 ? PRESENT : outside(run) === 0 ? UNKNOWN : ABSENT;
    made.fill(state, ...run);
  }
  return made;
}

function before(left, right) {
  const possibleOf = around(left);
  const present = among(right, (code) => code === PRESENT);
  const last = (found, side) => found.reduce((latest, run) => Math.max(latest, run[side]), -1);
  const certain = last(runs(right, (code) => code >= UNKNOWN).filter((run) => present(run) > 0), 0);
  const start = last(runs(right, (code) => code === PRESENT), 0);
  const unknownEnd = last(runs(right, (code) => code === UNKNOWN), 1);
  const made = left.map((code, k) => (code === UNKNOWN && k < Math.max(start, unknownEnd) ? UNKNOWN : ABSENT));
  for (const run of runs(left, (code) => code === PRESENT)) {
    const perhaps = start >= run[1] || unknownEnd > run[1];
    made.fill(certain >= possibleOf(run)[1] ? PRESENT : perhaps ? UNKNOWN : ABSENT, ...run);
  }
  return made;
}

// [begin, end) of each run of codes that fit.
function runs(codes, fits) {
  const found = [];
  for (let k = 0; k < codes.length; k++) {
    if (!fits(codes[k])) continue;
    if (found.length && found.at(-1)[1] === k) found.at(-1)[1] = k + 1;
    else found.push([k, k + 1]);
  }
  return found;
}

// A function: the run of what is present or unknown around a run of what is present.
function around(codes) {
  const possible = runs(codes, (code) => code >= UNKNOWN);
  return ([begin]) => possible.findLast((run) => run[0] <= begin);
}

// A function: in how many stretches of a run the code fits.
function among(codes, fits) {
  const count = new Uint32Array(codes.length + 1);
  codes.forEach((code, k) => (count[k + 1] = count[k] + (fits(code) ? 1 : 0)));
  return ([begin, end]) => count[end] - count[begin];
}

function reasonsOf({ codes, organs }, grid) {
  return Array.from(codes, (code, k) => {
    if (code !== UNKNOWN) return "";
    const each = new Set(organs.map((organ) => grid.organs.get(organ).reasons[k]).filter(Boolean));
    return [...each].join("; ") || "undecided: another stretch is unknown";
  });
}

// Equal neighbours become one.
function intervalsOf({ codes, reasons }, { edges_s }, run) {
  const intervals = [];
  for (let begin = 0, end; begin < codes.length; begin = end) {
    for (end = begin + 1; end < codes.length && codes[end] === codes[begin] && reasons[end] === reasons[begin]; ) end++;
    const isLast = end === codes.length;
    const [start_s, end_s] = [edges_s[begin], isLast ? run.end_s : edges_s[end]];
    const first = firstFrom(run.shown_s, start_s - TIME_TOLERANCE_S);
    const last = isLast ? run.frames : firstFrom(run.shown_s, end_s - TIME_TOLERANCE_S);
    const some = last > first;
    intervals.push({
      state: STATES[codes[begin]],
      start_s,
      end_s,
      start_index: some ? run.index[first] : -1,
      end_index: some ? run.index[last - 1] : -1,
      mean_score: NaN,
      peak_score: NaN,
      reason: reasons[begin],
    });
  }
  return intervals;
}
