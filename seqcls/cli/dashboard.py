"""The live run on a terminal: a full screen that can be read at arm's length, or plain lines where there is none."""

from __future__ import annotations

import math
import textwrap

from rich.cells import cell_len, set_cell_size
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

import seqcls
from seqcls.cli import big_letters as letters
from seqcls.cli import tables
from seqcls.cli.last_minute import AXIS_S, BARS, INKS, axis, clock, intervals, trace
from seqcls.cli.qr_code import qr_code
from seqcls.live.snapshot import LiveView, OrganView, Span
from seqcls.palette import LOST, PRESENT, RUNNING, UNKNOWN
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import duration_of, without_name
from seqcls.types import State

#: By state: a sign's colours, and a shape for whoever does not see them.
STYLES: dict[State, str] = {
    "present": f"bold #ffffff on {PRESENT}",
    "absent": "bold #ffffff on #4a4a4a",
    "unknown": f"bold #000000 on {UNKNOWN}",
}
SHAPES: dict[State, str] = {"present": "●", "absent": "○", "unknown": "?"}
#: What is drawn instead where the terminal knows ASCII alone.
_ASCII = dict(zip("─░●○…–▶✓□" + BARS, "-?*o~->x-" + "_.:-=+*#", strict=True))

COMING = "▶▶▶ COMING ▶▶▶"
#: After so long without news of the run nothing is known.
QUIET_S = 3.0
STATUS_EVERY_S = 60.0
#: Cells of the sign of a state in one line; how many a screen has at least, for some of the name before it, and from
#: how many on the score stands there as well.
_SIGN, _LEAST_WIDTH, _WITH_SCORE = 11, 16, 24
_LEAST_PAST = 8  # of a strip whose times are shown
_LABEL = 6  # cells of what stands before trace and strip
_LARGE_WIDTH, _LARGE_HEIGHT = 40, 7  # a panel with large letters
_PANEL_HEIGHT = 5
_INTERVALS_HEIGHT = 9  # a panel with room for when it was present besides


def lines(previous: LiveView | None, view: LiveView) -> list[str]:
    """What has changed since the last snapshot, for people who read a log; a line of figures every minute."""
    changes = []
    before = {} if previous is None else {organ.organ: organ.state for organ in previous.organs}
    if previous is None or (previous.word, previous.feed_reason) != (view.word, view.feed_reason):
        changes.append(_with_reason(view.word, view.why))
    for organ in view.organs if view.feed != "stopped" else ():  # at the end of a run nothing is news but the end
        if before.get(organ.organ, "unknown") != organ.state:
            changes.append(f"{organ.organ} {_with_reason(organ.state, without_name(organ.reason, view.source))}")
    known = () if previous is None else previous.messages
    changes += [message for message in view.messages if message not in known]
    if previous is not None and view.now_s // STATUS_EVERY_S > previous.now_s // STATUS_EVERY_S:
        storage = "" if view.storage is None else view.storage.text
        changes += [line for line in (view.outage, _figures(view), storage, view.checklist) if line]
    return [f"{clock(view.now_s)} {for_terminal(line)}" for line in changes]


def shortened(text: str, width: int) -> str:
    """At most ``width`` cells, cut in the middle: what tells two names apart may stand at either end."""
    if cell_len(text) <= width:
        return text
    left = max(0, width - 1)
    return set_cell_size(text, left - left // 2) + "…" + set_cell_size(text[::-1], left // 2)[::-1]


class Screen:
    """The whole screen of ``width`` x ``height`` cells; in ASCII where the console's encoding has no more.

    ``quiet_s``: how long ago the run gave this snapshot; after 3 s nothing in it holds. ``address``: of the page, where
    there is one: what was printed before the screen was taken cannot be seen. ``keys``: what can be pressed. ``code``:
    an address to show as a QR code in place of the organs.
    """

    def __init__(
        self,
        view: LiveView,
        width: int,
        height: int,
        *,
        quiet_s: float = 0.0,
        address: str = "",
        keys: str = "",
        code: str = "",
    ) -> None:
        self._view, self._width, self._height, self._plain = view, max(1, width), max(1, height), False
        self._address = f"page {address}" if address else ""
        self._keys, self._code = keys, code
        self._silent = quiet_s > QUIET_S and view.feed != "stopped"
        self._holds = view.holds and not self._silent
        self._quiet_s = 0.0 if self._holds else quiet_s
        self._now_s = view.now_s + self._quiet_s

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._plain = options.ascii_only
        for segment in console.render(self.screen(), options):
            yield Segment(_in_ascii(segment.text), segment.style, segment.control) if self._plain else segment

    def screen(self) -> RenderableType:
        if self._code:
            return Group(self._head(), qr_code(self._code), self._last_line())
        if self._width < _LEAST_WIDTH or self._height < min(2, len(self._view.organs)):
            return Text("\n".join(textwrap.wrap("make the window larger", self._width)[: self._height]))
        above = [self._head(), *self._storage(), *self._checklist()]
        below = [*self._below(), self._line(_figures(self._view, self._width)), self._last_line()]
        room = self._height - len(above) - len(below)
        if room >= len(self._view.organs):
            return Group(*above, *self._organs(max(1, room)), *below)
        return self._small()

    def _small(self) -> RenderableType:
        """Where there is no room for all: every organ with its state before all else, then what is wrong."""
        storage = self._view.storage
        full = self._storage() if storage is not None and storage.nearly_full else []
        room = max(self._height - len(self._view.organs), 2 if self._height >= 8 else 0)
        above, below = list[Text](), list[Text]()
        for place, lines in (
            (above, [self._head()]),
            (above, full),
            (below, self._messages(1)),
            (below, self._address_lines()),
            (below, [self._last_line()]),
        ):
            if len(above) + len(below) + len(lines) <= room:
                place += lines
        return Group(*above, *self._organs(self._height - len(above) - len(below)), *below)

    def _address_lines(self) -> list[Text]:
        """All of it: a part opens nothing."""
        return [self._line(part) for part in textwrap.wrap(self._address, self._width)]

    def _messages(self, most: int) -> list[Text]:
        """The newest."""
        messages = self._view.messages[-most:]
        return [self._line(self._shortened(message, self._width), INKS["unknown"]) for message in messages]

    def _below(self) -> list[Text]:
        room = 3 if self._height >= 30 else 1  # kept free for messages, so that nothing jumps when one comes
        below = self._messages(room) + self._address_lines()
        return below + [self._line("")] * (room - len(below))

    def _last_line(self) -> Text:
        """The keys, and as much of the disclaimer as there is room for: never a part that says something else."""
        keys = f"{self._keys}   " if self._keys else ""
        room = self._width - cell_len(keys)
        whole = seqcls.DISCLAIMER
        short = whole.partition(":")[0]
        sayings = (whole, f"{short}.", f"{short.rpartition(', ')[2].capitalize()}.")
        said = next((one for one in sayings if len(one) <= room), sayings[-1])
        return self._cut(Text.assemble(keys, (said, "dim"), no_wrap=True), self._width)

    def _head(self) -> Text:
        """What is wrong comes first: whatever the length of the reason, how long it lasts is seen."""
        view = self._view
        if self._silent:
            words = f"NO NEWS FROM THE RUN for {duration_of(self._quiet_s)}"
        else:
            words = ", ".join(part for part in (view.outage, _with_reason(view.word, view.why)) if part)
        text = Text(no_wrap=True)
        text.append(
            f" {for_terminal(words)} ", style=f"bold #000000 on {RUNNING}" if self._holds else STYLES["unknown"]
        )
        text.append(f"  {clock(self._now_s)}  {for_terminal(view.source)}")
        return self._cut(text, self._width)

    def _storage(self) -> list[Text]:
        storage = self._view.storage
        if storage is None:
            return []
        style = STYLES["unknown"] if storage.nearly_full else ""
        text = Text.assemble(
            ("● ", f"bold {LOST}") if storage.is_recording else "", (storage.text, style), no_wrap=True
        )
        text.append("  DISK NEARLY FULL" if storage.nearly_full else "", style=style)
        return [self._cut(text, self._width)]

    def _checklist(self) -> list[Text]:
        return [self._line(self._view.checklist, "bold")] if self._view.checklist else []

    def _organs(self, height: int) -> list[RenderableType]:
        """As panels in as few columns as give large letters; else a line each."""
        organs = self._view.organs
        columns = self._columns(len(organs), height)
        each, width = height // max(1, math.ceil(len(organs) / columns)), self._width // columns
        if each < _PANEL_HEIGHT:
            shown = organs if len(organs) <= height else organs[: height - 1]
            rows: list[RenderableType] = [self._short(organ) for organ in shown]
            more = len(organs) - len(shown)
            told = f"and {more} more: enlarge the terminal"
            told = told if len(told) <= self._width else f"and {more} more"
            rows += [self._line(told, INKS["unknown"])] if more else []
            below = Text(axis(self._past_width()).rjust(self._width))
            has_past = self._past_width() >= _LEAST_PAST
            return [*rows, self._cut(below, self._width)] if len(rows) < height and has_past else rows
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
        sign = height - 3 - rows
        listed = height >= _INTERVALS_HEIGHT
        past = self._past(organ)
        parts = [
            self._sign(organ, inside, sign - listed),
            *([intervals(organ, inside, holds=self._holds)] if listed else []),
            self._beside("score", trace(organ, past, self._now_s, inside - _LABEL, rows)),
            self._beside("state", tables.strip(past, self._now_s - AXIS_S, self._now_s, inside - _LABEL)),
        ]
        return Panel(
            Group(*parts),
            title=self._facts(organ, max(1, inside - 2)),
            title_align="left",
            subtitle=Text(axis(max(1, inside - _LABEL)), style="default"),
            subtitle_align="right",
            border_style=INKS["present" if self._coming(organ) else self._state(organ)],
            width=width,
            height=height,
        )

    def _beside(self, label: str, drawn: Text) -> Text:
        """With its label before the first line."""
        lines = drawn.split("\n")
        heads = [label, *[""] * (len(lines) - 1)]
        return Text("\n").join(Text(f"{head:{_LABEL}}") + line for head, line in zip(heads, lines, strict=True))

    def _past(self, organ: OrganView) -> tuple[Span, ...]:
        """Nothing is known from where frames, or news of the run, stopped."""
        return organ.past(self._now_s, self._view.known_s if self._quiet_s or not self._holds else self._now_s)

    def _facts(self, organ: OrganView, width: int) -> Text:
        """The state's shape, name and score, never dimmed; of the rest as much as there is room for."""
        score = f"   {self._score(organ)}"
        shape = f"{SHAPES[self._state(organ)]} "
        name = shape + self._shortened(organ.organ, max(8, width - len(shape + score)))
        rest = f"   {organ.presences} x present, {organ.present_s:.2f} s in all"
        if organ.wanted_s is not None:
            rest = f"   {'□' if organ.missing_s else '✓'}{rest}"
        if self._holds:
            since = f"for {clock(self._now_s - organ.since_s)}"
            rest = f"   {for_terminal(_with_reason(since, without_name(organ.reason, self._view.source)))}{rest}"
        room = width - cell_len(name + score)
        facts = self._cut(Text.assemble((name + score, "bold default")), width)
        return facts + (self._cut(Text.assemble((rest, "default")), room) if room > 3 else "")

    def _score(self, organ: OrganView) -> str:
        return "   -" if organ.score is None or not self._holds else f"{organ.score:.2f}"

    def _short(self, organ: OrganView) -> Text:
        """Name, sign, score and strip in one line."""
        state = self._state(organ)
        width = self._name_width()
        name = self._cut(Text(f"{self._shortened(organ.organ, width - 1)} ", style="bold"), width, pad=True)
        coming = self._coming(organ)
        mark = ("▶", STYLES["present"]) if coming else (" ", STYLES[state])
        sign = Text.assemble((f" {SHAPES[state]} {state.upper():7}", STYLES[state]), mark)
        if self._width < _WITH_SCORE:
            return Text.assemble(name, sign, no_wrap=True)
        score = Text(f" {self._score(organ)} ")
        past = tables.strip(self._past(organ), self._now_s - AXIS_S, self._now_s, self._past_width())
        return self._cut(Text.assemble(name, sign, score, past, no_wrap=True), self._width)

    def _name_width(self) -> int:
        return max(6, self._width // 4) if self._width >= _WITH_SCORE else self._width - _SIGN

    def _past_width(self) -> int:
        return max(1, self._width - self._name_width() - 17)

    def _sign(self, organ: OrganView, width: int, height: int) -> Text:
        """Name and state in letters of one size, as large as there is room for; the ground of what is unknown is
        hatched, and a presence that comes has a bar of its colour below."""
        state = self._state(organ)
        word = state.upper()
        coming = self._coming(organ) and height > 1
        room = height - (coming or height > 2 * letters.ROWS)
        name = letters.drawable(self._shortened(organ.organ, width))
        options = [[f"{name} {word}"], [name, word], [*name.split(), word]] if name else []
        fit = max(options, key=lambda lines: letters.dot_size(lines, width, room, plain=self._plain), default=[])
        rows = letters.large(fit, width, room, plain=self._plain) if fit else []
        if not rows:  # no room for both: then the name stands in one line above the state
            rows = letters.large([word], width, room - 1, plain=self._plain)
            said = self._shortened(organ.organ, width - 4)
            rows = [said, *rows] if rows else [self._shortened(f"{organ.organ}  {SHAPES[state]} {word}", width - 2)]
        ground = "/" if state == "unknown" else " "
        above = (room - len(rows)) // 2
        block = [""] * above + [f" {row} " if row else "" for row in rows] + [""] * (room - len(rows) - above)
        text = Text(no_wrap=True)
        for row in [*block, *([""] * (height - room - coming))]:
            text.append(_centered(row, width, ground), style=STYLES[state])
            text.append("\n")
        if coming:
            text.append(_centered(COMING, width, " "), style=STYLES["present"])
        else:
            text.right_crop(1)
        return text

    def _coming(self, organ: OrganView) -> bool:
        return organ.coming and self._holds

    def _state(self, organ: OrganView) -> State:
        return organ.state if self._holds else "unknown"

    def _shortened(self, text: str, width: int) -> str:
        return shortened(for_terminal(text), width)

    def _line(self, text: str, style: str = "") -> Text:
        return self._cut(Text(for_terminal(text), style=style, no_wrap=True), self._width)

    def _cut(self, text: Text, width: int, *, pad: bool = False) -> Text:
        text.truncate(width, overflow="ellipsis", pad=pad)
        return text


def _centered(text: str, width: int, ground: str) -> str:
    """As ``str.center``, in cells."""
    text = set_cell_size(text, width) if cell_len(text) > width else text
    left = (width - cell_len(text)) // 2
    return ground * left + text + ground * (width - cell_len(text) - left)


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
