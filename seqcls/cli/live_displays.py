"""Where a live run is displayed: in the terminal, on the page of --serve, in the window of --show."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seqcls.cli import console
from seqcls.credentials import PAGE_TOKEN, secret

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcls.cli.live_options import LiveRunOptions
    from seqcls.live.snapshot import LiveView


class LastingStderr:
    """stderr for a run of hours: when nobody reads it any more (a closed terminal, the end of a pipe), or it was never
    there, messages are lost and the run goes on."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return is_terminal(self._stream)

    def write(self, text: str) -> int:
        self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        self._attempt("flush")

    def _attempt(self, name: str, *arguments: str) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            getattr(stream, name)(*arguments)
        except (OSError, ValueError):
            self._stream = None
            with suppress(OSError, ValueError, AttributeError), Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())  # what its buffer holds goes there, too


def is_terminal(stream: TextIO | None) -> bool:
    """A program that was started without stdout or stderr has None there."""
    return stream is not None and stream.isatty()


def full_screen() -> bool:
    """Whether stderr can show the dashboard: a terminal that knows lines alone (TERM=dumb) shows nothing of it."""
    return sys.stderr.isatty() and not console.messages().is_dumb_terminal


def open_displays(
    stack: ExitStack, run_options: LiveRunOptions
) -> tuple[list[Callable[[LiveView], None]], Callable[[], bool], str]:
    """The page and the window that were asked for, whether a person closed the window, and where the page is."""
    displays: list[Callable[[LiveView], None]] = []
    address = ""
    if run_options.serve is not None:
        from seqcls.live.display.server import PageServer

        token = secret(PAGE_TOKEN)
        server = stack.enter_context(closing(PageServer(run_options.serve, token=token or None)))
        # One that was stated lasts longer than this run, and is not for whatever keeps these messages.
        address = f"{server.url.partition('?')[0]}?token=${PAGE_TOKEN}" if token else server.url
        console.notify(f"open {address}")
        displays.append(server.publish)
    closed: Callable[[], bool] = lambda: False  # noqa: E731
    if run_options.show:
        from seqcls.live.display.window import Window

        window = stack.enter_context(closing(Window()))
        displays.append(window.show)
        closed = lambda: window.closed  # noqa: E731
    return displays, closed, address


def open_terminal(stack: ExitStack, printed: deque[str], address: str) -> Callable[[LiveView], None]:
    """The dashboard, or plain lines where it cannot be shown: there the messages ``printed`` are on the screen."""
    from seqcls.cli import dashboard

    if not full_screen():
        before: list[LiveView] = []

        def write_lines(view: LiveView) -> None:
            known = list(printed)
            view = replace(view, messages=tuple(message for message in view.messages if message not in known))
            for line in dashboard.lines(before[-1] if before else None, view):
                console.notify(line)
            before[:] = [view]

        return write_lines
    from rich.live import Live

    screen = console.messages()
    latest: list[tuple[LiveView, float]] = []

    def drawing() -> RenderableType:
        """Drawn by a thread of its own: a terminal that blocks does not hold up the run, a run that hangs is seen."""
        if not latest:
            return ""
        view, put_s = latest[-1]
        quiet_s = time.monotonic() - put_s
        return dashboard.Screen(view, screen.width, screen.height, quiet_s=quiet_s, address=address)

    stack.enter_context(Live(get_renderable=drawing, console=screen, screen=True, refresh_per_second=8))

    def draw(view: LiveView) -> None:
        latest[:] = [(view, time.monotonic())]

    return draw
