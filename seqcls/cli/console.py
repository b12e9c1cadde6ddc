"""What every command shares: consoles, progress, and a Ctrl-C that lets the work end cleanly."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from seqcls.errors import SeqclsError
from seqcls.text.foreign_text import for_terminal

if TYPE_CHECKING:
    from rich.progress import Progress

    from seqcls.pseudonyms import Pseudonyms
    from seqcls.timeline import Timeline

#: Of the command that runs; empty where names are shown.
_names: list[Pseudonyms] = []

#: Holds something while a command runs that was asked to print nothing but what went wrong.
_quiet: list[bool] = []

#: Where messages are kept instead of being printed, in a process whose parent prints them.
_kept: list[list[str]] = []

#: What says that a command starts, as long as nothing else was said.
_starting: list[threading.Timer] = []

#: Called with how much is done and, where it has become known, the new total.
Advance = Callable[[int], None]
PLAIN_EVERY_S = 5.0

_OPTION = re.compile(
    r"(?<![\w-])(allow_leakage|cache|device|each|engine|keep|keep_odd|novelty|outside|overwrite|patients|precision"
    r"|rate_hz|realtime|region|resume"
    r"|skip_corrupt|to|validation|weights)"
    r"=([^\s;,)]+)"
)
#: Windows has no SIGHUP, and ends a program whose console is closed by itself.
_ENDINGS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class LiteralConsole(Console):
    """Takes every text literally, as one line: names may hold rich's markup, or codes that steer a terminal."""

    def __init__(self, **more: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **more)

    def print(self, *objects: Any, **more: Any) -> None:
        super().print(*(literal(each) if isinstance(each, str) else each for each in objects), **more)


def literal(text: str, style: str = "") -> Text:
    """Foreign text for the inside of tables and the like."""
    return Text(shown(text), style=style)


def shown(text: str) -> str:
    """Foreign text fit for a terminal, with pseudonyms for names that are to be hidden."""
    return for_terminal(_names[-1].hide(text) if _names else text)


def hide_names(names: Pseudonyms) -> None:
    """What is printed from now on shows pseudonyms, until the command ends: see ``naming_nobody``."""
    _names.append(names)


@contextmanager
def naming_nobody() -> Iterator[None]:
    """Within it ``hide_names`` holds, also for the error that ends it."""
    try:
        yield
    except SeqclsError as error:
        error.args = tuple(_names[-1].hide(str(part)) for part in error.args) if _names else error.args
        raise
    finally:
        _names.clear()
        _quiet.clear()


def be_quiet() -> None:
    """From now on nothing but errors is printed, until the command ends."""
    _quiet.append(True)


def is_quiet() -> bool:
    return bool(_quiet)


def results() -> Console:
    """stdout. Where it is not a terminal, lines are not cut to a guessed width."""
    return LiteralConsole(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 110)


def messages() -> Console:
    """stderr."""
    return LiteralConsole(stderr=True, soft_wrap=True)


@contextmanager
def kept_messages() -> Iterator[list[str]]:
    """Within it nothing is printed on stderr: what would be is in the list, and there is no progress."""
    _kept.append([])
    try:
        yield _kept[-1]
    finally:
        _kept.pop()


def notify(text: str) -> None:
    """One line on stderr."""
    _has_started()
    if _kept:
        _kept[-1].append(in_flags(text))
    elif not _quiet:
        messages().print(in_flags(text))


def fail(text: str) -> None:
    """One line on stderr about what went wrong, also where all else is quiet."""
    _has_started()
    messages().print(f"seqcls: {in_flags(text)}")


def warn(text: str) -> None:
    _has_started()
    if _kept:
        _kept[-1].append(f"warning: {in_flags(text)}")
    elif not _quiet:
        messages().print(Text("warning: ", style="yellow") + literal(in_flags(text)))


@contextmanager
def starting(after_s: float = 0.3) -> Iterator[None]:
    """Around a command of which nothing is seen for seconds on a busy computer: unless another message comes first, one
    line says that it starts."""
    timer = threading.Timer(after_s, notify, ["starting"])
    timer.daemon = True
    _starting.append(timer)
    timer.start()
    try:
        yield
    finally:
        _has_started()


def _has_started() -> None:
    while _starting:
        _starting.pop().cancel()


def in_flags(text: str) -> str:
    """The library speaks of options as Python writes them, ``overwrite=True``: here they are flags, ``--overwrite``."""
    return _OPTION.sub(lambda found: _flag(*found.groups()), text)


def timeline_in_flags(timeline: Timeline) -> Timeline:
    """A timeline that is to be written: what the library says in it of options, as ``in_flags``."""
    source, report = timeline.source, timeline.report
    return replace(
        timeline,
        source=replace(source, details=tuple((name, in_flags(value)) for name, value in source.details)),
        report=replace(report, reasons=tuple(map(in_flags, report.reasons))),
        warnings=tuple(map(in_flags, timeline.warnings)),
    )


def _flag(name: str, value: str) -> str:
    flag = "--fps" if name == "rate_hz" else f"--{name.replace('_', '-')}"
    if value == "False":
        return flag.replace("--", "--no-", 1)
    return flag if value == "True" else f"{flag} {value}"


def rate_text(per_s: float) -> str:
    """``12/s``; of what takes long, such as clips, ``0.4/s``."""
    return f"{per_s:.0f}/s" if per_s >= 10 else f"{per_s:.2g}/s"


@contextmanager
def progress(label: str, total: int | None, unit: str = "frames") -> Iterator[Advance]:
    """A bar with rate and time left on a terminal, a plain line every few seconds elsewhere."""
    console, label = messages(), shown(label)
    if _quiet or _kept:
        yield lambda done: None
        return
    if not console.is_terminal:
        yield _plain(label, total, unit)
        return
    from seqcls.cli.progress_bar import progress_bar  # a piped run has none

    with progress_bar(console, rate_text) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done, total=None if total is None else max(total, done))


def _plain(label: str, total: int | None, unit: str) -> Advance:
    began = last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PLAIN_EVERY_S:
            return
        last = now
        rate = done / (now - began)
        left = f", {max(0.0, (total - done) / rate):.0f} s left" if total and rate > 0 else ""
        notify(f"{label}: {done}{f'/{total}' if total else ''} {unit}, {rate_text(rate)}{left}")

    return advance


class FilesProgress:
    """How many of many files are done; ``printing`` around what is printed meanwhile, which a bar would cover."""

    def __init__(self, advance: Advance, bar: Progress | None) -> None:
        self._advance, self._bar, self._done = advance, bar, 0

    def one_more(self) -> None:
        self._done += 1
        self._advance(self._done)

    @contextmanager
    def printing(self) -> Iterator[None]:
        if self._bar is None:
            yield
            return
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextmanager
def files_progress(total: int, unit: str = "clips") -> Iterator[FilesProgress]:
    """As ``progress``, over files: on a terminal with a bar that lets others print."""
    console = messages()
    if _quiet or not console.is_terminal:
        with progress(unit, total, unit) as advance:
            yield FilesProgress(advance, None)
        return
    from seqcls.cli.progress_bar import progress_bar

    with progress_bar(console, rate_text) as bar:
        task = bar.add_task(unit, total=total)
        yield FilesProgress(lambda done: bar.update(task, completed=done), bar)


@contextmanager
def stops_cleanly(kept: str = "") -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether to stop: True after Ctrl-C, SIGTERM or a closed terminal. A second one of
    these interrupts at once, with what is ``kept`` and how to go on as its message."""
    asked = False

    def on_signal(signal_number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt(*[f"interrupted; {kept}"] * bool(kept))
        asked = True
        with suppress(OSError):  # the terminal is gone
            notify("stopping cleanly and keeping what is done (Ctrl-C again stops at once)")

    before: dict[int, Any] = {}
    try:
        for number in _ENDINGS:
            if number != signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: the run shall outlive its terminal
            before[number] = signal.signal(number, on_signal)
    except ValueError:  # not the main thread: somebody else handles signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)
