"""From frames to a timeline: the stages joined, the same way for a finished clip and for a live feed.

    frames -> prepare (region, gate, geometry) -> score (engine: every frame in batches, or an adaptive choice)
           -> smooth -> intervals

Every stage takes items in stream order and gives them on in the same order; ``analyze`` is ``stream`` run to the end,
with a thread that reads ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.adaptive import SamplingOptions
from seqcls.analysis import BATCH, Analysis, Box, Image, Input, Progress, Run, opened, require_batch
from seqcls.engines import Engine, open_engine
from seqcls.engines.lazy import LazyEngine
from seqcls.errors import ModelError, NoFramesError, UsageError
from seqcls.gate import GateOptions
from seqcls.intervals import IntervalOptions, one_per_organ
from seqcls.models.about import caveats
from seqcls.models.embedding import Embedder
from seqcls.models.file import ModelHeader, read_header
from seqcls.preprocess import with_region
from seqcls.smoothing import SmoothingOptions
from seqcls.sources import MemorySource, Source
from seqcls.timeline import NoveltyUse, Provenance, Timeline
from seqcls.types import Event, Frame, Gap


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
    def caveats(self) -> tuple[str, ...]:
        """What every timeline says of the model's training, where there is something to be careful of."""
        return caveats(self.header)

    @property
    def uses_novelty(self) -> bool:
        """Whether frames can be unknown for being unlike the model's training."""
        return self.novelty and self.header.novelty is not None

    @property
    def provenance(self) -> Provenance:
        """What a timeline says of the detector; what only the run knows is left open."""
        return replace(self.stated_provenance, engine=self.engine.description)

    @property
    def stated_provenance(self) -> Provenance:
        """As ``provenance``, without the engine, which need not be opened for it."""
        own = self.header.novelty
        return Provenance(
            smoothing=self.smoothing,
            intervals=self.intervals,
            model=self.model,
            model_dataset=self.header.dataset_hash,
            model_version=self.header.version,
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
        require_batch(batch_size)
        _require_box(hint)
        source = opened(frames, rate_hz)
        run = Run(replace(self, sampling=SamplingOptions()), source.info.region if hint is None else hint)

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


def _require_box(hint: Box | None) -> None:
    if hint is None:
        return
    whole = isinstance(hint, (tuple, list)) and len(hint) == 4 and all(isinstance(n, (int, np.integer)) for n in hint)
    if not (whole and hint[0] < hint[2] and hint[1] < hint[3]):
        raise UsageError(f"hint takes (x0, y0, x1, y1) in whole pixels with x0 < x1 and y0 < y1, not {hint!r}")
