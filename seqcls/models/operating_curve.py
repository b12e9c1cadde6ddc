"""The curve that a model keeps: how sensitive and how specific it is at other thresholds and within other delays."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqcls.files.json_record import between
from seqcls.types import MAX_TIME_S

#: Of a model; ``tune`` writes some hundred for each organ.
MAX_POINTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """What one onset threshold gave on the clips that the model was tuned on, after smoothing and the durations."""

    organ: str
    """Of whom."""
    delay_s: float = field(metadata=between(0, MAX_TIME_S))
    """How late a change becomes certain at most, in seconds; see ``postprocess.certain_after_s``."""
    onset: float = field(metadata=between(0, 1))
    """Presence begins at this score; the offset stays the same part of it."""
    sensitivity: float = field(metadata=between(0, 1))
    """Share of the time with the organ in view that was reported present."""
    specificity: float = field(metadata=between(0, 1))
    """Share of the other time that was not."""
    event_f1: float = field(metadata=between(0, 1))
    """As in ``evaluation.interval_metrics``."""
