"""A probe feed by OpenIGTLink: a client that takes the images a server sends, and never waits for ever."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

from seqcls.errors import SourceError, UsageError, one_line
from seqcls.feeds.connection import Arrival, Silence
from seqcls.feeds.openigtlink_wire import Message, Receiver, Refused, Status
from seqcls.sources.redact import redact
from seqcls.steady_clock import steady_s
from seqcls.text.wording import count_of

DEFAULT_PORT = 18944
FORM = "igtl://host:18944/device"  # with a number: what redacts addresses must leave it alone

_MAX_DEVICE_BYTES = 20  # the field of the header
_MAX_OTHERS = 5  # names of other devices that are remembered, for the message
_READ_BYTES = 256 * 1024
_URL = re.compile(
    r"igtl://(\[[0-9A-F:.]+(?:%25[\w.~-]+)?\]|\w[\w.-]*)(?::([0-9]{1,5}))?(?:/((?:[^/?#%\s]|%[0-9A-F]{2})*))?",
    re.IGNORECASE | re.ASCII,
)


def parse_url(url: str) -> tuple[str, int, str]:
    """Host, port (18944 where none is stated) and device ("" where none is stated) of ``igtl://host:port/device``.

    An IPv6 address stands in brackets and comes without them; the device is percent-decoded.
    Raises UsageError for anything else.
    """
    match = _URL.fullmatch(url)
    host, port_text, path = ("", None, None) if match is None else match.groups()
    port = DEFAULT_PORT if port_text is None else int(port_text)
    try:
        if host.startswith("["):
            host = host[1:-1].replace("%25", "%")
            ipaddress.IPv6Address(host)
        host.encode("idna")  # no empty part, none of more than 63 letters
        device = unquote_to_bytes("" if path is None else path).decode("utf-8")
        known = host and 1 <= port <= 65535 and len(device.encode()) <= _MAX_DEVICE_BYTES
        if not (known and device.isprintable()):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{redact(url)[:120]!r}: is no OpenIGTLink address; write {FORM}: a name or an address (IPv6 in brackets), "
            f"no user or password, a port from 1 to 65535, one device of at most {_MAX_DEVICE_BYTES} bytes, special "
            "letters as %XX"
        ) from None
    return host, port, device


class IgtlConnection:
    """One connection to an OpenIGTLink server: iterating connects, and gives its images until it breaks.

    ``device``: only its images are taken; "": those of the first device that sends one, whose name it then is.
    ``connect_s``: seconds for connecting to each of the host's addresses, and then for the first image, for which a
    server may have to start its probe; looking up the host's name takes as long as the system likes, so iterate in a
    thread that can be left behind. ``message_s``: longest wait for a whole image after that, from the moment the
    consumer asks for it. ``clock``: seconds, monotonic; gives the arrival times.

    ``images`` counts the images handed over, ``refused`` the messages that could not be read (bad CRC, 16-bit pixels,
    bytes that are no message), ``skipped`` intact messages of other types or devices. ``status`` is the last STATUS.
    ``on_refused`` is called with the reason of each refused one, in the thread that iterates.

    Iterating raises SourceError when there is no connection or no image in time, or when the connection is lost, and
    ends when ``close`` is called, from whichever thread. As long as the connection stands it may be iterated again.
    """

    def __init__(
        self,
        host: str,
        port: int,
        device: str = "",
        *,
        connect_s: float = 5.0,
        message_s: float = 2.0,
        clock: Callable[[], float] = steady_s,
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        shown_host = f"[{host}]" if ":" in host else host
        self.name = f"igtl://{shown_host}:{port}" + (f"/{device}" if device else "")
        self.device = device
        self.images = self.refused = self.skipped = 0
        self.status: Status | None = None
        self._host, self._port = host, port
        self._connect_s, self._message_s, self._clock = connect_s, message_s, clock
        self._on_refused = on_refused
        self._receiver = Receiver()
        self._arrival_s = 0.0  # of what the receiver holds
        self._last_refusal = ""
        self._others: dict[str, None] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._socket: socket.socket | None = None

    def _connect(self) -> None:
        try:
            connected = socket.create_connection((self._host, self._port), self._connect_s)
        except (OSError, UnicodeError) as error:
            why = f"no answer within {self._connect_s:g} s" if isinstance(error, TimeoutError) else one_line(error)
            raise SourceError(
                f"{self.name}: cannot connect ({why}); is the server running, and the address right?"
            ) from None
        with self._lock:
            if not self._closed:
                self._socket = connected
                return
        connected.close()

    def close(self) -> None:
        """End the connection and an iteration that goes on in another thread. May be called again."""
        with self._lock:
            self._closed = True
            connected, self._socket = self._socket, None
        if connected is None:
            return
        with contextlib.suppress(OSError):  # the other side was faster
            connected.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads; closing alone does not
        connected.close()

    def __iter__(self) -> Iterator[Arrival]:
        if self._socket is None and not self._closed:
            self._connect()
        silence = Silence(self._clock)
        while not self._closed:
            silence.look()
            item = self._receiver.take()
            arrival = None if item is None else self._sort(item)
            if arrival is not None:
                yield arrival
                silence.end()
                continue
            limit_s = self._message_s if self.images else self._connect_s
            wait_s = silence.wait_s(limit_s)
            if wait_s <= 0:
                raise SourceError(self._why_stalled(limit_s))
            if item is None:
                self._receiver.add(self._read(wait_s))
                self._arrival_s = self._clock()
                silence.waited(wait_s)

    def _read(self, wait_s: float) -> bytes:
        """What has come within ``wait_s``, or nothing; raises SourceError. So long may ``close`` go unnoticed where
        shutting a socket down does not wake its reader."""
        connected = self._socket
        if connected is None:
            return b""
        try:
            connected.settimeout(wait_s)
            data = connected.recv(_READ_BYTES)
        except (TimeoutError, BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            if self._closed:
                return b""
            raise SourceError(f"{self.name}: the connection broke ({one_line(error)}); connect again") from None
        if not data and not self._closed:
            raise SourceError(f"{self.name}: the server closed the connection; connect again")
        return data

    def _sort(self, item: Message | Refused) -> Arrival | None:
        if isinstance(item, Refused):
            self.refused += 1
            self._last_refusal = item.reason
            if self._on_refused is not None:
                self._on_refused(item.reason)
            return None
        if item.status is not None:
            self.status = item.status
        if item.image is None:
            self.skipped += 1
            return None
        if not self.device and self.images == 0:
            self.device = item.device
        if item.device != self.device:
            self.skipped += 1
            if len(self._others) < _MAX_OTHERS:
                self._others[item.device] = None
            return None
        self.images += 1
        return Arrival(self._arrival_s, item.image, device=item.device, device_time_s=item.timestamp_s)

    def _why_stalled(self, limit_s: float) -> str:
        seen = []
        if self._last_refusal:
            seen.append(f"{count_of(self.refused, 'message')} refused, the last: {self._last_refusal}")
        if self._others:
            seen.append(f"images come from {', '.join(map(repr, self._others))}")
        if self.status is not None and self.status.code != 1:
            seen.append(f"the server's status is {self.status.code} {self.status.name} {self.status.text}".rstrip())
        more = f" ({'; '.join(seen)})" if seen else ""
        return f"{self.name}: no image for {limit_s:g} s{more}; is the probe running and not frozen?"
