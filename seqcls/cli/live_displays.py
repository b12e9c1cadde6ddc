"""Where a live run is displayed: in the terminal, on the page of --serve, in the window of --show."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seqcls.cli import console
from seqcls.cli.live_options import PageAddress
from seqcls.credentials import PAGE_TOKEN, kept_token, secret
from seqcls.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcls.cli.live_options import LiveRunOptions
    from seqcls.live.display.server import PageServer
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
        except RuntimeError:  # a signal came while this stream was written: what is said of it goes past its buffer
            with suppress(OSError, ValueError):
                os.write(stream.fileno(), "".join(arguments).encode(errors="replace"))
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


def how_to_go_on(run_options: LiveRunOptions) -> str:
    """What ends a pause, for a person."""
    keys = full_screen() and is_terminal(sys.stdin)
    if keys or run_options.show or run_options.serve is not None:
        return "p or the button for it is pressed"
    return "somebody goes on, for which this run has nothing: end it, and add --serve or --show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displays:
    """What was opened; ``show`` gives each a snapshot. closed: whether a person closed the window. address: the page's,
    without a token that lasts longer than the run; code: the whole of it, for a phone."""

    shown: list[Callable[[LiveView], None]]
    closed: Callable[[], bool] = lambda: False
    address: str = ""
    code: str = ""

    def show(self, view: LiveView) -> None:
        for display in self.shown:
            display(view)


def open_displays(stack: ExitStack, run_options: LiveRunOptions, act: Callable[[str], None]) -> Displays:
    """The page and the window that were asked for; ``act`` takes what a person does on the page."""
    displays = Displays(shown=[])
    if run_options.serve is not None:
        server, hidden = _open_page(run_options, act)
        stack.enter_context(closing(server))
        # One that was stated lasts longer than this run, and is not for whatever keeps these messages.
        address = f"{server.url.partition('?')[0]}?token={hidden}" if hidden else server.url
        console.notify(f"open {address}")
        displays = replace(displays, shown=[server.publish], address=address, code=server.url)
    if run_options.show:
        from seqcls.live.display.window import Window

        window = stack.enter_context(closing(Window(on_act=act)))
        displays = replace(displays, shown=[*displays.shown, window.show], closed=lambda: window.closed)
    return displays


def _open_page(run_options: LiveRunOptions, act: Callable[[str], None]) -> tuple[PageServer, str]:
    """The page, and what to write in place of a token that is not to be shown: "" where it may be."""
    from seqcls.live.display.server import PageServer
    from seqcls.local_server import HOST

    assert run_options.serve is not None
    at, token, hidden = PageAddress.parse(run_options.serve), secret(PAGE_TOKEN), f"${PAGE_TOKEN}"
    if run_options.token is not None:
        if token:
            raise UsageError(f"${PAGE_TOKEN} and --token are both set; leave one out")
        token, hidden = kept_token(run_options.token), f"$(cat {run_options.token})"
        if at.port == 0:
            at = replace(at, port=_port_of(token))
    return PageServer(at.port, token=token or None, on_act=act, host=at.host or HOST, tls=run_options.tls), (
        token and hidden
    )


def _port_of(token: str) -> int:
    """The same one for a token always, below those that systems lend to clients."""
    return 20_000 + int.from_bytes(hashlib.sha256(token.encode()).digest()[:4], "big") % 10_000


def open_terminal(
    stack: ExitStack, printed: deque[str], displays: Displays, act: Callable[[str], None]
) -> Callable[[LiveView], None]:
    """The dashboard with its keys, or plain lines where it cannot be shown: there the messages ``printed`` are on the
    screen. ``act`` takes what a person does."""
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

    from seqcls.cli.live_keys import pressed

    screen = console.messages()
    latest: list[tuple[LiveView, float]] = []
    keys = Keys(act, code=displays.code)
    readable = stack.enter_context(pressed(keys.press))

    def drawing() -> RenderableType:
        """Drawn by a thread of its own: a terminal that blocks does not hold up the run, a run that hangs is seen."""
        if not latest:
            return "opening the feed, looking for the ultrasound region"
        view, put_s = latest[-1]
        if keys.rang(view):
            screen.bell()
        return dashboard.Screen(
            view,
            screen.width,
            screen.height,
            quiet_s=time.monotonic() - put_s,
            address=displays.address,
            keys=keys.shown(view) if readable else "",
            code=keys.code if keys.code_is_shown else "",
        )

    stack.enter_context(Live(get_renderable=drawing, console=screen, screen=True, refresh_per_second=8))

    def draw(view: LiveView) -> None:
        latest[:] = [(view, time.monotonic())]

    return draw


class Keys:
    """What the keys of the dashboard do; ``act`` takes what is for the run. ``code``: the page's address, or ""."""

    def __init__(self, act: Callable[[str], None], *, code: str = "") -> None:
        self.code, self.code_is_shown, self.sound = code, False, False
        self._act = act
        self._states: tuple[str, ...] = ()

    def press(self, key: str) -> None:
        acts = {"m": "mark", "s": "snapshot", "p": "pause"}
        if key in acts:
            self._act(acts[key])
        elif key == "b":
            self.sound = not self.sound
        elif key == "a" and self.code:
            self.code_is_shown = not self.code_is_shown

    def shown(self, view: LiveView) -> str:
        """One line of them."""
        code = "  a address" if self.code else ""
        pause, sound = "go on" if view.paused else "pause", "on" if self.sound else "off"
        return f"m mark  s snapshot  p {pause}  b sound: {sound}{code}"

    def rang(self, view: LiveView) -> bool:
        """Whether a state has changed since the view before, and somebody wants to hear it."""
        states = tuple(organ.state for organ in view.organs)
        before, self._states = self._states, states
        return self.sound and bool(before) and states != before
