"""Draw docs/pictures/live-page.png: the page of `--serve` as a browser shows it, half-way through the sample sweep.

    python scripts/draw_live_page.py    # needs Chromium

The scores are the means of the sample's intervals; times and figures of the feed are made up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

import numpy as np

from seqcls.exports.timeline_json import read_run_facts
from seqcls.gate import GateOptions
from seqcls.keepable import keepable
from seqcls.live.display.server import PageServer
from seqcls.live.organ_history import OrganHistory
from seqcls.live.snapshot import LiveView, Storage
from seqcls.postprocess import PostProcess
from seqcls.sources import open_source
from seqcls.types import Frame, FrameCounts, FrameScore

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, PICTURE = ROOT / "samples", ROOT / "docs" / "pictures" / "live-page.png"
#: The trachea has just come back into view.
SHOWN = 213
SIZE = (1100, 740)
#: So often in a row the page shows the run: then its colours have faded in, too.
LOOKS = 15
READY = (
    "typeof verdict === 'function' && verdict().trusted && document.querySelectorAll('.word').length === 2"
    " && document.getElementById('picture-note').textContent === ''"
)


def view() -> LiveView:
    """After so many frames."""
    facts = read_run_facts(SAMPLES / "neck-timeline.json")
    made = facts.provenance
    with open_source(SAMPLES / "neck.mp4") as source:
        frames = [item for item in islice(source, SHOWN) if isinstance(item, Frame)]
    process = PostProcess(facts.scored_organs, made.smoothing, made.intervals, keep=False)
    histories = [
        OrganHistory(organ, options, wanted_s)
        for organ, options, wanted_s in zip(facts.scored_organs, made.intervals, (4.0, 4.0), strict=True)
    ]
    rejected = 0
    for frame in frames:
        now = [each for each in facts.intervals if each.start_index <= frame.index <= each.end_index]
        means = {each.organ: each.mean_score for each in now if each.state != "unknown"}
        reason = next((each.reason for each in now if each.state == "unknown"), "")
        scores = None if reason else np.array([means[organ] for organ in facts.scored_organs], np.float32)
        rejected += bool(reason)
        events = list(process.push(FrameScore(frame.index, frame.time_s, frame.duration_s, scores, reason)))
        for event in events:
            histories[facts.scored_organs.index(event.organ)].changed(event)
        for column, history in enumerate(histories):
            history.scored(process.latest, column, coming=process.builders[column].coming)
    last = frames[-1]
    return LiveView(
        source=facts.source.name,
        feed="running",
        last_frame_s=last.time_s,
        now_s=last.time_s,
        organs=tuple(history.view("running", None) for history in histories),
        frame_counts=FrameCounts(received=len(frames), classified=len(frames) - rejected, rejected=rejected),
        rate_hz=20.0,
        latency_ms=(15.0, 25.0, 40.0),
        image=keepable(last.image, made.regions[0], GateOptions()),
        messages=("mark 1 at 0:00:09",),
        started="2026-01-01T10:00:00+00:00",
        storage=Storage(recording=True, clips=5, written_bytes=4_500_000, free_bytes=41_000_000_000, left_s=90_000.0),
    )


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from support import browser

    path = browser.find()
    assert path, "no Chromium: apt-get install chromium"
    shown = view()
    with ExitStack() as stack:
        page = stack.enter_context(closing(PageServer()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chromium = stack.enter_context(closing(browser.Browser(path, folder)))
        chromium.screen(*SIZE)
        chromium.open(page.url)
        looks = 0
        while looks < LOOKS:
            page.publish(shown)  # as a run does: what is older than 3 s is not believed
            time.sleep(0.1)
            looks = looks + 1 if chromium.evaluate(READY) else 0
        chromium.screenshot(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
