"""Timelines on a terminal: a strip per organ, and a table of intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcls.types import State

if TYPE_CHECKING:
    from seqcls.evaluation.evaluate import ClipTruth
    from seqcls.evaluation.metrics import Estimate
    from seqcls.timeline import Timeline

# Told apart by shape as well as by colour: one man in twelve does not see red against green.
GLYPHS: dict[State, tuple[str, str]] = {
    "present": ("█", "bright_cyan"),
    "absent": ("─", "bright_black"),
    "unknown": ("?", "yellow"),
}


def clock(seconds: float) -> str:
    """h:mm:ss.ss, hours only where there are some."""
    minutes, rest = divmod(round(max(0.0, seconds) * 100) / 100, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def strip(timeline: Timeline, organ: str, width: int) -> Text:
    """One line of ``width`` cells; a cell shows presence when any of its time has it, so that nothing short is lost."""
    total_s = timeline.end_s - timeline.start_s
    text = Text()
    intervals = timeline.of(organ)
    for cell in range(width):
        start_s = timeline.start_s + total_s * cell / width
        end_s = timeline.start_s + total_s * (cell + 1) / width
        states = {i.state for i in intervals if i.start_s < end_s and i.end_s > start_s}
        state: State = next((s for s in ("present", "unknown") if s in states), "absent")
        glyph, style = GLYPHS[state]
        text.append(glyph, style=style)
    return text


def truth_strips(clip: ClipTruth, width: int) -> RenderableType:
    """What was there, beside what was found: one line each per organ; `·` is not to be judged."""
    timeline, cells = clip.timeline, _cells(clip.timeline, width)
    grid = _grid(timeline)
    for column, organ in enumerate(timeline.organs):
        truth = Text()
        for codes in np.array_split(clip.codes[:, column], cells):
            glyph, style = ("█", "green") if (codes == 1).any() else ("─", "bright_black")
            truth.append(*(("·", "bright_black") if (codes == -1).all() else (glyph, style)))
        grid.add_row(Text(organ, style="bold"), strip(timeline, organ, cells), "found")
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
        grid.add_row(Text(organ, style="bold"), strip(timeline, organ, cells), f"{present_s:.2f} s {share:4.0%}")
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
        f" {timeline.coverage:.1%} could be judged; input {timeline.report.verdict}"
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
    """Nothing where there are too few patients to tell."""
    return f" [{estimate.low:.4f}, {estimate.high:.4f}]" if math.isfinite(estimate.low + estimate.high) else ""
