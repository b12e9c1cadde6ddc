// An evaluation is words and drawings; all that it does is to change its colours.
import { themeButton } from "./theme.js";

document.getElementById("tools").append(themeButton());
