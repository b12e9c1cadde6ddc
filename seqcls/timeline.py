"""The answer: a run's timeline, and the provenance that says how it came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.files import same_name
from seqcls.files.json_record import Record, between, known_fields, record_from
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.intervals import IntervalOptions
from seqcls.smoothing import SmoothingOptions
from seqcls.text.wording import count_of, unseen
from seqcls.types import (
    MAX_INDEX,
    MAX_TIME_S,
    FrameCounts,
    Gap,
    Interval,
    ScoreTable,
    SourceInfo,
    SourceReport,
    State,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: Of one timeline, over all organs: a day in which something comes into view twice a second has fewer.
MAX_INTERVALS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the frames to score were chosen; see ``adaptive.SamplingOptions``."""

    kind: Literal["every", "adaptive"] = "every"
    """Every frame, or an adaptive choice."""
    step_s: float | None = field(default=None, metadata=between(0, MAX_TIME_S))
    """Largest distance of measured frames, in seconds; None where every frame is."""
    margin: float = field(default=0.2, metadata=between(0, 1))
    """By how much scores between two measured frames may leave the range of these two."""
    undecided: int = field(default=0, metadata=between(0, MAX_INDEX))
    """Frames whose state the measured frames could not settle, with nothing left to measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyUse:
    """What became of frames unlike the model's training; see ``novelty``."""

    used: bool = True
    """Whether they are unknown."""
    false_alarms: float = field(default=0.0, metadata=between(0, 1))
    """The share of frames of the same kind that is called so, measured when the model was trained."""
    held_out: str = ""
    """On which frames that was."""


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A video that a live run wrote of its feed."""

    file: str
    """Its path in the run's folder, or its name where it lies elsewhere."""
    start_s: float = field(metadata=between(-MAX_TIME_S, MAX_TIME_S))
    """Where its first image lies in the run, in seconds."""
    organ: str = ""
    """The organ whose presence it shows; empty for the recording of the feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which model, engine and options gave a timeline. Empty or None is what is not known."""

    smoothing: SmoothingOptions
    """As it was used."""
    intervals: tuple[IntervalOptions, ...]
    """One entry per organ."""
    model: str = ""
    """Name of the model file."""
    model_dataset: str = ""
    """Hash of the frames it was trained on."""
    model_digest: str = ""
    """SHA-256 of its weights, of a run that kept a journal."""
    source_digest: str = ""
    """SHA-256 of a clip's size, beginning and end, where it is one file: see ``sources.clip_digest``."""
    layouts_digest: str = ""
    """SHA-256 of the layouts whose region was known, of a run that kept a journal."""
    model_version: str = ""
    """Of the seqcls that wrote the model."""
    engine: str = ""
    """Library, device and precision."""
    gate: GateOptions | None = None
    """Which frames were looked for that are not scorable."""
    novelty: NoveltyUse | None = None
    """Whether frames unlike the model's training are unknown; None where the model knows none of it."""
    sampling: Sampling | None = None
    """Which frames were scored."""
    geometry: Geometry | None = None
    """How images became what the model sees."""
    regions: tuple[Region, ...] = ()
    """The ultrasound regions found, in order."""
    latency_ms: tuple[float, float, float] | None = field(default=None, metadata=between(0, 1e3 * MAX_TIME_S))
    """50th, 95th and 99th percentile from a frame's arrival to the decision, of a live run; NaN where no frame came."""
    videos: tuple[VideoPart, ...] = ()
    """Of a live run: its recording and its clips of presences."""
    sessions: tuple[str, ...] = ()
    """Of a run that kept a journal: the ids of its sessions."""
    began: str = ""
    """Of a run that kept a journal: the time of day at which it began, in ISO 8601."""

    def to_dict(self, organs: tuple[str, ...]) -> Record:
        """For JSON; what is not known is left out."""
        record = {name: value for name, value in asdict(self).items() if value not in ("", None, ())}
        record["intervals"] = dict(zip(organs, record["intervals"], strict=True))
        if self.latency_ms is not None:
            record["latency_ms"] = latency_to_dict(self.latency_ms)
        if self.sessions:
            record["journal"] = {"sessions": record.pop("sessions"), "began": record.pop("began", "")}
        return record

    @classmethod
    def from_dict(cls, record: Record, organs: tuple[str, ...]) -> Provenance:
        """The inverse of ``to_dict``, passing over what it does not know.

        Raises LookupError, TypeError, ValueError or AttributeError for anything else.
        """
        record = record_from(dict, record, "provenance")
        plain = known_fields(cls, {**record, **record.get("journal", {})})
        plain["intervals"] = [record["intervals"][organ] for organ in organs]
        plain["latency_ms"] = latency_from_dict(record.get("latency_ms"))
        return record_from(cls, plain, "provenance")


_PERCENTILES = ("p50", "p95", "p99")


def latency_to_dict(latency_ms: tuple[float, float, float]) -> dict[str, float | None]:
    """Percentiles for JSON."""
    named = zip(_PERCENTILES, latency_ms, strict=True)
    return {name: None if math.isnan(ms) else round(ms, 2) for name, ms in named}


def latency_from_dict(record: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    """The inverse of ``latency_to_dict``, as far as hundredths go."""
    if record is None:
        return None
    p50, p95, p99 = (math.nan if record[name] is None else float(record[name]) for name in _PERCENTILES)
    return p50, p95, p99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """The answer: when each organ is in view, what was not scorable, and how the answer came about."""

    source: SourceInfo
    """What the input says of itself."""
    organs: tuple[str, ...]
    """Names of the organs that the model knows, then of those that ``where`` made of them, which have no scores."""
    start_s: float
    """Time of the first frame, in seconds."""
    end_s: float
    """Time at which the last one ends, in seconds."""
    intervals: tuple[Interval, ...]
    """Each organ's states, without holes; see ``of``."""
    scores: ScoreTable
    """Every frame's scores."""
    frame_counts: FrameCounts
    """Where every received frame went."""
    report: SourceReport
    """Whether all of the input was read."""
    provenance: Provenance
    """Which model and options gave it."""
    warnings: tuple[str, ...] = ()
    """What a person should know."""
    where: tuple[str, ...] = ()
    """How the organs that have no scores were made of others, one ``NAME = EXPRESSION`` each; see ``where``."""
    thumbnails: tuple[tuple[float, NDArray[np.uint8]], ...] = ()
    """A few of the images that the engine saw, (S, S) uint8 with their times, spread over the clip; they hold nothing
    from outside the ultrasound region and are not kept on disk."""

    @property
    def scored_organs(self) -> tuple[str, ...]:
        """The organs that the model knows: those that have scores."""
        return self.organs[: len(self.organs) - len(self.where)]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches that were not scorable, each with its reason: the unknown ones of the organ with the least of them.

        Organs differ only where one is present on both sides of a short gap, which is bridged.
        """
        per_organ = (self.of(organ, "unknown") for organ in self.scored_organs)
        least = min(per_organ, key=lambda unknown: sum(i.duration_s for i in unknown))
        return tuple(Gap(i.start_s, i.end_s, i.reason) for i in least)

    @property
    def coverage(self) -> float:
        """Fraction of the clip's duration that could be judged, 0..1; of a single frame without duration 0 or 1.

        What is bridged inside a presence was not judged either: frames that are lost, or could not be scored.
        """
        total_s = self.end_s - self.start_s
        if total_s <= 0:
            return 0.0 if self.gaps else 1.0
        return max(0.0, 1.0 - self._unjudged_s() / total_s)

    def _unjudged_s(self) -> float:
        """The length of all that is unknown, lost or not scorable, where these overlap counted once."""
        table = self.scores
        rows = np.array([reason != "" for reason in table.reason], np.bool_)
        stretches = [(gap.start_s, gap.end_s) for gap in (*self.gaps, *self.report.gaps)]
        stretches += zip(table.time_s[rows], (table.time_s + table.duration_s)[rows], strict=True)
        reached_s, length_s = self.start_s, 0.0
        for start_s, end_s in sorted(stretches):
            end_s = min(end_s, self.end_s)
            length_s += max(0.0, end_s - max(start_s, reached_s))
            reached_s = max(reached_s, end_s)
        return float(length_s)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know besides the verdict: what is said of the input, and the warnings."""
        return (*self.report.reasons, *self.warnings)

    def of(self, organ: str, state: State | None = None) -> tuple[Interval, ...]:
        """The organ's intervals in order; of one state where ``state`` names it.

        Raises UsageError for an organ that the model does not know, and for what is no state.
        """
        name = next((own for own in self.organs if same_name(own, organ)), None)
        if name is None:
            raise UsageError(f"this timeline knows no {organ!r}: choose one of {', '.join(self.organs)}")
        if state is not None and state not in get_args(State):
            raise UsageError(f"{state!r} is no state: choose one of {', '.join(get_args(State))}")
        return tuple(i for i in self.intervals if i.organ == name and (state is None or i.state == state))

    def to_pandas(self, rows: Literal["intervals", "frames"] = "intervals") -> DataFrame:
        """A DataFrame with one row for each interval, or for each frame.

        ``intervals`` has the columns of intervals.csv. ``frames`` has frame, time_s, duration_s and reason, and for
        each organ its state as True, False or NA, and its score before and after smoothing.

        Raises UsageError where pandas is missing (``pip install 'seqcls[tables]'``), and for other ``rows``.
        """
        table: DataFrame = _notebook().to_pandas(self, rows)
        return table

    def plot(self) -> Figure:
        """A figure of matplotlib, as timeline.png: thumbnails, and a strip with the scores for each organ.

        ``plot().savefig("timeline.pdf")`` writes it. As the last line of a notebook's cell it is shown.
        Raises nothing.
        """
        figure: Figure = _notebook().plot(self)
        return figure

    def _repr_html_(self) -> str:
        """What a notebook shows: a strip for each organ, and a table."""
        shown: str = _notebook().as_html(self)
        return shown

    def __repr__(self) -> str:
        lines = [
            f"Timeline of {self.source.name}: {self.start_s:.2f} to {self.end_s:.2f} s,"
            f" {self.coverage:.0%} scorable, {self.report.verdict}"
        ]
        for organ in self.organs[:_SHOWN]:
            present = self.of(organ, "present")
            spans = [f"{i.start_s:.2f}-{i.end_s:.2f}" for i in present[:_SHOWN]]
            more = [f"and {len(present) - _SHOWN} more"] if len(present) > _SHOWN else []
            total_s = sum(i.duration_s for i in present)
            where = f"{', '.join([*spans, *more])} s" if present else "never"
            what = f"present {where} ({count_of(len(present), 'interval')}, {total_s:.2f} s)"
            is_open = not present and self.of(organ, "unknown")
            lines.append(f"  {organ}: {unseen(i.state for i in self.of(organ)) if is_open else what}")
        if len(self.organs) > _SHOWN:
            lines.append(f"  and {len(self.organs) - _SHOWN} more organs")
        return "\n".join(lines)


def _notebook() -> Any:
    """Imported when it is first used: it stands above this module, and brings matplotlib."""
    return import_module("seqcls.notebook")


#: How many organs, and intervals of each, ``repr`` writes out.
_SHOWN = 8
