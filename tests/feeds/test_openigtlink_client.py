"""OpenIGTLink: a client that ends whatever the server does, on real sockets."""

from __future__ import annotations

import itertools
import signal
import socket
import struct
import sys
import threading
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.igtlserver import (
    GENEROUS_S,
    HUGE,
    SHORT_S,
    STATUS,
    TRANSFORM,
    Script,
    image,
    image_body,
    packed,
    picture,
    read,
    says,
    server,
)

from seqcls.errors import SourceError, UsageError
from seqcls.feeds.openigtlink_client import DEFAULT_PORT, IgtlConnection, parse_url


@pytest.mark.parametrize(
    ("pieces", "seeds", "refused", "skipped"),
    [
        ([image(1), image(2)], [1, 2], 0, 0),
        ([packed(b"IMAGE", image_body(picture()), crc=1), image(1)], [1], 1, 0),
        ([HUGE, image(1)], [1], 1, 0),
        ([b"garbage" * 50, image(1)], [1], 1, 0),
        ([STATUS, TRANSFORM, image(1)], [1], 0, 2),
        ([image(1)[place : place + 1] for place in range(len(image(1)))], [1], 0, 0),
        ([image(1), image(9, device=b"Second"), image(2)], [1, 2], 0, 1),
    ],
    ids=["two", "bad CRC", "1 TiB", "garbage", "other types", "single bytes", "two devices"],
)
def test_images_arrive(pieces: list[bytes], seeds: list[int], refused: int, skipped: int) -> None:
    with server(says(*pieces)) as port:
        found, connection = read(port, len(seeds))
    for arrival, seed in zip(found, seeds, strict=True):
        np.testing.assert_array_equal(arrival.image, picture(seed))
        assert (arrival.device, arrival.device_time_s) == ("Probe", 12.5)
    assert (connection.images, connection.refused, connection.skipped) == (len(seeds), refused, skipped)


def test_only_the_named_device_is_taken() -> None:
    with server(says(image(1), image(2, device=b"Second"), image(3), image(4, device=b"Second"))) as port:
        found, connection = read(port, 2, "Second")
    assert [arrival.device for arrival in found] == ["Second", "Second"]
    np.testing.assert_array_equal(found[1].image, picture(4))
    assert (connection.images, connection.skipped) == (2, 2)


def test_the_size_may_change() -> None:
    with server(says(image(1), image(2, (30, 40, 3)), image(3, (2, 2)))) as port:
        found, _ = read(port, 3)
    assert [arrival.image.shape for arrival in found] == [(6, 9), (30, 40, 3), (2, 2)]


def test_the_arrival_time_is_the_given_clocks() -> None:
    with server(says(image(1))) as port, closing(IgtlConnection("127.0.0.1", port, clock=lambda: 77.0)) as connection:
        assert next(iter(connection)).arrival_s == 77.0


def test_what_came_together_is_not_lost_between_two_iterations() -> None:
    with (
        server(says(image(1) + image(2) + image(3))) as port,
        closing(IgtlConnection("127.0.0.1", port, connect_s=GENEROUS_S)) as connection,
    ):
        for seed in (1, 2, 3):
            np.testing.assert_array_equal(next(iter(connection)).image, picture(seed))


def test_what_came_while_this_computer_stood_still_is_read_before_the_wait_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped for 5 s between two images: the second one needs several reads."""
    now_s, stops = [0.0], iter([5.0])
    with (
        server(says(image(1), image(2, (1200, 1000)))) as port,
        closing(IgtlConnection("127.0.0.1", port, message_s=2.0, clock=lambda: now_s[0])) as connection,
    ):
        arrivals = iter(connection)
        assert next(arrivals).arrival_s == 0.0
        read_some, reads = connection._read, []

        def stopped(wait_s: float) -> bytes:
            reads.append(wait_s)
            now_s[0] += next(stops, 0.0)
            return read_some(GENEROUS_S)

        monkeypatch.setattr(connection, "_read", stopped)
        arrival = next(arrivals)
    assert arrival.image.shape == (1200, 1000) and arrival.arrival_s == 5.0
    assert len(reads) > 1 and reads[0] == 0.25


# What is to be heard before the wait runs out has longer for it, on a busy machine.
@pytest.mark.parametrize(
    ("script", "said", "connect_s"),
    [
        (says(), "no image for 0.2 s;", SHORT_S),
        (says(image()[:30]), "no image for 0.2 s;", SHORT_S),
        (says(image()[:100]), "no image for 0.2 s;", SHORT_S),
        (says(b"garbage" * 50), "not an OpenIGTLink header", 1.0),
        (says(HUGE, bytes(5000)), "1,099,511,627,776 bytes", 1.0),
        (says(STATUS), r"status is 13 NOT_READY probe is \x1b[31mfrozen", 1.0),
        (
            says(packed(b"IMAGE", image_body(picture(), scalar=5))),
            "1 message refused, the last: pixels are uint16",
            1.0,
        ),
    ],
    ids=["black hole", "half a header", "half a body", "garbage", "1 TiB", "status", "16 bits"],
)
def test_no_image_in_time_is_a_stall(script: Script, said: str, connect_s: float) -> None:
    with server(script) as port, closing(IgtlConnection("127.0.0.1", port, connect_s=connect_s)) as connection:
        with pytest.raises(SourceError) as caught:
            next(iter(connection))
        assert said in str(caught.value) and f"igtl://127.0.0.1:{port}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "piece",
    [TRANSFORM * 100, b"\xff\0\1A" * 1000, image(device=b"Other")],
    ids=["transforms", "garbage", "another device"],
)
def test_a_flood_without_an_image_is_a_stall(piece: bytes) -> None:
    """The clock ticks whenever it is looked at: on a busy machine the first piece may come late."""
    now = itertools.count()

    def flood(client: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            client.sendall(piece)

    with (
        server(flood) as port,
        closing(
            IgtlConnection("127.0.0.1", port, "Probe", connect_s=200.0, clock=lambda: float(next(now)))
        ) as connection,
    ):
        with pytest.raises(SourceError, match="'Other'" if b"Other" in piece else "no image"):
            next(iter(connection))
        connection.close()


def test_thousands_of_bad_messages_in_one_damaged_body_are_left_at_the_deadline() -> None:
    """Looking through them takes long, and the deadline and ``close`` are looked at after each."""
    fakes = packed(b"IMAGE", b"", crc=1) * 8_000
    now = itertools.count()
    with (
        server(says(packed(b"IMAGE", fakes, crc=1))) as port,
        closing(IgtlConnection("127.0.0.1", port, connect_s=1_000.0, clock=lambda: float(next(now)))) as connection,
    ):
        with pytest.raises(SourceError, match="bad CRC"):
            next(iter(connection))
        assert 0 < connection.refused < 2_000
        told = connection.refused
        with pytest.raises(SourceError):
            next(iter(connection))
        assert connection.refused > told


def test_after_a_stall_the_images_go_on() -> None:
    go = threading.Event()

    def script(client: socket.socket, over: threading.Event) -> None:
        client.sendall(image(1)[:80])
        go.wait(GENEROUS_S)
        client.sendall(image(1)[80:])
        over.wait(GENEROUS_S)

    with server(script) as port, closing(IgtlConnection("127.0.0.1", port, connect_s=SHORT_S)) as connection:
        with pytest.raises(SourceError):
            next(iter(connection))
        go.set()
        connection._message_s = GENEROUS_S
        np.testing.assert_array_equal(next(iter(connection)).image, picture(1))


def test_time_that_the_consumer_takes_is_no_stall() -> None:
    now = [0.0]
    with (
        server(says(image(1), image(2))) as port,
        closing(IgtlConnection("127.0.0.1", port, connect_s=5.0, message_s=5.0, clock=lambda: now[0])) as connection,
    ):
        for seen, _ in enumerate(connection, 1):
            now[0] += 1000.0
            if seen == 2:
                break
    assert connection.images == 2


@pytest.mark.parametrize("rest", [b"", image(2)[:70]], ids=["between messages", "within a message"])
def test_a_server_that_closes_is_a_loss_after_its_images(rest: bytes) -> None:
    with (
        server(says(image(1) + rest, stays=False)) as port,
        closing(IgtlConnection("127.0.0.1", port, connect_s=GENEROUS_S)) as connection,
    ):
        images = iter(connection)
        np.testing.assert_array_equal(next(images).image, picture(1))
        with pytest.raises(SourceError, match="connect again"):
            next(images)
        with pytest.raises(SourceError):
            next(iter(connection))


def test_a_reset_is_a_loss() -> None:
    arrived = threading.Event()

    def script(client: socket.socket, over: threading.Event) -> None:
        client.sendall(image(1))
        arrived.wait(GENEROUS_S)
        at_once = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

    with (
        server(script) as port,
        closing(IgtlConnection("127.0.0.1", port, connect_s=GENEROUS_S)) as connection,
        pytest.raises(SourceError, match=r"the connection broke \(.*reset"),
    ):
        for _ in connection:
            arrived.set()


def test_close_from_another_thread_ends_the_iteration() -> None:
    first, left = threading.Event(), []

    def consume() -> None:
        for arrival in connection:
            left.append(arrival)
            first.set()
        left.append("ended")  # type: ignore[arg-type]

    with (
        server(says(image(1))) as port,
        closing(IgtlConnection("127.0.0.1", port, message_s=10 * GENEROUS_S)) as connection,
    ):
        thread = threading.Thread(target=consume, daemon=True)
        thread.start()
        assert first.wait(GENEROUS_S)
        connection.close()
        thread.join(GENEROUS_S)
        assert not thread.is_alive() and len(left) == 2 and left[1] == "ended"
        connection.close()
        assert list(connection) == []


# --- OpenIGTLink: to find the server, to give up in time, and to understand another implementation


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot connect \(.*refused"):
        list(IgtlConnection("127.0.0.1", port))


def test_what_is_no_host_name_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="cannot connect"):
        list(IgtlConnection("a" * 64 + ".x", 1, connect_s=GENEROUS_S))


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(address: tuple[str, int], timeout: float) -> None:
        assert (address, timeout) == (("black.hole", 1), SHORT_S)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", no_answer)
    with pytest.raises(SourceError, match=r"cannot connect \(no answer within 0\.2 s\)"):
        list(IgtlConnection("black.hole", 1, connect_s=SHORT_S))


def test_closed_while_connecting_a_late_socket_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        closed = False

        def close(self) -> None:
            self.closed = True

    late = Late()

    def connect(address: tuple[str, int], timeout: float) -> Late:
        connection.close()
        return late

    monkeypatch.setattr(socket, "create_connection", connect)
    connection = IgtlConnection("black.hole", 1)
    assert list(connection) == [] and late.closed


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


# --- OpenIGTLink: what is an address of a probe, and what is none


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("igtl://probe", ("probe", DEFAULT_PORT, "")),
        ("igtl://probe/", ("probe", 18944, "")),
        ("IGTL://10.0.0.7:18945/Clarius", ("10.0.0.7", 18945, "Clarius")),
        ("igtl://scan-1.lab.example:1/My%20Probe%2FA", ("scan-1.lab.example", 1, "My Probe/A")),
        ("igtl://[::1]:65535/x", ("::1", 65535, "x")),
        ("igtl://[fe80::1%25eth0]", ("fe80::1%eth0", 18944, "")),
        ("igtl://localhost/Schallk%C3%B6pfe", ("localhost", 18944, "Schallköpfe")),
        ("igtl://localhost/12345678901234567890", ("localhost", 18944, "12345678901234567890")),
    ],
)
def test_addresses(url: str, parts: tuple[str, int, str]) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "igtl:", "igtl://", "igtl:///x", "igtl://:18944", "http://probe", "probe:18944", "igtl://probe:", "igtl://probe:0", "igtl://probe:65536",
        "igtl://probe:-1", "igtl://probe:１", "igtl://probe:1e3", "igtl://probe: 1", "igtl://probe:1:2", "igtl://::1", "igtl://[::1", "igtl://[::g]", "igtl://[]",
        "igtl://[::1]x", "igtl://a..b", "igtl://-a", "igtl://pro be", "igtl://probe\n", "igtl://" + "a" * 64, "igtl://probe/a/b", "igtl://probe/a b",
        "igtl://probe/a?b=c", "igtl://probe#a", "igtl://probe/%", "igtl://probe/%zz", "igtl://probe/%00", "igtl://probe/%0a", "igtl://probe/%ff",
        "igtl://probe/123456789012345678901", "igtl://user:secret@probe", "igtl://user:secret@probe:1/x",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert (
        "\n" not in str(caught.value)
        and "igtl://host:18944/device" in str(caught.value)
        and "secret" not in str(caught.value)
    )


LETTERS = st.sampled_from([*"a0-._~:/?#[]@%25 \n\0\u00e9\u2028"])


@settings(max_examples=100, deadline=None)
@given(st.text(LETTERS, max_size=30))
def test_any_text_is_an_address_or_a_source_error(text: str) -> None:
    for url in (text, f"igtl://{text}", f"igtl://probe/{text}"):
        try:
            host, port, device = parse_url(url)
        except UsageError:
            continue
        assert host and 1 <= port <= 65535 and len(device.encode()) <= 20
