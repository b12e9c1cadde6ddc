"""A steady clip of a minute from the shell to its timeline, adaptive, against the plain loop; and where the time goes.

In processor time, which other programs disturb less, and by the clock. Of the plain loop only frames count, not that it
imports PyTorch; of `seqcls run` everything does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import av

from seqcls import bench
from seqcls.adaptive import SamplingOptions
from seqcls.cores import LIBRARIES
from seqcls.detector import load
from seqcls.gate import GateOptions
from seqcls.phantom import SweepOptions, write_sweep
from seqcls.preprocess import Preprocessor
from seqcls.sources import open_source

#: The plain loop needs a tenth of a second for a frame: so many of them are enough.
PLAIN_FRAMES = 150


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of processor time, and by the clock."""

    cpu_s: float
    wall_s: float

    def __sub__(self, other: Took) -> Took:
        return Took(self.cpu_s - other.cpu_s, self.wall_s - other.wall_s)

    def __mul__(self, times: float) -> Took:
        return Took(self.cpu_s * times, self.wall_s * times)

    def over(self, other: Took) -> str:
        return f"{self.cpu_s / other.cpu_s:.1f} in processor time, {self.wall_s / other.wall_s:.1f} by the clock"


def process(arguments: list[str], given: str = "", environment: dict[str, str] | None = None) -> Took:
    """A whole process of Python."""
    before, began_s = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], input=given, text=True, check=True, capture_output=True, env=environment
    )
    after, ended_s = os.times(), time.perf_counter()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return Took(cpu_s, ended_s - began_s)


def inside(work: Callable[[], object]) -> Took:
    """Something in this process, on all of its threads."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - cpu_s, time.perf_counter() - wall_s)


def plain(clip: Path, folder: Path) -> Took:
    """The plain loop over its first frames, for one frame.

    Its threads wait asleep, which they do not by themselves: what they spend on waiting is a fifth of its processor
    time on an idle machine, and five times all else where other programs run.
    """
    script = [str(Path(__file__).with_name("plain_loop.py"))]
    environment = {name: value for name, value in os.environ.items() if name not in LIBRARIES}
    environment["OMP_WAIT_POLICY"] = "passive"
    order = json.dumps(["loop", str(clip), str(folder / "plain.csv"), str(PLAIN_FRAMES)])
    return (process(script, order, environment) - process(script, "", environment)) * (1 / PLAIN_FRAMES)


def decode(clip: Path) -> None:
    """All of it, in one thread, and nothing else."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def steady(folder: Path, model: Path) -> dict[str, str]:
    """What to print. ``model``: a trained one, of int8 where the processor is fast with that; where scores mean
    nothing, nearly all frames are scored."""
    clip, out = folder / "minute-1024x768.mp4", folder / "steady"
    if not clip.exists():
        options = SweepOptions(patient=1, width=1024, height=768, rate_hz=30.0, duration_s=60.0, station_s=7.0)
        write_sweep(clip, options)
    each = plain(clip, folder)
    run = ["-m", "seqcls", "run", str(clip), "-m", str(model), "-o", str(out), "--overwrite", "--sampling", "adaptive"]
    whole = process(run)
    counts = json.loads((out / "timeline.json").read_text(encoding="utf-8"))["frame_counts"]
    frames, scored = counts["received"], counts["classified"]
    parts = stages(clip, model, scored)
    facts = {
        "steady clip": f"{clip.name}, {frames} frames, of which {scored} were scored by {model.name}",
        "plain loop, a frame": f"{1000 * each.cpu_s:.1f} ms of processor time, {1000 * each.wall_s:.1f} ms",
        "seqcls run --sampling adaptive, times the plain loop": (each * frames).over(whole),
        "decoding alone, times the plain loop": (each * frames).over(parts["decoding"]),
    }
    rest = whole
    for name, took in parts.items():
        facts[f"of it {name}"] = f"{took.cpu_s:.2f} s, {1000 * took.cpu_s / frames:.2f} ms a frame"
        rest -= took
    return facts | {"of it starting, writing and the rest": f"{rest.cpu_s:.2f} s of {whole.cpu_s:.2f} s"}


def stages(clip: Path, model: Path, scored: int) -> dict[str, Took]:
    """Each stage with those before it, less these."""
    detector = replace(load(model), sampling=SamplingOptions(kind="adaptive"))
    images = bench.images_of(clip, detector.header.geometry, 48)
    detector.engine.scores(images[:16])

    def read() -> None:
        with open_source(clip) as source:
            for _ in source:
                pass

    def prepare() -> None:
        with open_source(clip) as source:
            stage = Preprocessor(detector.header.geometry, GateOptions(), source.info.region)
            with closing(stage.prepare(iter(source))) as prepared:
                for _ in prepared:
                    pass

    decoding, reading, preparing = inside(lambda: decode(clip)), inside(read), inside(prepare)
    engine = inside(lambda: detector.engine.scores(images)) * (scored / len(images))
    analysis = inside(lambda: detector.analyze(clip))
    return {
        "decoding": decoding,
        "gray images and their times": reading - decoding,
        "region, gate, cut and scale": preparing - reading,
        "the engine": engine,
        "choosing frames and smoothing": analysis - preparing - engine,
        "importing numpy, cv2, av and openvino": process(["-c", "import numpy, cv2, av, openvino"]),
    }
