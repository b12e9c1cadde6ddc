// Elements and words. Text from files is only ever set as text, never as markup.

export function make(tag, name = "", ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside);
  return element;
}

export function button(name, label, title, act) {
  const element = make("button", name, label);
  element.type = "button";
  element.title = title;
  element.setAttribute("aria-label", title);
  element.addEventListener("click", act);
  return element;
}

// 12.34 s; from 3 minutes on 3:12.34 and 1:03:12.34, where ``like_s`` is the longest time that is shown beside it.
export function clock(time_s, digits = 2, like_s = Math.abs(time_s)) {
  if (like_s < 180) return `${time_s.toFixed(digits)} s`;
  const unit = 10 ** digits;
  const whole = Math.round(Math.abs(time_s) * unit);
  const [minutes, rest] = [Math.floor(whole / unit / 60), whole % (60 * unit)];
  const seconds = (rest / unit).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const sign = time_s < 0 && whole ? "−" : "";
  if (minutes < 60) return `${sign}${minutes}:${seconds}`;
  return `${sign}${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
}

export function lasting(length_s) {
  if (length_s < 180) return `${length_s.toFixed(length_s < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(Math.round(length_s) / 60);
  const seconds = Math.round(length_s) % 60;
  return minutes < 60 ? `${minutes} min ${seconds} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Never 100 % of what is not all, nor 0 % of what is not nothing.
export function percent(share) {
  return share === 0 || share === 1 ? `${100 * share} %` : `${(100 * Math.min(0.999, Math.max(0.001, share))).toFixed(1)} %`;
}

export function counted(number, noun) {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

export function figure(value) {
  return value === null || Number.isNaN(value) ? "–" : value.toFixed(2);
}

export function lengthOf(interval) {
  return interval.end_s - interval.start_s;
}

export function totalOf(intervals, state) {
  let total_s = 0;
  for (const interval of intervals) if (interval.state === state) total_s += lengthOf(interval);
  return total_s;
}

// Of an organ that is nowhere present, by the states of its stretches: unknown is not absent.
export function unseen(states) {
  if (!states.includes("unknown")) return "not in view";
  return states.every((state) => state === "unknown") ? "unknown" : "not in view where known";
}
