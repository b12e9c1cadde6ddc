"""From one clip of many to its committed results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from seqcls.cli.run_clips import AHEAD, ClipRun, clip_timeline, picture_timelines, started
from seqcls.cli.second_reading import FinishedClip
from seqcls.errors import OutputError, SeqclsError, SourceError, one_line

if TYPE_CHECKING:
    from seqcls.archive.attempts import Pass
    from seqcls.archive.manifest import Manifest, Unit
    from seqcls.cli.archive_plan import Plan
    from seqcls.cli.workers import ClusterOptions
    from seqcls.detector import Analysis
    from seqcls.sources.found import FoundSource
    from seqcls.timeline import Timeline


def nothing(*_: object) -> None:
    pass


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
                content=entry.content,
                whole=unseen_digest(unit.source),
                run=self.manifest.run,
                is_clip=is_clip,
            )
            if self.should_stop() and (run.again or len(timelines) < max(1, len(unit.source.images) * (not is_clip))):
                done = replace(done, status="interrupted")
            seal(new, done)
        return timelines


@contextmanager
def passes_of(work: ClipWork, cluster: ClusterOptions | None) -> Iterator[tuple[Pass, Pass]]:
    """The first and the second attempt at clips, in this process or on a cluster."""
    if cluster is None:
        yield work.many, work.alone
        return
    from seqcls.cli.workers import passes

    # What each clip needs: the lists of all clips may be long, and printing is done here.
    lean = ClipWork(work.run, replace(work.manifest, entries=()), replace(work.plan, todo=[], last=[]))
    with passes(cluster, lean) as both:
        yield both


def _require_unchanged(unit: Unit) -> None:
    """Raises SourceError where somebody has written to the clip since it was listed."""
    from seqcls.archive.result_key import is_rewritten

    if is_rewritten(unit.source, unit.entry.content, unit.entry.stamp):
        raise SourceError(f"{unit.entry.path}: has changed while it was run; run the same command again")
