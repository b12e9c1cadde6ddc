"""Many short clips by one `seqcls run` against one run after the other, the plain loop, and what cannot be saved.

Called by ``bench.py --only batch``; on a machine with a GPU with ``--device cuda``. Seconds are those of the clock and
of the processors: the second kind stays the same beside other programs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import av

from seqcls import bench
from seqcls.analysis import BATCH
from seqcls.cores import cores
from seqcls.detector import load
from seqcls.phantom import SweepOptions, write_sweep
from seqcls.sources.found import FoundSource
from seqcls.sources.isolated import DecoderPool
from seqcls.types import Frame

#: Frames of the shortest clip, and by how many each is longer than the one before.
SHORTEST, LONGER = 45, 1


class Took(NamedTuple):
    """Seconds by the clock and of processors, of this process and its children."""

    clock_s: float
    work_s: float

    def __str__(self) -> str:
        return f"{self.clock_s:.1f} s, {self.work_s:.1f} s of processors"

    def times(self, other: Took) -> str:
        """How many times as long the other took."""
        return f"{other.clock_s / self.clock_s:.2f} times by the clock, {other.work_s / self.work_s:.2f} of processors"


def timed(work: Callable[[], object]) -> Took:
    began, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return Took(time.perf_counter() - began, sum(after[:4]) - sum(before[:4]))


def short_clips(folder: Path, count: int) -> list[Path]:
    """The beginnings of a sweep of 1024x768, no two of one length: about 2 s each."""
    sweep = folder.with_name("batch-sweep.mp4")
    if not sweep.exists():
        seconds = (SHORTEST + LONGER * count) / 30 + 1
        write_sweep(sweep, SweepOptions(patient=3, width=1024, height=768, rate_hz=30.0, duration_s=seconds))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        with av.open(str(sweep)) as source, av.open(str(path), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            packets = (packet for packet in source.demux(video=0) if packet.dts is not None)
            for _, packet in zip(range(SHORTEST + LONGER * number), packets, strict=False):
                packet.stream = stream
                out.mux(packet)
    return paths


def decoded(paths: list[Path]) -> int:
    """Frames of all clips, read by as many children as there are processors."""

    def read(path: Path) -> int:
        with pool.open(FoundSource(spec=str(path))) as source:
            return sum(isinstance(item, Frame) for item in source)

    with closing(DecoderPool()) as pool, ThreadPoolExecutor(cores()) as threads:
        return sum(threads.map(read, paths))


def facts_of(folder: Path, model: Path, count: int, device: str, plain: Callable[[Path], object]) -> dict[str, Any]:
    """plain: the plain loop over one clip."""
    paths = short_clips(folder / "batch-clips", count)
    command = [sys.executable, "-m", "seqcls", "run"]
    options = ["-m", str(model), "--device", device, "--overwrite"]

    def run(out: str, *sources: Path) -> str:
        order = [*command, *map(str, sources), *options, "-o", str(folder / out)]
        return subprocess.run(order, check=True, capture_output=True, text=True).stderr

    said: list[str] = []
    many = timed(lambda: said.append(run("batch-many", folder / "batch-clips")))
    apart = timed(lambda: [run(f"batch-one/{path.stem}", path) for path in paths])
    loop = timed(lambda: [plain(path) for path in paths])
    detector = load(model, device=device)
    few = bench.images_of(paths[0], detector.header.geometry, SHORTEST)
    frames = sum(SHORTEST + LONGER * number for number in range(count))
    images = few[[row % len(few) for row in range(frames)]]
    detector.engine.scores(images[:BATCH])
    reading = timed(lambda: decoded(paths))
    scoring = timed(lambda: [detector.engine.scores(images[at : at + 256]) for at in range(0, frames, 256)])
    slower = max(reading.clock_s, scoring.clock_s)
    both_s = reading.work_s + scoring.work_s
    about = f"batch: {count} clips, {frames} frames, {detector.engine.description}"
    return {
        about: f"{many}, {frames / many.clock_s:.0f}/s",
        "batch: what set the pace": next((line for line in said[0].splitlines() if " was the limit: " in line), "?"),
        "batch: one run after the other": f"{apart}: {many.times(apart)}",
        "batch: plain loop on these clips": f"{loop.clock_s:.1f} s: {loop.clock_s / many.clock_s:.2f} times the clock",
        "batch: decoding alone, in children": str(reading),
        "batch: engine alone": str(scoring),
        "batch: against the slower of these two": f"{many.clock_s / slower:.2f} times by the clock",
        "batch: against both together": f"{many.work_s / both_s:.2f} times their processor time",
    }
