"""From one clip of many to its committed results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from seqcls.cli import console
from seqcls.cli.run_clips import AHEAD, ClipRun, clip_timeline, picture_timelines, started
from seqcls.cli.second_reading import FinishedClip
from seqcls.errors import OutputError, SeqclsError, SourceError, one_line

if TYPE_CHECKING:
    from seqcls.analysis import Analysis
    from seqcls.archive.attempts import Pass
    from seqcls.archive.cluster import Reply
    from seqcls.archive.manifest import Manifest, Unit
    from seqcls.cli.archive_plan import Plan
    from seqcls.cli.workers import ClusterOptions
    from seqcls.engines import Engine
    from seqcls.sources.found import FoundSource
    from seqcls.timeline import Timeline

#: For ``DecoderPool``: children that do whole clips, too.
WORKER = "seqcls.cli.clip_worker"


def nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Passes:
    """Both attempts at clips: many at a time, and one by one, alone."""

    first: Pass
    second: Pass
    pace: Callable[[], str] = str
    """What set the pace, for a person; "" where that is not known."""


@dataclass(frozen=True, slots=True)
class ClipWork:
    """From clips to committed results."""

    run: ClipRun
    manifest: Manifest
    plan: Plan
    should_stop: Callable[[], bool] = bool
    show: Callable[[FoundSource, list[Timeline]], None] = nothing
    began: Callable[[], None] = nothing
    """Called before the first clip is scored."""
    printing: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around what is printed meanwhile."""
    fetches: bool = False
    """Whether there may be clips that have to be fetched."""

    def lean(self) -> ClipWork:
        """What each clip needs, for another process, which has an engine and children of its own: the lists of all
        clips may be long, and printing is done here."""
        detector = replace(self.run.detector, engine=cast("Engine", None), embed=None)
        run = replace(self.run, detector=detector, pool=None)
        return ClipWork(run, replace(self.manifest, entries=()), replace(self.plan, todo=[], last=[]))

    def reply(self, unit: Unit) -> Reply:
        """Do a single clip."""
        from seqcls.archive.cluster import Reply

        try:
            with closing(self.one(unit)) as results:
                return Reply.of(next(error for _, error in results))
        except SeqclsError as error:
            return Reply.of(error)

    def print(self, unit: Unit, notes: Sequence[str], shown: str, *, is_done: bool) -> None:
        """What another process that did a clip has to tell, and the timeline that it has written."""
        from seqcls.exports import read_run

        if notes:
            with self.printing():
                for note in notes:
                    console.notify(note)
        if self.show is nothing or not is_done:
            return
        if not unit.source.unrelated:
            with suppress(SeqclsError):  # somebody has taken it away meanwhile
                self.show(unit.source, [read_run(self.run.root / unit.entry.folder)])
        elif shown and not console.is_quiet():
            with self.printing():
                for line in shown.splitlines():
                    console.results().print(line)

    def many(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """The next clips are read while one is scored."""
        return self._each(self.run, units, AHEAD)

    def one(self, unit: Unit) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """A single clip, with nothing read meanwhile."""
        return self._each(self.run, iter([unit]), 0)

    def alone(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """Nothing else is read meanwhile, and by a process that is new and bounded."""
        from seqcls.sources.isolated import DecoderPool

        with closing(DecoderPool()) as pool:
            yield from self._each(replace(self.run, pool=pool), units, 0)

    def _each(
        self, run: ClipRun, units: Iterator[Unit], ahead: int
    ) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        by_source: dict[int, Unit] = {}

        def sources() -> Iterator[FoundSource]:
            for unit in units:
                by_source[id(unit.source)] = unit
                yield unit.source

        with closing(started(run, sources(), self.should_stop, ahead)) as running:
            for number, (source, analysis) in enumerate(running):
                if number == 0 and ahead:
                    self.began()
                unit = by_source.pop(id(source))
                yield unit, self._done(run, unit, analysis)

    def _done(self, run: ClipRun, unit: Unit, analysis: Analysis | SeqclsError | None) -> SeqclsError | None:
        """The error that the clip ended with. Raises OutputError where nothing can be written."""
        from seqcls.files.output_lock import OutputBusyError

        try:
            timelines = self._commit(run, unit, analysis)
        except OutputBusyError as error:
            return error
        except OutputError:
            raise
        except SeqclsError as error:
            return error
        except MemoryError:
            return SourceError(f"{unit.entry.path}: needs more memory than decoding may take; cut it, or scale it down")
        except Exception as error:
            what = f"{type(error).__name__}: {one_line(error)}"
            return SourceError(f"{unit.entry.path}: failed ({what}); please report this with what led to it")
        self.show(unit.source, timelines)
        return None

    def _commit(self, run: ClipRun, unit: Unit, analysis: Analysis | SeqclsError | None) -> list[Timeline]:
        from seqcls.archive.commit import commit_of, committed, seal
        from seqcls.archive.result_key import unseen_digest
        from seqcls.exports import write_intervals_csv, write_pictures, write_run
        from seqcls.exports.timeline_png import write_picture

        entry, folder = unit.entry, run.root / unit.entry.folder
        is_clip = analysis is not None
        if isinstance(analysis, SeqclsError):
            raise analysis
        with committed(folder, replaces=lambda: entry.path in self.plan.replaces) as new:
            if analysis is None:
                timelines = picture_timelines(run, unit.source, self.should_stop)
                if not timelines:
                    return []
                write_pictures(timelines, new)
                write_intervals_csv(timelines, new / "intervals.csv")
            else:
                timelines = [clip_timeline(run, analysis, nothing)]
                write_run(timelines[0], new)
                write_picture(timelines[0], new / "timeline.png")
                if run.pages is not None:
                    run.pages.write(timelines[0], folder, new)
                opens, geometry = partial(run.open, unit.source, color=True), run.detector.header.geometry
                run.again.write(FinishedClip(timelines[0], opens, geometry, new), self.should_stop)
            _require_unchanged(unit)
            done = commit_of(
                timelines,
                path=entry.path,
                content=entry.content
                or timelines[0].provenance.source_digest,  # it could not be read when it was listed
                whole=unseen_digest(unit.source),
                run=self.manifest.run,
                is_clip=is_clip,
            )
            if self.should_stop() and (run.again or len(timelines) < max(1, len(unit.source.images) * (not is_clip))):
                done = replace(done, status="interrupted")
            seal(new, done)
        return timelines


@contextmanager
def passes_of(work: ClipWork, cluster: ClusterOptions | None) -> Iterator[Passes]:
    """On a cluster, in processes of this machine, or, without these, in this process."""
    if cluster is not None:
        from seqcls.cli import workers

        with workers.passes(cluster, work.lean()) as both:
            yield Passes(*both)
    elif work.run.pool is not None:
        from seqcls.cli import local_workers

        with local_workers.passes(work) as both:
            yield both
    else:
        yield Passes(work.many, work.alone)


def _require_unchanged(unit: Unit) -> None:
    """Raises SourceError where somebody has written to the clip since it was listed."""
    from seqcls.archive.result_key import is_rewritten

    if is_rewritten(unit.source, unit.entry.content, unit.entry.stamp):
        raise SourceError(f"{unit.entry.path}: has changed while it was run; run the same command again")
