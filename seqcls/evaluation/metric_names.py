"""The metrics of an evaluation as a person reads them: the one list from which the table and the page are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqcls.evaluation.compare import OrganComparison
    from seqcls.evaluation.metrics import Estimate
    from seqcls.evaluation.organ_metrics import OrganMetrics


@dataclass(frozen=True, slots=True)
class Metric:
    """name: in ``OrganMetrics.spread``. title: for a person. digits: behind the point. percent: of a share, shown in
    percent. counted: what stands behind the value, of an organ."""

    name: str
    title: str
    digits: int = 4
    percent: bool = False
    counted: Callable[[OrganMetrics], str] | None = None

    def shown(self, value: float) -> str:
        if math.isnan(value):
            return "-"
        return f"{100 * value:.{self.digits}f} %" if self.percent else f"{value:.{self.digits}f}"

    def change(self, value: float) -> str:
        """A difference, with its sign."""
        return self.shown(value) if math.isnan(value) else f"{'+' if value >= 0 else '−'}{self.shown(abs(value))}"

    def change_range(self, estimate: Estimate) -> str:
        """The interval of a difference."""
        return f"{self.change(estimate.low)} to {self.change(estimate.high)}"

    def count(self, organ: OrganMetrics) -> str:
        return "" if self.counted is None else self.counted(organ)


def _found(organ: OrganMetrics) -> str:
    i = organ.intervals
    return "" if i is None else f" ({i.found} of {i.presences})"


def _false(organ: OrganMetrics) -> str:
    i = organ.intervals
    return "" if i is None else f" ({i.false_events})"


def _missed(organ: OrganMetrics) -> str:
    i = organ.intervals
    return "" if i is None else f" ({i.presences - i.found})"


FRAME_ROWS = (
    Metric("sensitivity", "sensitivity"),
    Metric("specificity", "specificity"),
    Metric("precision", "precision"),
    Metric("f1", "F1"),
    Metric("accuracy", "accuracy"),
    Metric("auroc", "AUROC"),
    Metric("auprc", "AUPRC"),
    Metric("brier", "Brier score"),
    Metric("ece", "ECE"),
)
INTERVAL_ROWS = (
    Metric("found_share", "presences found", 3, counted=_found),
    Metric("missed_events_per_min", "missed presences per minute", 3, counted=_missed),
    Metric("false_events_per_min", "false presences per minute", 3, counted=_false),
    Metric("event_f1", "event F1", 3),
    Metric("f1_10", "segmental F1@10", 3),
    Metric("f1_25", "segmental F1@25", 3),
    Metric("f1_50", "segmental F1@50", 3),
    Metric("edit", "edit score", 3),
    Metric("onset_median_s", "begin off by, median (s)", 3),
    Metric("onset_p90_s", "begin off by, p90 (s)", 3),
    Metric("offset_median_s", "end off by, median (s)", 3),
    Metric("offset_p90_s", "end off by, p90 (s)", 3),
    Metric("delay_median_s", "certain after, median (s)", 3),
    Metric("delay_p90_s", "certain after, p90 (s)", 3),
    Metric("unknown_share", "time unknown", 2, percent=True),
)


def comparison_rows(one: OrganComparison) -> list[tuple[str, str, str, str, str]]:
    """Of two models, a row per metric that both have: title, both values, their difference and its 95 % interval, which
    is empty where there is none."""
    rows = []
    for metric in (*FRAME_ROWS, *INTERVAL_ROWS):
        difference = one.difference.get(metric.name)
        if difference is not None:
            interval = "" if math.isnan(difference.low + difference.high) else metric.change_range(difference)
            values = metric.shown(one.first[metric.name]), metric.shown(one.second[metric.name])
            rows.append((metric.title, *values, metric.change(difference.value), interval))
    return rows
