"""An organ's last minute in a few lines of a terminal: its scores, the axis below them, and when it was present."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from rich.text import Text

from seqcls.cli import tables
from seqcls.live.snapshot import OrganView, Span

INKS = {state: style for state, (_, style) in tables.GLYPHS.items()}
BARS = "▁▂▃▄▅▆▇█"
#: How much of the past trace and strip show, on one axis.
AXIS_S = 60.0

clock = partial(tables.clock, whole=True)


def trace(organ: OrganView, past: Sequence[Span], now_s: float, width: int, rows: int = 1) -> Text:
    """The scores of the last minute as bars of ``rows`` lines, hatched where the ``past`` is unknown."""
    columns: list[list[float | None]] = [[] for _ in range(width)]
    for time_s, score in organ.trace:
        place = math.floor((time_s - now_s + AXIS_S) / AXIS_S * width)
        if 0 <= place < width:
            columns[place].append(score if score is not None and math.isfinite(score) else None)
    unknown = [_unknown_share(past, now_s - AXIS_S * (1 - i / width), AXIS_S / width) for i in range(width)]
    text = Text(no_wrap=True)
    for row in range(rows):
        for scores, share in zip(columns, unknown, strict=True):
            known = [score for score in scores if score is not None]
            if share > 0.5 or not known:
                text.append(tables.GLYPHS["unknown"][0] if share or scores else " ", style=INKS["unknown"])
                continue
            mean = min(1.0, max(0.0, sum(known) / len(known)))
            eighths = max(1, round(mean * 8 * rows)) - 8 * (rows - 1 - row)
            ink = INKS["present" if mean >= organ.onset else "absent"]
            text.append(" " if eighths < 1 else BARS[min(8, eighths) - 1], style=ink)
        text.append("\n" if row < rows - 1 else "")
    return text


def _unknown_share(past: Sequence[Span], start_s: float, length_s: float) -> float:
    overlaps = (
        min(start_s + length_s, math.inf if span.end_s is None else span.end_s) - max(start_s, span.start_s)
        for span in past
        if span.state == "unknown"
    )
    return sum(max(0.0, overlap) for overlap in overlaps) / length_s


def axis(width: int) -> str:
    """The times of trace and strip, for the line below them."""
    left, middle, right = f"{AXIS_S:.0f} s ago", f" {AXIS_S / 2:.0f} s ", "now"
    before = (width - len(middle)) // 2
    if before <= len(left):
        return right.rjust(width, "─")[-width:]
    return f"{left.ljust(before, '─')}{middle}{right.rjust(width - before - len(middle), '─')}"


def intervals(organ: OrganView, width: int, *, holds: bool = True) -> Text:
    """When the organ was present so far, as far back as there is room for; the newest at the right.

    One that still grows ends "now", or with "?" where nothing ``holds``.
    """
    text, shown = "", 0
    for span in reversed(organ.latest):
        end = clock(span.end_s) if span.end_s is not None else "now" if holds else "?"
        longer = f"{clock(span.start_s)}–{end}" + (f"  {text}" if text else "")
        if len(longer) + 2 * (shown + 1 < organ.presences) > width:
            break
        text, shown = longer, shown + 1
    if shown < organ.presences:
        text = f"… {text}"
    return Text((text or "none so far")[:width], no_wrap=True)
