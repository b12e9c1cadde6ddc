"""`seqcls run`: clips in, timelines out."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.live import LiveRunOptions, parse_camera, refuse_for_clips, session_options, watch
from seqcls.cli.options import INPUT, MODEL, OUTPUT, Panel
from seqcls.cli.results import write_with_progress
from seqcls.errors import OutputError, SeqclsError, UsageError

if TYPE_CHECKING:
    from seqcls.detector import Analysis, Detector
    from seqcls.sources import Source
    from seqcls.timeline import Timeline

LIVE = Panel("Live: for cameras, network feeds and --realtime only")
#: So many clips are opened and read ahead, so that the engine need not wait for the next one.
AHEAD = 2


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Clip, DICOM, image folder, folder or pattern of clips, camera number, or address.",
        ),
    ],
    region: options.Region = None,
    gate: Annotated[
        bool, INPUT("", "Whether black, frozen or empty frames become unknown.", "--gate/--no-gate")
    ] = True,
    fps: Annotated[float | None, INPUT("NUMBER", "Frames per second of images: they have no clock.")] = None,
    camera: Annotated[
        str | None,
        INPUT(
            "SETTINGS",
            "What to ask a camera for, as size=1280x720 or rate=30,backend=v4l2. Backends: any, v4l2, gstreamer,"
            " ffmpeg, dshow, msmf, avfoundation.",
        ),
    ] = None,
    credentials: Annotated[Path | None, INPUT("FILE", "User and password for an address, one per line.")] = None,
    model: options.Model = None,
    engine: Annotated[str, MODEL("auto|openvino|torch|onnx", "Inference library.")] = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    sampling: Annotated[
        str, MODEL("every|adaptive", "Score each frame, or about three of ten, with the same intervals as a rule.")
    ] = "every",
    smoothing: options.Smoothing = None,
    onset: options.Onset = None,
    offset: options.Offset = None,
    min_present: options.MinPresent = None,
    min_absent: options.MinAbsent = None,
    pad: options.Pad = None,
    realtime: Annotated[bool, LIVE("", "Play a clip at its own pace, as a feed.", "--realtime")] = False,
    keep: Annotated[
        str, LIVE("latest|every", "On a slow computer: drop frames and stay up to date, or score all and fall behind.")
    ] = "latest",
    duration: Annotated[float | None, LIVE("SECONDS", "Stop after this time.")] = None,
    resume: Annotated[bool, LIVE("", "Continue the run in -o that a crash or power cut ended.", "--resume")] = False,
    serve: Annotated[int | None, LIVE("[PORT]", "Show it as a web page on this machine only.")] = None,
    show: Annotated[bool, LIVE("", "Show it in a window.", "--show")] = False,
    record: Annotated[Path | None, LIVE("FILE", "Record the ultrasound region, as .mp4 or .mkv.")] = None,
    clips: Annotated[bool, LIVE("", "Save a clip of each presence and a little before it.", "--clips")] = False,
    webhook: Annotated[str | None, LIVE("URL", "POST each event to this address.")] = None,
    on_event: Annotated[str | None, LIVE("COMMAND", "Run this for each event, without a shell.")] = None,
    output: Annotated[Path | None, OUTPUT("DIR", "Default: NAME-timeline.", "-o", "--output")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find when each organ is in view. Writes intervals.csv, scores.csv, timeline.json and timeline.png.

    A camera, a feed (rtsp://, http://, rtmp://, igtl://host:port) or a clip
    with --realtime is watched live: it also writes run.journal, and prints
    events as JSON lines where stdout is not a terminal.
    """
    given = locals()
    from seqcls.adaptive import SamplingOptions
    from seqcls.detector import load
    from seqcls.exports.timeline_png import load_library
    from seqcls.feeds.open import is_live
    from seqcls.gate import GateOptions
    from seqcls.live.malloc import share_one_pool
    from seqcls.sources import expand
    from seqcls.sources.redact import redact

    path = options.find_model(model)
    watched = realtime or any(is_live(source) for source in sources)
    if watched and len(sources) > 1:
        named = ", ".join(redact(source) for source in sources)
        raise UsageError(f"a live run watches one source, not {len(sources)} ({named}); start one seqcls for each")
    run_options = options.picked(LiveRunOptions, given, camera=parse_camera(camera))
    if watched:
        share_one_pool()
        session_options(run_options)
    else:
        refuse_for_clips(run_options)
    stated = {"onset": onset, "offset": offset, "min_present_s": min_present, "min_absent_s": min_absent, "pad_s": pad}
    detector = load(
        path,
        engine=engine,
        device=device,
        precision=precision,
        gate=GateOptions(enabled=gate),
        sampling=SamplingOptions(kind=sampling),  # type: ignore[arg-type]  # it refuses other names itself
        lazy=True,
    )
    geometry = detector.header.geometry
    if region is not None:
        geometry = replace(geometry, region=options.parse_region(region))
    detector = replace(
        detector,
        header=replace(detector.header, geometry=geometry),
        smoothing=options.changed_smoothing(detector.smoothing, smoothing),
        intervals=options.changed_intervals(detector.intervals, **stated),
    )
    specs = list(sources) if watched else expand(sources)
    folders = _folders(specs, output)
    options.check_outputs(*(folder / "timeline.json" for folder in folders), overwrite=overwrite or resume)
    # Slow to import and needed at the end only: a core is free for it while the model and the first clip are opened.
    threading.Thread(target=load_library, daemon=True).start()
    console.notify(f"model {path} ({', '.join(detector.organs)})")
    if watched:
        console.notify(f"engine {detector.engine.description}")
        if sampling == "adaptive":
            console.warn("a live run scores every frame that it takes; --sampling adaptive is for clips")
        code = watch(detector, specs[0], folders[0], run_options)
    else:
        code = _run_all(detector, specs, folders, fps)
    if code:
        raise typer.Exit(code)


def _run_all(detector: Detector, specs: Sequence[str], folders: Sequence[Path], rate_hz: float | None) -> int:
    """Run every source into its folder; one that fails is reported and the others go on. Returns the exit code."""
    from seqcls.exports import write_intervals_csv
    from seqcls.sources import open_source

    def open_one(spec: str) -> Source:
        return open_source(spec, rate_hz=rate_hz)

    done: list[Timeline] = []
    failed, damaged = 0, 0
    with console.stops_cleanly() as should_stop, closing(_started(detector, specs, open_one, should_stop)) as started:
        for number, (analysis, folder) in enumerate(zip(started, folders, strict=True)):
            if number == 0:  # not before: the engine is opened while the first clips are read
                console.notify(f"engine {detector.engine.description}")
            try:
                timeline = _finish(analysis, folder, rate_hz)
            except OutputError:
                raise  # the next source would meet the same full or forbidden disk
            except SeqclsError as error:
                if len(specs) == 1:
                    raise
                failed += 1
                console.notify(f"seqcls: {error}")
                continue
            tables.show_timeline(console.results(), timeline)
            done.append(timeline)
            damaged += timeline.report.verdict in ("truncated", "damaged")
            if should_stop():
                break
        interrupted = should_stop()
    if len(specs) > 1:
        write_intervals_csv(done, folders[0].parent / "intervals.csv")
        console.notify(f"{len(done)} of {len(specs)} done, {failed} failed, {damaged} damaged; {folders[0].parent}")
    elif done:
        console.notify(f"wrote {folders[0]}: intervals.csv, scores.csv, timeline.json, timeline.png")
    if interrupted:
        return 130
    return 1 if failed else 3 if damaged else 0


def _finish(analysis: Analysis | SeqclsError, folder: Path, rate_hz: float | None) -> Timeline:
    if isinstance(analysis, SeqclsError):
        raise analysis
    info = analysis.info
    unused = info.has_clock and info.kind in ("file", "dicom") and ("times from", "the stated rate") not in info.details
    if rate_hz is not None and unused:
        console.warn(f"{info.name} has times of its own; --fps {rate_hz:g} is not used for it")
    with console.progress(info.name, info.declared_frames) as advance:
        timeline = analysis.finish(lambda done, time_s: advance(done))
    write_with_progress(timeline, folder)
    return timeline


def _started(
    detector: Detector, specs: Sequence[str], open_one: Callable[[str], Source], should_stop: Callable[[], bool]
) -> Generator[Analysis | SeqclsError, None, None]:
    """Each source as an Analysis that is reading already, or the reason why it cannot be opened.

    The next AHEAD clips are started early; a camera only when its turn has come.
    """
    from seqcls.detector import Analysis

    running: dict[int, tuple[Analysis | SeqclsError, ExitStack]] = {}

    def start(spec: str) -> tuple[Analysis | SeqclsError, ExitStack]:
        with ExitStack() as stack:
            try:
                source = stack.enter_context(closing(open_one(spec)))
                analysis = Analysis(detector, source, should_stop=should_stop)
                return stack.enter_context(closing(analysis)), stack.pop_all()
            except SeqclsError as error:
                return error, stack.pop_all()

    try:
        for number in range(len(specs)):
            for later in range(number, min(number + 1 + AHEAD, len(specs))):
                if later not in running and (later == number or Path(specs[later]).exists()):
                    running[later] = start(specs[later])
            yield running[number][0]
            running.pop(number)[1].close()
    finally:
        for _, stack in running.values():
            stack.close()


def _folders(specs: Sequence[str], output: Path | None) -> list[Path]:
    """One folder per source, under a short, distinct, file-system-safe name where several share ``output``."""
    names: list[str] = []
    for spec in specs:
        # An address may hold secrets.
        stem = f"camera-{spec}" if spec.isdigit() else "live" if "://" in spec else Path(spec).stem
        base = re.sub(r"[^\w.+ ()-]", "_", stem).strip(". ") or "clip"
        taken = {name.lower() for name in names}
        numbered = (base if count == 1 else f"{base}-{count}" for count in itertools.count(1))
        names.append(next(name for name in numbered if name.lower() not in taken))
    if len(specs) == 1:
        return [Path(f"{names[0]}-timeline") if output is None else output]
    return [(Path("seqcls-timelines") if output is None else output) / name for name in names]
