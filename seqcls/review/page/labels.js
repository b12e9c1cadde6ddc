// What the reader says, drawn into the lower part of each strip and dragged by its edges; above it stands what the
// model found.
import { EMPTY, moveEdge, spanAt } from "./edit.js";
import { hatch } from "./paint.js";

const SHARE = 0.36; // of a strip, for the model
const NEAR_PX = 7; // to an edge, for a mouse
const NEAR_FINGER_PX = 18;
const NARROWEST_PX = 2;

export class LabelLayer {
  // edited(organ, track, done): while an edge is dragged, and once it is let go. track(organ): what is said now.
  constructor(view, { track, edited, select }) {
    this.view = view;
    this.track = track;
    this.edited = edited;
    this.select = select;
    this.held = null;
    view.layers.push((area) => this.paint(area));
    view.pointer = (event) => this.point(event);
  }

  timeOf(frame) {
    const { run } = this.view;
    return frame < run.frames ? run.shown_s[frame] : run.end_s;
  }

  // The frame edge that lies nearest to a time; 0 to the number of frames.
  edgeAt(time_s) {
    const row = this.view.rowAt(time_s);
    return time_s - this.timeOf(row) > this.timeOf(row + 1) - time_s ? row + 1 : row;
  }

  paint({ organ, context, scale, top, height, ratio, colours }) {
    const track = this.held?.organ === organ ? this.held.track : this.track(organ) ?? EMPTY;
    const upper = Math.round(height * SHARE);
    const [low, deep] = [top + upper + 3, height - upper - 3];
    context.fillStyle = colours.plate;
    context.fillRect(0, top + upper, scale.width, height - upper);
    context.fillStyle = colours.line;
    context.fillRect(0, top + upper, scale.width, 1);
    const style = getComputedStyle(this.view.lanes);
    const paints = { ...colours, uncertain: style.getPropertyValue("--uncertain").trim(), ignore: style.getPropertyValue("--ignore").trim() };
    for (const span of track.spans) this.paintSpan(span, { context, scale, low, deep, ratio, paints });
    if (track.opened) this.paintOpened(track, { context, scale, low, deep, paints });
  }

  paintSpan(span, { context, scale, low, deep, ratio, paints }) {
    const [left, right] = [scale.x(this.timeOf(span.first)), scale.x(this.timeOf(span.behind))];
    if (right < 0 || left > scale.width) return;
    const width = Math.max(NARROWEST_PX, right - left - 1);
    const solid = span.by === "reader";
    context.globalAlpha = solid ? 1 : 0.45;
    if (span.mark === "present") {
      context.fillStyle = paints.present;
      context.fillRect(left, low, width, deep);
    } else if (span.mark === "absent") {
      context.fillStyle = paints.absent;
      context.fillRect(left, low + deep / 2 - 2, width, 4);
    } else {
      const pattern = hatch(context, paints[span.mark], ratio);
      pattern.setTransform(new DOMMatrix().scale(1 / ratio));
      context.fillStyle = pattern;
      context.fillRect(left, low, width, deep);
    }
    context.globalAlpha = 1;
    context.strokeStyle = solid ? paints.ink : paints.soft;
    context.lineWidth = solid ? 1.5 : 1;
    context.setLineDash(solid ? [] : [4, 4]);
    context.strokeRect(left + 0.5, low + 0.5, Math.max(0, width - 1), deep - 1);
    context.setLineDash([]);
    this.word(span, { context, scale, left, right, low, deep, paints, solid });
  }

  word(span, { context, scale, left, right, low, deep, paints, solid }) {
    const [from, to] = [Math.max(0, left), Math.min(scale.width, right)];
    context.font = `600 ${Math.min(paints.size, Math.max(11, deep * 0.45))}px ${paints.font}`;
    context.textBaseline = "middle";
    context.textAlign = "center";
    const text = solid ? span.mark : `${span.mark}?`; // without its question mark a guess would read as a label
    if (context.measureText(text).width + 14 > to - from) return;
    const onColour = span.mark === "present" && solid;
    if (!onColour) {
      const half = context.measureText(text).width / 2 + 4;
      context.fillStyle = paints.plate;
      context.fillRect((from + to) / 2 - half, low + 3, 2 * half, deep - 6);
    }
    context.fillStyle = onColour ? "#ffffff" : paints.ink;
    context.fillText(text, (from + to) / 2, low + deep / 2 + 0.5);
  }

  // From here on, and until the reader says otherwise: an open end that fades.
  paintOpened({ opened, spans }, { context, scale, low, deep, paints }) {
    const next = spans.find((span) => span.first >= opened.at);
    const left = scale.x(this.timeOf(opened.at));
    const right = scale.x(next ? this.timeOf(next.first) : this.view.run.end_s);
    context.strokeStyle = opened.mark === "present" ? paints.present : paints.absent;
    context.lineWidth = 3;
    context.setLineDash([2, 5]);
    context.strokeRect(left + 1.5, low + 1.5, Math.max(3, right - left - 3), deep - 3);
    context.setLineDash([]);
    context.fillStyle = paints.ink;
    context.font = `600 ${Math.min(paints.size, Math.max(11, deep * 0.45))}px ${paints.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(`${opened.mark} from here …`, Math.max(4, left + 8), low + deep / 2);
  }

  point({ kind, organ, time_s, x, event }) {
    if (this.held) return this.drag(kind, time_s);
    if (organ === null || !event.target.classList?.contains("strip")) {
      this.view.lanes.style.cursor = "";
      return false;
    }
    const box = event.target.getBoundingClientRect();
    const lower = event.clientY - box.top > box.height * SHARE;
    const found = lower ? this.near(organ, x, event.pointerType === "touch" ? NEAR_FINGER_PX : NEAR_PX) : null;
    this.view.lanes.style.cursor = found ? "ew-resize" : "";
    if (kind !== "down") return false;
    this.select(organ);
    if (!found) return false;
    const track = this.track(organ);
    this.held = { organ, ...found, before: track, track };
    return true;
  }

  drag(kind, time_s) {
    const { held, view } = this;
    const to = this.edgeAt(Math.min(Math.max(time_s, view.least_s), view.most_s));
    held.track = moveEdge(held.before, held.place, held.side, to, view.run.frames);
    const span = held.track.spans[held.place];
    const shown = held.side === "first" ? span.first : span.behind - 1; // the frame inside, next to the edge
    view.seek(this.timeOf(shown), "drag");
    if (kind === "up") {
      this.held = null;
      this.edited(held.organ, held.track);
    }
    view.draw();
    return true;
  }

  // The edge under the pointer; of two that meet, that of the presence.
  near(organ, x, within) {
    let found = null;
    (this.track(organ) ?? EMPTY).spans.forEach((span, place) => {
      for (const side of ["first", "behind"]) {
        const distance = Math.abs(this.view.scale.x(this.timeOf(span[side])) - x);
        if (distance > within) continue;
        const better = !found || distance < found.distance - 0.5 || (distance < found.distance + 0.5 && span.mark === "present");
        if (better) found = { place, side, distance };
      }
    });
    return found && { place: found.place, side: found.side };
  }
}

// What is said of a frame, in words.
export function inWords(track, frame) {
  const span = spanAt(track, frame);
  if (span) return { mark: span.mark, text: span.by === "reader" ? span.mark : `${span.mark}, says the model` };
  if (track.opened && track.opened.at <= frame) return { mark: track.opened.mark, text: `${track.opened.mark}, until you say otherwise` };
  return { mark: "none", text: "not labelled" };
}
