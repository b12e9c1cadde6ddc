// Sliders for smoothing and intervals. What they find is what `seqcls replay` would find: they state options for every
// organ, as its flags do, and the command that does the same is there to copy.
import { changedIntervals } from "./replay.js";
import { SMOOTHING_USES, delayOf } from "./smoothing.js";
import { button, make } from "./words.js";

const INTERVALS = [
  ["onset", "onset", "a presence begins at this score", 1, "--onset", ""],
  ["offset", "offset", "a presence ends below this score", 1, "--offset", ""],
  ["min_present_s", "shortest presence", "shorter presences are dropped", 3, "--min-present", "s"],
  ["min_absent_s", "shortest absence", "shorter absences are bridged", 3, "--min-absent", "s"],
  ["pad_s", "pad", "presences are widened by this on both sides", 2, "--pad", "s"],
];
const SMOOTHING = {
  window_s: ["window", 5, "window"],
  look_ahead_s: ["look-ahead", 5, "look-ahead"],
  time_constant_s: ["time constant", 3, "time-constant"],
  dwell_s: ["dwell", 10, "dwell"],
};

export class OptionsPanel extends EventTarget {
  // Event "changed": {smoothing, options, same, command}; ``same`` is true where they are those of the run.
  constructor(root, run) {
    super();
    this.run = run;
    this.stated = {};
    this.smoothing = { ...run.smoothing };
    this.rows = new Map();
    this.kind = make("select");
    this.kind.id = "smoothing-kind";
    for (const kind of Object.keys(SMOOTHING_USES)) this.kind.append(new Option(kind, kind));
    this.kind.addEventListener("change", () => this.changeKind(this.kind.value));
    const label = make("label", "", "smoothing");
    label.htmlFor = this.kind.id;
    root.append(make("div", "option", label, this.kind));
    for (const [name, [title, most]] of Object.entries(SMOOTHING)) {
      root.append(this.row(name, title, "", most, "s", (value) => this.changeSmoothing(name, value)));
    }
    for (const [name, title, about, most, flag, unit] of INTERVALS) {
      root.append(this.row(name, title, `${about} (${flag})`, most, unit, (value) => this.changeInterval(name, value)));
    }
    this.command = make("code", "command");
    this.copied = button("copy", "copy", "copy the command", () => this.copy());
    this.reset = button("reset", "reset", "back to the options of the run", () => this.back());
    this.note = make("p", "hint");
    root.append(make("div", "actions", this.reset), make("div", "command-box", this.command, this.copied), this.note);
    this.refresh();
  }

  row(name, title, about, most, unit, change) {
    const slider = make("input");
    slider.type = "range";
    slider.id = `option-${name}`;
    slider.min = 0;
    slider.max = Math.max(most, this.highest(name));
    slider.step = "any";
    const number = make("input", "number");
    number.type = "number";
    number.min = 0;
    number.step = "any";
    const label = make("label", "", title);
    label.htmlFor = slider.id;
    label.title = about;
    const flag = about.match(/--min-[a-z]+/)?.[0]; // not to be guessed from the title
    if (flag) label.append(make("small", "flag", flag));
    number.setAttribute("aria-label", unit ? `${title} in seconds` : title);
    slider.addEventListener("input", () => change(Math.round(slider.value * 100) / 100));
    slider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01 }[event.key];
      if (!by) return;
      event.preventDefault();
      change(Math.min(Number(slider.max), Math.max(0, Math.round((Number(slider.value) + by) * 100) / 100)));
    });
    number.addEventListener("change", () => {
      const value = Number(number.value);
      if (number.value.trim() !== "" && Number.isFinite(value) && value >= 0) change(value);
      this.refresh();
    });
    const row = make("div", "option", label, slider, make("span", "value", number, make("i", "", unit)));
    this.rows.set(name, { row, slider, number });
    return row;
  }

  highest(name) {
    return name in SMOOTHING ? this.run.smoothing[name] : Math.max(0, ...this.run.options.map((own) => own[name]));
  }

  get options() {
    return changedIntervals(this.run.options, this.stated);
  }

  changeKind(kind) {
    this.smoothing = { ...this.smoothing, kind };
    this.emit();
  }

  changeSmoothing(name, value) {
    const changed = { ...this.smoothing, [name]: value };
    if (name === "window_s") changed.look_ahead_s = value / 2; // centred, as `--smoothing` does it
    if (name === "look_ahead_s") changed.look_ahead_s = Math.min(value, changed.window_s);
    if (name === "dwell_s") changed.dwell_s = Math.max(0.01, value);
    this.smoothing = changed;
    this.emit();
  }

  // Thresholds never cross: the one that is moved stops at the other, but an onset takes offsets above it along.
  changeInterval(name, value) {
    const stated = { ...this.stated, [name]: value };
    if (name === "onset") {
      stated.onset = Math.min(1, value);
      if (stated.offset > stated.onset) stated.offset = stated.onset;
    }
    if (name === "offset") {
      const onsets = stated.onset === undefined ? this.run.options.map((own) => own.onset) : [stated.onset];
      stated.offset = Math.min(value, ...onsets);
    }
    this.stated = stated;
    this.emit();
  }

  back() {
    this.stated = {};
    this.smoothing = { ...this.run.smoothing };
    this.emit();
  }

  emit() {
    this.refresh();
    const detail = { smoothing: this.smoothing, options: this.options, same: this.flags().length === 0, command: this.command.textContent };
    this.dispatchEvent(new CustomEvent("changed", { detail }));
  }

  // What `seqcls replay` must be given.
  flags() {
    const flags = [];
    const [now, before] = [this.smoothing, this.run.smoothing];
    const used = SMOOTHING_USES[now.kind];
    const differ = now.kind !== before.kind || used.some((name) => now[name] !== before[name]);
    if (differ) flags.push(`--smoothing ${[now.kind, ...used.map((name) => `${SMOOTHING[name][2]}=${now[name]}`)].join(",")}`);
    const options = this.options;
    const changed = (name) => this.stated[name] !== undefined && options.some((own, organ) => own[name] !== this.run.options[organ][name]);
    for (const [name, , , , flag] of INTERVALS) if (changed(name)) flags.push(`${flag} ${this.stated[name]}`);
    return flags;
  }

  refresh() {
    this.kind.value = this.smoothing.kind;
    const used = SMOOTHING_USES[this.smoothing.kind];
    const options = this.options;
    for (const [name, { row, slider, number }] of this.rows) {
      const own = name in SMOOTHING ? [this.smoothing[name]] : options.map((one) => one[name]);
      const alike = own.every((value) => value === own[0]);
      row.hidden = name in SMOOTHING && !used.includes(name);
      slider.max = Math.max(Number(slider.max), own[0]);
      slider.value = own[0];
      slider.dataset.changed = own[0] !== (name in SMOOTHING ? this.run.smoothing[name] : this.run.options[0][name]);
      number.value = alike ? String(Math.round(own[0] * 1e4) / 1e4) : "";
      number.placeholder = alike ? "" : "varies";
    }
    const flags = this.flags();
    this.command.textContent = flags.length ? `seqcls replay RUN ${flags.join(" ")}` : "the options of the run";
    this.command.dataset.changed = this.copied.dataset.changed = flags.length > 0;
    this.copied.disabled = this.reset.disabled = flags.length === 0;
    this.note.textContent = `Smoothing waits ${delayOf(this.smoothing)} s for later frames: live, so much later is an edge known.`;
  }

  async copy() {
    const text = this.command.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = make("textarea");
      box.value = text;
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    this.copied.textContent = "copied";
    setTimeout(() => (this.copied.textContent = "copy"), 1500);
  }
}
