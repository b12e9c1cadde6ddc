"""An OpenIGTLink probe behind the watchdog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.live.watch import Connection, Watched
from seqcls.sources import Source
from seqcls.sources.redact import redact

_SPEAKS_FIRST_S = 0.25


def open_probe(spec: str, *, stall_s: float, clock: Callable[[], float], **timing: Any) -> Source:
    """``spec``: igtl://host:port/device; the rest is what ``Watched`` takes. Raises SourceError for another address."""
    from seqcls.sources.igtl import parse_url

    try:
        host, port, device = parse_url(spec)
    except SourceError as error:
        raise SourceError(redact(str(error))) from None

    def connect() -> Connection:
        return _Probe(host, port, device, stall_s, clock)

    # The connection knows better than the watchdog why nothing comes, so it speaks first.
    return Watched(redact(spec), connect, kind="openigtlink", stall_s=stall_s + _SPEAKS_FIRST_S, clock=clock, **timing)


class _Probe:
    """An OpenIGTLink connection, opened when it is read, so that making one never blocks."""

    def __init__(self, host: str, port: int, device: str, stall_s: float, clock: Callable[[], float]) -> None:
        from seqcls.sources.igtl import IgtlConnection

        self._connection = IgtlConnection(host, port, device, message_s=stall_s, clock=clock)

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        with self._connection as connection:
            for arrival_s, image, *_ in connection:
                yield arrival_s, image

    def close(self) -> None:
        self._connection.close()
