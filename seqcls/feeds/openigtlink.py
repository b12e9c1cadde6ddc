"""An OpenIGTLink probe behind the watchdog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.feeds.reconnect import Connection, ReconnectingSource
from seqcls.feeds.sender_clock import SenderClock
from seqcls.sources import Source
from seqcls.sources.redact import redact
from seqcls.types import SourceReport

_SPEAKS_FIRST_S = 0.25


def open_probe(spec: str, *, stall_s: float, connect_s: float, clock: Callable[[], float], **timing: Any) -> Source:
    """``spec``: igtl://host:port/device; the rest is what ``ReconnectingSource`` takes.

    Raises SourceError for another address.
    Without a device that of the first image is taken, and kept to: a connection that follows takes no other.
    """
    from seqcls.feeds.openigtlink_client import parse_url

    try:
        address = parse_url(spec)
    except SourceError as error:
        raise SourceError(redact(str(error))) from None
    return _ReconnectingProbe(spec, address, stall_s, connect_s, clock, timing)


class _ReconnectingProbe(ReconnectingSource):
    """One connection to the probe after another, and what all of them refused.

    Frames are the images that arrived whole; so are those that the report counts. A message that was refused (bad CRC,
    16-bit pixels, bytes that are no message) never was a frame: nobody knows how many pictures it would have been. It
    is told among the report's reasons only.
    """

    def __init__(
        self,
        spec: str,
        address: tuple[str, int, str],
        stall_s: float,
        connect_s: float,
        clock: Callable[[], float],
        timing: dict[str, Any],
    ) -> None:
        self._address = address
        self._refusing = threading.Lock()  # a connection that was given up may still be at its last bytes
        self._refused = 0
        self._last_refusal = ""

        def connect() -> Connection:
            return _Probe(self._address, stall_s, connect_s, clock, self._on_refused, self._on_device)

        # The connection knows better than the watchdog why nothing comes, so it speaks first.
        timing = {**timing, "stall_s": stall_s + _SPEAKS_FIRST_S, "connect_s": connect_s + _SPEAKS_FIRST_S}
        super().__init__(redact(spec), connect, kind="openigtlink", clock=clock, **timing)

    def _on_device(self, device: str) -> None:
        self._address = (*self._address[:2], device)

    def _on_refused(self, reason: str) -> None:
        with self._refusing:
            self._refused += 1
            self._last_refusal = reason

    def report(self) -> SourceReport:
        report = super().report()
        with self._refusing:
            count, last = self._refused, self._last_refusal
        if count == 0:
            return report
        told = (
            "1 message of the probe was refused: "
            if count == 1
            else f"{count} messages of the probe were refused, the last: "
        )
        return replace(report, reasons=(*report.reasons, told + last))


class _Probe:
    """An OpenIGTLink connection, opened when it is read, so that making one never blocks.

    The times are those of the device's clock, as far as it is sound: see ``SenderClock``.
    """

    def __init__(
        self,
        address: tuple[str, int, str],
        stall_s: float,
        connect_s: float,
        clock: Callable[[], float],
        on_refused: Callable[[str], None],
        on_device: Callable[[str], None],
    ) -> None:
        from seqcls.feeds.openigtlink_client import IgtlConnection

        self._on_device = on_device
        half_s = connect_s / 2  # for connecting, and for a server that has to start its probe first
        self._connection = IgtlConnection(
            *address, connect_s=half_s, message_s=stall_s, first_s=half_s, clock=clock, on_refused=on_refused
        )

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        sender = SenderClock()
        with self._connection as connection:
            for arrival_s, image, device, timestamp_s in connection:
                self._on_device(device)
                yield sender.time_s(arrival_s, timestamp_s), image

    def close(self) -> None:
        self._connection.close()
