// Every action, its keys and its words: the help, the buttons and the keyboard come from this one list. `code` is a
// key's place on the keyboard, so that the two rows for organs lie below each other whatever the letters are.

export const ACTIONS = [
  { id: "starts", keys: ["s"], label: "starts here", help: "the organ comes into view: this frame is its first" },
  { id: "ends", keys: ["d"], label: "gone here", help: "it is out of view: this frame is the first without it" },
  { id: "accept", keys: ["c"], label: "is right", help: "this span is right; on to the next least certain one" },
  { id: "acceptAll", keys: ["Enter"], label: "all is right", help: "all of this clip is right as shown; on to the next" },
  { id: "next", keys: ["n"], label: "next doubt", help: "the least certain span of all clips that is not settled" },
  { id: "present", keys: ["p"], label: "present", help: "this span is present" },
  { id: "absent", keys: ["o"], label: "absent", help: "this span is absent" },
  { id: "uncertain", keys: ["u"], label: "uncertain", help: "what this span shows is not certain; it is not trained on" },
  { id: "ignore", keys: ["i"], label: "ignore", help: "this span is not to be used" },
  { id: "split", keys: ["x"], label: "split", help: "in two, before this frame" },
  { id: "merge", keys: ["m"], label: "merge", help: "with the next span" },
  { id: "remove", keys: ["Delete", "Backspace"], label: "delete", help: "this span is not labelled any more" },
  { id: "add", keys: ["a"], label: "add", help: "a presence: once at its first frame, once at the last that shows it" },
  { id: "undo", keys: ["z", "Ctrl+z"], label: "undo", help: "take back" },
  { id: "redo", keys: ["y", "Ctrl+y", "Ctrl+Shift+z"], label: "redo", help: "do again" },
  { id: "earlier", keys: [",", "Shift+,"], help: "nearest edge one frame earlier; ten with Shift" },
  { id: "later", keys: [".", "Shift+."], help: "nearest edge one frame later; ten with Shift" },
  { id: "play", keys: [" "], label: "play", help: "play or stop" },
  { id: "edgeBefore", keys: ["f"], help: "to the edge before" },
  { id: "edgeAfter", keys: ["g"], help: "to the next edge" },
  { id: "organUp", keys: ["ArrowUp"], help: "the organ above" },
  { id: "organDown", keys: ["ArrowDown"], help: "the organ below" },
  { id: "hide", keys: ["h"], label: "hide model", help: "hide or show what the model found" },
  { id: "clipBefore", keys: ["j"], help: "the clip before" },
  { id: "clipAfter", keys: ["k"], help: "the next clip" },
  { id: "organ", keys: ["l"], help: "label another organ" },
  { id: "help", keys: ["?"], label: "keys", help: "this list" },
];

// What the timeline does by itself, and the two rows of organs; for the help alone.
export const OTHERS = [
  ["1 … 5", "first to fifth organ: starts here"],
  ["Q W E R T", "first to fifth organ: gone here"],
  ["← →", "one frame; a second with Shift"],
  ["Home End", "begin, end"],
  ["+ - 0", "zoom, all"],
  ["PageUp PageDown", "pan"],
  ["Esc", "leave a text, or an addition that is begun"],
];

const STARTS = ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5"];
const ENDS = ["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT"];

// {id, organ, by} or null. `organ`: its place, where the key names it.
export function actionOf(event) {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && !event.shiftKey) {
    if (STARTS.includes(event.code)) return { id: "starts", organ: STARTS.indexOf(event.code) };
    if (ENDS.includes(event.code)) return { id: "ends", organ: ENDS.indexOf(event.code) };
  }
  if (plain && event.shiftKey && event.code === "Comma") return { id: "earlier", by: 10 };
  if (plain && event.shiftKey && event.code === "Period") return { id: "later", by: 10 };
  if (event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && key !== "?";
  const name = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shifted ? "Shift+" : ""}${key}`;
  const found = ACTIONS.find((action) => action.keys.includes(name));
  return found ? { id: found.id, by: 1 } : null;
}

export function keyName(key) {
  return { " ": "Space", Delete: "Del", ArrowUp: "↑", ArrowDown: "↓" }[key] ?? key.replace(/(^|\+)[a-z]$/, (letter) => letter.toUpperCase());
}
