// All intervals as a table: a click goes there. Long ones grow as they are read.
import { button, clock, counted, figure, lasting, lengthOf, make } from "./words.js";

const AT_ONCE = 200;

export class IntervalTable extends EventTarget {
  // Event "select": {organ, interval}.
  constructor(root, run) {
    super();
    this.run = run;
    this.limit = AT_ONCE;
    this.organ = make("select");
    this.organ.setAttribute("aria-label", "organ");
    this.organ.append(new Option("all organs", ""));
    run.organs.forEach((organ, place) => this.organ.append(new Option(organ, place)));
    this.state = make("select");
    this.state.setAttribute("aria-label", "state");
    for (const [text, value] of [["present and unknown", "present,unknown"], ["present", "present"], ["unknown", "unknown"], ["absent", "absent"], ["all states", "present,absent,unknown"]]) {
      this.state.append(new Option(text, value));
    }
    for (const choice of [this.organ, this.state]) choice.addEventListener("change", () => this.refresh(true));
    this.count = make("span", "hint");
    this.body = make("tbody");
    const heads = ["organ", "state", "from", "to", "length", "frames", "mean", "peak", "why"];
    const head = make("thead", "", make("tr", "", ...heads.map((name) => make("th", `col-${name}`, name))));
    this.more = button("more", "more", "show more intervals", () => {
      this.limit += AT_ONCE;
      this.refresh(false);
    });
    root.append(make("div", "filters", this.organ, this.state, this.count), make("div", "table-box", make("table", "", head, this.body)), this.more);
    addEventListener("beforeprint", () => {
      this.limit = Math.max(this.limit, 2000);
      this.refresh(false);
    });
  }

  show(intervals) {
    this.intervals = intervals;
    this.refresh(true);
  }

  refresh(anew) {
    if (anew) this.limit = AT_ONCE;
    const states = this.state.value.split(",");
    const rows = this.intervals.flatMap((own, organ) => {
      if (this.organ.value !== "" && Number(this.organ.value) !== organ) return [];
      return own.filter((interval) => states.includes(interval.state)).map((interval) => ({ organ, interval }));
    });
    rows.sort((a, b) => a.interval.start_s - b.interval.start_s || a.organ - b.organ);
    this.count.textContent = counted(rows.length, "interval");
    this.more.hidden = rows.length <= this.limit;
    this.body.replaceChildren(...rows.slice(0, this.limit).map((row) => this.line(row)));
    this.rows = rows;
  }

  line({ organ, interval }) {
    const like_s = Math.max(Math.abs(this.run.start_s), Math.abs(this.run.end_s));
    const frames = interval.start_index < 0 ? "–" : `${interval.start_index}–${interval.end_index}`;
    const go = make("button", "go", clock(interval.start_s, 2, like_s));
    go.type = "button";
    const sign = make("span", "sign", interval.state);
    sign.dataset.state = interval.state;
    const cells = [
      ["organ", this.run.organs[organ]], ["state", sign], ["from", go], ["to", clock(interval.end_s, 2, like_s)],
      ["length", lasting(lengthOf(interval))], ["frames", frames], ["mean", figure(interval.mean_score)],
      ["peak", figure(interval.peak_score)], ["why", interval.reason],
    ];
    const line = make("tr", "", ...cells.map(([name, inside]) => make("td", `col-${name}`, inside)));
    line.addEventListener("click", () => this.dispatchEvent(new CustomEvent("select", { detail: { organ, interval } })));
    return line;
  }

  mark(selected) {
    [...this.body.children].forEach((line, place) => {
      const row = this.rows[place];
      const same = selected && row.organ === selected.organ && row.interval.start_s === selected.interval.start_s;
      line.ariaCurrent = same ? "true" : null;
      if (same) line.scrollIntoView({ block: "nearest" });
    });
  }
}
