"""`seqcls run`: clips in, timelines out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.clip_work import WORKER
from seqcls.cli.live import watch
from seqcls.cli.live_options import LiveRunOptions, parse_camera, refuse_for_clips, session_options
from seqcls.cli.options import INPUT, MODEL, OUTPUT, Panel
from seqcls.cli.output_folders import folders_of, require_no_clips, require_no_unfinished, results_in, root_of
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.report import RunPages, write_page
from seqcls.cli.run_archive import ArchiveOptions, is_archive, result_options, run_archive
from seqcls.cli.run_clips import ClipRun, run_clip
from seqcls.cli.second_reading import SecondReading
from seqcls.cli.workers import cluster_options
from seqcls.errors import UsageError
from seqcls.files import is_file
from seqcls.files.output_lock import only_writer

if TYPE_CHECKING:
    from seqcls.geometry import Geometry
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.sources.found import Findings

MANY = Panel("Many clips: what is done already stays, what is missing is done")
LIVE = Panel("Live: for cameras, network feeds and --realtime only")
#: From so many clips on they are decoded in children, which are kept: one would cost a short clip half a second.
SANDBOX_FROM = 2


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Clip, DICOM, image, folder, pattern or @LIST of these, s3://..., camera number, or address.",
        ),
    ],
    region: options.RegionOrLayouts = None,
    gate: Annotated[
        bool, INPUT("", "Whether black, frozen or empty frames become unknown.", "--gate/--no-gate")
    ] = True,
    novelty: Annotated[
        bool, INPUT("", "Whether frames unlike the model's training become unknown.", "--novelty/--no-novelty")
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
    exact: options.Exact = False,
    sampling: Annotated[
        str, MODEL("every|adaptive", "Score each frame, or about two of ten, with the same intervals as a rule.")
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
    serve: Annotated[
        str | None,
        LIVE("[[ADDRESS:]PORT]", "Show it as a web page: on this machine, or at its address in the network."),
    ] = None,
    token: Annotated[
        Path | None, LIVE("FILE", "Keep the page's address over restarts: its token, made where there is none.")
    ] = None,
    tls: Annotated[Path | None, LIVE("FILE", "Certificate and key of the page, as PEM.")] = None,
    show: Annotated[bool, LIVE("", "Show it in a window.", "--show")] = False,
    record: Annotated[Path | None, LIVE("FILE", "Record the ultrasound region, as .mp4 or .mkv.")] = None,
    clips: Annotated[bool, LIVE("", "Save a clip of each presence and a little before it.", "--clips")] = False,
    webhook: Annotated[str | None, LIVE("URL", "POST each event to this address, or to that in this file.")] = None,
    on_event: Annotated[str | None, LIVE("COMMAND", "Run this for each event, without a shell.")] = None,
    send_igtl: Annotated[
        str | None,
        LIVE("PORT[,image]", "Serve states, and the ultrasound region, by OpenIGTLink to programs of this machine."),
    ] = None,
    mqtt: Annotated[str | None, LIVE("URL", "Publish states to this MQTT broker, or to that in this file.")] = None,
    checklist: Annotated[
        str | None,
        LIVE("SECONDS", "How long each organ is to be in view in all, or as thyroid=2,trachea=2: tick them off."),
    ] = None,
    verify: Annotated[
        bool, MANY("", "Read results that are there again, and make anew what cannot be read.", "--verify")
    ] = False,
    retry: Annotated[bool, MANY("", "Try clips again that failed twice in an earlier run.", "--retry")] = False,
    max_errors: Annotated[int | None, MANY("NUMBER", "Leave the rest once so many clips have failed.")] = None,
    shard: Annotated[
        str | None, MANY("N/COUNT", "Do this part of the clips alone, as 3/16: one for each of several machines.")
    ] = None,
    workers: Annotated[
        str | None, MANY("ray[:ADDRESS]", "Do the clips on the machines of a Ray cluster, which share a disk.")
    ] = None,
    quiet: Annotated[bool, MANY("", "Print nothing but errors.", "--quiet", "-q")] = False,
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
    if quiet:
        console.be_quiet()
    from seqcls.adaptive import SamplingOptions
    from seqcls.algebra.where import require_expressions
    from seqcls.archive.shard import Shard
    from seqcls.cores import decoding
    from seqcls.detector import load
    from seqcls.engines import open_engine
    from seqcls.engines.lazy import begin_opening
    from seqcls.feeds.open import is_live
    from seqcls.gate import GateOptions
    from seqcls.sources.isolated import DecoderPool
    from seqcls.sources.memory import require_rate
    from seqcls.sources.redact import redact
    from seqcls.sources.remote import is_remote

    if fps is not None:
        require_rate(fps)
    names = options.pseudonyms(hash_names, [source for source in sources if not source.isdecimal()], [model, output])
    path = options.find_model(model)
    watched = realtime or any(is_live(source) and not is_remote(source) for source in sources)
    if watched and len(sources) > 1:
        named = ", ".join(redact(source) for source in sources)
        raise UsageError(f"a live run watches one source, not {len(sources)} ({named}); start one seqcls for each")
    expressions = tuple(where or ())
    run_options = options.picked(LiveRunOptions, given, camera=parse_camera(camera), where=expressions)
    part = None if shard is None else Shard.parse(shard)
    archive = ArchiveOptions(verify=verify, retry=retry, max_errors=max_errors, shard=part)
    opening = partial(open_engine, path.absolute(), engine=engine, device=device, precision=precision)
    archive = replace(archive, cluster=cluster_options(workers, opening, device))
    again = SecondReading(overlay=overlay, shows_names=overlay_shows_names, cut=cut)
    if watched:
        _prepare_live(run_options, again, sandbox)
    else:
        refuse_for_clips(run_options)
    stated = {"onset": onset, "offset": offset, "min_present_s": min_present, "min_absent_s": min_absent}
    detector = load(
        path,
        engine=engine,
        device=device,
        precision=precision,
        gate=GateOptions(enabled=gate),
        novelty=novelty,
        sampling=SamplingOptions(kind=sampling),  # type: ignore[arg-type]  # it refuses other names itself
        exact=exact,
        lazy=True,
    )
    for caveat in detector.caveats if watched else ():  # a clip's timeline says it, that of a feed at its end
        console.warn(caveat)
    if not watched and len(sources) == 1 and is_file(Path(sources[0])):
        # Of many clips none may be left to be done; of a feed all else is opened first.
        begin_opening(detector.engine)
    require_expressions(expressions, detector.organs)
    geometry = _stated_geometry(detector.header.geometry, region)
    detector = replace(
        detector,
        header=replace(detector.header, geometry=geometry),
        smoothing=options.changed_smoothing(detector.smoothing, smoothing),
        intervals=options.changed_intervals(detector.intervals, **stated),
    )
    found = _found(sources, each, watched=watched, names=names)
    root = root_of(output)
    many = not watched and is_archive(output, found)
    if not many:
        archive.refuse_for_one()
        folders = folders_of(found.sources if names is None else [names.source(each) for each in found.sources], output)
        results = [
            path for folder in folders for path in (*results_in(folder, watched=watched), *again.outputs(folder))
        ]
    with only_writer(root if many else folders[0], is_folder=True):
        if watched and not (resume or overwrite):
            require_no_unfinished(folders[0])
        if not many:
            options.check_outputs(*results, overwrite=overwrite or resume)
            for folder in () if resume else folders:
                require_no_clips(folder, overwrite=overwrite)
        if watched:
            if sampling == "adaptive":
                console.warn("a live run scores every frame that it takes; --sampling adaptive is for clips")
            code = watch(detector, path, found.sources[0].spec, folders[0], run_options, names)
            if report:
                write_page(folders[0], folders[0] / REPORT, None, detector.header, None)
        else:
            console.notify(f"model {path} ({', '.join(detector.organs)})")
            apart = len(found.sources) >= SANDBOX_FROM if sandbox is None else sandbox
            with closing(DecoderPool(worker=WORKER if many else None)) as pool:
                asked = ClipRun(
                    detector=detector,
                    root=root,
                    rate_hz=fps,
                    names=names,
                    expressions=expressions,
                    pool=pool if apart else None,
                    pages=RunPages(root, detector.header) if report else None,
                    again=again,
                    overwrite=overwrite,
                    threads=1 if many else decoding(),
                )
                if many:
                    code = run_archive(
                        asked, found, result_options(asked, path, precision=precision, exact=exact, each=each), archive
                    )
                else:
                    code = run_clip(asked, found, folders[0])
        if code:
            raise typer.Exit(code)


def _prepare_live(run_options: LiveRunOptions, again: SecondReading, sandbox: bool | None) -> None:
    """Raise UsageError for what a live run cannot do, before anything is opened."""
    from seqcls.live.malloc import share_one_pool

    again.refuse_for_live()
    if sandbox is not None:
        raise UsageError("--sandbox is for clips; leave it out: a feed is read in a process of its own in any case")
    share_one_pool()
    session_options(run_options)


def _stated_geometry(geometry: Geometry, region: str | None) -> Geometry:
    """The model's, with the region or the layouts that the command line names."""
    box, layouts = options.region_or_layouts(region)
    geometry = replace(geometry, layouts=(*options.known_layouts(layouts), *geometry.layouts))
    return geometry if box is None else replace(geometry, region=options.parse_region(box))


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
