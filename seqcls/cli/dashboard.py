"""The live run on a terminal: a full screen that can be read at arm's length, or plain lines where there is none."""

from __future__ import annotations

import math
import textwrap
from dataclasses import replace
from functools import partial

from rich.cells import cell_len, set_cell_size
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

import seqcls
from seqcls.cli import big_letters as letters
from seqcls.cli import tables
from seqcls.live.snapshot import LiveView, OrganView, Span
from seqcls.palette import PRESENT, RUNNING, UNKNOWN
from seqcls.text.foreign_text import for_terminal
from seqcls.types import State

#: By state: a sign's colours, and a shape for whoever does not see them.
STYLES: dict[State, str] = {
    "present": f"bold #ffffff on {PRESENT}",
    "absent": "bold #ffffff on #4a4a4a",
    "unknown": f"bold #000000 on {UNKNOWN}",
}
INKS = {state: style for state, (_, style) in tables.GLYPHS.items()}
SHAPES: dict[State, str] = {"present": "●", "absent": "○", "unknown": "?"}
BARS = "▁▂▃▄▅▆▇█"
#: What is drawn instead where the terminal knows ASCII alone.
_ASCII = dict(zip("─░●○…–" + BARS, "-?*o~-" + "_.:-=+*#", strict=True))

#: How much of the past trace and strip show.
TRACE_S, STRIP_S = 60.0, 300.0
#: After so long without news of the run nothing is known.
QUIET_S = 3.0
STATUS_EVERY_S = 60.0
_LARGE_WIDTH, _LARGE_HEIGHT = 40, 7  # a panel with large letters
_PANEL_HEIGHT = 5
_INTERVALS_HEIGHT = 10  # a panel with room for when it was present besides

clock = partial(tables.clock, whole=True)


def lines(previous: LiveView | None, view: LiveView) -> list[str]:
    """What has changed since the last snapshot, for people who read a log; a line of figures every minute."""
    changes = []
    before = {} if previous is None else {organ.organ: organ.state for organ in previous.organs}
    if previous is None or (previous.feed, previous.feed_reason) != (view.feed, view.feed_reason):
        changes.append(f"feed {_with_reason(view.feed, view.feed_reason)}")
    for organ in view.organs if view.feed != "stopped" else ():  # at the end of a run nothing is news but the end
        if before.get(organ.organ, "unknown") != organ.state:
            changes.append(f"{organ.organ} {_with_reason(organ.state, organ.reason)}")
    known = () if previous is None else previous.messages
    changes += [message for message in view.messages if message not in known]
    if previous is not None and view.now_s // STATUS_EVERY_S > previous.now_s // STATUS_EVERY_S:
        changes.append(_figures(view))
    return [f"{clock(view.now_s)} {for_terminal(line)}" for line in changes]


def shortened(text: str, width: int) -> str:
    """At most ``width`` cells, cut in the middle: what tells two names apart may stand at either end."""
    if cell_len(text) <= width:
        return text
    left = max(0, width - 1)
    return set_cell_size(text, left - left // 2) + "…" + set_cell_size(text[::-1], left // 2)[::-1]


def trace(organ: OrganView, now_s: float, width: int, rows: int = 1, *, lost_s: float = 0.0) -> Text:
    """The scores of the last minute as bars of ``rows`` lines, "?" where none is known: also the last ``lost_s``."""
    columns: list[list[float | None]] = [[] for _ in range(width)]
    for time_s, score in organ.trace:
        place = math.floor((time_s - now_s + TRACE_S) / TRACE_S * width)
        if 0 <= place < width:
            columns[place].append(score if score is not None and math.isfinite(score) else None)
    text = Text(no_wrap=True)
    for row in range(rows):
        for column, scores in enumerate(columns):
            known = [score for score in scores if score is not None]
            if (lost := column >= width * (1 - lost_s / TRACE_S)) or not known:
                text.append("?" if lost or scores else " ", style=INKS["unknown"])
                continue
            mean = min(1.0, max(0.0, sum(known) / len(known)))
            eighths = max(1, round(mean * 8 * rows)) - 8 * (rows - 1 - row)
            ink = INKS["present" if mean >= organ.onset else "absent"]
            text.append(" " if eighths < 1 else BARS[min(8, eighths) - 1], style=ink)
        text.append("\n" if row < rows - 1 else "")
    return text


def strip(organ: OrganView, now_s: float, width: int, *, lost_s: float = 0.0) -> Text:
    """The states of the last five minutes, the newest at the right; nothing is known of the last ``lost_s``."""
    known_s = now_s - lost_s
    spans = [
        replace(span, end_s=known_s) if span.end_s is None or span.end_s > known_s else span for span in organ.spans
    ]
    spans += [Span("unknown", known_s, None)] if lost_s > 0 else []
    return tables.strip(spans, now_s - STRIP_S, now_s, width)


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


class Screen:
    """The whole screen of ``width`` x ``height`` cells; in ASCII where the console's encoding has no more.

    ``quiet_s``: how long ago the run gave this snapshot; after 3 s nothing in it holds. ``address``: of the page, where
    there is one: what was printed before the screen was taken cannot be seen.
    """

    def __init__(self, view: LiveView, width: int, height: int, *, quiet_s: float = 0.0, address: str = "") -> None:
        self._view, self._width, self._height, self._plain = view, max(1, width), max(1, height), False
        self._address = f"page {address}" if address else ""
        self._silent = quiet_s > QUIET_S and view.feed != "stopped"
        self._holds = view.feed == "running" and not self._silent
        out_s = 0.0 if view.feed == "running" else max(0.0, view.now_s - view.feed_since_s)
        self._now_s = view.now_s + (0.0 if self._holds else quiet_s)
        self._lost_s = 0.0 if self._holds else out_s + quiet_s

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._plain = options.ascii_only
        for segment in console.render(self.screen(), options):
            yield Segment(_in_ascii(segment.text), segment.style, segment.control) if self._plain else segment

    def screen(self) -> RenderableType:
        messages = self._view.messages[-3 if self._height >= 30 else -1 :]
        below = [self._line(self._shortened(message, self._width), INKS["unknown"]) for message in messages]
        below += [self._line(part) for part in textwrap.wrap(self._address, self._width)]  # part of it opens nothing
        room = 3 if self._height >= 30 else 1  # kept free for messages, so that nothing jumps when one comes
        below += [self._line("")] * (room - len(below))
        parts: list[RenderableType] = [self._head(), *self._organs(max(1, self._height - 3 - len(below))), *below]
        parts += [self._line(_figures(self._view, self._width)), self._line(self._disclaimer(), "dim")]
        return Group(*parts)

    def _disclaimer(self) -> str:
        """As much of it as there is room for, up to a full stop."""
        whole = seqcls.DISCLAIMER
        return whole if len(whole) <= self._width else whole.partition(":")[0] + "."

    def _head(self) -> Text:
        view = self._view
        word = "NO NEWS FROM THE RUN" if self._silent else f"feed {_with_reason(view.feed, view.feed_reason)}"
        since = "" if self._holds else f" for {self._lost_s:.0f} s"
        text = Text(no_wrap=True)
        text.append(
            f" {for_terminal(word)}{since} ", style=f"bold #000000 on {RUNNING}" if self._holds else STYLES["unknown"]
        )
        text.append(f"  {clock(self._now_s)}  {for_terminal(view.source)}")
        return self._cut(text, self._width)

    def _organs(self, height: int) -> list[RenderableType]:
        """As panels in as few columns as give large letters; else a line each."""
        organs = self._view.organs
        columns = self._columns(len(organs), height)
        each, width = height // max(1, math.ceil(len(organs) / columns)), self._width // columns
        if each < _PANEL_HEIGHT:
            shown = organs if len(organs) <= height else organs[: height - 1]
            rows: list[RenderableType] = [self._short(organ) for organ in shown]
            more = len(organs) - len(shown)
            return rows + ([self._line(f"and {more} more: enlarge the terminal", INKS["unknown"])] if more else [])
        return [Columns([self._panel(organ, width, each) for organ in organs], padding=0, width=width)]

    def _columns(self, organs: int, height: int) -> int:
        best = 1
        for columns in (1, 2, 3, 4):
            each, width = height // max(1, math.ceil(organs / columns)), self._width // columns
            if width >= _LARGE_WIDTH and each >= _PANEL_HEIGHT:
                best = columns
                if each >= _LARGE_HEIGHT:
                    break
        return best

    def _panel(self, organ: OrganView, width: int, height: int) -> RenderableType:
        inside = max(1, width - 4)
        rows = max(1, (height - 3) // 5)  # of the trace
        listed = height >= _INTERVALS_HEIGHT
        parts = [
            self._sign(self._state(organ), inside, height - 3 - rows - listed),
            trace(organ, self._now_s, inside, rows, lost_s=self._lost_s),
            strip(organ, self._now_s, inside, lost_s=self._lost_s),
        ]
        if listed:
            parts.append(intervals(organ, inside, holds=self._holds))
        return Panel(
            Group(*parts),
            title=self._facts(organ, max(1, inside - 2)),
            title_align="left",
            border_style=INKS[self._state(organ)],
            width=width,
            height=height,
        )

    def _facts(self, organ: OrganView, width: int) -> Text:
        """Name and score; of the rest as much as there is room for."""
        score = f"   {self._score(organ)}"
        name = self._shortened(organ.organ, max(8, width - len(score)))
        rest = f"   {organ.presences} x present"
        if self._holds:
            since = f"for {clock(self._now_s - organ.since_s)}"
            rest = f"   {for_terminal(_with_reason(since, organ.reason))}{rest}"
        room = width - cell_len(name + score)
        return self._cut(Text(name + score), width) + (self._cut(Text(rest), room) if room > 3 else "")

    def _score(self, organ: OrganView) -> str:
        return "   -" if organ.score is None or not self._holds else f"{organ.score:.2f}"

    def _short(self, organ: OrganView) -> Text:
        """Name, sign, score and strip in one line."""
        state = self._state(organ)
        width = max(6, self._width // 4)
        name = self._cut(Text(f"{self._shortened(organ.organ, width - 1)} ", style="bold"), width, pad=True)
        sign = Text(f" {SHAPES[state]} {state.upper():7} ", style=STYLES[state])
        score = Text(f" {self._score(organ)} ")
        left = self._width - name.cell_len - sign.cell_len - score.cell_len
        past = strip(organ, self._now_s, max(0, left), lost_s=self._lost_s)
        return self._cut(Text.assemble(name, sign, score, past, no_wrap=True), self._width)

    def _sign(self, state: State, width: int, height: int) -> Text:
        """The word as large as there is room for; the ground of what is unknown is hatched."""
        rows = letters.large(state.upper(), width, height - (height > letters.ROWS), plain=self._plain)
        if not rows:
            rows = [f"{SHAPES[state]} {state.upper()} {SHAPES[state]}"]
        ground = "/" if state == "unknown" else " "
        above = (height - len(rows)) // 2
        block = [""] * above + [f" {row} " for row in rows] + [""] * (height - len(rows) - above)
        return Text("\n".join(row.center(width, ground)[:width] for row in block), style=STYLES[state], no_wrap=True)

    def _state(self, organ: OrganView) -> State:
        return organ.state if self._holds else "unknown"

    def _shortened(self, text: str, width: int) -> str:
        return shortened(for_terminal(text), width)

    def _line(self, text: str, style: str = "") -> Text:
        return self._cut(Text(for_terminal(text), style=style, no_wrap=True), self._width)

    def _cut(self, text: Text, width: int, *, pad: bool = False) -> Text:
        text.truncate(width, overflow="ellipsis", pad=pad)
        return text


def _figures(view: LiveView, width: int = 1000) -> str:
    """As many as there is room for, but all of each."""
    p50, p95, p99 = (f"{ms:.0f}" if math.isfinite(ms) else "-" for ms in view.latency_ms)
    counted = view.frame_counts
    rate = f"{view.rate_hz:.1f} frames/s" if math.isfinite(view.rate_hz) else "- frames/s"
    lines = (
        f"{rate}   latency {p50} / {p95} / {p99} ms (p50 / p95 / p99)   {counted.received} received = "
        f"{counted.classified} classified + {counted.dropped} dropped + {counted.rejected} rejected",
        f"{rate}  {p50}/{p95}/{p99} ms  {counted.received} frames, {counted.dropped} dropped",
        f"{rate}  p95 {p95} ms  {counted.dropped} dropped",
    )
    return next((line for line in lines if len(line) <= width), lines[-1])


def _with_reason(state: str, reason: str) -> str:
    return f"{state} ({reason})" if reason else state


def _in_ascii(text: str) -> str:
    return "".join(c if c.isascii() else _ASCII.get(c, "?" * cell_len(c)) for c in text)
