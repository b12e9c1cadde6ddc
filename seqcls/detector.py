"""From frames to a timeline: the stages joined, the same way for a finished clip and for a live feed.

    frames -> prepare (region, gate, geometry) -> score (engine: every frame in batches, or an adaptive choice)
           -> smooth -> intervals

Every stage takes items in stream order and gives them on in the same order; ``analyze`` is ``stream`` run to the end,
with a thread that reads ahead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.adaptive import BLOCK, AdaptiveScorer, SamplingOptions
from seqcls.cores import decoding
from seqcls.engines import Engine, open_engine
from seqcls.engines.lazy import LazyEngine
from seqcls.errors import ModelError, NoFramesError, UsageError
from seqcls.gate import GateOptions
from seqcls.intervals import IntervalOptions, intervals_from_events, one_per_organ
from seqcls.models.embedding import Embedder
from seqcls.models.file import ModelHeader, read_header
from seqcls.novelty import with_novelty
from seqcls.pauses import with_pauses
from seqcls.postprocess import PostProcess
from seqcls.prefetch import prefetched
from seqcls.preprocess import PreprocessedFrame, Preprocessor, with_region
from seqcls.scoring import score_every
from seqcls.smoothing import SmoothingOptions
from seqcls.sources import MemorySource, Source, open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.timeline import NoveltyUse, Provenance, Sampling, Timeline
from seqcls.types import Event, Frame, FrameScore, Gap, SourceInfo, SourceReport

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A model ready to run. Frozen: whatever changes during a run belongs to the run."""

    header: ModelHeader
    """What the model file says."""
    engine: Engine
    """What scores images."""
    smoothing: SmoothingOptions
    """How scores are smoothed over time."""
    intervals: tuple[IntervalOptions, ...]
    """When scores count as presence: one entry per organ, in the order of ``organs``."""
    gate: GateOptions = field(default_factory=GateOptions)
    """Which frames are not scorable."""
    novelty: bool = True
    """Whether frames unlike the model's training are unknown, where the model knows its training frames."""
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    """For whole clips, where frames can wait for each other; ``stream`` scores every frame."""
    model: str = ""
    """Name of the model's file."""
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = field(default=None, repr=False, compare=False)
    """(N, S, S) uint8 to what ``features`` gives, by the network in the model's file. None where ``load`` did not make
    this detector."""

    def __post_init__(self) -> None:
        one_per_organ(self.intervals, self.header.organs)
        for name, kind in (("smoothing", SmoothingOptions), ("gate", GateOptions), ("sampling", SamplingOptions)):
            if not isinstance(getattr(self, name), kind):
                raise UsageError(f"{name} takes {kind.__name__}, not {getattr(self, name)!r}")

    def __repr__(self) -> str:
        about = f"{self.model or 'model'}, {self.smoothing.kind} smoothing, {self.sampling.kind} sampling"
        return f"Detector({', '.join(self.organs)}; {about})"

    @property
    def organs(self) -> tuple[str, ...]:
        """Names of the organs that the model knows, in the order of its outputs."""
        return self.header.organs

    @property
    def uses_novelty(self) -> bool:
        """Whether frames can be unknown for being unlike the model's training."""
        return self.novelty and self.header.novelty is not None

    @property
    def provenance(self) -> Provenance:
        """What a timeline says of the detector; what only the run knows is left open."""
        own = self.header.novelty
        return Provenance(
            smoothing=self.smoothing,
            intervals=self.intervals,
            model=self.model,
            model_dataset=self.header.dataset_hash,
            model_version=self.header.version,
            engine=self.engine.description,
            gate=self.gate,
            novelty=None
            if own is None
            else NoveltyUse(used=self.novelty, false_alarms=own.false_alarms, held_out=own.held_out),
            geometry=replace(self.header.geometry, layouts=()),  # the regions themselves are told
        )

    def stream(
        self,
        frames: Source | Iterable[Frame | Gap | Image],
        *,
        rate_hz: float | None = None,
        batch_size: int = 1,
        hint: Box | None = None,
    ) -> Iterator[Event]:
        """Events as soon as each is certain; frames may come from anywhere, for as long as they like.

        Args:
            frames: ``Frame`` and ``Gap`` items, an opened source (left open), or plain images, (H, W) uint8 gray or
                (H, W, 3) uint8 BGR of one size.
            rate_hz: how many images there are per second, for plain images, and for them alone.
            batch_size: frames that are scored together; it changes the speed, never the events.
            hint: an ultrasound region stated by the source, in pixels (x0, y0, x1, y1), half-open.

        Raises UsageError for what is no image, for times that do not increase and for a rate that is none; while it
        runs also EngineError, GeometryError, and what reading raises.
        """
        _require_batch(batch_size)
        _require_box(hint)
        source = _opened(frames, rate_hz)
        run = _Run(replace(self, sampling=SamplingOptions()), source.info.region if hint is None else hint)

        def events() -> Iterator[Event]:
            with closing(run.preparation.prepare(iter(source))) as prepared:
                yield from run.events(prepared, batch_size)

        return events()

    def analyze(
        self,
        source: Input,
        *,
        rate_hz: float | None = None,
        batch_size: int = BATCH,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Timeline:
        """Run a whole clip and return its timeline.

        Args:
            source: whatever ``open_source`` takes, an opened source (left open), or frames as ``stream`` takes them.
            rate_hz: frames per second of plain images, and of sources that have no clock of their own.
            batch_size: frames that are scored together; it changes the speed, never the timeline.
            on_progress: called with the number of frames done so far and the time reached, in seconds.
            should_stop: asked before every frame; once it says yes, the timeline covers what was read so far.

        Raises SourceError when the source cannot be opened, NoFramesError when it holds no frame, UsageError for what
        is no image, EngineError, GeometryError.
        """
        with closing(
            Analysis(self, source, rate_hz=rate_hz, batch_size=batch_size, should_stop=should_stop)
        ) as analysis:
            return analysis.finish(on_progress)

    def score(self, images: Iterable[Image], *, hint: Box | None = None) -> NDArray[np.float32]:
        """Calibrated probabilities (N, K) float32 of N images, one column per organ in the order of ``organs``.

        The ultrasound region is found from these images together, as it is in a clip, unless the model's geometry
        states one; so give images of one clip or scanner layout. No image is refused as black or frozen, nothing is
        smoothed.

        Args:
            images: (H, W) uint8 gray or (H, W, 3) uint8 BGR, all of one size, in a list or as (N, H, W[, 3]).
            hint: the region where it is known, in pixels (x0, y0, x1, y1), half-open.

        Raises UsageError for what is no image, NoFramesError for none, ModelError where the model gives no number,
        EngineError, GeometryError.
        """
        ready = self._prepared(images, hint)
        parts = [self.engine.scores(ready[at : at + BATCH]) for at in range(0, len(ready), BATCH)]
        scores = np.concatenate(parts)  # (N, K)
        if not np.isfinite(scores).all():
            raise ModelError(f"the model gave no number for {int((~np.isfinite(scores)).any(axis=1).sum())} images")
        return scores

    def features(self, images: Iterable[Image], *, hint: Box | None = None) -> NDArray[np.float32]:
        """What the network sees in N images before its last layer, (N, 512) float32, 0 or more: embeddings, by which
        images can be compared, grouped or searched.

        Region, images and ``hint`` are as for ``score``. PyTorch computes them in float32 from the weights in the
        .safetensors, whatever engine and precision ``score`` uses. Of a model that is the mean of several networks
        (N, 512 for each of them), one after the other.

        Args:
            images: (H, W) uint8 gray or (H, W, 3) uint8 BGR, all of one size, in a list or as (N, H, W[, 3]).
            hint: the region where it is known, in pixels (x0, y0, x1, y1), half-open.

        Raises UsageError for what is no image or where the detector was not made by ``load``, NoFramesError for none,
        ModelError for a converted model, which holds no such layer: load the .safetensors; EngineError, GeometryError.
        """
        if self.embed is None:
            raise UsageError("features come from a model's file: use a detector that seqcls.load made")
        return self.embed(self._prepared(images, hint))

    def _prepared(self, images: Iterable[Image], hint: Box | None) -> NDArray[np.uint8]:
        """(N, S, S) of N images with a common region."""
        _require_box(hint)
        placed = with_region(MemorySource(images, rate_hz=1.0), self.header.geometry, hint)
        ready = [self.header.geometry.apply(item[0].image, item[1]) for item in placed if isinstance(item, tuple)]
        if not ready:
            raise NoFramesError("there is no image to score: give one or more")
        return np.stack(ready)


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
        _require_batch(batch_size)
        self._digest = clip_digest(str(source)) if isinstance(source, (str, Path)) else digest
        self._batch_size = batch_size
        self._stopped = threading.Event()
        self._unread: tuple[Gap, ...] = ()
        with ExitStack() as stack:
            self._source = _opened(source, rate_hz)
            if self._source is not source:
                stack.enter_context(closing(self._source))
            self._run = _Run(detector, self._source.info.region)
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


def load(
    path: str | Path,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    smoothing: SmoothingOptions | None = None,
    intervals: IntervalOptions | tuple[IntervalOptions, ...] | None = None,
    gate: GateOptions | None = None,
    novelty: bool = True,
    sampling: SamplingOptions | None = None,
    exact: bool = False,
    lazy: bool = False,
) -> Detector:
    """Open a model file; what is None is taken from the model.

    Args:
        path: a .safetensors, or a converted .xml or .onnx.
        engine: auto, openvino, torch or onnx.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16, fp16 or int8.
        smoothing: how scores are smoothed over time.
        intervals: when scores count as presence; one for every organ, or one per organ.
        gate: which frames are not scorable; by default all that it knows.
        novelty: whether frames unlike everything the model was trained on are unknown.
        sampling: every frame, which is the default, or an adaptive choice.
        exact: use the model itself, not the int8 twin beside it that was proven to answer alike; that is taken where
            engine, device and precision leave the choice.
        lazy: come back at once; the engine is opened in a thread when it is first used, or by ``begin_opening``, and
            what is wrong with it is raised when it is used.

    Raises ModelError, EngineError or UsageError.
    """

    def opening() -> Engine:
        return open_engine(path, engine=engine, device=device, precision=precision, exact=exact)

    stated = read_header(path)
    opened = LazyEngine(stated, opening) if lazy else opening()
    header = opened.header
    return Detector(
        header=header,
        engine=opened,
        smoothing=header.smoothing if smoothing is None else smoothing,
        intervals=one_per_organ(header.intervals if intervals is None else intervals, header.organs),
        gate=GateOptions() if gate is None else gate,
        novelty=novelty,
        sampling=SamplingOptions() if sampling is None else sampling,
        model=Path(path).name,
        embed=Embedder(path, device, stated).embed,
    )


class _Run:
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
                with_pauses(prepared.warnings(self._detector.header.regions), scores, report.gaps), scores
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


def _opened(source: Input, rate_hz: float | None) -> Source:
    """``source`` itself where it is open already. Raises SourceError, UsageError."""
    if isinstance(source, (str, Path)):
        return open_source(source, rate_hz=rate_hz, threads=decoding())
    if not isinstance(source, Source):
        return MemorySource(source, rate_hz)
    if rate_hz is not None:
        raise UsageError(f"{source.info.name} is open and has its times: leave rate_hz out, or give it to open_source")
    return source


def _require_batch(batch_size: int) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more frames, not {batch_size!r}")


def _require_box(hint: Box | None) -> None:
    if hint is None:
        return
    whole = isinstance(hint, (tuple, list)) and len(hint) == 4 and all(isinstance(n, (int, np.integer)) for n in hint)
    if not (whole and hint[0] < hint[2] and hint[1] < hint[3]):
        raise UsageError(f"hint takes (x0, y0, x1, y1) in whole pixels with x0 < x1 and y0 < y1, not {hint!r}")
