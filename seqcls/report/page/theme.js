// Light, dark, or what the system says.
import { button } from "./words.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SIGNS = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" };

export function themeButton(changed) {
  const root = document.documentElement;
  const apply = (name) => {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    toggle.textContent = SIGNS[name];
    changed?.();
  };
  const toggle = button("theme", SIGNS.auto, "light, dark, or as the system", () => apply(NEXT[root.dataset.theme ?? "auto"]));
  return toggle;
}
