"""An OpenIGTLink server of this machine: states as STRING, and where asked for the ultrasound region as IMAGE."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError, one_line
from seqcls.feeds.connection import STOOD_STILL_S
from seqcls.feeds.openigtlink_writing import image_message, string_message
from seqcls.live.background import Notify, nothing
from seqcls.live.snapshot import LiveView
from seqcls.live.state_changes import StateChanges
from seqcls.local_server import HOST
from seqcls.text.wording import count_of
from seqcls.types import Event

MAX_CLIENTS = 32
#: A client that takes nothing for so long, or for which so much waits, is dropped.
SLOW_S, SLOW_BYTES = 5.0, 8_000_000
_LOOK_EVERY_S = 0.5
#: Name of the device that sends the image; states are sent by one named after the organ.
IMAGE_DEVICE = "seqcls image"


@dataclass(eq=False, slots=True)
class _Client:
    socket: socket.socket
    waiting: bytearray = field(default_factory=bytearray)
    took_s: float = 0.0


class IgtlServer:
    """Serves at ``port`` of 127.0.0.1 (0: any), in a thread of its own; the run never waits for it.

    Whoever connects gets the last state of each organ, then each change. ``image``: also the newest image; a client
    that has not taken the one before misses it. Raises UsageError where the port cannot be had.
    """

    def __init__(
        self, port: int, *, image: bool = False, notify: Notify = nothing, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped = 0
        self._image, self._notify, self._clock = image, notify, clock
        try:
            self._listening = socket.create_server((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"--send-igtl: port {port} is not available ({one_line(error)}); choose another") from None
        self.port = int(self._listening.getsockname()[1])
        self._changes = StateChanges(self._put)
        self._strings: deque[tuple[str, str]] = deque()
        self._newest: NDArray[np.uint8] | None = None
        self._clients: list[_Client] = []
        self._last: dict[str, bytes] = {}
        self._now_s = clock()  # of the last look
        self._closing = threading.Event()
        self._waking, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in (self._listening, self._waking, self._woken):
            each.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="seqcls-igtl", daemon=True)
        self._thread.start()

    def begin(self, run: str, emitted: Iterable[Event] = (), pending: Iterable[Event] = ()) -> None:
        """As ``StateChanges.begin``; ``pending`` is of no use here."""
        self._changes.begin(run, emitted)

    def event(self, event: Event) -> None:
        """A change of state that is certain."""
        self._changes.event(event)

    def view(self, view: LiveView) -> None:
        """The run as people are shown it now."""
        self._changes.view(view)
        if self._image and view.image is not None:
            self._newest = view.image
            self._wake()

    def close(self) -> None:
        """Send what can be sent at once, and end. May be called again."""
        if self._closing.is_set():
            return
        self._changes.end()
        self._closing.set()
        self._wake()
        self._thread.join(5.0)
        if self.dropped > 1:
            self._notify(f"OpenIGTLink: {count_of(self.dropped, 'slow client')} dropped")

    def _put(self, organ: str, line: str) -> None:
        self._strings.append((organ, line))
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it wakes in any case
            self._waking.send(b"\0")

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                for key, _ in self._looked():
                    if key.fileobj is self._listening:
                        self._accept()
                    elif key.fileobj is self._woken:
                        with suppress(OSError):
                            self._woken.recv(65536)
                    elif isinstance(key.data, _Client):
                        self._read(key.data)
                self._fill()
                for client in list(self._clients):
                    self._send(client)
        finally:
            self._fill()
            for client in list(self._clients):
                self._send(client)
                self._forget(client)
            self._selector.close()
            for each in (self._listening, self._waking, self._woken):
                each.close()

    def _looked(self) -> list[tuple[selectors.SelectorKey, int]]:
        """What there is to do, within half a second. What this computer stood still for counts against no client: it
        may have stood still with it."""
        ready = self._selector.select(_LOOK_EVERY_S)
        before_s, self._now_s = self._now_s, self._clock()
        if (late_s := self._now_s - before_s - _LOOK_EVERY_S) > STOOD_STILL_S:
            for client in self._clients:
                client.took_s += late_s
        return ready

    def _accept(self) -> None:
        with suppress(OSError):
            accepted, _ = self._listening.accept()
            if len(self._clients) >= MAX_CLIENTS:
                accepted.close()
                return
            accepted.setblocking(False)
            client = _Client(accepted, bytearray(b"".join(self._last.values())), self._now_s)
            self._clients.append(client)
            self._selector.register(accepted, selectors.EVENT_READ, client)

    def _read(self, client: _Client) -> None:
        """What clients send is of no use; that they are gone is."""
        try:
            gone = not client.socket.recv(65536)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            self._forget(client)

    def _fill(self) -> None:
        while self._strings:
            organ, line = self._strings.popleft()
            self._last[organ] = message = string_message(organ, line, time.time())
            for client in self._clients:
                client.waiting += message
        image, self._newest = self._newest, None
        ready = [client for client in self._clients if not client.waiting]
        if image is not None and ready:
            message = image_message(IMAGE_DEVICE, image, time.time())
            for client in ready:
                client.waiting += message

    def _send(self, client: _Client) -> None:
        if not client.waiting:
            client.took_s = self._now_s
            return
        try:
            del client.waiting[: client.socket.send(client.waiting)]
            client.took_s = self._now_s
        except BlockingIOError:
            pass
        except OSError:
            self._forget(client)
            return
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.waiting else 0)
        self._selector.modify(client.socket, interest, client)
        if len(client.waiting) > SLOW_BYTES or self._now_s - client.took_s > SLOW_S:
            self.dropped += 1
            if self.dropped == 1:
                self._notify("OpenIGTLink: a client is too slow and is dropped; the run goes on")
            self._forget(client)

    def _forget(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.socket)
            client.socket.close()
