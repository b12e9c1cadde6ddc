"""An OpenIGTLink probe as a source that reconnects."""

from __future__ import annotations

from dataclasses import replace

from seqcls.feeds.connection import DEFAULT_TIMING, Connection, FeedTiming, OnState
from seqcls.feeds.openigtlink_client import IgtlConnection, parse_url
from seqcls.feeds.reconnect import ReconnectingSource
from seqcls.text.wording import count_of
from seqcls.types import SourceReport

#: So much longer waits whoever watches the connection: the connection knows better why nothing comes.
_LONGER_S = 0.25


class ProbeSource(ReconnectingSource):
    """One connection after another to the probe at ``url``, which is igtl://host:port/device.

    Without a device that of the first image is taken, and kept to: a later connection takes no other.

    Frames are the images that arrived whole; so are those that the report counts. A message that was refused (bad CRC,
    16-bit pixels, bytes that are no message) never was a frame: nobody knows how many images it would have been. It
    appears among the report's reasons only.

    Raises UsageError for another address.
    """

    def __init__(self, url: str, *, on_state: OnState, timing: FeedTiming = DEFAULT_TIMING) -> None:
        self._address, self._patience = parse_url(url), timing
        self._latest: IgtlConnection | None = None
        self._refused = (0, "")  # how many messages, and why the last
        longer = replace(timing, stall_s=timing.stall_s + _LONGER_S, connect_s=timing.connect_s + _LONGER_S)
        super().__init__(url, self._dial, kind="openigtlink", on_state=on_state, timing=longer)

    def _dial(self) -> Connection:
        host, port, device = self._address
        half_s = self._patience.connect_s / 2  # for connecting, and for a server that has to start its probe then
        self._latest = IgtlConnection(
            host,
            port,
            device if self._latest is None else self._latest.device,
            connect_s=half_s,
            message_s=self._patience.stall_s,
            clock=self._clock,
            on_refused=self._on_refused,
        )
        return self._latest

    def _on_refused(self, reason: str) -> None:
        self._refused = (self._refused[0] + 1, reason)

    def report(self) -> SourceReport:
        report = super().report()
        count, last = self._refused
        if count == 0:
            return report
        messages = count_of(count, "message")
        return replace(
            report, reasons=(*report.reasons, f"{messages} of the probe could not be read, the last: {last}")
        )
