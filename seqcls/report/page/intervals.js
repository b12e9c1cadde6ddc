// seqcls/intervals.py once more, for the sliders: the same state machine, line by line. See there for the why.
import { TIME_TOLERANCE_S } from "./smoothing.js";

class Hysteresis {
  constructor(options) {
    this.options = options;
    this.high = false;
    this.unknownSince_s = Infinity;
  }

  update(score, now_s) {
    if (now_s - this.unknownSince_s >= this.options.min_absent_s - TIME_TOLERANCE_S) this.high = false;
    this.unknownSince_s = Infinity;
    if (score >= this.options.onset) this.high = true;
    else if (score < this.options.offset) this.high = false;
    return this.high;
  }

  markUnknown(now_s) {
    this.unknownSince_s = Math.min(this.unknownSince_s, now_s);
  }
}

export class IntervalBuilder {
  constructor(options) {
    this.options = options;
    this.now_s = -Infinity;
    this.hysteresis = new Hysteresis(options);
    this.last = null; // runs: {state, start_s, index, reason}
    this.settled = null;
    this.pending = [];
    this.kept = [];
    this.dropped = [];
    this.seen = "unknown";
    this.nextIndex = 0;
    this.padding = new Padding(options.pad_s);
  }

  push(index, time_s, score, reason) {
    const events = [];
    this.advance(events, time_s);
    this.nextIndex = index + 1;
    if (Number.isNaN(score)) this.enter("unknown", index, reason);
    else this.enter(this.hysteresis.update(score, this.now_s) ? "present" : "absent", index, "");
    this.settle(events, false);
    return this.padding.push(events, this.now_s, index, this.certain_s(), false);
  }

  gap(gap) {
    const events = [];
    this.advance(events, gap.start_s);
    this.enter("unknown", this.nextIndex, gap.reason);
    this.advance(events, gap.end_s);
    return this.padding.push(events, this.now_s, this.nextIndex, this.certain_s(), false);
  }

  close(end_s) {
    const events = [];
    this.advance(events, end_s);
    this.settle(events, true);
    return this.padding.push(events, this.now_s, this.nextIndex, this.now_s, true);
  }

  state() {
    return this.settled === null ? "unknown" : this.settled.state;
  }

  advance(events, time_s) {
    this.now_s = Math.max(this.now_s, time_s);
    this.settle(events, false);
  }

  enter(state, index, reason) {
    if (state === "unknown") this.hysteresis.markUnknown(this.now_s);
    if (this.last === null || this.last.state !== state || this.last.reason !== reason) {
      this.last = { state, start_s: this.now_s, index, reason };
      this.pending.push(this.last);
    }
  }

  settle(events, closing) {
    while (this.pending.length) {
      const inPresence = this.state() === "present";
      if (!inPresence && this.pending[0].state !== "present") {
        this.take(events, this.pending.shift());
        continue;
      }
      let tail = this.tail();
      const end_s = tail.length ? tail[0].start_s : this.now_s;
      const broken = tail.length > 0 && (closing || lasted(end_s, this.now_s, this.options.min_absent_s));
      if (inPresence || lasted(this.pending[0].start_s, end_s, this.options.min_present_s)) {
        if (!inPresence) this.take(events, this.pending[0]);
        this.pending = tail;
        if (!broken) break;
      } else if (broken || closing) {
        tail = this.tooShort(tail);
      } else {
        break;
      }
      for (const run of tail) this.take(events, run);
      this.pending = [];
    }
    if (closing) this.decide(events, this.kept);
  }

  tooShort(tail) {
    const dropped = this.pending.map((run) => (run.state === "present" ? { ...run, state: "absent" } : run));
    if (this.seen === "absent" || tail.some((run) => run.state === "absent")) return dropped;
    this.kept.push(this.pending[0], ...tail);
    this.dropped.push(...dropped);
    return [];
  }

  take(events, run) {
    if (run.state === "unknown" && this.kept.length) {
      this.kept.push(run);
      this.dropped.push(run);
      return;
    }
    this.decide(events, run.state === "present" ? this.kept : this.dropped);
    this.emit(events, run);
  }

  decide(events, runs) {
    for (const run of runs) this.emit(events, run);
    this.kept = [];
    this.dropped = [];
  }

  tail() {
    let at = this.pending.length;
    while (at > 0 && this.pending[at - 1].state !== "present") at--;
    return this.pending.slice(at);
  }

  emit(events, run) {
    if (run.state !== "unknown") this.seen = run.state;
    if (this.settled === null || this.settled.state !== run.state || this.settled.reason !== run.reason) {
      this.settled = run;
      events.push({ state: run.state, start_s: run.start_s, index: run.index, reason: run.reason });
    }
  }

  certain_s() {
    return this.pending.length ? this.pending[0].start_s : this.now_s;
  }
}

function lasted(start_s, end_s, least_s) {
  return end_s - start_s >= least_s - TIME_TOLERANCE_S;
}

class Padding {
  constructor(pad_s) {
    this.pad_s = pad_s;
    this.held = null;
    this.state = null;
    this.frames = []; // [time_s, index], from place ``first`` on
    this.first = 0;
  }

  push(events, now_s, index, certain_s, closing) {
    if (this.pad_s === 0) return events;
    this.frames.push([now_s, index]);
    const emitted = [];
    for (const event of events) this.take(emitted, event);
    if (this.held !== null && this.outlasts(this.held, certain_s, closing)) emitted.push(this.release(this.held));
    while (this.frames[this.first][0] < certain_s - 4 * this.pad_s) this.first++;
    if (this.first > 4096) {
      this.frames = this.frames.slice(this.first);
      this.first = 0;
    }
    return emitted;
  }

  outlasts(held, certain_s, closing) {
    if (closing) return this.state === null || held.start_s + this.left_s() < certain_s - TIME_TOLERANCE_S;
    return certain_s > held.start_s + 2 * this.pad_s + TIME_TOLERANCE_S;
  }

  take(emitted, event) {
    const held = this.held;
    const right_s = event.state === "present" ? this.pad_s : 0;
    if (held !== null) {
      if (held.start_s + this.left_s() < event.start_s - right_s - TIME_TOLERANCE_S) {
        emitted.push(this.release(held));
      } else {
        this.held = null;
        if (event.state === "present" && this.state === "present") return; // two presences have grown together
        if (event.state === "present" || this.state === null) event = this.moved(event, held.start_s);
      }
    }
    if (event.state === "absent") {
      this.held = event;
      return;
    }
    if (event.state === "present" && this.state === "absent") event = this.moved(event, event.start_s - right_s);
    this.state = event.state;
    emitted.push(event);
  }

  left_s() {
    return this.state === "present" ? this.pad_s : 0;
  }

  release(held) {
    const event = this.moved(held, held.start_s + this.left_s());
    this.held = null;
    this.state = "absent";
    return event;
  }

  moved(event, start_s) {
    if (start_s === event.start_s) return event;
    let at = this.first;
    while (at < this.frames.length && !(this.frames[at][0] >= start_s - TIME_TOLERANCE_S)) at++;
    return { ...event, start_s, index: at < this.frames.length ? this.frames[at][1] : event.index };
  }
}

// The place of the first of the times, which never run back, that is not before ``time_s``.
export function firstFrom(times_s, time_s) {
  let [low, high] = [0, times_s.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times_s[middle] < time_s) low = middle + 1;
    else high = middle;
  }
  return low;
}

// One organ's intervals, without holes, from its events. times_s never run back; indices: of the frames in the clip.
export function intervalsFromEvents(events, times_s, indices, smooth, end_s) {
  const intervals = [];
  events.forEach((event, place) => {
    const following = events[place + 1];
    const stop_s = following === undefined ? end_s : following.start_s;
    if (stop_s <= event.start_s && following !== undefined) return;
    const first = firstFrom(times_s, event.start_s - TIME_TOLERANCE_S);
    const last = following === undefined ? times_s.length : firstFrom(times_s, stop_s - TIME_TOLERANCE_S);
    let [sum, count, peak] = [0, 0, -Infinity];
    for (let row = first; row < last; row++) {
      if (Number.isNaN(smooth[row])) continue;
      sum += smooth[row];
      count++;
      if (smooth[row] > peak) peak = smooth[row];
    }
    intervals.push({
      state: event.state,
      start_s: event.start_s,
      end_s: stop_s,
      start_index: last > first ? indices[first] : -1,
      end_index: last > first ? indices[last - 1] : -1,
      mean_score: count ? sum / count : NaN,
      peak_score: count ? peak : NaN,
      reason: event.reason,
    });
  });
  return intervals;
}
