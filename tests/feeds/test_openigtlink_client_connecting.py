"""OpenIGTLink: to find the server, to give up in time, and to understand another implementation."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import closing

import numpy as np
import pytest
from support.igtlserver import GENEROUS_S, SHORT_S, picture

from seqcls.errors import SourceError, UsageError
from seqcls.feeds.openigtlink_client import IgtlConnection


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot connect \(.*refused"):
        list(IgtlConnection("127.0.0.1", port))


def test_what_is_no_host_name_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="cannot connect"):
        list(IgtlConnection("a" * 64 + ".x", 1, connect_s=GENEROUS_S))


class _Hang:
    """In place of ``socket.create_connection``: answers when told to, with a socket that remembers being closed."""

    def __init__(self) -> None:
        self.called, self.answer, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, address: tuple[str, int], timeout: float) -> _Hang:
        self.called.set()
        self.answer.wait(GENEROUS_S)
        return self

    def close(self) -> None:
        self.closed.set()


def test_connecting_has_a_deadline_and_a_late_socket_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = _Hang()
    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        list(IgtlConnection("black.hole", 1, connect_s=SHORT_S))
    hang.answer.set()
    assert hang.closed.wait(GENEROUS_S)


def test_close_ends_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = _Hang()
    monkeypatch.setattr(socket, "create_connection", hang)
    connection = IgtlConnection("black.hole", 1, connect_s=10 * GENEROUS_S)
    came: list[list[object]] = []
    thread = threading.Thread(target=lambda: came.append(list(connection)), daemon=True)
    thread.start()
    assert hang.called.wait(GENEROUS_S)
    connection.close()
    thread.join(GENEROUS_S)
    assert not thread.is_alive() and came == [[]]
    hang.answer.set()
    assert hang.closed.wait(GENEROUS_S)


@pytest.mark.parametrize(
    "options", [{"connect_s": 0}, {"message_s": -1.0}, {"message_s": float("nan")}, {"connect_s": float("inf")}]
)
def test_waits_must_make_sense(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        IgtlConnection("localhost", 1, **options)  # type: ignore[arg-type]


def test_the_port_must_make_sense() -> None:
    with pytest.raises(UsageError):
        IgtlConnection("localhost", 65536)


def test_round_trip_with_pyigtl() -> None:
    pyigtl = pytest.importorskip("pyigtl")
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }  # its server replaces them
    gray, colour = picture(1, (48, 64)), picture(2, (48, 64, 3))
    peer = pyigtl.OpenIGTLinkServer(port=0, local_server=True)
    try:
        with closing(IgtlConnection("127.0.0.1", peer.server_address[1], "Probe", message_s=GENEROUS_S)) as connection:
            peer.send_message(pyigtl.TransformMessage(device_name="Probe"), wait=False)
            peer.send_message(pyigtl.ImageMessage(gray[None], device_name="Probe", timestamp=1234.5), wait=False)
            peer.send_message(pyigtl.ImageMessage(picture(3)[None], device_name="Other"), wait=False)
            newer = pyigtl.ImageMessage(colour[None], device_name="Probe")
            newer.header_version, newer.metadata = 2, {"Mode": "B"}
            peer.send_message(newer, wait=False)
            images = iter(connection)
            first, second = next(images), next(images)
    finally:
        peer.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    np.testing.assert_array_equal(first.image, gray)
    np.testing.assert_array_equal(second.image, colour[..., ::-1])
    assert first.device_time_s == pytest.approx(1234.5, abs=1e-6)
    assert (connection.images, connection.refused, connection.skipped) == (2, 0, 2)
