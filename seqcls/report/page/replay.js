// What `seqcls replay` gives with these options, from the scores that the page holds.
import { IntervalBuilder, firstFrom, intervalsFromEvents } from "./intervals.js";
import { drained, smoothedInPieces } from "./smoothing.js";
import { madeOfOthers } from "./where.js";

// {smooth, intervals}: scores of each organ that has some, intervals of these, of those that are made of them, and those
// that are given and stay (labels).
// options: one set per organ that has scores.
// smooth: these scores, smoothed so already.
export function replay(run, smoothing, options, smooth = smoothedOf(run, smoothing)) {
  const gapRows = rowsOfGaps(run);
  const intervals = smooth.map((scores, organ) => {
    const events = eventsOf(run, scores, gapRows, options[organ]);
    return intervalsFromEvents(events, run.shown_s, run.index, scores, run.end_s);
  });
  return { smooth, intervals: [...intervals, ...madeOfOthers(run, intervals), ...(run.given ?? [])] };
}

// The smoothed scores alone; in pieces, for a page that is to answer meanwhile.
export function piecesOf(run, smoothing) {
  return smoothedInPieces(run.time_s, run.raw, run.scored, rowsOfGaps(run), run.gaps, smoothing);
}

export function smoothedOf(run, smoothing) {
  return drained(piecesOf(run, smoothing));
}

// Before which row each gap stands: the first frame that is not before its end.
function rowsOfGaps(run) {
  let latest = 0;
  return run.gaps.map((gap) => (latest = Math.max(latest, firstFrom(run.shown_s, gap.end_s))));
}

function eventsOf(run, scores, gapRows, options) {
  const builder = new IntervalBuilder(options);
  const events = [];
  let gap = 0;
  for (let row = 0; row <= scores.length; row++) {
    for (; gap < gapRows.length && gapRows[gap] === row; gap++) events.push(...builder.gap(run.gaps[gap]));
    if (row === scores.length) break;
    const news = builder.push(run.index[row], run.time_s[row], scores[row], run.reasons[run.reasonOf[row]]);
    for (const event of news) events.push(event);
  }
  events.push(...builder.close(run.end_s));
  return events;
}

// Every organ's options with those fields changed that are stated, as `seqcls replay` changes them.
export function changedIntervals(options, stated) {
  return options.map((own) => {
    const changed = { ...own, ...stated };
    if (stated.onset !== undefined && stated.offset === undefined) changed.offset = Math.min(own.offset, stated.onset);
    return changed;
  });
}
