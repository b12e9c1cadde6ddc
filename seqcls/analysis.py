"""One clip's way from its source to its timeline: decoded and prepared ahead in threads, scored, smoothed, joined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcls.adaptive import BLOCK, AdaptiveScorer
from seqcls.cores import decoding
from seqcls.errors import NoFramesError, UsageError
from seqcls.intervals import intervals_from_events
from seqcls.novelty import with_novelty
from seqcls.pauses import with_pauses
from seqcls.postprocess import PostProcess
from seqcls.prefetch import prefetched
from seqcls.preprocess import PreprocessedFrame, Preprocessor
from seqcls.scoring import score_every
from seqcls.sources import MemorySource, Source, open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.timeline import Provenance, Sampling, Timeline
from seqcls.types import Event, Frame, FrameScore, Gap, SourceInfo, SourceReport

if TYPE_CHECKING:
    from seqcls.detector import Detector

#: Whole pictures that wait between decoding and preparation, each in a thread of its own; few, for they are large.
DECODED_AHEAD = 8
#: How many images are scored together where the whole clip is there.
BATCH = 16
#: Called with the number of frames done so far and the time reached in the clip, in seconds.
Progress = Callable[[int, float], None]
#: A half-open box in pixels: x0, y0, x1, y1.
Box = tuple[int, int, int, int]
#: (H, W) uint8 gray or (H, W, 3) uint8 BGR.
Image = NDArray[np.uint8]
#: What can be analysed: a name for ``open_source``, an opened source, or frames.
Input = str | Path | Source | Iterable[Frame | Gap | Image]


class Analysis:
    """One clip: decoded by one thread and prepared by another from the beginning, as far as their queues hold; scored
    later.

    Starting a clip before the one in front of it is finished keeps the engine busy through many short clips. Close it
    in any case: the threads have ended, and a source opened here is closed, once ``close`` returns. The parameters are
    those of ``Detector.analyze``; ``digest``: ``clip_digest`` of a source that is open already. Raises SourceError when
    the source cannot be opened, UsageError for what is no image.
    """

    def __init__(
        self,
        detector: Detector,
        source: Input,
        *,
        rate_hz: float | None = None,
        batch_size: int = BATCH,
        should_stop: Callable[[], bool] | None = None,
        digest: str = "",
    ) -> None:
        require_batch(batch_size)
        self._digest = clip_digest(str(source)) if isinstance(source, (str, Path)) else digest
        self._batch_size = batch_size
        self._stopped = threading.Event()
        self._unread: tuple[Gap, ...] = ()
        with ExitStack() as stack:
            self._source = opened(source, rate_hz)
            if self._source is not source:
                stack.enter_context(closing(self._source))
            self._run = Run(detector, self._source.info.region)
            frames = self._until(should_stop)
            decoded = stack.enter_context(prefetched(frames, DECODED_AHEAD))
            depth = max(4 * batch_size, 2 * BLOCK if detector.sampling.kind == "adaptive" else 0)
            self._prepared = stack.enter_context(prefetched(self._run.preparation.prepare(decoded), depth))
            self._open = stack.pop_all()

    @property
    def info(self) -> SourceInfo:
        """What the source says of itself."""
        return self._source.info

    def finish(self, on_progress: Progress | None = None) -> Timeline:
        """Score what is read, to the end; ``on_progress`` gets the number of frames done and the time reached.

        Raises NoFramesError, EngineError, and what reading raises.
        """
        events = list(self._run.events(self._prepared, self._batch_size, on_progress))
        report = self._source.report()
        if self._stopped.is_set():
            reasons = ("interrupted before the end", *report.reasons)
            report = replace(report, verdict="interrupted", reasons=reasons, gaps=(*report.gaps, *self._unread))
        timeline = self._run.timeline(events, self._source.info, report)
        return replace(timeline, provenance=replace(timeline.provenance, source_digest=self._digest))

    def _until(self, should_stop: Callable[[], bool] | None) -> Generator[Frame | Gap, None, None]:
        """What the source gives, until somebody interrupts; what it says is left then becomes a gap."""
        end_s = 0.0
        for item in self._source:
            if should_stop is not None and should_stop():
                self._stopped.set()
                declared_s = self._source.info.declared_duration_s
                if declared_s is not None and 0 < declared_s - end_s < 100 * max(end_s, 1.0):
                    self._unread = (Gap(end_s, declared_s, "not read: interrupted"),)
                    yield self._unread[0]
                return
            end_s = item.end_s if isinstance(item, Gap) else item.time_s + item.duration_s
            yield item

    def close(self) -> None:
        """End the threads, and close a source that was opened here. Raises nothing, however often it is called."""
        self._open.close()


class Run:
    """What changes while one clip or feed is analysed."""

    def __init__(self, detector: Detector, hint: Box | None) -> None:
        self._detector = detector
        self.preparation = Preprocessor(detector.header.geometry, detector.gate, hint)
        self._process = PostProcess(
            detector.organs, detector.smoothing, detector.intervals, novelty=detector.uses_novelty
        )
        self._adaptive: AdaptiveScorer | None = None
        if detector.sampling.kind == "adaptive":
            self._adaptive = AdaptiveScorer(
                detector.engine,
                detector.smoothing,
                detector.intervals,
                detector.sampling,
                has_novelty=detector.header.novelty is not None,
                uses_novelty=detector.uses_novelty,
            )

    def events(
        self, prepared: Iterable[PreprocessedFrame | Gap], batch_size: int, on_progress: Progress | None = None
    ) -> Iterator[Event]:
        if self._adaptive is None:
            scored = score_every(prepared, self._detector.engine, batch_size)
        else:
            scored = self._adaptive.scores(prepared)
        for item in scored:
            yield from self._process.push(item)
            if on_progress is not None and isinstance(item, FrameScore):
                on_progress(item.index + 1, item.time_s)
        yield from self._process.close(self.preparation.end_s)

    def timeline(self, events: list[Event], info: SourceInfo, report: SourceReport) -> Timeline:
        prepared = self.preparation
        if prepared.received == 0:
            raise NoFramesError(f"{info.name}: holds no frame that can be decoded; is the file whole?")
        scores = self._process.table()
        frame_counts = scores.frame_counts()
        assert frame_counts.received == prepared.received, f"frames went missing inside seqcls: {frame_counts}"
        return Timeline(
            source=info,
            organs=self._detector.organs,
            start_s=0.0 if prepared.start_s is None else prepared.start_s,
            end_s=prepared.end_s,
            intervals=intervals_from_events(events, scores, prepared.end_s),
            scores=scores,
            frame_counts=frame_counts,
            report=report,
            warnings=with_novelty(
                with_pauses(
                    (*self._detector.caveats, *prepared.warnings(self._detector.header.regions)), scores, report.gaps
                ),
                scores,
            ),
            provenance=self._provenance(),
            thumbnails=tuple(prepared.thumbnails.kept),
        )

    def _provenance(self) -> Provenance:
        asked, adaptive = self._detector.sampling, self._adaptive
        sampling = Sampling(kind=asked.kind, step_s=asked.step_s, margin=asked.margin)
        if adaptive is not None:
            sampling = replace(sampling, step_s=adaptive.step_s, undecided=adaptive.undecided)
        return replace(self._detector.provenance, sampling=sampling, regions=tuple(self.preparation.regions))


def opened(source: Input, rate_hz: float | None) -> Source:
    """``source`` itself where it is open already. Raises SourceError, UsageError."""
    if isinstance(source, (str, Path)):
        return open_source(source, rate_hz=rate_hz, threads=decoding())
    if not isinstance(source, Source):
        return MemorySource(source, rate_hz)
    if rate_hz is not None:
        raise UsageError(f"{source.info.name} is open and has its times: leave rate_hz out, or give it to open_source")
    return source


def require_batch(batch_size: int) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more frames, not {batch_size!r}")
