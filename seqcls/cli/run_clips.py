"""What `seqcls run` does with one clip: into its folder, with all that was asked for beside it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console, tables
from seqcls.cli.output_folders import drop_journal
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.report import RunPages
from seqcls.cli.results import write_with_progress
from seqcls.cli.second_reading import FinishedClip, SecondReading
from seqcls.errors import SeqclsError
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.analysis import Analysis
    from seqcls.detector import Detector
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
    copy: Path | None = None
    """Where the one clip of an object store lies that is to be done, in a process without network."""
    threads: int = 1
    """That decode a clip in this process, at most."""

    def open(self, source: FoundSource, *, color: bool = False) -> Source:
        from seqcls.sources import open_found
        from seqcls.sources.found import of_copy
        from seqcls.sources.remote import FetchedSource

        opens = partial(open_found, threads=self.threads) if self.pool is None else self.pool.open
        source = source if self.copy is None else of_copy(source, self.copy)
        if source.remote is not None:  # what decodes has no network
            return FetchedSource(
                source.remote, lambda copy: opens(of_copy(source, copy), rate_hz=self.rate_hz, color=color)
            )
        return opens(source, rate_hz=self.rate_hz, color=color)


def run_clip(run: ClipRun, found: Findings, folder: Path) -> int:
    """Run the one source that there is, into its folder. Returns the exit code; an error ends it."""
    from seqcls.exports import write_pictures

    (source,) = found.sources
    extra: list[str] = []
    kept = "nothing was kept of this clip: repeat the command; one Ctrl-C alone would keep what was read"
    with (
        console.stops_cleanly(kept) as should_stop,
        closing(started(run, iter(found.sources), should_stop)) as running,
    ):
        _, analysis = next(running)
        console.notify(f"engine {run.detector.engine.description}")
        if analysis is None:
            timelines = picture_timelines(run, source, should_stop)
            if timelines:
                drop_journal(folder)
                write_pictures(timelines, folder, overwrite=True)  # whether that is wanted was asked before
            if not console.is_quiet():
                tables.show_pictures(console.results(), source.path, timelines)
        else:
            timelines = [_write_clip(run, analysis, folder)]
            opens, geometry = partial(run.open, source, color=True), run.detector.header.geometry
            extra = run.again.write(FinishedClip(timelines[0], opens, geometry, folder), should_stop)
            if not console.is_quiet():
                tables.show_timeline(console.results(), timelines[0])
        interrupted = should_stop()
    if timelines:
        clip = ", ".join(
            [*["intervals.csv", "scores.csv", "timeline.json", "timeline.png"], *[REPORT] * bool(run.pages), *extra]
        )
        console.notify(f"wrote {folder}: {'pictures.csv, scores.csv' if source.unrelated else clip}")
    if interrupted:
        return 130
    return 3 if any(one.report.verdict in ("truncated", "damaged") for one in timelines) else 0


def started(
    run: ClipRun, sources: Iterator[FoundSource], should_stop: Callable[[], bool], ahead: int = AHEAD
) -> Generator[tuple[FoundSource, Analysis | SeqclsError | None], None, None]:
    """Each source with an Analysis that is reading already, or the reason why it cannot be opened; with None for a set
    of single images. The next ``ahead`` clips are started early.
    """
    from seqcls.analysis import Analysis
    from seqcls.sources.clip_digest import clip_digest
    from seqcls.sources.remote import FetchedSource

    running: deque[tuple[FoundSource, Analysis | SeqclsError | None, ExitStack]] = deque()

    def start(source: FoundSource) -> tuple[Analysis | SeqclsError | None, ExitStack]:
        with ExitStack() as stack:
            if source.unrelated:
                return None, stack.pop_all()
            try:
                opened = stack.enter_context(closing(run.open(source)))
                if isinstance(opened, FetchedSource):
                    digest = opened.digest
                else:
                    single = not source.images and not source.files
                    digest = clip_digest(source.spec if run.copy is None else str(run.copy)) if single else ""
                analysis = Analysis(run.detector, opened, should_stop=should_stop, digest=digest)
                return stack.enter_context(closing(analysis)), stack.pop_all()
            except SeqclsError as error:
                return error, stack.pop_all()

    try:
        while True:
            for source in itertools.islice(sources, 1 + ahead - len(running)):
                running.append((source, *start(source)))
            if not running:
                return
            yield running[0][:2]
            running.popleft()[2].close()
    finally:
        for _, _, stack in running:
            stack.close()


def clip_timeline(run: ClipRun, analysis: Analysis | SeqclsError, advance: console.Advance) -> Timeline:
    """What the model finds in a clip. Raises the error that kept the clip from being opened."""
    from seqcls.algebra.where import where

    if isinstance(analysis, SeqclsError):
        raise analysis
    info = analysis.info
    stated = ("times from", "the stated rate") in info.details
    own = info.kind in ("file", "dicom") or bool(info.container)  # a stack of images may state its times
    unused = info.has_clock and own and not stated
    if run.rate_hz is not None and unused:
        console.warn(f"{info.name} has times of its own; --fps {run.rate_hz:g} is not used for it")
    timeline = analysis.finish(lambda done, time_s: advance(done))
    timeline = timeline if run.names is None else run.names.timeline(timeline)
    return where(console.timeline_in_flags(timeline), *run.expressions)


def _write_clip(run: ClipRun, analysis: Analysis | SeqclsError, folder: Path) -> Timeline:
    """What the model finds in a clip, written. Raises the error that kept the clip from being opened."""
    from seqcls.rendering.cut_files import CUTS_NAME, remove_cuts

    if isinstance(analysis, SeqclsError):
        raise analysis
    with console.progress(analysis.info.name, analysis.info.declared_frames) as advance:
        timeline = clip_timeline(run, analysis, advance)
    drop_journal(folder)
    write_with_progress(timeline, folder)
    remove_cuts(folder / CUTS_NAME)  # also those that no run stood beside any more
    if run.pages is not None:
        run.pages.write(timeline, folder)
    return timeline


def picture_timelines(run: ClipRun, source: FoundSource, should_stop: Callable[[], bool]) -> list[Timeline]:
    """Single images, each scored by itself: a clip of one frame, without smoothing."""
    from seqcls.algebra.where import where
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
    return [where(console.timeline_in_flags(each), *run.expressions) for each in timelines]
