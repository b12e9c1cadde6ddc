// A data check: what was found, with pictures, and how much there is of what.
import { themeButton } from "./theme.js";
import { button, counted, make } from "./words.js";

const LEVELS = { leak: "stops training", look: "look at it", advice: "to know" };
const AT_ONCE = 500;
const at = (id) => document.getElementById(id);
const check = JSON.parse(at("check-data").textContent);

function finding(one) {
  const mark = make("span", "level", LEVELS[one.level]);
  const card = make("article", "finding", make("h2", "", mark, one.kind), make("p", "", one.text));
  card.dataset.level = one.level;
  if (one.frames.length) {
    const list = make("ul", "names", ...one.frames.map(([name, remark]) => make("li", "", remark ? `${name}: ${remark}` : name)));
    const more = make("details", "", make("summary", "", `the list: ${counted(one.frames.length, "entry").replace("entrys", "entries")}`), list);
    card.append(more);
  }
  if (one.pictures.length) {
    card.append(make("ul", "pictures", ...one.pictures.map(picture)));
    if (one.more > 0) card.append(make("p", "hint", `and ${counted(one.more, "further picture")}`));
  }
  return card;
}

function picture(one) {
  let shown = make("div", "none", "not shown: no ultrasound region, or no ultrasound");
  if (one.url) {
    shown = make("img");
    shown.src = one.url;
    shown.alt = one.name;
    shown.loading = "lazy";
  }
  return make("li", "", shown, make("span", "", `${one.name} (${one.side})`));
}

function table(heads, rows) {
  const cells = (kind, row) => make("tr", "", ...row.map((text) => make(kind, "", String(text))));
  return make("table", "", make("thead", "", cells("th", heads)), make("tbody", "", ...rows.map((row) => cells("td", row))));
}

function parts() {
  const own = check.parts.filter((part) => part.unit === at("unit").value);
  const heads = [at("unit").value, "frames", ...check.organs.flatMap((organ) => [`${organ} present`, `${organ} absent`])];
  const rows = own.slice(0, AT_ONCE).map((part) => [part.name, part.frames, ...part.states.flatMap(([, present, absent]) => [present, absent])]);
  at("parts").replaceChildren(table(heads, rows));
  at("count").textContent = own.length > AT_ONCE ? `the first ${AT_ONCE} of ${own.length.toLocaleString("en-US")}` : counted(own.length, at("unit").value);
}

function begin() {
  const leaks = check.findings.filter((one) => one.level === "leak").length;
  const looks = check.findings.filter((one) => one.level === "look").length;
  const words = leaks ? `${counted(leaks, "finding")} that ${leaks === 1 ? "stops" : "stop"} training` : "nothing that stops training";
  at("verdict").textContent = `${words}, ${looks ? `${counted(looks, "finding")} to look at` : "nothing to look at"}`;
  at("findings").append(...check.findings.map(finding));
  const heads = ["side", "organ", "frames", "present", "absent", "presences", "clips", "patients", "of them with the organ", "which count as", "sites"];
  const columns = ["split", "organ", "frames", "present", "absent", "presences", "clips", "patients", "patients_present", "patients_worth", "sites"];
  at("balance").append(table(heads, check.balance.map((row) => columns.map((name) => (name === "patients_worth" ? row[name].toFixed(1) : row[name])))));
  at("facts").append(...check.facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
  at("unit").append(...["patient", "clip", "site"].map((unit) => new Option(`${unit}s`, unit)));
  at("unit").addEventListener("input", parts);
  at("tools").append(themeButton(), button("print", "print", "print this page", () => print()));
  parts();
  document.body.dataset.ready = Math.round(performance.now());
}

begin();
