// What a reader says of one organ, as pure functions: each takes a track and gives the next one; nothing is changed in
// place. A track is {spans: [{first, behind, mark, by}], opened: null or {at, mark}}, as tracks.py has it: spans in
// order, half-open, on frame edges; by is "reader" or "model"; opened: from frame `at` on, and not yet until when.
// A function that has nothing to do gives back the very track that it was given.

export const EMPTY = Object.freeze({ spans: Object.freeze([]), opened: null });

const made = (first, behind, mark, by = "reader") => ({ first, behind, mark, by });
const other = (mark) => (mark === "present" ? "absent" : "present");

export function spanAt(track, frame) {
  return track.spans.find((span) => span.first <= frame && frame < span.behind) ?? null;
}

// The edges of all spans, each once, in order.
export function edges(track) {
  const all = track.spans.flatMap((span) => [span.first, span.behind]);
  return [...new Set(track.opened ? [...all, track.opened.at] : all)].sort((a, b) => a - b);
}

// What lies outside of [first, behind); a span that reaches over both ends becomes two.
function without(spans, first, behind) {
  return spans.flatMap((span) => [
    ...(span.first < first ? [{ ...span, behind: Math.min(span.behind, first) }] : []),
    ...(span.behind > behind ? [{ ...span, first: Math.max(span.first, behind) }] : []),
  ]);
}

function put(spans, ...pieces) {
  let left = spans;
  for (const piece of pieces.filter((one) => one.behind > one.first)) {
    left = [...without(left, piece.first, piece.behind), piece].sort((a, b) => a.first - b.first);
  }
  return left;
}

// Neighbours that say the same, and are said by the same, become one.
function joined(spans) {
  const whole = [];
  for (const span of spans) {
    const last = whole.at(-1);
    if (last && last.behind === span.first && last.mark === span.mark && last.by === span.by) {
      whole[whole.length - 1] = { ...last, behind: span.behind };
    } else whole.push(span);
  }
  return whole;
}

// An opened stretch ends where something is said already.
function limit(track, frames) {
  const next = track.spans.find((span) => span.first >= track.opened.at);
  return next ? next.first : frames;
}

export function add(track, first, behind, mark) {
  if (behind <= first) return track;
  return { ...track, spans: put(track.spans, made(first, behind, mark)) };
}

export function remove(track, frame) {
  const span = spanAt(track, frame);
  if (!span) return track;
  return { ...track, spans: track.spans.filter((one) => one !== span) };
}

export function setMark(track, frame, mark) {
  const span = spanAt(track, frame);
  if (!span || (span.mark === mark && span.by === "reader")) return track;
  return { ...track, spans: track.spans.map((one) => (one === span ? { ...one, mark, by: "reader" } : one)) };
}

export function accept(track, frame) {
  const span = spanAt(track, frame);
  return span ? setMark(track, frame, span.mark) : track;
}

export function split(track, frame) {
  const span = spanAt(track, frame);
  if (!span || span.first === frame) return track;
  const halves = [{ ...span, behind: frame }, { ...span, first: frame }];
  return { ...track, spans: track.spans.flatMap((one) => (one === span ? halves : [one])) };
}

// With the next one, over what lies between; the mark is that of the one under `frame`.
export function merge(track, frame) {
  const span = spanAt(track, frame);
  const next = span && track.spans[track.spans.indexOf(span) + 1];
  if (!next) return track;
  const spans = track.spans.filter((one) => one !== span && one !== next);
  return { ...track, spans: put(spans, made(span.first, next.behind, span.mark)) };
}

// Move the beginning ("first") or the end ("behind") of the span at `place`. A neighbour that meets it there moves its
// edge along; no span becomes shorter than a frame, and none is moved over.
export function moveEdge(track, place, side, to, frames) {
  const span = track.spans[place];
  const before = track.spans[place - 1];
  const after = track.spans[place + 1];
  if (!span) return track;
  const spans = [...track.spans];
  if (side === "first") {
    const meets = before && before.behind === span.first;
    const least = before ? (meets ? before.first + 1 : before.behind) : 0;
    const edge = Math.max(least, Math.min(to, span.behind - 1));
    if (edge === span.first) return track;
    spans[place] = { ...span, first: edge, by: "reader" };
    if (meets) spans[place - 1] = { ...before, behind: edge };
  } else {
    const meets = after && after.first === span.behind;
    const most = after ? (meets ? after.behind - 1 : after.first) : frames;
    const edge = Math.min(most, Math.max(to, span.first + 1));
    if (edge === span.behind) return track;
    spans[place] = { ...span, behind: edge, by: "reader" };
    if (meets) spans[place + 1] = { ...after, first: edge };
  }
  return { ...track, spans };
}

// The edge that lies nearest to a frame: {place, side}; a presence goes before what it meets there.
export function nearestEdge(track, frame) {
  let found = null;
  track.spans.forEach((span, place) => {
    for (const side of ["first", "behind"]) {
      const distance = Math.abs(span[side] - frame);
      const better = !found || distance < found.distance;
      if (better || (distance === found.distance && span.mark === "present")) found = { place, side, distance };
    }
  });
  return found;
}

// "It begins here" (mark "present") and "it ends here" ("absent"): all that labelling from nothing needs. Where nothing
// is said yet, what lies before gets the opposite mark, and from here on the mark holds until the other key, or accept.
// Inside of a span they put its beginning, or its end, right.
export function markFrom(track, frame, mark, frames) {
  if (track.opened && track.opened.at <= frame) {
    const until = limit(track, frames);
    if (frame < until) {
      const before = track.opened.mark === mark ? other(mark) : track.opened.mark;
      if (frame === track.opened.at && track.opened.mark === mark) return track;
      const spans = put(track.spans, made(track.opened.at, frame, before));
      return { spans: joined(spans), opened: { at: frame, mark } };
    }
    return markFrom(close(track, frames), frame, mark, frames);
  }
  const span = spanAt(track, frame);
  if (span) {
    const left = span.mark === mark ? other(mark) : span.mark;
    const spans = put(track.spans, made(span.first, frame, left), made(frame, span.behind, mark));
    return { ...track, spans: joined(spans) };
  }
  if (track.opened) {
    // Before the opened stretch, where nothing is said: it begins here.
    return { spans: track.spans, opened: { at: frame, mark } };
  }
  const before = track.spans.filter((one) => one.behind <= frame).at(-1);
  const spans = put(track.spans, made(before ? before.behind : 0, frame, other(mark)));
  return { spans: joined(spans), opened: { at: frame, mark } };
}

// What is opened holds until the next span, or the end of the clip.
export function close(track, frames) {
  if (!track.opened) return track;
  const { at, mark } = track.opened;
  return { spans: joined(put(track.spans, made(at, limit(track, frames), mark))), opened: null };
}

// All is right as it is shown.
export function acceptAll(track, frames) {
  const closed = close(track, frames);
  if (closed === track && track.spans.every((span) => span.by === "reader")) return track;
  return { ...closed, spans: joined(closed.spans.map((span) => ({ ...span, by: "reader" }))) };
}
