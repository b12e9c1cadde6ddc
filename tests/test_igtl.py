"""OpenIGTLink: bytes to messages in any pieces, and a client that ends whatever the server does."""

from __future__ import annotations

import itertools
import random
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqcls.errors import SourceError, UsageError
from seqcls.sources import igtl
from seqcls.sources.igtl import DEFAULT_PORT, FeedLost, FeedStalled, IgtlConnection, parse_url
from seqcls.sources.igtlwire import Message, Receiver, Refused, Status, crc64

GENEROUS_S = 20.0  # nobody waits this long unless something hangs
SHORT_S = 0.2  # of a wait that the test expects to run out


def slow_crc(data: bytes) -> int:
    """Bit by bit, as the standard describes it."""
    crc = 0
    for byte in data:
        crc ^= byte << 56
        for _ in range(8):
            crc = (crc << 1 ^ (0x42F0E1EBA9EA3693 if crc >> 63 else 0)) & (1 << 64) - 1
    return crc


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
    }
    fields |= {"part": fields["size"]} | changed
    head = struct.pack(">HBBBB3H", fields["version"], fields["components"], fields["scalar"], 2, 1, *fields["size"])  # type: ignore[misc]
    return head + struct.pack(">12f3H3H", *[0.0] * 12, *fields["offset"], *fields["part"]) + pixels.tobytes()  # type: ignore[misc]


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


def only(data: bytes) -> Message | Refused:
    (item,) = Receiver().feed(data)
    return item


# --- CRC


@pytest.mark.parametrize(
    ("data", "crc"), [(b"", 0), (b"123456789", 0x6C40DF5F0B497347), (b"\1", 0x42F0E1EBA9EA3693), (bytes(99), 0)]
)
def test_crc_of_known_vectors(data: bytes, crc: int) -> None:
    assert crc64(data) == crc


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_crc_is_that_of_the_standard(data: bytes) -> None:
    assert crc64(data) == crc64(bytearray(data)) == slow_crc(data)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 1000, 32767, 32768, 32769, 65537, 307_272])
def test_crc_is_that_of_crcmod(size: int) -> None:
    crcmod = pytest.importorskip("crcmod")
    reference = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, rev=False, initCrc=0, xorOut=0)
    data = random.Random(size).randbytes(size)
    assert crc64(data) == reference(data)


# --- messages


def test_gray_and_colour_images() -> None:
    gray, colour = Receiver().feed(image(1) + image(2, (4, 5, 3), device=b"Other", seconds=3.25))
    assert (
        isinstance(gray, Message)
        and isinstance(colour, Message)
        and gray.image is not None
        and colour.image is not None
    )
    assert (gray.type, gray.device, gray.timestamp_s) == ("IMAGE", "Probe", 12.5)
    assert (colour.device, colour.timestamp_s) == ("Other", 3.25)
    np.testing.assert_array_equal(gray.image, picture(1))
    np.testing.assert_array_equal(colour.image, picture(2, (4, 5, 3))[..., ::-1])  # BGR
    for one in (gray.image, colour.image):
        assert one.dtype == np.uint8 and one.flags.c_contiguous and one.flags.writeable


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("metadata", [b"", b"kabc"], ids=["no metadata", "metadata"])
def test_extended_header_and_metadata_are_no_pixels(version: int, metadata: bytes) -> None:
    found = only(packed(b"IMAGE", extended(image_body(picture()), metadata=metadata), version=version))
    assert isinstance(found, Message) and found.image is not None
    np.testing.assert_array_equal(found.image, picture())


def test_status_is_read_and_made_printable() -> None:
    found = only(STATUS)
    assert isinstance(found, Message) and found.image is None
    assert found.status == Status(13, -4, "NOT_READY", "probe is ?[31mfrozen")


def test_other_types_come_without_content() -> None:
    assert told([only(TRANSFORM)]) == [("TRANSFORM", "Tracker", 12.5, None, None)]
    assert told([only(packed(b"my type", b""))]) == [("my type", "Probe", 12.5, None, None)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (image_body(picture(), scalar=5), "uint16"),
        (image_body(picture(), scalar=4), "int16"),
        (image_body(picture(), scalar=10), "float32"),
        (image_body(picture(), scalar=9), "unknown type 9"),
        (image_body(picture(), components=4), "4 components"),
        (image_body(picture(), size=(9, 3, 2), part=(9, 3, 2)), "9x3x2"),
        (image_body(picture(), offset=(1, 0, 0)), "sub-volume"),
        (image_body(picture(), part=(9, 5, 1)), "sub-volume"),
        (image_body(picture(), version=9), "version 9"),
        (image_body(picture(), size=(9, 7, 1), part=(9, 7, 1)), "does not fit 54 bytes"),
        (image_body(picture(), size=(9, 5, 1), part=(9, 5, 1)), "does not fit 54 bytes"),
        (image_body(picture(0, (0, 9))), "does not fit 0 bytes"),
        (image_body(picture())[:71], "cut short"),
        (b"", "cut short"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_read_are_refused_and_the_next_is_read(body: bytes, reason: str) -> None:
    refused, good = Receiver().feed(packed(b"IMAGE", body) + image(3))
    assert isinstance(refused, Refused) and reason in refused.reason and refused.device == "Probe"
    assert told([good]) == told([only(image(3))])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack(">HHII", 11, 0, 0, 0),
        struct.pack(">HHII", 13, 0, 0, 0),
        struct.pack(">HHII", 12, 0, 1, 0),
        struct.pack(">HHII", 12, 1, 2**32 - 1, 0),
    ],
)
def test_extended_headers_that_lie_are_refused(body: bytes) -> None:
    refused, good = Receiver().feed(packed(b"IMAGE", body, version=2) + image())
    assert isinstance(refused, Refused) and "extended header" in refused.reason and isinstance(good, Message)


def test_bad_crc_drops_one_message() -> None:
    refused, good = Receiver().feed(packed(b"IMAGE", image_body(picture()), crc=1) + image(3))
    assert refused == Refused("bad CRC", "IMAGE", "Probe")
    assert told([good]) == told([only(image(3))])


@pytest.mark.parametrize(
    ("rubbish", "reason"),
    [
        (HUGE, "1,099,511,627,776 bytes"),
        (packed(b"IMAGE", b"", size=2**64 - 1), "18,446,744,073,709,551,615 bytes"),
        (packed(b"IMAGE", bytes(48), version=0), "version 0"),
        (packed(b"IMAGE", bytes(48), version=4), "version 4"),
        (packed(b"", bytes(48)), "no type name"),
        (packed(b"IM\xc4GE", bytes(48)), "no type name"),
        (packed(b"IM\nGE", bytes(48)), "no type name"),
        (bytes(100), "version 0"),
        (b"\xff" * 1000, "version 65535"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3, "version 18516"),
        (b"\0\1" * 50 + b"\0", "no type name"),
    ],
)  # fmt: skip
def test_after_what_is_no_header_the_next_header_is_found(rubbish: bytes, reason: str) -> None:
    refused, *good = Receiver().feed(rubbish + image(3) + image(4))
    assert isinstance(refused, Refused) and reason in refused.reason
    assert told(good) == told([only(image(3)), only(image(4))])


def test_a_long_body_is_refused_before_it_is_waited_for() -> None:
    receiver = Receiver(most_body_bytes=1000)
    (refused,) = receiver.feed(packed(b"IMAGE", b"", size=1001))
    assert isinstance(refused, Refused) and "1,001" in refused.reason
    (good,) = receiver.feed(packed(b"TRANSFORM", bytes(1000)))
    assert isinstance(good, Message)


def test_what_is_held_stays_bounded() -> None:
    receiver = Receiver(most_body_bytes=1000)
    for _ in range(50):
        receiver.feed(HUGE + b"\0\1IMAGE" * 100)
        assert len(receiver._buffer) < 58


@pytest.fixture(scope="module")
def mixed() -> bytes:
    bad = packed(b"IMAGE", image_body(picture()), crc=1)
    return b"".join(
        [
            image(1),
            STATUS,
            bad,
            TRANSFORM,
            image(2, (3, 4, 3)),
            b"no header at all" * 5,
            image(3),
            HUGE,
            image(4),
            packed(b"IMAGE", extended(image_body(picture(5))), version=2),
            image(6)[:99],
        ]
    )


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 1200), max_size=30))
def test_any_chunking_gives_the_same_messages(mixed: bytes, cuts: list[int]) -> None:
    whole = told(Receiver().feed(mixed))
    assert len(whole) == 10
    receiver, edges = Receiver(), sorted({0, len(mixed), *(cut for cut in cuts if cut < len(mixed))})
    pieces = [receiver.feed(mixed[a:b]) for a, b in itertools.pairwise(edges)]
    assert told([item for piece in pieces for item in piece]) == whole


def test_single_bytes_give_the_same_messages(mixed: bytes) -> None:
    receiver = Receiver()
    assert told([item for place in range(len(mixed)) for item in receiver.feed(mixed[place : place + 1])]) == told(
        Receiver().feed(mixed)
    )


@settings(max_examples=300, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 1100), st.integers(1, 255)), min_size=1, max_size=12),
    cut=st.integers(0, 1100),
)
def test_flipped_bytes_never_make_another_image(mixed: bytes, flips: list[tuple[int, int]], cut: int) -> None:
    sent = {
        (item.image.shape, item.image.tobytes())
        for item in Receiver().feed(mixed)
        if isinstance(item, Message) and item.image is not None
    }
    damaged = bytearray(mixed)
    for place, mask in flips:
        damaged[place % len(damaged)] ^= mask
    receiver = Receiver()
    for item in receiver.feed(bytes(damaged[:cut])) + receiver.feed(bytes(damaged[cut:])):
        if isinstance(item, Message) and item.image is not None:
            assert (item.image.shape, item.image.tobytes()) in sent


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=500))
def test_random_bytes_never_crash(data: bytes) -> None:
    for item in Receiver().feed(data) + Receiver().feed(HUGE + data):
        assert isinstance(item, (Message, Refused))


# --- the connection

Script = Callable[[socket.socket, threading.Event], None]


@contextmanager
def server(script: Script) -> Iterator[int]:
    """A server on 127.0.0.1 that plays ``script`` to one client; gives its port. The event says that the test is over."""
    over, trouble = threading.Event(), []

    def serve() -> None:
        try:
            client, _ = listener.accept()
            with client:
                client.settimeout(GENEROUS_S)
                script(client, over)
        except (ConnectionError, TimeoutError):
            pass  # the test's side hung up
        except BaseException as error:
            trouble.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(GENEROUS_S)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(2 * GENEROUS_S)
            assert not thread.is_alive()
            assert not trouble


def says(*pieces: bytes, stays: bool = True) -> Script:
    def script(client: socket.socket, over: threading.Event) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        if stays:
            over.wait(GENEROUS_S)

    return script


def read(port: int, count: int, device: str = "") -> tuple[list[igtl.Arrival], IgtlConnection]:
    found = []
    with IgtlConnection("127.0.0.1", port, device, message_s=GENEROUS_S) as connection:
        for arrival in connection:
            found.append(arrival)
            if len(found) == count:
                break
    return found, connection


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
        assert (arrival.device, arrival.igtl_timestamp_s) == ("Probe", 12.5)
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
    with server(says(image(1))) as port, IgtlConnection("127.0.0.1", port, clock=lambda: 77.0) as connection:
        assert next(iter(connection)).arrival_s == 77.0


def test_what_came_together_is_not_lost_between_two_iterations() -> None:
    with (
        server(says(image(1) + image(2) + image(3))) as port,
        IgtlConnection("127.0.0.1", port, message_s=GENEROUS_S) as connection,
    ):
        for seed in (1, 2, 3):
            np.testing.assert_array_equal(next(iter(connection)).image, picture(seed))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (says(), "no image for 0.2 s;"),
        (says(image()[:30]), "no image for 0.2 s;"),
        (says(image()[:100]), "no image for 0.2 s;"),
        (says(b"garbage" * 50), "not an OpenIGTLink header"),
        (says(HUGE, bytes(5000)), "1,099,511,627,776 bytes"),
        (says(STATUS), "status is 13 NOT_READY probe is ?[31mfrozen"),
        (says(packed(b"IMAGE", image_body(picture(), scalar=5))), "1 messages refused, the last: pixels are uint16"),
    ],
    ids=["black hole", "half a header", "half a body", "garbage", "1 TiB", "status", "16 bits"],
)
def test_no_image_in_time_is_a_stall(script: Script, said: str) -> None:
    with server(script) as port, IgtlConnection("127.0.0.1", port, message_s=SHORT_S) as connection:
        with pytest.raises(FeedStalled) as caught:
            next(iter(connection))
        assert said in str(caught.value) and f"igtl://127.0.0.1:{port}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "piece",
    [TRANSFORM * 100, b"\xff\0\1A" * 1000, image(device=b"Other")],
    ids=["transforms", "garbage", "another device"],
)
def test_a_flood_without_an_image_is_a_stall(piece: bytes) -> None:
    def flood(client: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            client.sendall(piece)

    with server(flood) as port, IgtlConnection("127.0.0.1", port, "Probe", message_s=SHORT_S) as connection:
        with pytest.raises(FeedStalled, match="'Other'" if b"Other" in piece else "no image"):
            next(iter(connection))
        connection.close()


def test_after_a_stall_the_images_go_on() -> None:
    go = threading.Event()

    def script(client: socket.socket, over: threading.Event) -> None:
        client.sendall(image(1)[:80])
        go.wait(GENEROUS_S)
        client.sendall(image(1)[80:])
        over.wait(GENEROUS_S)

    with server(script) as port, IgtlConnection("127.0.0.1", port, message_s=SHORT_S) as connection:
        with pytest.raises(FeedStalled):
            next(iter(connection))
        go.set()
        connection._message_s = GENEROUS_S
        np.testing.assert_array_equal(next(iter(connection)).image, picture(1))


def test_time_that_the_consumer_takes_is_no_stall() -> None:
    now = [0.0]
    with (
        server(says(image(1), image(2))) as port,
        IgtlConnection("127.0.0.1", port, message_s=5.0, clock=lambda: now[0]) as connection,
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
        IgtlConnection("127.0.0.1", port, message_s=GENEROUS_S) as connection,
    ):
        images = iter(connection)
        np.testing.assert_array_equal(next(images).image, picture(1))
        with pytest.raises(FeedLost, match="connect again"):
            next(images)
        with pytest.raises(FeedLost):
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
        IgtlConnection("127.0.0.1", port, message_s=GENEROUS_S) as connection,
        pytest.raises(FeedLost, match=r"the connection broke \(.*reset"),
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

    with server(says(image(1))) as port, IgtlConnection("127.0.0.1", port, message_s=10 * GENEROUS_S) as connection:
        thread = threading.Thread(target=consume, daemon=True)
        thread.start()
        assert first.wait(GENEROUS_S)
        connection.close()
        thread.join(GENEROUS_S)
        assert not thread.is_alive() and len(left) == 2 and left[1] == "ended"
        connection.close()
        assert list(connection) == []


# --- connecting


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot connect \(.*refused"), IgtlConnection("127.0.0.1", port):
        pass


def test_what_is_no_host_name_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="cannot connect"), IgtlConnection("a" * 64 + ".x", 1, connect_s=GENEROUS_S):
        pass


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
    with (
        pytest.raises(SourceError, match=r"no answer within 0\.2 s"),
        IgtlConnection("black.hole", 1, connect_s=SHORT_S),
    ):
        pass
    hang.answer.set()
    assert hang.closed.wait(GENEROUS_S)


def test_close_ends_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = _Hang()
    monkeypatch.setattr(socket, "create_connection", hang)
    connection, raised = IgtlConnection("black.hole", 1, connect_s=10 * GENEROUS_S), []

    def enter() -> None:
        try:
            connection.__enter__()
        except SourceError as error:
            raised.append(error)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    assert hang.called.wait(GENEROUS_S)
    connection.close()
    thread.join(GENEROUS_S)
    assert not thread.is_alive() and "closed while connecting" in str(raised[0])
    hang.answer.set()
    assert hang.closed.wait(GENEROUS_S)


def test_a_connection_is_used_inside_with_and_once() -> None:
    connection = IgtlConnection("127.0.0.1", 1)
    with pytest.raises(SourceError, match="with"):
        next(iter(connection))
    connection.close()
    with pytest.raises(SourceError, match="once"):
        connection.__enter__()


@pytest.mark.parametrize(
    "options", [{"connect_s": 0}, {"message_s": -1.0}, {"message_s": float("nan")}, {"connect_s": float("inf")}]
)
def test_waits_must_make_sense(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        IgtlConnection("localhost", 1, **options)  # type: ignore[arg-type]


def test_the_port_must_make_sense() -> None:
    with pytest.raises(UsageError):
        IgtlConnection("localhost", 65536)


# --- the address


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
    with pytest.raises(SourceError) as caught:
        parse_url(url)
    assert (
        "\n" not in str(caught.value)
        and "igtl://host:port/device" in str(caught.value)
        and "secret" not in str(caught.value)
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_source_error(text: str) -> None:
    for url in (text, f"igtl://{text}", f"igtl://probe/{text}"):
        try:
            host, port, device = parse_url(url)
        except SourceError:
            continue
        assert host and 1 <= port <= 65535 and len(device.encode()) <= 20


# --- against another implementation


def test_round_trip_with_pyigtl() -> None:
    pyigtl = pytest.importorskip("pyigtl")
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }  # its server replaces them
    gray, colour = picture(1, (48, 64)), picture(2, (48, 64, 3))
    peer = pyigtl.OpenIGTLinkServer(port=0, local_server=True)
    try:
        with IgtlConnection("127.0.0.1", peer.server_address[1], "Probe", message_s=GENEROUS_S) as connection:
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
    assert first.igtl_timestamp_s == pytest.approx(1234.5, abs=1e-6)
    assert (connection.images, connection.refused, connection.skipped) == (2, 0, 2)
