"""An evaluation on a terminal: aligned tables that fit 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from seqcls.cli import console, tables
from seqcls.evaluation.metric_names import FRAME_ROWS, INTERVAL_ROWS, Metric, comparison_rows
from seqcls.text.wording import count_of, cut

if TYPE_CHECKING:
    from seqcls.evaluation.compare import OrganComparison
    from seqcls.evaluation.evaluate import Evaluation, Subgroup
    from seqcls.evaluation.organ_metrics import OrganMetrics

#: Characters of a scanner's or a site's name, and of an organ's beside it.
_NAME, _ORGAN = 22, 12


def show_evaluation(evaluation: Evaluation) -> None:
    """A table per organ by frame and by presence, then the subgroups."""
    out = console.results()
    for caveat in evaluation.caveats:
        out.print(console.literal(f"note: {caveat}", "yellow"))
    for organ in evaluation.organs:
        out.print(organ_table(organ))
    for by in dict.fromkeys(group.by for group in evaluation.subgroups):
        out.print(subgroup_table([group for group in evaluation.subgroups if group.by == by], by))
    for message in evaluation.messages:
        console.warn(message)


def show_comparison(comparison: Sequence[OrganComparison], against: str) -> None:
    """A table per organ: both values, and their difference with its interval."""
    from seqcls.evaluation.metrics import refusal

    out = console.results()
    for one in comparison:
        why = refusal(one.patients)
        heads = ("", "model", "against", "change", "95 % interval")
        out.print(console.literal(f"{one.organ} against {against}", "bold"))
        out.print(Text(f"95 % intervals {why}" if why else f"paired bootstrap over {one.patients} patients"))
        width = len(heads) - bool(why)
        out.print(Group(tables.table(heads[:width], [row[:width] for row in comparison_rows(one)]), Text("")))


def organ_table(organ: OrganMetrics) -> RenderableType:
    from seqcls.evaluation.metrics import refusal

    m, i = organ.frames, organ.intervals
    parts = [count_of(organ.patients, "patient"), *([] if i is None else [count_of(i.clips, "clip")])]
    frames = f"{m.count:,} labelled {'frame' if m.count == 1 else 'frames'}, {m.present:,} of them present"
    why = refusal(organ.patients)
    blocks: list[RenderableType] = [
        console.literal(organ.organ, "bold") + Text(f": {', '.join([*parts, frames])}", style="default"),
        *([Text(f"95 % intervals {why}")] if why else []),
        _block("by frame", FRAME_ROWS, organ),
        tables.table(
            ("frames", "called present", "called absent"),
            [
                ("present", f"{m.true_present:,}", f"{m.false_absent:,}"),
                ("absent", f"{m.false_present:,}", f"{m.true_absent:,}"),
            ],
        ),
    ]
    if i is not None:
        blocks.append(_block("by presence", INTERVAL_ROWS, organ))
    return Group(*blocks, Text(""))


def _block(title: str, rows: Sequence[Metric], organ: OrganMetrics) -> RenderableType:
    shown = [(metric.title, *_cells(metric, organ)) for metric in rows]
    if any(cells[2] for cells in shown):
        return tables.table((title, "value", "95 % interval"), shown)
    return tables.table((title, "value"), [cells[:2] for cells in shown])


def _cells(metric: Metric, organ: OrganMetrics) -> tuple[str, str]:
    """The value, and its interval where there is one."""
    estimate = organ.spread[metric.name]
    low, high = estimate.low, estimate.high
    interval = "" if math.isnan(low + high) else f"{metric.shown(low)} to {metric.shown(high)}"
    return metric.shown(estimate.value) + metric.count(organ), interval


def subgroup_table(groups: Sequence[Subgroup], by: str) -> RenderableType:
    """One row for each organ of each scanner, or site."""
    rows = (
        (
            cut(group.name, _NAME),
            cut(organ.organ, _ORGAN),
            str(organ.patients),
            str(organ.frames.count),
            tables.figure(organ.frames.auroc, 3),
            tables.figure(organ.frames.accuracy, 3),
            "" if organ.intervals is None else tables.figure(organ.intervals.event_f1, 3),
        )
        for group in groups
        for organ in group.organs
    )
    heads = (f"by {by}", "organ", "patients", "frames", "AUROC", "accuracy", "event F1")
    origin = ", ".join(dict.fromkeys(group.origin for group in groups))
    return Group(tables.table(heads, rows, words=2), console.literal(f"{by} as named by: {origin}"), Text(""))
