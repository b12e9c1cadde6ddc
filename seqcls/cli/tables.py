"""Timelines on a terminal: a strip per organ, and a table of intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from seqcls.cli.console import in_flags, literal
from seqcls.palette import SKY, UNKNOWN
from seqcls.text.wording import count_of, cut, short_reason, without_name

if TYPE_CHECKING:
    from seqcls.evaluation.clip_truth import ClipTruth
    from seqcls.evaluation.metrics import Estimate, FrameMetrics
    from seqcls.live.snapshot import Span
    from seqcls.timeline import Timeline
    from seqcls.types import Interval, State

#: By state, a glyph (of presence one per eighth of the cell's time) and its ink. They differ in shape too: one man in
#: twelve does not see red against green.
GLYPHS: dict[State, tuple[str, str]] = {
    "present": ("▁▂▃▄▅▆▇█", SKY),
    "absent": ("─", "#8a8a8a"),
    "unknown": ("░", UNKNOWN),
}


#: Rows of a table of intervals that are read at a glance.
MAX_ROWS = 20
#: Characters of the name of a fact.
_FACT = 24


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

    A cell is filled as high as its time shows presence, by an eighth at least, so that nothing short is lost.
    """
    text = Text(no_wrap=True)
    for cell in range(width):
        left_s = start_s + (end_s - start_s) * cell / width
        right_s = start_s + (end_s - start_s) * (cell + 1) / width
        here = [s for s in spans if s.start_s < right_s and (s.end_s is None or left_s < s.end_s)]
        states = {s.state for s in here}
        state: State | None = next((s for s in ("present", "unknown", "absent") if s in states), None)
        if state is None:
            text.append(" ")
            continue
        present = [s for s in here if s.state == "present"]
        present_s = sum(min(right_s, s.end_s or right_s) - max(left_s, s.start_s) for s in present)
        text.append(*_filled(state, present_s / (right_s - left_s)))
    return text


def _filled(state: State, share: float) -> tuple[str, str]:
    """The glyph of a cell in which ``share`` is present, and its ink."""
    glyphs, ink = GLYPHS[state]
    return glyphs[min(len(glyphs), max(1, round(share * len(glyphs)))) - 1], ink


class _Fitting(Table):
    """Where the screen is too narrow for its figures, its rows stand one below the other, each figure with its name."""

    words = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Less the blanks behind the last column.
        if self.__rich_measure__(console, options.update(width=10_000)).minimum - 2 <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        heads = [str(column.header) for column in self.columns]
        for row in zip(*(list(column.cells) for column in self.columns), strict=True):
            cells = [cell if isinstance(cell, Text) else Text(str(cell)) for cell in row]
            line = Text(" ").join(cells[: self.words])
            for head, cell in zip(heads[self.words :], cells[self.words :], strict=True):
                if cell.plain:
                    line.append_text(Text.assemble(", ", (head, "bright_black"), " ", cell))
            line.overflow = "fold"
            yield line


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, words: int = 1, title: str = "") -> Table:
    """The first ``words`` columns hold words, the others figures. What cells hold is taken literally."""
    shown = _Fitting(
        title=title if title else None, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    shown.words = words
    for column, head in enumerate(heads):
        shown.add_column(head, justify="left" if column < words else "right")
    for row in rows:
        shown.add_row(*(literal(cell) if isinstance(cell, str) else cell for cell in row))
    return shown


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Names with values, which are broken where the line ends."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="default", min_width=_FACT, max_width=_FACT)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(literal(name), literal(value))
    return grid


def truth_strips(clip: ClipTruth, width: int) -> RenderableType:
    """What was there, beside what was found: one line each per organ; `·` is not labelled."""
    import numpy as np

    grid, cells, says = _grid(clip.timeline, width)
    for column, organ in enumerate(clip.timeline.organs):
        truth = Text()
        for codes in np.array_split(clip.codes[:, column], cells):
            labelled, present = int(np.count_nonzero(codes != -1)), int(np.count_nonzero(codes == 1))
            glyph, _ = _filled("present" if present else "absent", present / max(1, labelled))
            truth.append(*(glyph, "green" if present else "bright_black") if labelled else ("·", "bright_black"))
        grid.add_row(literal(organ, "bold"), _strip(clip.timeline, organ, cells), *["found"] * says)
        grid.add_row("", truth, *["truth"] * says)
    return grid


def timeline_strips(timeline: Timeline, width: int) -> RenderableType:
    """All organs' strips over one time axis."""
    grid, cells, says = _grid(timeline, width)
    for organ in timeline.organs:
        present = timeline.of(organ, "present")
        present_s, length_s = sum(i.duration_s for i in present), timeline.end_s - timeline.start_s
        share = present_s / length_s if length_s > 0 else float(bool(present))
        unknown = all(i.state == "unknown" for i in timeline.of(organ))
        said = "unknown" if unknown else f"{present_s:.2f} s {share:4.0%}"
        grid.add_row(literal(organ, "bold"), _strip(timeline, organ, cells), *[said] * says)
    left, middle, right = (clock(timeline.start_s + (timeline.end_s - timeline.start_s) * part) for part in (0, 0.5, 1))
    room = cells - len(left) - len(right)
    line = left + (middle if room > len(middle) + 1 else "").center(max(1, room)) + right
    grid.add_row("", Text(next(t for t in (line, left, "") if len(t) <= cells), style="bright_black"))
    return grid


def _strip(timeline: Timeline, organ: str, cells: int) -> Text:
    spans, end_s = timeline.of(organ), timeline.end_s
    if end_s <= timeline.start_s:  # a frame whose duration nobody knows
        spans, end_s = tuple(replace(span, end_s=span.end_s + 1) for span in spans), end_s + 1
    return strip(spans, timeline.start_s, end_s, cells)


def _grid(timeline: Timeline, width: int) -> tuple[Table, int, bool]:
    """For names, strips and a figure each; how many cells a strip has between the others; and whether there is room for
    the figures, which stand in the table, too. On a narrow screen there is none, and names are broken."""
    names = max(literal(organ).cell_len for organ in timeline.organs) + 2
    grid = Table.grid(padding=(0, 1))
    narrow = width < names + 16 + 20
    names = min(names, max(4, width // 2)) if narrow else names
    grid.add_column(width=names, overflow="fold")
    grid.add_column(no_wrap=True)
    if narrow:
        return grid, max(4, width - names - 1), False
    grid.add_column(justify="right")
    return grid, width - names - 16, True


def interval_table(timeline: Timeline, most: int = MAX_ROWS) -> RenderableType:
    """Presences in time order, and below them why how much is unknown; absence is what is left. Of a single frame all
    in one table, for their scores.

    More presences than ``most`` become a row for each organ. What is unknown for several organs at once counts once.
    """
    alone = len(timeline.scores.index) == 1
    shown = sorted((i for i in timeline.intervals if alone or i.state == "present"), key=lambda i: (i.start_s, i.organ))
    unknown = () if alone else tuple(i for i in timeline.intervals if i.state == "unknown")
    parts: list[RenderableType] = []
    if shown:
        parts.append(_presences(shown, most))
    elif not unknown:
        return Text("no organ in view", style="bright_black")
    else:
        parts.append(Text("no organ in view, as far as it is known", style="bright_black"))
    if unknown:
        parts += [Text(), _unknowns(unknown, len(timeline.organs), timeline.source.name)]
    if len(shown) > most or len({(i.start_s, i.end_s) for i in unknown}) > 1:
        parts.append(Text(f"each of the {count_of(len(shown) + len(unknown), 'interval')} is in intervals.csv"))
    return Group(*parts)


def _presences(shown: Sequence[Interval], most: int) -> RenderableType:
    if len(shown) > most:
        own: dict[tuple[str, str], list[Interval]] = {}
        for each in sorted(shown, key=lambda each: each.organ):
            own.setdefault((each.organ, each.state), []).append(each)
        return table(
            ("organ", "state", "times", "first", "last until", "longest", "seconds"),
            (
                (
                    organ,
                    _state(each[0]),
                    str(len(each)),
                    *_extent(each),
                    f"{max(i.duration_s for i in each):.2f}",
                    f"{sum(i.duration_s for i in each):.2f}",
                )
                for (organ, _), each in own.items()
            ),
            words=2,
        )
    return table(
        ("organ", "state", "from", "to", "seconds", "frames", "mean", "peak"),
        (
            (
                each.organ,
                _state(each),
                clock(each.start_s),
                clock(each.end_s),
                f"{each.duration_s:.2f}",
                f"{each.start_index}-{each.end_index}" if each.start_index >= 0 else "",
                figure(each.mean_score, 2, ""),
                figure(each.peak_score, 2, ""),
            )
            for each in shown
        ),
        words=2,
    )


def _extent(intervals: Sequence[Interval]) -> tuple[str, str]:
    """When the first began, and when the last ended."""
    return clock(min(i.start_s for i in intervals)), clock(max(i.end_s for i in intervals))


def _unknowns(unknown: Sequence[Interval], organs: int, source: str) -> RenderableType:
    """A row for each reason, and for the organs that it is that of; the reason has the rest of the line."""
    at_once: dict[tuple[float, float, str], list[Interval]] = {}
    for each in sorted(unknown, key=lambda each: (each.start_s, each.organ)):
        at_once.setdefault((round(each.start_s, 6), round(each.end_s, 6), each.reason), []).append(each)
    groups: dict[tuple[str, str], list[Interval]] = {}
    for alike in at_once.values():
        groups.setdefault((_whose(alike, organs), short_reason(alike[0].reason, source)), []).append(alike[0])
    found = table(
        ("unknown", "times", "first", "last until", "seconds", "why"),
        (
            (whose, str(len(each)), *_extent(each), f"{sum(i.duration_s for i in each):.2f}", cut(why))
            for (whose, why), each in groups.items()
        ),
    )
    found.columns[-1].justify = "left"
    return found


def _whose(alike: Sequence[Interval], organs: int) -> str:
    return "all organs" if len(alike) == organs > 1 else ", ".join(interval.organ for interval in alike)


def _state(interval: Interval) -> Text:
    return literal(interval.state + (f" ({interval.reason})" if interval.reason else ""), GLYPHS[interval.state][1])


def show_timeline(console: Console, timeline: Timeline) -> None:
    """Name, facts, strips, table."""
    console.print(literal(timeline.source.title, "bold") + Text(f"  {_facts(timeline)}", style="default"))
    for reason in timeline.report.reasons:
        told = without_name(reason, timeline.source.name)
        console.print(literal(f"  input: {in_flags(told)}", "yellow"))
    for warning in timeline.warnings:
        console.print(literal(f"  {in_flags(warning)}", "yellow"))
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
        (counts.rejected, "rejected (not scorable)"),
    )
    frames = count_of(counts.received, "frame")
    sums = " + ".join(f"{count} {what}" for count, what in parts if count)
    return (
        f"{timeline.end_s - timeline.start_s:.2f} s, {frames}{f' = {sums}' if sums else ''};"
        f" {timeline.coverage:.1%} scorable; input {timeline.report.verdict}"
    )


def show_pictures(console: Console, name: str, pictures: Sequence[Timeline], most: int = 40) -> None:
    """Images that were scored one by one: a row for each organ of each image."""
    unreadable = sum(one.report.verdict == "damaged" for one in pictures)
    rejected = sum(one.frame_counts.rejected for one in pictures) - unreadable
    scored = len(pictures) - rejected - unreadable
    images = count_of(len(pictures), "image")
    facts = f"  {images} = {scored} classified + {rejected} rejected + {unreadable} that cannot be read"
    console.print(literal(name, "bold") + Text(facts))
    warned = Counter(warning for one in pictures for warning in one.warnings)
    for warning, count in warned.most_common(3):
        console.print(literal(f"  {warning} ({count} of {images})", "yellow"))
    if len(warned) > 3:
        console.print(Text(f"  and {len(warned) - 3} more warnings in pictures.csv", style="yellow"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("image")
    table.add_column("organ")
    table.add_column("probability", justify="right")
    table.add_column("state")
    for one in pictures[:most]:
        for i in one.intervals:
            state = literal(i.state + (f" ({i.reason})" if i.reason else ""), GLYPHS[i.state][1])
            table.add_row(literal(one.source.path), literal(i.organ), figure(i.peak_score, 2), state)
    console.print(table)
    if len(pictures) > most:
        console.print(Text(f"… and {len(pictures) - most} more in pictures.csv"))
    console.print()


def run_facts(counts: Mapping[str, int]) -> str:
    """What a reader must know of the clips that are done, for the last line of a run."""
    shown = ("truncated", "damaged", "interrupted", "skipped", "partly unknown", "with warnings")
    return "".join(f", {counts[name]} {name}" for name in shown if counts.get(name))


def range_of(estimate: Estimate, unit: str = "patient", digits: int = 4) -> str:
    """The interval of confidence, or why there is none."""
    from seqcls.evaluation.metrics import refusal

    why = refusal(estimate.groups, unit)
    if why:
        return f" ({why})"
    return f" [{figure(estimate.low, digits)}, {figure(estimate.high, digits)}]"


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
