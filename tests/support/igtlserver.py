"""OpenIGTLink messages, and a server on 127.0.0.1 that sends them as it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from seqcls.feeds import openigtlink_wire
from seqcls.feeds.connection import Arrival
from seqcls.feeds.openigtlink_client import IgtlConnection
from seqcls.feeds.openigtlink_wire import Message, Refused, crc64

GENEROUS_S = 20.0  # nobody waits this long unless something hangs
SHORT_S = 0.2  # of a wait that the test expects to run out


def packed(
    kind: bytes,
    body: bytes,
    *,
    device: bytes = b"Probe",
    seconds: float = 12.5,
    version: int = 1,
    crc: int | None = None,
    size: int | None = None,
) -> bytes:
    crc = crc64(body) if crc is None else crc
    size = len(body) if size is None else size
    return struct.pack(">H12s20sQQQ", version, kind, device, int(seconds * 2**32), size, crc) + body


def image_body(pixels: NDArray[np.uint8], **changed: object) -> bytes:
    """``pixels``: (H, W) or (H, W, 3) RGB. ``changed``: fields of the image header that are to differ."""
    height, width = pixels.shape[:2]
    fields: dict[str, object] = {
        "version": 1,
        "components": 1 if pixels.ndim == 2 else 3,
        "scalar": 3,
        "size": (width, height, 1),
        "offset": (0, 0, 0),
        "matrix": (0.0,) * 12,
    }
    fields |= {"part": fields["size"]} | changed
    head = struct.pack(">HBBBB3H", fields["version"], fields["components"], fields["scalar"], 2, 1, *fields["size"])  # type: ignore[misc]
    return head + struct.pack(">12f3H3H", *fields["matrix"], *fields["offset"], *fields["part"]) + pixels.tobytes()  # type: ignore[misc]


def extended(content: bytes, *, metadata: bytes = b"") -> bytes:
    index = struct.pack(">HHHI", 1, 1, 3, len(metadata) - 1) if metadata else b"\0\0"
    return struct.pack(">HHII", 12, len(index), len(metadata), 7) + content + index + metadata


def picture(seed: int = 0, shape: tuple[int, ...] = (6, 9)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image(seed: int = 0, shape: tuple[int, ...] = (6, 9), **how: object) -> bytes:
    return packed(b"IMAGE", image_body(picture(seed, shape)), **how)  # type: ignore[arg-type]


STATUS = packed(b"STATUS", struct.pack(">Hq20s", 13, -4, b"NOT_READY") + b"probe is \x1b[31mfrozen\0")
TRANSFORM = packed(b"TRANSFORM", bytes(48), device=b"Tracker")
HUGE = packed(b"IMAGE", b"", size=1 << 40)


def told(items: list[Message | Refused]) -> list[object]:
    """The same things in a form that can be compared."""
    return [
        item
        if isinstance(item, Refused)
        else (
            item.type,
            item.device,
            item.timestamp_s,
            item.status,
            None if item.image is None else (item.image.shape, item.image.tobytes()),
        )
        for item in items
    ]


class Receiver(openigtlink_wire.Receiver):
    """Gives all at once what some bytes complete."""

    def feed(self, data: bytes) -> list[Message | Refused]:
        self.add(data)
        return list(iter(self.take, None))  # type: ignore[arg-type]


def only(data: bytes) -> Message | Refused:
    (item,) = Receiver().feed(data)
    return item


Script = Callable[[socket.socket, threading.Event], None]


@contextmanager
def server(*scripts: Script) -> Iterator[int]:
    """A server on 127.0.0.1 that plays each script to one client; gives its port. The event says: the test is over."""
    over, trouble = threading.Event(), []
    threads: list[threading.Thread] = []

    def play(client: socket.socket, script: Script) -> None:
        try:
            with client:
                client.settimeout(GENEROUS_S)
                script(client, over)
        except (ConnectionError, TimeoutError):
            pass  # the test's side hung up
        except BaseException as error:
            trouble.append(error)

    def serve() -> None:
        for script in scripts:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                return
            if over.is_set():
                client.close()
                return
            threads.append(threading.Thread(target=play, args=(client, script), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(GENEROUS_S)
        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            if accepting.is_alive():  # nobody came
                socket.create_connection(listener.getsockname()).close()
            accepting.join(2 * GENEROUS_S)
            for thread in threads:
                thread.join(2 * GENEROUS_S)
            assert not any(thread.is_alive() for thread in (accepting, *threads))
            assert not trouble


def says(*pieces: bytes, stays: bool = True) -> Script:
    def script(client: socket.socket, over: threading.Event) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        if stays:
            over.wait(GENEROUS_S)

    return script


def read(port: int, count: int, device: str = "") -> tuple[list[Arrival], IgtlConnection]:
    found = []
    with closing(IgtlConnection("127.0.0.1", port, device, connect_s=GENEROUS_S)) as connection:
        for arrival in connection:
            found.append(arrival)
            if len(found) == count:
                break
    return found, connection
