"""`seqcls bench`: how fast this machine is, stage by stage."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.options import MODEL, OUTPUT

if TYPE_CHECKING:
    from seqcls.bench import Latency, Result
    from seqcls.detector import Detector


def bench(
    clip: Annotated[Path | None, typer.Argument(help="Default: a synthetic one, 1024x768, 10 s.")] = None,
    model: Annotated[Path | None, MODEL("FILE", "Default: random weights, 224 pixels.", "-m", "--model")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    repeats: Annotated[int, OUTPUT("N", "Rounds that count, after one that does not.", min=1)] = 3,
    output: Annotated[Path | None, OUTPUT("DIR", "For bench.md and bench.json.", "-o", "--output")] = None,
) -> None:
    """Measure reading, preprocessing, each engine and the whole way in turns; rates are median frames per second."""
    from seqcls import bench as stages
    from seqcls.files import require_writable

    if output is not None:
        require_writable(output)
    with tempfile.TemporaryDirectory() as scratch:
        shown = _synthetic(Path(scratch)) if clip is None else clip
        if model is None:
            console.notify("no -m: random weights, 224 pixels")
        detectors = _detectors(_random(Path(scratch)) if model is None else model, device, precision)
        first = next(iter(detectors.values()))
        images = stages.images_of(shown, first.header.geometry)
        cases = [stages.reading(shown), stages.preprocessing(shown, first.header.geometry)]
        cases += [stages.scoring(f"{name} alone", d.engine, images) for name, d in detectors.items()]
        cases += [stages.running(f"run, {name}", d, shown) for name, d in detectors.items()]
        if model is not None:  # random scores move too little to say anything of sampling
            cases.append(stages.running("run, adaptive", stages.with_sampling(first, "adaptive"), shown))
        with console.progress("measuring", (repeats + 1) * len(cases), "cases") as advance:
            results = stages.measure(cases, repeats, on_progress=advance)
        single = _latency(first, shown)
    _show(results, first, single)
    if output is not None:
        facts = {
            "engines": "; ".join(f"{name}: {d.engine.description}" for name, d in detectors.items()),
        }
        if single is not None:
            facts["one frame at a time"] = (
                f"{single.p50:.1f} / {single.p95:.1f} / {single.p99:.1f} ms (p50 / p95 / p99)"
            )
        stages.write_report(output, results, facts)
        console.notify(f"wrote {output}: bench.md, bench.json")


def _synthetic(folder: Path) -> Path:
    from seqcls.phantom import SweepOptions, write_sweep

    path = folder / "phantom-1024x768.mp4"
    console.notify("drawing a synthetic sweep to measure on")
    write_sweep(path, SweepOptions(patient=1, width=1024, height=768, rate_hz=30.0, duration_s=10.0))
    return path


def _random(folder: Path) -> Path:
    from seqcls.models.file import write_model
    from seqcls.models.untrained import random_model

    path = folder / "random.safetensors"
    write_model(path, *random_model())
    return path


def _detectors(model: Path, device: str, precision: str) -> dict[str, Detector]:
    """One per engine that can be used; raises EngineError where there is none."""
    from seqcls.detector import load
    from seqcls.engines import ENGINES
    from seqcls.errors import EngineError

    found: dict[str, Detector] = {}
    for name in ENGINES:
        try:
            found[name] = load(model, engine=name, device=device, precision=precision)
        except EngineError as error:
            console.notify(f"left out: {name}: {error}")
    if not found:
        raise EngineError("no engine can be used here; pip install torch torchvision")
    return found


def _latency(detector: Detector, clip: Path) -> Latency | None:
    """None, with a message, for a clip that is too short."""
    from seqcls.bench import latency
    from seqcls.errors import NoFramesError

    try:
        return latency(detector, clip)
    except NoFramesError as error:
        console.notify(f"left out: latency: {error}")
        return None


def _show(results: Sequence[Result], detector: Detector, single: Latency | None) -> None:
    from rich.table import Table

    from seqcls.bench import table

    shown = Table("what", "frames/s", box=None, pad_edge=False)
    shown.columns[1].justify = "right"
    for name, rate, _ in table(results):
        shown.add_row(name, rate)
    console.results().print(shown)
    if single is None:
        return
    console.results().print(
        f"one frame at a time, {detector.engine.description}:"
        f" {single.p50:.1f} ms (p50), {single.p95:.1f} ms (p95), {single.p99:.1f} ms (p99)"
    )
