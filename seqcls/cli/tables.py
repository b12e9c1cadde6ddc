"""Timelines on a terminal: a strip per organ, and a table of intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcls.types import State

if TYPE_CHECKING:
    from seqcls.evaluation.evaluate import ClipTruth
    from seqcls.evaluation.metrics import Estimate, FrameMetrics
    from seqcls.live.snapshot import Span
    from seqcls.timeline import Timeline
    from seqcls.types import Interval

# They differ in shape as well as in colour: one man in twelve does not see red against green.
GLYPHS: dict[State, tuple[str, str]] = {
    "present": ("█", "bright_cyan"),
    "absent": ("─", "bright_black"),
    "unknown": ("?", "yellow"),
}


def clock(seconds: float, *, whole: bool = False) -> str:
    """h:mm:ss.ss, hours only where there are some; ``whole``: h:mm:ss, always with hours, as a running clock shows."""
    seconds = max(0.0, seconds) if math.isfinite(seconds) else 0.0
    minutes, hundredths = divmod(int(seconds) * 100 if whole else round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    if whole:
        return f"{hours}:{minutes:02d}:{hundredths // 100:02d}"
    return f"{hours}:{minutes:02d}:{hundredths / 100:05.2f}" if hours else f"{minutes}:{hundredths / 100:05.2f}"


def strip(
    spans: Sequence[Interval | Span], start_s: float, end_s: float, width: int, glyphs: Mapping[State, tuple[str, str]]
) -> Text:
    """One line of ``width`` cells from ``start_s`` to ``end_s``, blank where there is no span.

    A cell shows presence when any of its time has it, so that nothing short is lost.
    """
    text = Text(no_wrap=True)
    for cell in range(width):
        left_s = start_s + (end_s - start_s) * cell / width
        right_s = start_s + (end_s - start_s) * (cell + 1) / width
        states = {s.state for s in spans if s.start_s < right_s and (s.end_s is None or left_s < s.end_s)}
        state: State | None = next((s for s in ("present", "unknown", "absent") if s in states), None)
        text.append(*(" ", "") if state is None else glyphs[state])
    return text


def _strip(timeline: Timeline, organ: str, width: int) -> Text:
    return strip(timeline.of(organ), timeline.start_s, timeline.end_s, width, GLYPHS)


def truth_strips(clip: ClipTruth, width: int) -> RenderableType:
    """What was there, beside what was found: one line each per organ; `·` is not labelled."""
    timeline, cells = clip.timeline, _cells(clip.timeline, width)
    grid = _grid(timeline)
    for column, organ in enumerate(timeline.organs):
        truth = Text()
        for codes in np.array_split(clip.codes[:, column], cells):
            glyph, style = ("█", "green") if (codes == 1).any() else ("─", "bright_black")
            truth.append(*(("·", "bright_black") if (codes == -1).all() else (glyph, style)))
        grid.add_row(Text(organ, style="bold"), _strip(timeline, organ, cells), "found")
        grid.add_row("", truth, "truth")
    return grid


def _axis(timeline: Timeline, width: int) -> Text:
    left, right = clock(timeline.start_s), clock(timeline.end_s)
    middle = clock((timeline.start_s + timeline.end_s) / 2)
    line = left + middle.center(max(0, width - len(left) - len(right))) + right
    return Text(line[:width], style="bright_black")


def timeline_strips(timeline: Timeline, width: int) -> RenderableType:
    """All organs' strips over one time axis."""
    cells = _cells(timeline, width)
    grid = _grid(timeline)
    for organ in timeline.organs:
        present_s = sum(i.duration_s for i in timeline.of(organ, "present"))
        share = present_s / max(1e-9, timeline.end_s - timeline.start_s)
        grid.add_row(Text(organ, style="bold"), _strip(timeline, organ, cells), f"{present_s:.2f} s {share:4.0%}")
    grid.add_row("", _axis(timeline, cells), "")
    return grid


def _label_width(timeline: Timeline) -> int:
    return max(len(organ) for organ in timeline.organs) + 2


def _cells(timeline: Timeline, width: int) -> int:
    """How many cells a strip has, beside its name and a figure."""
    return max(20, width - _label_width(timeline) - 16)


def _grid(timeline: Timeline) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_label_width(timeline))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right")
    return grid


def interval_table(timeline: Timeline, most: int = 40) -> RenderableType:
    """Present and unknown intervals in time order; absence is what is left."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("organ")
    table.add_column("state")
    for name in ("from", "to", "seconds", "frames", "mean", "peak"):
        table.add_column(name, justify="right")
    shown = sorted((i for i in timeline.intervals if i.state != "absent"), key=lambda i: (i.start_s, i.organ))
    for i in shown[:most]:
        style = GLYPHS[i.state][1]
        table.add_row(
            Text(i.organ),
            Text(i.state + (f" ({i.reason})" if i.reason else ""), style=style),
            clock(i.start_s),
            clock(i.end_s),
            f"{i.duration_s:.2f}",
            f"{i.start_index}-{i.end_index}" if i.start_index >= 0 else "",
            f"{i.mean_score:.2f}" if i.mean_score == i.mean_score else "",
            f"{i.peak_score:.2f}" if i.peak_score == i.peak_score else "",
        )
    if not shown:
        return Text("no organ in view", style="bright_black")
    rest = Text(f"… and {len(shown) - most} more in intervals.csv") if len(shown) > most else Text("")
    return Group(table, rest) if rest.plain else table


def show_timeline(console: Console, timeline: Timeline) -> None:
    """Name, facts, strips, table."""
    frame_counts = timeline.frame_counts
    facts = (
        f"{timeline.end_s - timeline.start_s:.2f} s, {frame_counts.received} frames"
        f" = {frame_counts.classified} classified + {frame_counts.skipped} skipped"
        f" + {frame_counts.dropped} dropped + {frame_counts.rejected} rejected;"
        f" {timeline.coverage:.1%} scorable; input {timeline.report.verdict}"
    )
    console.print(Text(timeline.source.name, style="bold") + Text(f"  {facts}", style="default"))
    for reason in timeline.report.reasons:
        console.print(Text(f"  input: {reason}", style="yellow"))
    for warning in timeline.warnings:
        console.print(Text(f"  {warning}", style="yellow"))
    console.print(timeline_strips(timeline, console.width))
    console.print(interval_table(timeline))
    console.print()


def range_of(estimate: Estimate) -> str:
    """Empty where there are too few patients for a confidence interval."""
    return f" [{estimate.low:.4f}, {estimate.high:.4f}]" if math.isfinite(estimate.low + estimate.high) else ""


def figure(value: float, digits: int = 4) -> str:
    """``-`` for NaN: what could not be measured."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def frame_table(title: str, organs: tuple[str, ...], metrics: Sequence[FrameMetrics]) -> Table:
    """One row of frame metrics per organ."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("organ")
    for name in ("frames", "present", "AUROC", "accuracy", "sensitivity", "specificity"):
        table.add_column(name, justify="right")
    for organ, m in zip(organs, metrics, strict=True):
        values = (m.auroc, m.accuracy, m.sensitivity, m.specificity)
        table.add_row(organ, str(m.count), str(m.present), *(figure(value) for value in values))
    return table
