"""What FFmpeg's decoders report of images that they hand over all the same: a checksum that does not fit, a reference
that is missing. They say so in their log alone."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: What no whole recording gives cause for. Other messages are about how it was encoded or cut.
_DAMAGE = re.compile(
    r"CRC mismatch|LZW decode failed|Could not find ref with POC|Error constructing the frame RPS"
    r"|invalid undecodable NALU|ignoring overflow|dc overflow|error while decoding MB|damaged|corrupt"
    r"|mismatching checksum"
)
#: Numbers and checksums differ from image to image.
_NUMBERS = re.compile(r"\b0x[0-9a-fA-F]+\b|\b[0-9A-F]{8}\b|-?\b\d+\b")
_lock = threading.Lock()
_listeners = 0
_before: tuple[int | None, bool] = (None, True)
_everywhere: list[Any] = []  # the capture of all threads, and what it holds, while anybody asks for that
_asking = 0


@contextmanager
def decoder_messages() -> Iterator[list[str]]:
    """Collect what decoders report of damage in this thread; the list is filled at the end of the ``with`` block.

    PyAV's log is switched on while anybody listens. A decoder that is listened to must run in one thread: with several
    nobody knows whose message it is.
    """
    import av.logging

    found: list[str] = []
    _listen(av.logging, +1)
    try:
        with av.logging.Capture() as captured:
            yield found
    finally:
        _listen(av.logging, -1)
    for _, _, message in captured:
        if _DAMAGE.search(message):
            found.append(_NUMBERS.sub("N", " ".join(message.split())).rstrip(".!")[:80])


@contextmanager
def reports_of_any_thread() -> Iterator[Callable[[], bool]]:
    """A function that tells whether anything was logged since, in any thread that does not collect its own messages.

    For decoders with threads of their own: whose message it was, nobody knows, so it is one about each of them. What
    the converter of pixel formats logs does not count.
    """
    import av.logging

    _listen(av.logging, +1)
    logged = _ask(av.logging, +1)
    before = len(logged)
    try:
        yield lambda: len(logged) > before and any(name != "swscaler" for _, name, _ in logged[before:])
    finally:
        _ask(av.logging, -1)
        _listen(av.logging, -1)


def _ask(log: Any, by: int) -> list[tuple[int, str, str]]:
    """Count those who ask for the messages of all threads, which PyAV gives to one list alone."""
    global _asking
    with _lock:
        if _asking == 0:
            capture = log.Capture(local=False)
            _everywhere[:] = [capture, capture.__enter__()]
        _asking += by
        found: list[tuple[int, str, str]] = _everywhere[1]
        if _asking == 0:
            _everywhere.pop(0).__exit__(None, None, None)
            _everywhere.clear()
        return found


def _listen(log: Any, by: int) -> None:
    """Count the listeners: the first one switches the log on, the last one puts it back as it was."""
    global _listeners, _before
    with _lock:
        first, _listeners = _listeners == 0, _listeners + by
        if first:
            _before = log.get_level(), log.get_skip_repeated()
            if _before[0] is None or _before[0] < log.WARNING:
                log.set_level(log.WARNING)
            log.set_skip_repeated(False)
            messages = logging.getLogger("libav")
            if not messages.handlers:  # else what nobody listens to would be printed
                messages.addHandler(logging.NullHandler())
                messages.propagate = False  # nor may a handler of the program fail inside FFmpeg's callback
        elif _listeners == 0:
            log.set_level(_before[0])
            log.set_skip_repeated(_before[1])
