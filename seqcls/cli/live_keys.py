"""Keys that are pressed while the dashboard is shown, one at a time and without Enter."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_POLL_S = 0.2


@contextmanager
def pressed(on_key: Callable[[str], None]) -> Iterator[bool]:
    """Call ``on_key`` with each key, in a thread of its own, until the block ends; yields whether keys can be read.

    Ctrl-C stays a signal. Nothing is read where stdin is no terminal, or belongs to another program just now: whoever
    reads from the background is stopped by the system.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    end = threading.Event()
    read = _windows_key if os.name == "nt" else _posix_key

    def listen() -> None:
        while not end.is_set():
            key = read()
            if key:
                on_key(key)

    thread = threading.Thread(target=listen, name="seqcls-keys", daemon=True)
    with _single_keys():
        thread.start()
        try:
            yield True
        finally:
            end.set()
            thread.join(2 * _POLL_S)


@contextmanager
def _single_keys() -> Iterator[None]:
    """The terminal gives each key at once and does not echo it; afterwards it is as it was."""
    if os.name == "nt" or not _in_foreground():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin, termios.TCSANOW)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


def _posix_key() -> str:
    """The next key, or nothing after a moment."""
    import select

    if not _in_foreground():
        time.sleep(_POLL_S)
        return ""
    try:
        ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
        data = os.read(sys.stdin.fileno(), 64) if ready else b""
    except (OSError, ValueError):
        ready, data = [sys.stdin], b""
    if ready and not data:  # the terminal is gone
        time.sleep(_POLL_S)
    return "" if data[:1] == b"\x1b" else data[:1].decode("ascii", "ignore")  # arrows and the like begin with it


def _windows_key() -> str:
    import msvcrt

    if not msvcrt.kbhit():  # type: ignore[attr-defined]
        time.sleep(_POLL_S)
        return ""
    return str(msvcrt.getwch())  # type: ignore[attr-defined]
