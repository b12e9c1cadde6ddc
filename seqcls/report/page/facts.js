// What a reader must know of the run: verdict, what is wrong, where the numbers come from.
import { counted, lasting, make, percent } from "./words.js";

const WORST = ["truncated", "damaged", "interrupted"];

export function showVerdict(root, run) {
  const whole = run.verdict === "complete" && run.coverage === 1;
  const badge = make("p", "verdict", make("b", "", `input ${run.verdict}`), ` · ${percent(run.coverage)} scorable`);
  badge.dataset.level = WORST.includes(run.verdict) ? "bad" : whole ? "good" : "fair";
  root.append(badge);
}

export function showNotes(root, run) {
  const lines = [...run.verdict_reasons, ...run.warnings, ...(run.remarks ?? [])];
  root.hidden = lines.length === 0;
  root.replaceChildren(...lines.map((line) => make("li", "", line)));
}

export function showUnknown(root, intervals) {
  const lengths = new Map();
  for (const interval of intervals) {
    if (interval.state !== "unknown") continue;
    const why = interval.reason || "no reason";
    lengths.set(why, (lengths.get(why) ?? 0) + interval.end_s - interval.start_s);
  }
  const ordered = [...lengths].sort((a, b) => b[1] - a[1]);
  root.textContent = ordered.length ? `Unknown: ${ordered.map(([why, length_s]) => `${why} ${lasting(length_s)}`).join(", ")}.` : "";
}

// groups: [[title, [[name, value], ...]], ...]
export function showFacts(root, groups) {
  for (const [title, facts] of groups) {
    const list = make("dl");
    for (const [name, value] of facts) list.append(make("div", "", make("dt", "", name), make("dd", "", value)));
    root.append(make("section", "facts", make("h3", "", title), list));
  }
}

export function countsOf(run) {
  const counts = run.frame_counts;
  const parts = ["classified", "skipped", "dropped", "rejected"].filter((name) => counts[name]);
  return `${counted(counts.received, "frame")}${parts.length ? ` (${parts.map((name) => `${counts[name].toLocaleString("en-US")} ${name}`).join(", ")})` : ""}`;
}
