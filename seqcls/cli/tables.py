"""Timelines on a terminal: a strip per organ, and a table of intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcls.cli.console import in_flags
from seqcls.palette import SKY, UNKNOWN
from seqcls.types import State

if TYPE_CHECKING:
    from seqcls.evaluation.evaluate import ClipTruth
    from seqcls.evaluation.metrics import Estimate, FrameMetrics
    from seqcls.live.snapshot import Span
    from seqcls.timeline import Timeline
    from seqcls.types import Interval

#: By state, a glyph and its ink. They differ in shape too: one man in twelve does not see red against green.
GLYPHS: dict[State, tuple[str, str]] = {"present": ("█", SKY), "absent": ("─", "#8a8a8a"), "unknown": ("░", UNKNOWN)}


def clock(seconds: float, *, whole: bool = False) -> str:
    """h:mm:ss.ss, hours only where there are some; ``whole``: h:mm:ss, always with hours, as a running clock shows."""
    seconds = max(0.0, seconds) if math.isfinite(seconds) else 0.0
    minutes, hundredths = divmod(int(seconds) * 100 if whole else round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    if whole:
        return f"{hours}:{minutes:02d}:{hundredths // 100:02d}"
    return f"{hours}:{minutes:02d}:{hundredths / 100:05.2f}" if hours else f"{minutes}:{hundredths / 100:05.2f}"


def strip(spans: Sequence[Interval | Span], start_s: float, end_s: float, width: int) -> Text:
    """One line of ``width`` cells from ``start_s`` to ``end_s``, blank where there is no span.

    A cell shows presence when any of its time has it, so that nothing short is lost.
    """
    text = Text(no_wrap=True)
    for cell in range(width):
        left_s = start_s + (end_s - start_s) * cell / width
        right_s = start_s + (end_s - start_s) * (cell + 1) / width
        states = {s.state for s in spans if s.start_s < right_s and (s.end_s is None or left_s < s.end_s)}
        state: State | None = next((s for s in ("present", "unknown", "absent") if s in states), None)
        text.append(*(" ", "") if state is None else GLYPHS[state])
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, words: int = 1, title: str = "") -> Table:
    """The first ``words`` columns hold words, the others figures. What cells hold is taken literally."""
    shown = Table(
        title=title if title else None, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    for column, head in enumerate(heads):
        shown.add_column(head, justify="left" if column < words else "right")
    for row in rows:
        shown.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return shown


def truth_strips(clip: ClipTruth, width: int) -> RenderableType:
    """What was there, beside what was found: one line each per organ; `·` is not labelled."""
    grid, cells = _grid(clip.timeline, width)
    for column, organ in enumerate(clip.timeline.organs):
        truth = Text()
        for codes in np.array_split(clip.codes[:, column], cells):
            glyph, style = ("█", "green") if (codes == 1).any() else ("─", "bright_black")
            truth.append(*(("·", "bright_black") if (codes == -1).all() else (glyph, style)))
        grid.add_row(Text(organ, style="bold"), _strip(clip.timeline, organ, cells), "found")
        grid.add_row("", truth, "truth")
    return grid


def timeline_strips(timeline: Timeline, width: int) -> RenderableType:
    """All organs' strips over one time axis."""
    grid, cells = _grid(timeline, width)
    for organ in timeline.organs:
        present_s = sum(i.duration_s for i in timeline.of(organ, "present"))
        share = present_s / max(1e-9, timeline.end_s - timeline.start_s)
        grid.add_row(Text(organ, style="bold"), _strip(timeline, organ, cells), f"{present_s:.2f} s {share:4.0%}")
    left, middle, right = (clock(timeline.start_s + (timeline.end_s - timeline.start_s) * part) for part in (0, 0.5, 1))
    line = left + middle.center(max(0, cells - len(left) - len(right))) + right
    grid.add_row("", Text(line[:cells], style="bright_black"), "")
    return grid


def _strip(timeline: Timeline, organ: str, cells: int) -> Text:
    return strip(timeline.of(organ), timeline.start_s, timeline.end_s, cells)


def _grid(timeline: Timeline, width: int) -> tuple[Table, int]:
    """For names, strips and a figure each; and how many cells a strip has between the others."""
    names = max(len(organ) for organ in timeline.organs) + 2
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=names)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right")
    return grid, max(20, width - names - 16)


def interval_table(timeline: Timeline, most: int = 40) -> RenderableType:
    """Present and unknown intervals in time order; absence is what is left."""
    shown = sorted((i for i in timeline.intervals if i.state != "absent"), key=lambda i: (i.start_s, i.organ))
    if not shown:
        return Text("no organ in view", style="bright_black")
    rows = (
        (
            i.organ,
            Text(i.state + (f" ({i.reason})" if i.reason else ""), style=GLYPHS[i.state][1]),
            clock(i.start_s),
            clock(i.end_s),
            f"{i.duration_s:.2f}",
            f"{i.start_index}-{i.end_index}" if i.start_index >= 0 else "",
            figure(i.mean_score, 2, ""),
            figure(i.peak_score, 2, ""),
        )
        for i in shown[:most]
    )
    found = table(("organ", "state", "from", "to", "seconds", "frames", "mean", "peak"), rows, words=2)
    return Group(found, Text(f"… and {len(shown) - most} more in intervals.csv")) if len(shown) > most else found


def show_timeline(console: Console, timeline: Timeline) -> None:
    """Name, facts, strips, table."""
    console.print(
        Text(timeline.source.path or timeline.source.name, style="bold")
        + Text(f"  {_facts(timeline)}", style="default")
    )
    for reason in timeline.report.reasons:
        console.print(Text(f"  input: {in_flags(reason)}", style="yellow"))
    for warning in timeline.warnings:
        console.print(Text(f"  {warning}", style="yellow"))
    console.print(timeline_strips(timeline, console.width))
    console.print(interval_table(timeline))
    console.print()


def _facts(timeline: Timeline) -> str:
    """Length, where the frames went, and the verdict; a cause that took no frame is left out."""
    counts = timeline.frame_counts
    parts = (
        (counts.classified, "classified"),
        (counts.skipped, "skipped (by adaptive sampling)"),
        (counts.dropped, "dropped (computer too slow)"),
        (counts.rejected, "rejected (black, frozen, no contact or damaged)"),
    )
    sums = " + ".join(f"{count} {what}" for count, what in parts if count)
    return (
        f"{timeline.end_s - timeline.start_s:.2f} s, {counts.received} frames{f' = {sums}' if sums else ''};"
        f" {timeline.coverage:.1%} scorable; input {timeline.report.verdict}"
    )


def show_pictures(console: Console, name: str, pictures: Sequence[Timeline], most: int = 40) -> None:
    """Images that were scored one by one: a row for each organ of each image."""
    unreadable = sum(one.report.verdict == "damaged" for one in pictures)
    rejected = sum(one.frame_counts.rejected for one in pictures) - unreadable
    scored = len(pictures) - rejected - unreadable
    facts = f"  {len(pictures)} images = {scored} classified + {rejected} rejected + {unreadable} that cannot be read"
    console.print(Text(name, style="bold") + Text(facts))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("image")
    table.add_column("organ")
    table.add_column("probability", justify="right")
    table.add_column("state")
    for one in pictures[:most]:
        for i in one.intervals:
            state = Text(i.state + (f" ({i.reason})" if i.reason else ""), style=GLYPHS[i.state][1])
            table.add_row(Text(one.source.path), Text(i.organ), figure(i.peak_score, 2), state)
    console.print(table)
    if len(pictures) > most:
        console.print(Text(f"… and {len(pictures) - most} more in pictures.csv"))
    console.print()


def range_of(estimate: Estimate) -> str:
    """Empty where there are too few patients for a confidence interval."""
    return f" [{estimate.low:.4f}, {estimate.high:.4f}]" if math.isfinite(estimate.low + estimate.high) else ""


def percentiles(values_ms: tuple[float, float, float], digits: int = 0) -> str:
    """Delays in milliseconds."""
    return ", ".join(f"{ms:.{digits}f} ms ({name})" for ms, name in zip(values_ms, ("p50", "p95", "p99"), strict=True))


def figure(value: float, digits: int = 4, nothing: str = "-") -> str:
    """``nothing`` for NaN: what could not be measured."""
    return nothing if math.isnan(value) else f"{value:.{digits}f}"


def frame_table(title: str, organs: tuple[str, ...], metrics: Sequence[FrameMetrics]) -> Table:
    """One row of frame metrics per organ."""
    rows = (
        (organ, str(m.count), str(m.present), *map(figure, (m.auroc, m.accuracy, m.sensitivity, m.specificity)))
        for organ, m in zip(organs, metrics, strict=True)
    )
    heads = ("organ", "frames", "present", "AUROC", "accuracy", "sensitivity", "specificity")
    return table(heads, rows, title=title)
