"""How fast this machine is at each stage: cases measured in turns within one run, as medians and ratios.

Rates wander with whatever else a machine does; cases that take turns wander alike, so their ratio stays.
"""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.analysis import DECODED_AHEAD
from seqcls.cores import cores
from seqcls.detector import Detector
from seqcls.doctor import processor
from seqcls.engines import Engine, answers
from seqcls.errors import EngineError, NoFramesError
from seqcls.files import write_text
from seqcls.files.json_text import write_json
from seqcls.files.without_folders import without_folders
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.prefetch import prefetched
from seqcls.preprocess import PreprocessedFrame, Preprocessor
from seqcls.scoring import score_every
from seqcls.sources import Source, open_source
from seqcls.types import Frame, FrameScore

#: Frames at the beginning of a clip that a latency is not measured by.
WARM_UP = 30


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure: ``work`` does it once and returns how many frames it did."""

    name: str
    work: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Result:
    """Frames per second of each repeat of a case; ``note`` says why there are none."""

    name: str
    rates: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        """Frames per second; NaN where the case could not be run."""
        return statistics.median(self.rates) if self.rates else math.nan


def measure(
    cases: Sequence[Case],
    repeats: int = 3,
    *,
    on_progress: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Result]:
    """Run all cases in turn, ``repeats`` times, after one round that does not count (caches, compilation).

    A case that raises EngineError is noted and left out.
    """
    rates: dict[str, list[float]] = {case.name: [] for case in cases}
    notes: dict[str, str] = {}
    done = 0
    for repeat in range(-1, repeats):
        for case in cases:
            if case.name not in notes:
                try:
                    began_s = clock()
                    frames = case.work()
                    if repeat >= 0:
                        rates[case.name].append(frames / max(clock() - began_s, 1e-9))
                except EngineError as error:
                    notes[case.name] = without_folders(str(error))
            done += 1
            if on_progress is not None:
                on_progress(done)
    return [Result(case.name, tuple(rates[case.name]), notes.get(case.name, "")) for case in cases]


def reading(clip: str | Path) -> Case:
    """Frames read and thrown away."""

    def work() -> int:
        with open_source(clip) as source:
            return sum(1 for _ in _frames(source))

    return Case("read", work)


def preprocessing(clip: str | Path, geometry: Geometry) -> Case:
    """Frames read by one thread; region found, gate asked, cut out and scaled by another, as in a run."""

    def work() -> int:
        stage = Preprocessor(geometry, GateOptions())
        with open_source(clip) as source, prefetched((item for item in source), DECODED_AHEAD) as decoded:
            return sum(isinstance(item, PreprocessedFrame) for item in stage.prepare(decoded))

    return Case("read + preprocess", work)


def scoring(name: str, engine: Engine, images: NDArray[np.uint8], batch_size: int = 16) -> Case:
    """The engine alone. images: (N, S, S) uint8."""

    def work() -> int:
        for start in range(0, len(images), batch_size):
            answers(engine, images[start : start + batch_size])
        return len(images)

    return Case(name, work)


def running(name: str, detector: Detector, clip: str | Path) -> Case:
    """The whole way from a file to its timeline."""
    return Case(name, lambda: detector.analyze(clip).frame_counts.received)


def latency(detector: Detector, clip: str | Path, most: int = 300) -> tuple[float, float, float]:
    """Percentiles 50, 95 and 99 in milliseconds from a frame handed over to its score, one frame at a time on the way
    of a live run, which does not wait for frames here: region, gate, cut and engine.

    The first frames do not count: the region is being looked for. Neither do those that the gate refuses. Raises
    NoFramesError for a clip that is shorter.
    """
    took_ms: list[float] = []
    with open_source(clip) as source:
        stage = Preprocessor(detector.header.geometry, detector.gate, source.info.region)
        began_s: float | None = None

        def frames() -> Iterator[Frame]:
            nonlocal began_s
            for item in islice(_frames(source), most):
                began_s = None if stage.region is None else time.perf_counter()
                yield item

        for item in score_every(stage.prepare(frames()), detector.engine, 1):
            scored = isinstance(item, FrameScore) and item.scores is not None
            if scored and began_s is not None and stage.received > WARM_UP:
                took_ms.append((time.perf_counter() - began_s) * 1e3)
    if not took_ms:
        raise NoFramesError(f"{clip}: too short to measure a latency by; take a clip of more than {WARM_UP} frames")
    p50, p95, p99 = (float(value) for value in np.percentile(took_ms, (50, 95, 99)))
    return p50, p95, p99


def images_of(clip: str | Path, geometry: Geometry, most: int = 128) -> NDArray[np.uint8]:
    """(N, S, S) uint8, the clip's first N <= ``most`` scorable frames as the engine sees them. Raises NoFramesError."""
    with open_source(clip) as source:
        stage = Preprocessor(geometry, GateOptions(), source.info.region)
        prepared = stage.prepare(islice(_frames(source), most))
        images = [item.image for item in prepared if isinstance(item, PreprocessedFrame) and item.image is not None]
    if not images:
        raise NoFramesError(f"{clip}: holds no frame that can be scored; is the file whole?")
    return np.stack(images)


def _frames(source: Source) -> Iterator[Frame]:
    return (item for item in source if isinstance(item, Frame))


def table(results: Sequence[Result]) -> list[tuple[str, str]]:
    """(name, frames/s) as text, for a terminal or Markdown."""
    return [(result.name, result.note if result.note else f"{result.median:,.0f}") for result in results]


def write_report(folder: str | Path, results: Sequence[Result], facts: dict[str, Any]) -> None:
    """Write bench.md and bench.json into ``folder``; facts: what else is to be known. Raises OutputError."""
    folder = Path(folder)
    machine = {
        "processor": processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "seqcls": __version__,
    }
    lines = [f"Measured on {machine['processor']}, {machine['cores']} cores; medians, cases in turns.", ""]
    lines += ["| what | frames/s |", "|---|---:|", *(f"| {name} | {rate} |" for name, rate in table(results))]
    lines += ["", *(f"- {key}: {value}" for key, value in facts.items())]
    (folder / "bench.json").unlink(missing_ok=True)  # never one file of each of two runs
    write_text(folder / "bench.md", "\n".join(lines) + "\n")
    record = {"machine": machine, "results": [asdict(result) for result in results], "facts": facts}
    write_json(folder / "bench.json", record)
