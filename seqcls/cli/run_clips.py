"""What `seqcls run` does with clips: each into its folder, with all that was asked for beside it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console, tables
from seqcls.cli.failures import Failures
from seqcls.cli.output_folders import drop_journal, own_folder
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.report import RunPages
from seqcls.cli.results import write_with_progress
from seqcls.cli.second_reading import FinishedClip, SecondReading
from seqcls.errors import SeqclsError
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.detector import Analysis, Detector
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.sources import Source
    from seqcls.sources.found import Findings, FoundSource
    from seqcls.sources.isolated import DecoderPool
    from seqcls.timeline import Timeline

#: So many clips are opened and read ahead, so that the engine need not wait for the next one.
AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRun:
    """What was asked for, the same for every clip."""

    detector: Detector
    root: Path
    """Folder of the folders, where there are several."""
    rate_hz: float | None
    """Of images: they have no clock."""
    names: Pseudonyms | None
    expressions: tuple[str, ...]
    """Organs made of others."""
    pool: DecoderPool | None
    """What decodes; None for this process."""
    pages: RunPages | None
    """What writes the pages of --report."""
    again: SecondReading
    """What is written from a clip's frames once its timeline is known."""
    overwrite: bool

    def open(self, source: FoundSource, *, color: bool = False) -> Source:
        from seqcls.sources import open_found

        opens = open_found if self.pool is None else self.pool.open
        return opens(source, rate_hz=self.rate_hz, color=color)


def run_clips(run: ClipRun, found: Findings, folders: Sequence[Path]) -> int:
    """Run every source into its folder; one that fails is reported and the others go on. Returns the exit code."""
    from seqcls.exports import write_intervals_csv

    sources = found.sources
    several = len(sources) > 1
    if several:
        run = _with_layouts(run, sources)
    done: list[Timeline] = []
    extra: list[str] = []
    failures = Failures(alone=not several, count=len(found.aside.unread))
    whole = 0
    with console.stops_cleanly() as should_stop, closing(_started(run, sources, should_stop)) as started:
        for number, (source, analysis, folder) in enumerate(zip(sources, started, folders, strict=True)):
            if number == 0:  # not before: the engine is opened while the first clips are read
                console.notify(f"engine {run.detector.engine.description}")
            with failures.reported(partial(_list_failure, run, source)):
                with own_folder(folder, run.overwrite) if several else nullcontext():
                    if analysis is None:
                        timelines = _write_pictures(run, source, folder, should_stop)
                    else:
                        timelines = [_write_clip(run, analysis, folder)]
                        opens, geometry = partial(run.open, source, color=True), run.detector.header.geometry
                        extra = run.again.write(FinishedClip(timelines[0], opens, geometry, folder), should_stop)
                if analysis is None:
                    tables.show_pictures(console.results(), source.path, timelines)
                else:
                    tables.show_timeline(console.results(), timelines[0])
                done += timelines
                whole += 1
                if should_stop():
                    break
        interrupted = should_stop()
    if several:
        write_intervals_csv(done, run.root / "intervals.csv")
        if run.pages is not None:
            run.pages.write_index()
        console.notify(f"{whole} of {len(sources)} done, {failures.count} failed{tables.run_facts(done)}; {run.root}")
    elif done:
        clip = ", ".join(
            [*["intervals.csv", "scores.csv", "timeline.json", "timeline.png"], *[REPORT] * bool(run.pages), *extra]
        )
        what = "pictures.csv, scores.csv" if sources[0].unrelated else clip
        console.notify(f"wrote {folders[0]}: {what}")
    if interrupted:
        return 130
    return 1 if failures.count else 3 if any(one.report.verdict in ("truncated", "damaged") for one in done) else 0


def _list_failure(run: ClipRun, source: FoundSource, error: SeqclsError) -> None:
    """In the index of the pages of --report."""
    if run.pages is not None:
        run.pages.fail(source.path if run.names is None else run.names.source(source).path, str(error))


def _with_layouts(run: ClipRun, sources: Sequence[FoundSource]) -> ClipRun:
    """With the screens that several of the clips share."""
    from seqcls.layouts import with_layouts

    detector = run.detector
    opens = [partial(run.open, source) for source in sources if not source.unrelated]
    geometry = with_layouts(detector.header.geometry, opens)
    return replace(run, detector=replace(detector, header=replace(detector.header, geometry=geometry)))


def _started(
    run: ClipRun, sources: Sequence[FoundSource], should_stop: Callable[[], bool]
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
                opened = stack.enter_context(closing(run.open(source)))
                digest = "" if source.images or source.files else clip_digest(source.spec)
                analysis = Analysis(run.detector, opened, should_stop=should_stop, digest=digest)
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


def _write_clip(run: ClipRun, analysis: Analysis | SeqclsError, folder: Path) -> Timeline:
    """What the model finds in a clip, written. Raises the error that kept the clip from being opened."""
    from seqcls.algebra.where import where
    from seqcls.rendering.cut_files import CUTS_NAME, remove_cuts

    if isinstance(analysis, SeqclsError):
        raise analysis
    info = analysis.info
    stated = ("times from", "the stated rate") in info.details
    own = info.kind in ("file", "dicom") or bool(info.container)  # a stack of images may state its times
    unused = info.has_clock and own and not stated
    if run.rate_hz is not None and unused:
        console.warn(f"{info.name} has times of its own; --fps {run.rate_hz:g} is not used for it")
    with console.progress(info.name, info.declared_frames) as advance:
        timeline = analysis.finish(lambda done, time_s: advance(done))
    timeline = where(timeline if run.names is None else run.names.timeline(timeline), *run.expressions)
    drop_journal(folder)
    write_with_progress(timeline, folder)
    remove_cuts(folder / CUTS_NAME)  # also those that no run stood beside any more
    if run.pages is not None:
        run.pages.write(timeline, folder)
    return timeline


def _write_pictures(run: ClipRun, source: FoundSource, folder: Path, should_stop: Callable[[], bool]) -> list[Timeline]:
    """Single images, each scored by itself: a clip of one frame, without smoothing."""
    from seqcls.algebra.where import where
    from seqcls.exports import write_pictures
    from seqcls.pictures import score_pictures

    if run.again:
        console.warn(f"{source.path}: {run.again} is for clips; there is none of single images")
    count = len(source.images)
    console.notify(f"{source.path}: {count_of(count, 'image')} scored one by one: {source.unrelated}")
    with console.progress(source.path, count, "images") as advance:
        open_image = None if run.pool is None else partial(run.pool.open, images=source.images)
        timelines = score_pictures(
            run.detector, source, on_progress=advance, should_stop=should_stop, open_image=open_image
        )
    timelines = timelines if run.names is None else [run.names.timeline(each) for each in timelines]
    timelines = [where(each, *run.expressions) for each in timelines]
    if timelines:
        drop_journal(folder)
        write_pictures(timelines, folder, overwrite=True)  # whether that is wanted was asked before
    return timelines
