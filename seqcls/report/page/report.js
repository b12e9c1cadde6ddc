// The report: one run, to look at and to try other options.
import { showFacts, showNotes, showUnknown, showVerdict } from "./facts.js";
import { OptionsPanel } from "./options.js";
import { Player } from "./player.js";
import { piecesOf, replay } from "./replay.js";
import { readRun } from "./run.js";
import { IntervalTable } from "./table.js";
import { themeButton } from "./theme.js";
import { TimelineView } from "./view.js";
import { button } from "./words.js";

const at = (id) => document.getElementById(id);

// What a generator gives in the end, while the page answers in between.
async function inPieces(pieces) {
  let piece = pieces.next();
  for (; !piece.done; piece = pieces.next()) await new Promise((resume) => setTimeout(resume));
  return piece.value;
}

async function start() {
  const facts = JSON.parse(at("run-facts").textContent);
  const run = await readRun(facts, at("run-numbers").textContent);
  const view = new TimelineView(at("timeline"), run, facts.pictures);
  const table = new IntervalTable(at("intervals"), run);
  const panel = new OptionsPanel(at("options"), run);
  const show = ({ smooth, intervals, options }) => {
    view.show({ smooth, intervals, options });
    table.show(intervals);
    showUnknown(at("unknown"), intervals[0]);
  };
  // What the run found stands, whatever this page would find; its smoothed scores are found again.
  const asRun = { smooth: run.raw, intervals: run.intervals, options: run.options };
  show(asRun);
  const smooth = async () => {
    asRun.smooth = await inPieces(piecesOf(run, run.smoothing));
    if (document.body.dataset.changed !== "true") view.show(asRun);
    document.body.dataset.smooth = Math.round(performance.now());
  };
  let latest = { smoothing: null, smooth: null }; // thresholds are moved more often than smoothing
  const found = async ({ smoothing, options }) => {
    if (smoothing !== latest.smoothing) latest = { smoothing, smooth: await inPieces(piecesOf(run, smoothing)) };
    return { ...replay(run, smoothing, options, latest.smooth), options };
  };
  // A slider that is dragged asks faster than hours of scores are smoothed: what was asked for last is shown in the end.
  let wanted = null;
  let busy = false;
  const catchUp = async () => {
    try {
      while (wanted) {
        const now = wanted;
        wanted = null;
        show(now.same ? asRun : await found(now));
      }
    } finally {
      busy = false;
    }
  };
  panel.addEventListener("changed", ({ detail }) => {
    document.body.dataset.changed = !detail.same;
    at("changed").hidden = detail.same;
    at("changed-how").textContent = `: ${detail.command}`;
    wanted = detail;
    if (!busy) requestAnimationFrame(catchUp);
    busy = true;
  });
  table.addEventListener("select", ({ detail }) => {
    view.frame(detail.interval);
    view.seek(detail.interval.start_s, "table");
    view.select(detail.organ, detail.interval);
  });
  view.addEventListener("select", ({ detail }) => table.mark(detail));
  showVerdict(at("verdict"), run);
  at("summary").textContent = facts.summary;
  showNotes(at("notes"), run);
  showFacts(at("facts"), facts.about);
  new Player(at("player"), run, view);
  at("tools").append(
    themeButton(() => view.theme()),
    button("print", "print", "print this page", () => print()),
  );
  view.addEventListener("drawn", () => setTimeout(smooth), { once: true }); // first show, then reckon
  document.body.dataset.ready = Math.round(performance.now());
  Object.assign(window, { seqcls: { run, view, panel, table, replay } }); // for those who look into it
}

start().catch((error) => {
  at("notes").hidden = false;
  at("notes").textContent = `This page cannot be shown here (${error.message}). A browser of 2023 or later can.`;
  throw error;
});
