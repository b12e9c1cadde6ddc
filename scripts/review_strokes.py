"""How many key strokes a review takes: a reader who knows the truth labels clips in a real Chromium, by keys alone.

    python scripts/review_strokes.py results clips --labels truth.csv -o corrected       # from predictions
    python scripts/review_strokes.py clips clips --labels truth.csv -o labelled          # from nothing

Prints, for each clip, strokes for moving (a second or a frame at a time, or from edge to edge) and for acts, and the
minutes that these take by the keystroke-level model (Card, Moran and Newell 1980: 0.28 s a stroke of an average typist,
1.35 s to make up one's mind before each act), after one look at the clip at its own pace. Where the truth says "ignore"
at an edge, the reader puts the edge in its middle. Writes reader1-labels.csv into OUT: extract and train with it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import browser  # noqa: E402
from support.reviews import page_ready, press  # noqa: E402

from seqcls.datasets.clip_files import match_clips  # noqa: E402
from seqcls.datasets.labels import ClipLabels, read_labels  # noqa: E402
from seqcls.review.clips import clips_to_review  # noqa: E402
from seqcls.review.server import ReviewServer  # noqa: E402
from seqcls.review.session import ReviewSession  # noqa: E402

STROKE_S, THOUGHT_S = 0.28, 1.35
SAVED = "seqcls.review.saver.unsaved === 0"
TRACK = "seqcls.review.history.tracks[seqcls.review.organs[seqcls.review.organ]]"


@dataclass
class Strokes:
    """Of one clip."""

    moves: int = 0
    acts: int = 0
    length_s: float = 0.0

    @property
    def minutes(self) -> float:
        return (self.length_s + STROKE_S * (self.moves + self.acts) + THOUGHT_S * self.acts) / 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", type=Path, help="runs, or the clips themselves")
    parser.add_argument("clips", type=Path)
    parser.add_argument("--labels", type=Path, required=True, help="the truth")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    path = browser.find()
    if path is None:
        print("no Chromium here")
        return 1
    truth = {found: labels for found, labels in match_clips(read_labels(options.labels), options.clips, options.labels)}
    organs = sorted({organ for labels in truth.values() for organ in labels.organs})
    from_runs = options.places != options.clips
    session = ReviewSession(
        clips_to_review([options.places], options.clips if from_runs else None),
        options.output,
        "reader1",
        organs=organs,
    )
    server = ReviewServer(session)
    with tempfile.TemporaryDirectory() as profile:
        page = browser.Browser(path, Path(profile))
        try:
            page_ready(page, server.url)
            total = Strokes()
            for place, clip in enumerate(session.clips):
                labels = truth.get(clip.path) if clip.path is not None else None
                if labels is None:
                    continue
                done = label(page, place, labels)
                total.moves += done.moves
                total.acts += done.acts
                total.length_s += done.length_s
                print(f"{clip.title}: {done.moves} strokes to move, {done.acts} to act, {done.minutes:.2f} min")
            print(f"all: {total.moves} to move, {total.acts} to act, {total.minutes:.2f} min")
        finally:
            page.evaluate("seqcls.review.saver.waiting.length = 0")
            page.close()
            server.close()
            session.close()
    return 0


def label(page: Any, place: int, labels: ClipLabels) -> Strokes:
    """All organs of one clip, as the truth has them."""
    page.evaluate(f"seqcls.review.open({place})")
    page.until(f"seqcls.review.place === {place} && !seqcls.review.opening")
    times, end_s = page.evaluate("[[...seqcls.review.run.shown_s], seqcls.review.run.end_s]")
    strokes = Strokes(length_s=end_s - times[0])
    for organ in labels.organs:
        page.evaluate(f"seqcls.review.choose(seqcls.review.organs.indexOf({organ!r}))")
        states = [labels.state_at(organ, index, time_s) for index, time_s in enumerate(times)]
        spans = decided(states)
        for first, mark in spans:
            track = page.evaluate(TRACK)
            if first and not is_edge(track, first, mark):
                go(page, strokes, first, times)
                act(page, strokes, "s" if mark == "present" else "d")
            elif not first and len(spans) == 1 and not track["spans"]:
                go(page, strokes, 0, times)
                act(page, strokes, "s" if mark == "present" else "d")
        for first, key in wrong(page.evaluate(TRACK), spans):
            go(page, strokes, first, times)
            act(page, strokes, key)
    act(page, strokes, "Enter")
    page.until(SAVED)
    return strokes


def decided(states: list[str | None]) -> list[tuple[int, str]]:
    """From which frame on the organ is present, or absent; the middle of what is to be ignored is the edge."""
    known = [(index, state) for index, state in enumerate(states) if state in ("present", "absent")]
    spans: list[tuple[int, str]] = [(0, str(known[0][1]))] if known else []
    for (before, one), (after, other) in itertools.pairwise(known):
        if one != other:
            spans.append(((before + after + 1) // 2, str(other)))
    return spans


def is_edge(track: dict[str, Any], frame: int, mark: str) -> bool:
    return any(span["first"] == frame and span["mark"] == mark for span in track["spans"])


def wrong(track: dict[str, Any], spans: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Spans that say something else than the truth, and the key that puts them right."""
    found = []
    for span in track["spans"]:
        mark = [mark for first, mark in spans if first <= span["first"]][-1]
        if span["mark"] != mark:
            found.append((span["first"], "p" if mark == "present" else "o"))
    return found


def go(page: Any, strokes: Strokes, frame: int, times: list[float]) -> None:
    """By edges where that is less work, else by seconds and frames."""
    now = page.evaluate("seqcls.review.row")
    edges = [edge for edge in page.evaluate(f"seqcls.edit.edges({TRACK})") if edge < len(times)]
    ways = [plain_way(now, frame, times)]
    ahead, behind = [edge for edge in edges if edge > now], [edge for edge in reversed(edges) if edge < now]
    for count, edge in enumerate(ahead, 1):
        ways.append(["g"] * count + plain_way(edge, frame, times))
    for count, edge in enumerate(behind, 1):
        ways.append(["f"] * count + plain_way(edge, frame, times))
    ways.append(["Home", *plain_way(0, frame, times)])
    way = min(ways, key=len)
    press(page, *way)
    strokes.moves += len(way)
    reached = page.evaluate("seqcls.review.row")
    assert reached == frame, f"came to {reached}, not to {frame}"


def plain_way(now: int, frame: int, times: list[float]) -> list[str]:
    """Whole seconds, then frames."""
    keys = []
    at_s, rate = times[now], (len(times) - 1) / max(times[-1] - times[0], 1e-6)
    while (
        abs(times[frame] - at_s) > 0.5 + 0.5 / rate
        and times[0] <= at_s + (1 if times[frame] > at_s else -1) <= times[-1]
    ):
        way = 1 if times[frame] > at_s else -1
        at_s += way
        keys.append("shift+ArrowRight" if way > 0 else "shift+ArrowLeft")
    reached = max(index for index, time_s in enumerate(times) if time_s <= at_s + 1e-6)
    return keys + ["ArrowRight" if frame > reached else "ArrowLeft"] * abs(frame - reached)


def act(page: Any, strokes: Strokes, key: str) -> None:
    press(page, key)
    strokes.acts += 1


if __name__ == "__main__":
    sys.exit(main())
