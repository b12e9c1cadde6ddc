"""OpenIGTLink: bytes to messages, in any pieces."""

from __future__ import annotations

import itertools
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.igtlserver import HUGE, STATUS, TRANSFORM, extended, image, image_body, only, packed, picture, told

from seqcls.feeds.openigtlink_wire import Message, Receiver, Refused, Status, crc64


def slow_crc(data: bytes) -> int:
    """Bit by bit, as the standard describes it."""
    crc = 0
    for byte in data:
        crc ^= byte << 56
        for _ in range(8):
            crc = (crc << 1 ^ (0x42F0E1EBA9EA3693 if crc >> 63 else 0)) & (1 << 64) - 1
    return crc


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


@settings(max_examples=80, deadline=None)
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
