"""`seqcls run`: clips in, timelines out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcls.cli import console
from seqcls.cli import tables as show
from seqcls.cli.live import LiveRunOptions, camera_options, refuse_for_clips, watch
from seqcls.cli.options import (
    FROM_MODEL,
    Dwell,
    LookAhead,
    MinAbsent,
    MinPresent,
    Model,
    Offset,
    Onset,
    Overwrite,
    Pad,
    Smoothing,
    TimeConstant,
    Window,
    changed_intervals,
    changed_smoothing,
    find_model,
    parse_region,
)
from seqcls.errors import OutputError, SeqclsError, UsageError

if TYPE_CHECKING:
    from seqcls.detector import Analysis, Detector
    from seqcls.timeline import Timeline

LIVE = "Live"


def run(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Clip, folder, glob, DICOM, image folder, or camera index.")
    ],
    model: Model = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results. [default: NAME-timeline]")
    ] = None,
    smoothing: Smoothing = None,
    window: Window = None,
    look_ahead: LookAhead = None,
    time_constant: TimeConstant = None,
    dwell: Dwell = None,
    onset: Onset = None,
    offset: Offset = None,
    min_present: MinPresent = None,
    min_absent: MinAbsent = None,
    pad: Pad = None,
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Call black, frozen or empty frames unknown.")] = True,
    region: Annotated[
        str | None, typer.Option(help=f"Ultrasound region: auto, none, or x0,y0,x1,y1 in pixels. {FROM_MODEL}")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of an image sequence.")] = None,
    reader: Annotated[str, typer.Option(help="How files are read: pyav or opencv.")] = "pyav",
    sampling: Annotated[
        str,
        typer.Option(help="every: score each frame. adaptive: score fewer, with the same intervals as a rule."),
    ] = "every",
    engine: Annotated[str, typer.Option(help="auto, openvino, torch or onnx.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16, or int8 (of a model that was converted to it).")
    ] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Frames scored together.")] = 16,
    overwrite: Overwrite = False,
    live: Annotated[
        bool, typer.Option("--live", help="Watch a feed. Implied for cameras and addresses.", rich_help_panel=LIVE)
    ] = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a clip at its own pace, as a probe would.", rich_help_panel=LIVE)
    ] = False,
    keep: Annotated[
        str, typer.Option(help="latest: drop frames when late. every: let the source wait.", rich_help_panel=LIVE)
    ] = "latest",
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.", rich_help_panel=LIVE)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in -o that was cut off.", rich_help_panel=LIVE)
    ] = False,
    serve: Annotated[
        int | None,
        typer.Option(metavar="[PORT]", help="Show it as a page on this machine.", rich_help_panel=LIVE),
    ] = None,
    show_window: Annotated[bool, typer.Option("--show", help="Show it in a window.", rich_help_panel=LIVE)] = False,
    record: Annotated[
        Path | None, typer.Option(help="Record the feed, .mp4 or .mkv: the ultrasound region.", rich_help_panel=LIVE)
    ] = None,
    clips: Annotated[
        bool, typer.Option("--clips", help="Keep a clip of each presence, with pre-roll.", rich_help_panel=LIVE)
    ] = False,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Record outside the region too: names are shown there.", rich_help_panel=LIVE),
    ] = False,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="POST each event there.", rich_help_panel=LIVE)
    ] = None,
    on_event: Annotated[
        str | None, typer.Option(metavar="CMD", help="Run this for each event, no shell.", rich_help_panel=LIVE)
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="File with user and password, a line each.", rich_help_panel=LIVE)
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Ask the camera for this size.", rich_help_panel=LIVE)
    ] = None,
    camera_rate: Annotated[
        float | None, typer.Option(help="Ask the camera for so many frames per second.", rich_help_panel=LIVE)
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="How the camera is opened: any, v4l2, gstreamer, ffmpeg, dshow, msmf or avfoundation.",
            rich_help_panel=LIVE,
        ),
    ] = None,
) -> None:
    """Find when each organ is in view. Writes intervals.csv, scores.csv, timeline.json and timeline.png.

    Live (cameras, rtsp://, http://, rtmp://, igtl://host:port, or --realtime) it also keeps run.journal, and prints
    events as JSON lines where stdout is no terminal.
    """
    from seqcls.live.malloc import share_one_pool
    from seqcls.sources import expand
    from seqcls.sources.redact import redact

    path = find_model(model)
    watched = live or realtime or any(_is_live(source) for source in sources)
    if watched and len(sources) > 1:
        given = ", ".join(redact(source) for source in sources)
        raise UsageError(f"a live run watches one source, not {len(sources)} ({given}); start one seqcls for each")
    if watched:
        share_one_pool()
    live_options = LiveRunOptions(
        keep=keep,
        resume=resume,
        overwrite=overwrite,
        duration_s=duration,
        realtime=realtime,
        serve=serve,
        window=show_window,
        record=record,
        clips=clips,
        whole=whole,
        webhook=webhook,
        on_event=on_event,
    )
    camera = camera_options(size, camera_rate, backend)
    if not watched:
        refuse_for_clips(live_options, camera, credentials)
    specs = list(sources) if watched else expand(sources)
    folders = _folders(specs, output, overwrite or resume)
    # Slow to import and needed at the end only: a core is free for it while the model and the first clip are opened.
    threading.Thread(target=_import_picture, daemon=True).start()
    detector = _load(path, engine, device, precision, gate, region, sampling)
    detector = replace(
        detector,
        smoothing=changed_smoothing(detector.smoothing, smoothing, window, look_ahead, time_constant, dwell),
        intervals=changed_intervals(detector.intervals, onset, offset, min_present, min_absent, pad),
    )
    console.say(f"model {path} ({', '.join(detector.organs)})")
    if watched:
        console.say(f"engine {detector.engine.description}")
        options = {"reader": reader, "rate_hz": fps, "credentials": credentials, **camera}
        if code := watch(detector, specs[0], folders[0], live_options, options):
            raise typer.Exit(code)
        return
    code = run_all(detector, specs, folders, batch_size=batch_size, source_options={"reader": reader, "rate_hz": fps})
    if code:
        raise typer.Exit(code)


def run_all(
    detector: Detector,
    specs: Sequence[str],
    folders: Sequence[Path],
    *,
    batch_size: int,
    source_options: dict[str, Any],
) -> int:
    """Run every source into its folder; a source that fails is told and the others go on. Returns the exit code."""
    from seqcls.exports import write_intervals_csv

    done: list[Timeline] = []
    failed, damaged = 0, 0
    with (
        console.ends_in_order() as should_stop,
        _Started(detector, specs, batch_size, source_options, should_stop) as started,
    ):
        console.say(f"engine {detector.engine.description}")
        for analysis, folder in zip(started, folders, strict=True):
            try:
                timeline = _finish(analysis, folder)
            except OutputError:
                raise  # the next source would meet the same full or forbidden disk
            except SeqclsError as error:
                if len(specs) == 1:
                    raise
                failed += 1
                console.say(f"seqcls: {error}")
                continue
            show.show_timeline(console.results(), timeline)
            done.append(timeline)
            damaged += timeline.report.verdict in ("truncated", "damaged")
            if should_stop():
                break
        interrupted = should_stop()
    if len(specs) > 1:
        write_intervals_csv(done, folders[0].parent / "intervals.csv")
        console.say(f"{len(done)} of {len(specs)} done, {failed} failed, {damaged} damaged; {folders[0].parent}")
    elif done:
        console.say(f"wrote {folders[0]}: intervals.csv, scores.csv, timeline.json, timeline.png")
    if interrupted:
        return 130
    return 1 if failed else 3 if damaged else 0


def _finish(analysis: Analysis | SeqclsError, folder: Path) -> Timeline:
    from seqcls.exports import write_run
    from seqcls.exports.timeline_png import write_picture

    if isinstance(analysis, SeqclsError):
        raise analysis
    info = analysis.info
    with console.progress(info.name, info.declared_frames) as advance:
        timeline = analysis.finish(lambda done, time_s: advance(done))
    write_run(timeline, folder)
    write_picture(timeline, folder / "timeline.png")
    return timeline


def _import_picture() -> None:
    from seqcls.exports.timeline_png import load_library

    load_library()


class _Started:
    """Sources in order, each an Analysis that is reading already, or why it cannot be opened.

    Files are started up to AHEAD clips early, so that the engine need not wait while the next one is opened; a camera
    is started when its turn has come.
    """

    AHEAD = 2

    def __init__(
        self,
        detector: Detector,
        specs: Sequence[str],
        batch_size: int,
        source_options: dict[str, Any],
        should_stop: Callable[[], bool],
    ) -> None:
        self._detector = detector
        self._specs = specs
        self._batch_size = batch_size
        self._source_options = source_options
        self._should_stop = should_stop
        self._running: dict[int, tuple[Analysis | SeqclsError, ExitStack]] = {}

    def __iter__(self) -> Iterator[Analysis | SeqclsError]:
        for number in range(len(self._specs)):
            self._start_from(number)
            yield self._running[number][0]
            self._running.pop(number)[1].close()

    def __enter__(self) -> _Started:
        self._start_from(0)
        return self

    def __exit__(self, *error: object) -> None:
        for _, stack in self._running.values():
            stack.close()

    def _start_from(self, number: int) -> None:
        for later in range(number, min(number + 1 + self.AHEAD, len(self._specs))):
            if later == number or Path(self._specs[later]).exists():
                self._start(later)

    def _start(self, number: int) -> None:
        from seqcls.sources import open_source

        if number in self._running:
            return
        with ExitStack() as stack:
            try:
                source = stack.enter_context(closing(open_source(self._specs[number], **self._source_options)))
                started: Analysis | SeqclsError = stack.enter_context(
                    closing(self._detector.start(source, batch_size=self._batch_size, should_stop=self._should_stop))
                )
            except SeqclsError as error:
                started = error
            self._running[number] = started, stack.pop_all()


def _load(
    path: Path, engine: str, device: str, precision: str, gate: bool, region: str | None, sampling: str
) -> Detector:
    from seqcls.adaptive import SamplingOptions
    from seqcls.detector import load
    from seqcls.gate import GateOptions

    detector = load(
        path,
        engine=engine,
        device=device,
        precision=precision,
        gate=GateOptions(enabled=gate),
        sampling=SamplingOptions(kind=sampling),  # type: ignore[arg-type]  # it refuses other names itself
        lazy=True,
    )
    if region is None:
        return detector
    geometry = replace(detector.header.geometry, region=parse_region(region))
    return replace(detector, header=replace(detector.header, geometry=geometry))


def _is_live(source: str) -> bool:
    from seqcls.feeds.open import is_live

    return is_live(source)


def _folders(specs: Sequence[str], output: Path | None, overwrite: bool) -> list[Path]:
    """One folder per source; all proved writable, and free unless ``overwrite``, before the work begins."""
    from seqcls.files import prove_writable

    names = _names(specs)
    if len(specs) == 1:
        folders = [Path(f"{names[0]}-timeline") if output is None else output]
    else:
        root = Path("seqcls-timelines") if output is None else output
        folders = [root / name for name in names]
    for folder in folders:
        if (folder / "timeline.json").exists() and not overwrite:
            raise OutputError(f"{folder} already holds a run: add --overwrite, or choose another folder with -o")
    prove_writable(folders[0] if len(specs) == 1 else folders[0].parent)
    return folders


def _names(specs: Sequence[str]) -> list[str]:
    """A short, distinct, file-system-safe name per source."""
    names: list[str] = []
    for spec in specs:
        if spec.isdigit():
            stem = "camera-" + spec
        elif "://" in spec:
            stem = "live"  # an address may hold secrets
        else:
            stem = Path(spec).stem
        base = "".join(c if c.isalnum() or c in "-_.+ ()" else "_" for c in stem).strip(". ") or "clip"
        name, count = base, 1
        while name.lower() in {n.lower() for n in names}:
            count += 1
            name = f"{base}-{count}"
        names.append(name)
    return names
