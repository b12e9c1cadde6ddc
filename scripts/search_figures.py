"""What a search of an archive costs, in seconds of one core: the figures in docs/archive.md.

    python scripts/search_figures.py --clips 10000 -o /tmp/archive    # 100,000 intervals

The runs are made up, two organs with five intervals each; index.parquet and clips.parquet lie in -o afterwards.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from seqcls.archive.index import ArchiveIndex, archive_index
from seqcls.archive.query import find
from seqcls.exports.timeline_json import write_timeline_json
from seqcls.files import make_folder
from seqcls.intervals import IntervalOptions
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Provenance, Timeline
from seqcls.types import FrameCounts, Interval, ScoreTable, SourceInfo, SourceReport, State

ORGANS = ("thyroid", "trachea")
STATES: tuple[State, ...] = ("absent", "present", "absent", "present", "absent")
EXPRESSIONS = (
    "",
    "thyroid > 2 s and not trachea",
    "coverage < 0.9 and thyroid > 2 s",
    "(thyroid and not trachea) > 5 s",
    "thyroid before trachea",
)


def made_up(number: int, chance: np.random.Generator) -> Timeline:
    """Ten seconds at 30 frames per second; of every seventh clip the end is unknown."""
    nothing = np.zeros((0, len(ORGANS)), np.float32)
    intervals = []
    for organ in ORGANS:
        edges_s = [0.0, *np.sort(chance.uniform(0, 10, len(STATES) - 1)).round(3).tolist(), 10.0]
        states = (*STATES[:-1], "unknown") if number % 7 == 0 else STATES
        for state, start_s, end_s in zip(states, edges_s, edges_s[1:], strict=False):
            first, last = int(start_s * 30), int(end_s * 30)
            reason = "no contact" if state == "unknown" else ""
            intervals.append(Interval(organ, state, start_s, end_s, first, last, 0.5, 0.9, reason))
    path = f"patient {number // 10:05d}/sweep {number % 10}.mp4"
    options = tuple(IntervalOptions() for _ in ORGANS)
    return Timeline(
        source=SourceInfo(name=Path(path).name, kind="file", path=path, codec="h264", width=1024, height=768),
        organs=ORGANS,
        start_s=0.0,
        end_s=10.0,
        intervals=tuple(intervals),
        scores=ScoreTable(
            ORGANS, np.zeros(0, np.int64), np.zeros(0), np.zeros(0), nothing, nothing, (), np.zeros(0, np.bool_)
        ),
        frame_counts=FrameCounts(300, 300),
        report=SourceReport("damaged" if number % 50 == 0 else "complete", (), 300),
        provenance=Provenance(smoothing=SmoothingOptions(), intervals=options),
    )


def write_archive(folder: Path, clips: int) -> None:
    chance = np.random.default_rng(1)
    for number in range(clips):
        run = made_up(number, chance)
        place = make_folder(folder / run.source.path.removesuffix(".mp4"))
        # Not by way of a whole run: each of its files is made durable, which a disk does some hundred times a second.
        if not (place / "timeline.json").exists():
            write_timeline_json(replace(run), place / "timeline.json")


def cost_s(work: Callable[[], object]) -> float:
    """Processor time, of all threads: that of the wall depends on who else is at work."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main(folder: Path, clips: int) -> None:
    write_archive(folder, clips)
    for name in ("index.parquet", "clips.parquet"):
        (folder / name).unlink(missing_ok=True)
    kept: list[ArchiveIndex] = []
    print(f"{clips:,} clips are indexed in {cost_s(lambda: kept.append(archive_index(folder))):.2f} s")
    print(f"that nothing has changed is seen in {cost_s(lambda: archive_index(folder)):.2f} s")
    index = kept[0]
    sizes = [(folder / name).stat().st_size / 1e6 for name in ("index.parquet", "clips.parquet")]
    print(f"{index.intervals.num_rows:,} rows; index.parquet {sizes[0]:.1f} MB, clips.parquet {sizes[1]:.1f} MB")
    first_s = cost_s(lambda: find(index, "thyroid", intervals=False))
    print(f"the first search of a process, which loads DuckDB: {first_s:.2f} s")
    print(f"with the presences of all that is found, for JSON: {cost_s(lambda: find(index, 'thyroid')):.2f} s")
    for text in EXPRESSIONS:
        costs_s = sorted(cost_s(lambda text=text: find(index, text, intervals=False)) for _ in range(5))
        print(f"{costs_s[2]:.3f} s  {len(find(index, text, intervals=False).clips):6,} clips  {text or 'all clips'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=10_000)
    arguments = parser.parse_args()
    main(arguments.output, arguments.clips)
