"""The live run on a terminal: a full screen that can be read at arm's length, or plain lines where there is none."""

from __future__ import annotations

import math

from rich.align import Align
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import seqcls
from seqcls.live.view import LiveView, OrganView, Span

#: By state: colours that everyone tells apart (Okabe and Ito), and the glyph of the strip.
STYLES = {"present": "bold white on #0072B2", "absent": "white on #4a4a4a", "unknown": "bold black on #E69F00"}
INKS = {"present": "#56B4E9", "absent": "#8a8a8a", "unknown": "#E69F00"}
GLYPHS = {"present": "█", "absent": "─", "unknown": "░"}
PLAIN_GLYPHS = {"present": "#", "absent": "-", "unknown": "?"}
BARS = " ▁▂▃▄▅▆▇█"
PLAIN_BARS = " .:-=+*#@"
#: How much of the past the strip shows.
STRIP_S = 120.0
STATUS_EVERY_S = 60.0

# Letters of five rows, for signs that are read from across a table.
_LETTERS = {
    "A": (" ██ ", "█  █", "████", "█  █", "█  █"),
    "B": ("███ ", "█  █", "███ ", "█  █", "███ "),
    "E": ("████", "█   ", "███ ", "█   ", "████"),
    "K": ("█  █", "█ █ ", "██  ", "█ █ ", "█  █"),
    "N": ("█  █", "██ █", "█ ██", "█  █", "█  █"),
    "O": (" ██ ", "█  █", "█  █", "█  █", " ██ "),
    "P": ("███ ", "█  █", "███ ", "█   ", "█   "),
    "R": ("███ ", "█  █", "███ ", "█ █ ", "█  █"),
    "S": (" ███", "█   ", " ██ ", "   █", "███ "),
    "T": ("█████", "  █  ", "  █  ", "  █  ", "  █  "),
    "U": ("█  █", "█  █", "█  █", "█  █", " ██ "),
    "W": ("█   █", "█   █", "█ █ █", "██ ██", "█   █"),
}


def render(view: LiveView, width: int, height: int, *, plain: bool = False) -> RenderableType:
    """The whole screen of ``width`` x ``height`` cells. plain: ASCII alone, for terminals that know no blocks."""
    rows = max(1, len(view.organs))
    each = max(3, (height - 6) // rows)
    parts: list[RenderableType] = [_head(view, width)]
    parts += [_organ(organ, view, width, each, plain=plain) for organ in view.organs]
    parts += [_foot(view), Text(seqcls.DISCLAIMER, style="dim", no_wrap=True, overflow="ellipsis")]
    return Group(*parts)


def lines(previous: LiveView | None, view: LiveView) -> list[str]:
    """What has changed since the last snapshot, for people who read a log; a line of figures every minute."""
    told = []
    before = {} if previous is None else {organ.organ: organ for organ in previous.organs}
    if previous is None or (previous.feed, previous.feed_reason) != (view.feed, view.feed_reason):
        told.append(f"{clock(view.now_s)} feed {_with_reason(view.feed, view.feed_reason)}")
    for organ in view.organs:
        last = before.get(organ.organ)
        if last is not None and last.state != organ.state:
            told.append(f"{clock(view.now_s)} {organ.organ} {_with_reason(organ.state, organ.reason)}")
    known = () if previous is None else previous.messages
    told += [f"{clock(view.now_s)} {message}" for message in view.messages if message not in known]
    if previous is not None and view.now_s // STATUS_EVERY_S > previous.now_s // STATUS_EVERY_S:
        told.append(f"{clock(view.now_s)} {_figures(view)}")
    return told


def clock(seconds: float) -> str:
    """h:mm:ss of a run."""
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def sparkline(organ: OrganView, now_s: float, width: int, *, plain: bool = False) -> Text:
    """The trace of the last STRIP_S seconds; "?" where no score is known."""
    bars = PLAIN_BARS if plain else BARS
    columns: list[list[float | None]] = [[] for _ in range(width)]
    for time_s, score in organ.trace:
        place = math.floor((time_s - now_s + STRIP_S) / STRIP_S * width)
        if 0 <= place < width:
            columns[place].append(score)
    text = Text(no_wrap=True)
    for scores in columns:
        known = [score for score in scores if score is not None]
        if known:
            mean = min(1.0, max(0.0, sum(known) / len(known)))
            ink = INKS["present"] if mean >= organ.onset else INKS["absent"]
            text.append(bars[1 + min(len(bars) - 2, int(mean * (len(bars) - 1)))], style=ink)
        else:
            text.append("?" if scores else " ", style=INKS["unknown"])
    return text


def strip(spans: tuple[Span, ...], now_s: float, width: int, *, plain: bool = False) -> Text:
    """The states of the last STRIP_S seconds, the newest at the right."""
    glyphs = PLAIN_GLYPHS if plain else GLYPHS
    text = Text(no_wrap=True)
    for column in range(width):
        time_s = now_s - STRIP_S + (column + 0.5) / width * STRIP_S
        state = next((s.state for s in reversed(spans) if s.start_s <= time_s < _end(s)), None)
        text.append(" " if state is None else glyphs[state], style="" if state is None else INKS[state])
    return text


def _head(view: LiveView, width: int) -> Text:
    style = "bold black on #009E73" if view.feed == "running" else STYLES["unknown"]
    feed = f" {_with_reason(view.feed, view.feed_reason)} "
    if view.feed != "running":
        feed += f"for {max(0.0, view.now_s - view.feed_since_s):.0f} s "
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(feed, style=style)
    text.append(f"  {view.source}  {clock(view.now_s)}")
    text.truncate(width)
    return text


def _organ(organ: OrganView, view: LiveView, width: int, height: int, *, plain: bool) -> RenderableType:
    inside = max(10, width - 4)
    score = "" if organ.score is None else f"   score {organ.score:.2f}"
    title = Text(f"{organ.organ}{score}   {organ.presences} so far", no_wrap=True, overflow="ellipsis")
    title.truncate(inside)
    rows = height - 4  # of the sign: two borders, trace and strip
    parts: list[RenderableType] = []
    if rows >= 1:
        parts.append(_sign(organ, inside, rows, plain=plain))
        parts += [
            sparkline(organ, view.now_s, inside, plain=plain),
            strip(organ.spans, view.now_s, inside, plain=plain),
        ]
    else:  # no room: the word and the strip in one line
        word = Text(f" {organ.state.upper():8}", style=STYLES[organ.state])
        parts.append(word + Text(" ") + strip(organ.spans, view.now_s, max(1, inside - 10), plain=plain))
    return Panel(Group(*parts), title=title, title_align="left", border_style=INKS[organ.state], height=max(3, height))


def _sign(organ: OrganView, width: int, rows: int, *, plain: bool) -> RenderableType:
    word = organ.state.upper()
    large = [" ".join(_LETTERS[letter][row] for letter in word) for row in range(5)]
    if rows >= 5 and len(large[0]) + 2 <= width:
        shown = [line.replace("█", "#") if plain else line for line in large]
    else:
        shown = [word]
    above = (rows - len(shown)) // 2
    block = [""] * above + shown + [""] * (rows - len(shown) - above)
    text = Text("\n".join(line.center(width) for line in block), style=STYLES[organ.state], no_wrap=True)
    return Align.center(text)


def _foot(view: LiveView) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_row(Text(_figures(view), no_wrap=True, overflow="ellipsis"))
    if view.messages:
        table.add_row(Text(view.messages[-1], style=INKS["unknown"], no_wrap=True, overflow="ellipsis"))
    return table


def _figures(view: LiveView) -> str:
    p50, p95, p99 = view.latency_ms
    late = "" if math.isnan(p95) else f"   latency {p50:.0f} / {p95:.0f} / {p99:.0f} ms (p50 / p95 / p99)"
    counted = view.ledger
    return (
        f"{view.rate_hz:.1f} frames/s{late}   {counted.received} received = {counted.classified} classified"
        f" + {counted.dropped} dropped + {counted.rejected} unknown"
    )


def _with_reason(state: str, reason: str) -> str:
    return f"{state} ({reason})" if reason else state


def _end(span: Span) -> float:
    return math.inf if span.end_s is None else span.end_s
