// The clip beside its timeline, in step. The times of a run are those of a player, so both have one clock; a file that
// lasts another time than the run is probably another clip, and it is said. Names are burnt in outside of the ultrasound
// region: only the region is shown until somebody asks for the whole image.
import { button, clock, make } from "./words.js";

const APART_S = 1; // more is another clip
const APART_SHARE = 0.02;

export class Player {
  constructor(root, run, view) {
    this.run = run;
    this.view = view;
    this.video = make("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.preload = "auto";
    this.video.controls = false;
    this.note = make("p", "hint");
    this.note.setAttribute("role", "status");
    const file = make("input");
    file.type = "file";
    file.accept = "video/*";
    const choose = make("label", "choose", "open the clip…", file);
    this.play = button("play", "▶", "play or pause (space)", () => this.toggle());
    this.speed = make("select");
    this.speed.setAttribute("aria-label", "speed");
    for (const rate of [0.1, 0.25, 0.5, 1, 2, 4]) this.speed.append(new Option(`${rate}×`, rate));
    this.speed.value = 1;
    this.speed.addEventListener("change", () => (this.video.playbackRate = Number(this.speed.value)));
    this.stage = make("div", "stage", this.video);
    this.whole = make("input");
    this.whole.type = "checkbox";
    this.whole.addEventListener("change", () => this.uncover());
    const whole = make("label", "whole", this.whole, "whole image, with what is written on it");
    root.append(this.stage, make("div", "player-tools", this.play, this.speed, choose, whole), this.note);
    this.uncover();
    this.state("none");
    file.addEventListener("change", () => file.files[0] && this.open(URL.createObjectURL(file.files[0]), true));
    this.video.addEventListener("loadedmetadata", () => this.loaded());
    this.video.addEventListener("error", () => this.failed());
    for (const name of ["play", "pause", "ended"]) this.video.addEventListener(name, () => this.playing());
    view.addEventListener("seek", ({ detail }) => this.follow(detail));
    view.keys.set(" ", () => this.toggle());
    if (run.beside) this.open(run.beside, false);
    else this.tell();
  }

  state(name) {
    this.stage.parentElement.dataset.player = name;
    this.play.disabled = this.speed.disabled = name !== "ready";
  }

  // outline: corners as shares of width and height.
  uncover() {
    const corners = (this.run.outline ?? []).map(([x, y]) => `${100 * x}% ${100 * y}%`);
    this.video.style.clipPath = this.whole.checked ? "none" : corners.length ? `polygon(${corners.join(", ")})` : "inset(50%)";
  }

  tell(text = "The clip is not part of this page. Open it from this computer to play it in step; it stays here.") {
    this.note.textContent = text;
  }

  open(url, chosen) {
    this.chosen = chosen;
    this.state("opening");
    this.video.src = url;
  }

  loaded() {
    this.state("ready");
    const lasts_s = this.video.duration;
    const apart_s = Math.abs(lasts_s - this.run.end_s);
    const other = Number.isFinite(lasts_s) && apart_s > Math.max(APART_S, APART_SHARE * this.run.end_s);
    this.tell(other ? `This file lasts ${clock(lasts_s)}, the run ends at ${clock(this.run.end_s)}: is it the same clip?` : "");
    this.note.dataset.alarm = other;
    this.follow({ time_s: this.view.position_s });
    this.watch();
  }

  failed() {
    if (!this.video.src) return;
    this.video.removeAttribute("src");
    this.state("none");
    if (this.chosen) this.tell("This browser does not play that file. The timeline works without it.");
    else this.tell();
  }

  toggle() {
    if (this.play.disabled) return;
    if (this.video.paused) this.video.play();
    else this.video.pause();
  }

  playing() {
    this.play.textContent = this.video.paused ? "▶" : "❚❚";
  }

  // Into the middle of the frame that is asked for: at its very beginning a player may show the one before.
  follow({ time_s, by }) {
    if (by === "player" || this.play.disabled) return;
    const times = this.run.shown_s;
    const row = this.view.rowAt(time_s);
    const next_s = times[row + 1] ?? this.run.end_s;
    const inside_s = Math.min(next_s, Math.max(time_s, (times[row] ?? 0) + Math.min(0.01, (next_s - times[row]) / 2)));
    this.video.currentTime = Math.max(0, by === "click" || by === undefined ? Math.max(time_s, 0) : inside_s);
  }

  watch() {
    const shown = (_, frame) => {
      if (!this.video.paused) this.view.seek(frame.mediaTime, "player");
      this.video.requestVideoFrameCallback?.(shown);
    };
    if (this.watching) return;
    this.watching = true;
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(shown);
    else this.video.addEventListener("timeupdate", () => this.video.paused || this.view.seek(this.video.currentTime, "player"));
  }
}
