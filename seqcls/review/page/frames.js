// The frame at the position: as JPEG from seqcls, by its number; or from the browser's own player, where it may have the
// clip. Either way the timeline's row decides, and the row's time is the clip's own.

const KEPT = 240; // frames that are held
const AHEAD = 6;
const AGAIN_MS = 150;
const IDLE_MS = 400; // nobody asks for another frame meanwhile
const PATIENCE_MS = 8000;

export class FrameStage {
  // say(text): a line below the frame, empty for none.
  constructor(canvas, video, say) {
    this.canvas = canvas;
    this.video = video;
    this.say = say;
    this.kept = new Map(); // by row, a bitmap or null where nothing may be shown
    this.coming = new Map();
    this.row = -1;
    this.shown = -1;
    this.playing = false;
    this.direction = 1;
    this.onRow = null;
  }

  open(clip, run, plays, here) {
    this.stop();
    for (const bitmap of this.kept.values()) bitmap?.close();
    this.kept.clear();
    this.coming.clear();
    [this.clip, this.run, this.plays] = [clip, run, plays];
    this.none = here ? "nothing of this frame may be shown: no ultrasound was found in it" : "the clip is not here";
    [this.row, this.shown] = [-1, -1];
    this.video.hidden = !plays;
    this.canvas.hidden = plays;
    if (plays) this.video.src = `/media?n=${clip}`;
    else this.video.removeAttribute("src");
  }

  show(row) {
    this.direction = row >= this.row ? 1 : -1;
    this.row = row;
    if (this.plays) {
      if (!this.playing) this.video.currentTime = this.middle(row);
      this.shown = row;
      return;
    }
    this.draw();
    if (!this.kept.has(row)) this.fetch(row).then(() => this.draw());
    for (let step = 1; step <= AHEAD; step++) this.ahead(row + step * this.direction);
  }

  // Of a clip that is still being read, before its times are known.
  async preview(clip, row) {
    const answer = await fetch(`/frame?n=${clip}&k=${row}`, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => null);
    if (answer?.status !== 200) return;
    const bitmap = await createImageBitmap(await answer.blob());
    this.paint(bitmap);
    bitmap.close();
  }

  // What will be asked for next, once this frame is shown and nothing else is asked for: each may have to be decoded
  // from its key frame on.
  expect(rows) {
    clearTimeout(this.waiting);
    const { clip } = this;
    this.waiting = setTimeout(async () => {
      for (const row of rows) {
        if (this.plays || this.playing || clip !== this.clip || this.coming.size) return;
        await this.fetch(row);
      }
    }, IDLE_MS);
  }

  // In the middle of a frame no rounding of a player leads to its neighbour.
  middle(row) {
    const end_s = row + 1 < this.run.frames ? this.run.shown_s[row + 1] : this.run.end_s;
    return (this.run.shown_s[row] + end_s) / 2;
  }

  ahead(row) {
    if (row >= 0 && row < this.run.frames && !this.kept.has(row) && this.coming.size < 4) this.fetch(row);
  }

  fetch(row) {
    if (!this.coming.has(row)) this.coming.set(row, this.fetchOnce(row, this.clip).finally(() => this.coming.delete(row)));
    return this.coming.get(row);
  }

  async fetchOnce(row, clip) {
    for (;;) {
      if (clip !== this.clip || this.kept.has(row)) return;
      let read = "";
      try {
        const answer = await fetch(`/frame?n=${clip}&k=${row}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
        if (answer.status === 200 || answer.status === 204) {
          const bitmap = answer.status === 200 ? await createImageBitmap(await answer.blob()) : null;
          if (clip === this.clip) this.keep(row, bitmap);
          return;
        }
        if (answer.status === 202) read = `: ${Number(await answer.text()).toLocaleString("en-US")} of ${this.run.frames.toLocaleString("en-US")} frames are there`;
      } catch {
        // the server may be starting again
      }
      if (Math.abs(row - this.row) > AHEAD) return; // nobody waits for it any more, or it was only expected
      if (row === this.row) this.say(`this frame is being read${read || " …"}`);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }

  keep(row, bitmap) {
    this.kept.set(row, bitmap);
    while (this.kept.size > KEPT) {
      const [oldest] = this.kept.keys();
      this.kept.get(oldest)?.close();
      this.kept.delete(oldest);
    }
  }

  draw() {
    if (!this.kept.has(this.row)) return;
    const bitmap = this.kept.get(this.row);
    this.shown = this.row;
    if (!bitmap) {
      this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.say(this.none);
      return;
    }
    this.paint(bitmap);
    this.say("");
  }

  paint(bitmap) {
    if (this.canvas.width !== bitmap.width) this.canvas.width = bitmap.width;
    if (this.canvas.height !== bitmap.height) this.canvas.height = bitmap.height;
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  // At the clip's own times, for as long as frames come in time; never faster than they do.
  play() {
    if (!this.run?.frames) return;
    this.playing = true;
    const last = this.run.frames - 1;
    let row = this.row >= last ? 0 : Math.max(0, this.row);
    if (this.plays) {
      this.video.currentTime = this.middle(row);
      this.video.play().catch(() => this.stop());
    }
    let begun = null;
    const next = (now) => {
      if (!this.playing) return;
      if (this.plays) row = this.rowOf(this.video.currentTime);
      else if (this.kept.has(row) || row !== this.row) {
        begun ??= now - this.run.shown_s[row] * 1000;
        const due = this.rowOf((now - begun) / 1000);
        // A frame that is late holds the clip up: no frame is left out unseen.
        if (due > row && this.kept.has(row)) row += 1;
        if (due > row + 1) begun = now - this.run.shown_s[row] * 1000;
      }
      this.onRow(row);
      if (row >= last) this.stop();
      else requestAnimationFrame(next);
    };
    this.onRow(row);
    requestAnimationFrame(next);
  }

  stop() {
    this.playing = false;
    if (this.plays) this.video.pause();
  }

  rowOf(time_s) {
    const times = this.run.shown_s;
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time_s + 1e-9) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}
