"""`seqcls bench`: how fast this machine is, stage by stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import MODEL, OUTPUT
from seqcls.files.output_lock import only_writer

if TYPE_CHECKING:
    from seqcls.detector import Detector


def bench(
    clip: Annotated[Path | None, typer.Argument(help="Default: a synthetic one, 1024x768, 10 s.")] = None,
    model: Annotated[Path | None, MODEL("FILE", "Default: random weights, 224 pixels.", "-m", "--model")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    repeats: Annotated[int, OUTPUT("N", "Rounds that count, after one that does not.", min=1)] = 3,
    output: Annotated[Path | None, OUTPUT("DIR", "For bench.md and bench.json.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure reading, preprocessing, each engine and the whole way in turns; rates are median frames per second."""
    from seqcls import bench as stages
    from seqcls.adaptive import SamplingOptions
    from seqcls.errors import NoFramesError
    from seqcls.files.temporaries import temporary_folder
    from seqcls.models.file import read_header
    from seqcls.sources import open_source

    options.pseudonyms(hash_names, [] if clip is None else [clip], [model, output])
    # What cannot be used is refused before an engine is opened.
    if model is not None:
        read_header(model)
    if clip is not None:
        open_source(clip).close()
    with only_writer(output, is_folder=True):
        if output is not None:
            options.check_outputs(output / "bench.md", output / "bench.json", overwrite=overwrite)
        with temporary_folder() as scratch:
            shown = _synthetic(scratch) if clip is None else clip
            detectors = _detectors(_random(scratch) if model is None else model, device, precision)
            first = next(iter(detectors.values()))
            images = stages.images_of(shown, first.header.geometry)
            cases = [stages.reading(shown), stages.preprocessing(shown, first.header.geometry)]
            cases += [stages.scoring(f"{name} alone", d.engine, images) for name, d in detectors.items()]
            cases += [stages.running(f"run, {name}", d, shown) for name, d in detectors.items()]
            if model is not None:  # random scores move too little to say anything of sampling
                few = replace(first, sampling=SamplingOptions(kind="adaptive"))
                cases.append(stages.running("run, adaptive", few, shown))
            with console.progress("measuring", (repeats + 1) * len(cases), "cases") as advance:
                results = stages.measure(cases, repeats, on_progress=advance)
            facts = {"engines": "; ".join(f"{name}: {d.engine.description}" for name, d in detectors.items())}
            console.results().print(tables.table(("what", "frames/s"), stages.table(results)))
            try:
                single = stages.latency(first, shown)
            except NoFramesError as error:
                console.notify(f"left out: latency: {error}")
            else:
                facts["one frame at a time"] = tables.percentiles(single, 1)
                console.results().print(
                    f"one frame at a time, {first.engine.description}: {facts['one frame at a time']}"
                )
        if output is not None:
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

    console.notify("no -m: random weights, 224 pixels")
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
