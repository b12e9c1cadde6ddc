"""`seqcls run`: clips in, timelines out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.live import LiveRunOptions, parse_camera, refuse_for_clips, session_options, watch
from seqcls.cli.options import INPUT, MODEL, OUTPUT, Panel
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.report import RunPages, write_page
from seqcls.cli.results import write_with_progress
from seqcls.cli.second_reading import SecondReading
from seqcls.errors import OutputError, SeqclsError, UsageError, one_line
from seqcls.files.output_lock import OutputBusyError, only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.detector import Analysis, Detector
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.sources import Source
    from seqcls.sources.found import Findings, FoundSource
    from seqcls.sources.isolated import DecoderPool
    from seqcls.timeline import Timeline

LIVE = Panel("Live: for cameras, network feeds and --realtime only")
#: So many clips are opened and read ahead, so that the engine need not wait for the next one.
AHEAD = 2
#: From so many clips on they are decoded in children, which are kept: one would cost a short clip half a second.
SANDBOX_FROM = 2


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Clip, DICOM, image, folder or pattern of these, camera number, or address.",
        ),
    ],
    region: options.RegionOrLayouts = None,
    gate: Annotated[
        bool, INPUT("", "Whether black, frozen or empty frames become unknown.", "--gate/--no-gate")
    ] = True,
    fps: Annotated[float | None, INPUT("NUMBER", "Frames per second of images: they have no clock.")] = None,
    each: Annotated[
        bool | None,
        INPUT(
            "",
            "Score images one by one, or as a clip. Default: one by one where names or sizes differ.",
            "--each/--no-each",
        ),
    ] = None,
    camera: Annotated[
        str | None,
        INPUT(
            "SETTINGS",
            "What to ask a camera for, as size=1280x720 or rate=30,backend=v4l2. Backends: any, v4l2, gstreamer,"
            " ffmpeg, dshow, msmf, avfoundation.",
        ),
    ] = None,
    sandbox: Annotated[
        bool | None,
        INPUT(
            "",
            "Decode in processes with bounded memory and no network. Default: for several clips.",
            "--sandbox/--no-sandbox",
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
    where: options.Where = None,
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
    webhook: Annotated[str | None, LIVE("URL", "POST each event to this address, or to that in this file.")] = None,
    on_event: Annotated[str | None, LIVE("COMMAND", "Run this for each event, without a shell.")] = None,
    output: Annotated[Path | None, OUTPUT("DIR", "Default: NAME-timeline.", "-o", "--output")] = None,
    report: Annotated[bool, OUTPUT("", "Write each run as a page too, report.html.", "--report")] = False,
    overlay: Annotated[
        bool, OUTPUT("", "Write the clip with states, scores and strips in it too, overlay.mp4.", "--overlay")
    ] = False,
    overlay_shows_names: Annotated[
        bool, OUTPUT("", "Show all of the screen in it, burnt-in names too.", "--overlay-shows-names")
    ] = False,
    cut: Annotated[
        bool, OUTPUT("", "Write each presence as a clip and a contact sheet too, in cuts/.", "--cut")
    ] = False,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find when each organ is in view. Writes intervals.csv, scores.csv, timeline.json and timeline.png.

    Folders are searched whatever the files are called. Images that are no clip
    are scored one by one, into pictures.csv and scores.csv.

    A camera, a feed (rtsp://, http://, rtmp://, igtl://host:port) or a clip
    with --realtime is watched live: it also writes run.journal, and prints
    events as JSON lines where stdout is not a terminal.
    """
    given = locals()
    from seqcls.adaptive import SamplingOptions
    from seqcls.detector import load
    from seqcls.exports import CUTS_NAME, RUN_ENDS
    from seqcls.exports.timeline_png import load_library
    from seqcls.feeds.open import is_live
    from seqcls.gate import GateOptions
    from seqcls.journal import JOURNAL_NAME
    from seqcls.live.malloc import share_one_pool
    from seqcls.sources.isolated import DecoderPool
    from seqcls.sources.memory import require_rate
    from seqcls.sources.redact import redact
    from seqcls.where import require_expressions

    if fps is not None:
        require_rate(fps)
    names = options.pseudonyms(hash_names, [source for source in sources if not source.isdecimal()], [model, output])
    path = options.find_model(model)
    watched = realtime or any(is_live(source) for source in sources)
    if watched and len(sources) > 1:
        named = ", ".join(redact(source) for source in sources)
        raise UsageError(f"a live run watches one source, not {len(sources)} ({named}); start one seqcls for each")
    expressions = tuple(where or ())
    run_options = options.picked(LiveRunOptions, given, camera=parse_camera(camera), where=expressions)
    again = SecondReading(overlay=overlay, shows_names=overlay_shows_names, cut=cut)
    if watched:
        again.refuse_for_live()
        if sandbox is not None:
            raise UsageError("--sandbox is for clips; leave it out: a feed is read in a process of its own in any case")
        share_one_pool()
        session_options(run_options)
    else:
        refuse_for_clips(run_options)
    stated = {"onset": onset, "offset": offset, "min_present_s": min_present, "min_absent_s": min_absent}
    detector = load(
        path,
        engine=engine,
        device=device,
        precision=precision,
        gate=GateOptions(enabled=gate),
        sampling=SamplingOptions(kind=sampling),  # type: ignore[arg-type]  # it refuses other names itself
        lazy=True,
    )
    require_expressions(expressions, detector.organs)
    geometry = detector.header.geometry
    box, layouts = options.region_or_layouts(region)
    geometry = replace(geometry, layouts=(*options.known_layouts(layouts), *geometry.layouts))
    if box is not None:
        geometry = replace(geometry, region=options.parse_region(box))
    detector = replace(
        detector,
        header=replace(detector.header, geometry=geometry),
        smoothing=options.changed_smoothing(detector.smoothing, smoothing),
        intervals=options.changed_intervals(detector.intervals, **stated),
    )
    found = _found(sources, each, watched=watched, names=names)
    folders = _folders(found.sources if names is None else [names.source(each) for each in found.sources], output)
    # A live run says itself what to do about a journal.
    ends = RUN_ENDS if watched else (*RUN_ENDS, JOURNAL_NAME)
    results = [folder / name for folder in folders for name in ends]
    results += [path for folder in folders for path in again.outputs(folder)]
    if len(folders) > 1:
        results += [_root(output) / name for name in ("intervals.csv", *([REPORT] * report))]
    with only_writer(folders[0] if len(folders) == 1 else _root(output), is_folder=True):
        options.check_outputs(*results, overwrite=overwrite or resume)
        for folder in () if resume else folders:
            _require_no_clips(folder / "clips")
            _require_no_cuts(folder / CUTS_NAME, overwrite=overwrite)
        # Slow to import and needed at the end only: a core is free for it while the model and the clip are opened.
        threading.Thread(target=load_library, daemon=True).start()
        console.notify(f"model {path} ({', '.join(detector.organs)})")
        if watched:
            console.notify(f"engine {detector.engine.description}")
            if sampling == "adaptive":
                console.warn("a live run scores every frame that it takes; --sampling adaptive is for clips")
            code = watch(detector, path, found.sources[0].spec, folders[0], run_options, names)
            if report:
                write_page(folders[0], folders[0] / REPORT, None, detector.header, None)
        else:
            apart = len(found.sources) >= SANDBOX_FROM if sandbox is None else sandbox
            with closing(DecoderPool()) as pool:
                code = _run_all(
                    detector,
                    found,
                    folders,
                    _root(output),
                    fps,
                    names,
                    expressions,
                    pool=pool if apart else None,
                    overwrite=overwrite,
                    pages=RunPages(_root(output), detector.header) if report else None,
                    again=again,
                )
        if code:
            raise typer.Exit(code)


def _found(sources: Sequence[str], each: bool | None, *, watched: bool, names: Pseudonyms | None) -> Findings:
    """What to run; what is left aside is counted on stderr."""
    from seqcls.sources import expand
    from seqcls.sources.aside import Aside
    from seqcls.sources.found import Findings, FoundSource

    if watched:
        if each is not None:
            raise UsageError("--each is for images; leave it out for a live run")
        (spec,) = sources
        live = "://" in spec or (spec.isdecimal() and not Path(spec).exists())
        return Findings((FoundSource(spec=spec, path="" if live else Path(spec).name),), Aside())
    with console.progress("looking for clips", None, "files") as advance:
        found = expand(sources, each=each, on_file=advance)
    options.show_aside(found, names)
    if found.remark:
        console.notify(found.remark)
    if each and not any(source.images or source.instance for source in found.sources):
        raise UsageError("--each is for images, and there is none; leave it out")
    return found


def _run_all(
    detector: Detector,
    found: Findings,
    folders: Sequence[Path],
    root: Path,
    rate_hz: float | None,
    names: Pseudonyms | None,
    expressions: Sequence[str],
    *,
    pool: DecoderPool | None,
    overwrite: bool,
    pages: RunPages | None,
    again: SecondReading,
) -> int:
    """Run every source into its folder; one that fails is reported and the others go on. Returns the exit code.

    ``pool``: what decodes, None for this process. ``pages``: what writes those of --report. ``again``: what is written
    from the frames once the timeline is known.
    """
    from seqcls.exports import write_intervals_csv
    from seqcls.layouts import with_layouts
    from seqcls.sources import open_found

    def open_one(source: FoundSource, *, color: bool = False) -> Source:
        opens = open_found if pool is None else pool.open
        return opens(source, rate_hz=rate_hz, color=color)

    sources = found.sources
    if len(sources) > 1:
        geometry = with_layouts(
            detector.header.geometry, [partial(open_one, source) for source in sources if not source.unrelated]
        )
        detector = replace(detector, header=replace(detector.header, geometry=geometry))
    done: list[Timeline] = []
    extra: list[str] = []
    failed, whole = len(found.aside.unread), 0
    with console.stops_cleanly() as should_stop, closing(_started(detector, sources, open_one, should_stop)) as started:
        for number, (source, analysis, folder) in enumerate(zip(sources, started, folders, strict=True)):
            if number == 0:  # not before: the engine is opened while the first clips are read
                console.notify(f"engine {detector.engine.description}")
            try:
                with _own_folder(folder, overwrite) if len(sources) > 1 else nullcontext():
                    if analysis is None:
                        if again:
                            console.warn(f"{source.path}: {again} is for clips; there is none of single images")
                        timelines = _score_pictures(detector, source, folder, should_stop, names, expressions, pool)
                    else:
                        timelines = [_finish(analysis, folder, rate_hz, names, expressions)]
                        if pages is not None:
                            pages.write(timelines[0], folder)
                        opens, geometry = partial(open_one, source, color=True), detector.header.geometry
                        extra = again.write(timelines[0], opens, geometry, folder, should_stop)
                if analysis is None:
                    tables.show_pictures(console.results(), source.path, timelines)
                else:
                    tables.show_timeline(console.results(), timelines[0])
            except OutputBusyError as error:
                failed += 1
                console.notify(f"seqcls: {error}")
                continue
            except OutputError:
                raise  # the next source would meet the same full or forbidden disk
            except SeqclsError as error:
                if len(sources) == 1:
                    raise
                failed += 1
                console.notify(f"seqcls: {error}")
                if pages is not None:
                    pages.fail(source.path if names is None else names.source(source).path, str(error))
                continue
            done += timelines
            whole += 1
            if should_stop():
                break
        interrupted = should_stop()
    if len(sources) > 1:
        write_intervals_csv(done, root / "intervals.csv")
        if pages is not None:
            pages.write_index()
        console.notify(f"{whole} of {len(sources)} done, {failed} failed{tables.run_facts(done)}; {root}")
    elif done:
        clip = ", ".join(
            [*["intervals.csv", "scores.csv", "timeline.json", "timeline.png"], *[REPORT] * bool(pages), *extra]
        )
        what = "pictures.csv, scores.csv" if sources[0].unrelated else clip
        console.notify(f"wrote {folders[0]}: {what}")
    if interrupted:
        return 130
    return 1 if failed else 3 if any(one.report.verdict in ("truncated", "damaged") for one in done) else 0


@contextmanager
def _own_folder(folder: Path, overwrite: bool) -> Iterator[None]:
    """Around the work on one of many clips: somebody may run it by itself meanwhile, or have done so."""
    from seqcls.exports import RUN_ENDS

    with only_writer(folder, is_folder=True):
        if not overwrite and any((folder / name).exists() for name in RUN_ENDS):
            raise OutputBusyError(f"another run has written {folder} meanwhile; its results are kept")
        yield


def _finish(
    analysis: Analysis | SeqclsError,
    folder: Path,
    rate_hz: float | None,
    names: Pseudonyms | None,
    expressions: Sequence[str],
) -> Timeline:
    from seqcls.exports import CUTS_NAME, remove_cuts
    from seqcls.where import where

    if isinstance(analysis, SeqclsError):
        raise analysis
    info = analysis.info
    stated = ("times from", "the stated rate") in info.details
    own = info.kind in ("file", "dicom") or bool(info.container)  # a stack of images may state its times
    unused = info.has_clock and own and not stated
    if rate_hz is not None and unused:
        console.warn(f"{info.name} has times of its own; --fps {rate_hz:g} is not used for it")
    with console.progress(info.name, info.declared_frames) as advance:
        timeline = analysis.finish(lambda done, time_s: advance(done))
    timeline = where(timeline if names is None else names.timeline(timeline), *expressions)
    _drop_journal(folder)
    write_with_progress(timeline, folder)
    remove_cuts(folder / CUTS_NAME)  # also those that no run stood beside any more
    return timeline


def _require_no_clips(folder: Path) -> None:
    """Clips of presences are a person's to delete, and are not to stand beside the results of another run."""
    from seqcls.files.temporaries import sweep

    sweep(folder)  # what a killed run left is nobody's
    if folder.is_dir() and any(path.suffix == ".mp4" for path in folder.iterdir()):
        raise OutputError(f"{folder} holds clips of an earlier run, which --overwrite does not delete: move them away")


def _require_no_cuts(folder: Path, *, overwrite: bool) -> None:
    """Clips of --cut can be made again from the clip, so that --overwrite replaces them, and no others."""
    from seqcls.exports import cuts_in
    from seqcls.files.temporaries import sweep

    sweep(folder)
    own, others = cuts_in(folder)
    if others:
        raise OutputError(f"{others[0]} is no clip that --cut wrote, so --overwrite does not delete it: move it away")
    if own and not overwrite:
        raise OutputError(f"{folder} holds clips of an earlier run: add --overwrite, or choose another place")


def _drop_journal(folder: Path) -> None:
    """That of an earlier, live run, whose folder is replaced: it would be taken for the journal of this one."""
    from seqcls.journal import JOURNAL_NAME

    try:
        (folder / JOURNAL_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot replace {folder / JOURNAL_NAME}: {one_line(error)}; choose another place") from error


def _started(
    detector: Detector,
    sources: Sequence[FoundSource],
    open_one: Callable[[FoundSource], Source],
    should_stop: Callable[[], bool],
) -> Generator[Analysis | SeqclsError | None, None, None]:
    """Each source as an Analysis that is reading already, or the reason why it cannot be opened; None for a set of
    single images.

    The next AHEAD clips are started early; a camera only when its turn has come.
    """
    from seqcls.detector import Analysis
    from seqcls.sources.clip_digest import clip_digest

    running: dict[int, tuple[Analysis | SeqclsError | None, ExitStack]] = {}

    def start(source: FoundSource) -> tuple[Analysis | SeqclsError | None, ExitStack]:
        with ExitStack() as stack:
            if source.unrelated:
                return None, stack.pop_all()
            try:
                opened = stack.enter_context(closing(open_one(source)))
                digest = "" if source.images or source.files else clip_digest(source.spec)
                analysis = Analysis(detector, opened, should_stop=should_stop, digest=digest)
                return stack.enter_context(closing(analysis)), stack.pop_all()
            except SeqclsError as error:
                return error, stack.pop_all()

    try:
        for number in range(len(sources)):
            for later in range(number, min(number + 1 + AHEAD, len(sources))):
                if later not in running and (later == number or sources[later].path):
                    running[later] = start(sources[later])
            yield running[number][0]
            running.pop(number)[1].close()
    finally:
        for _, stack in running.values():
            stack.close()


def _score_pictures(
    detector: Detector,
    source: FoundSource,
    folder: Path,
    should_stop: Callable[[], bool],
    names: Pseudonyms | None,
    expressions: Sequence[str],
    pool: DecoderPool | None,
) -> list[Timeline]:
    """Score single images, each by itself: a clip of one frame, without smoothing."""
    from seqcls.exports import write_pictures
    from seqcls.pictures import score_pictures
    from seqcls.where import where

    count = len(source.images)
    console.notify(f"{source.path}: {count_of(count, 'image')} scored one by one: {source.unrelated}")
    with console.progress(source.path, count, "images") as advance:
        open_image = None if pool is None else partial(pool.open, images=source.images)
        timelines = score_pictures(
            detector, source, on_progress=advance, should_stop=should_stop, open_image=open_image
        )
    timelines = timelines if names is None else [names.timeline(each) for each in timelines]
    timelines = [where(each, *expressions) for each in timelines]
    if timelines:
        _drop_journal(folder)
        write_pictures(timelines, folder, overwrite=True)  # whether that is wanted was asked before
    return timelines


def _folders(sources: Sequence[FoundSource], output: Path | None) -> list[Path]:
    """One folder per source, under a distinct, file-system-safe name that leads back to it where several share
    ``output``."""
    from seqcls.sources.found import output_folders

    names = output_folders(sources)
    if len(sources) == 1:
        kind = "pictures" if sources[0].unrelated else "timeline"
        return [Path(f"{names[0].rsplit('/', 1)[-1]}-{kind}") if output is None else output]
    return [_root(output) / name for name in names]


def _root(output: Path | None) -> Path:
    return Path("seqcls-timelines") if output is None else output
