"""OpenIGTLink: bytes to messages, in any pieces."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.igtlserver import (
    HUGE,
    STATUS,
    TRANSFORM,
    Receiver,
    extended,
    image,
    image_body,
    only,
    packed,
    picture,
    told,
)

from seqcls.feeds import openigtlink_wire as igtlwire
from seqcls.feeds.openigtlink_wire import HEADER_BYTES, Message, Refused, Status, crc64


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


SPACED = {  # vectors along a row and along a column, in mm -> (height, width) of the image, sent as 6x9
    "square": ((0.2, 0, 0), (0, 0.2, 0), (6, 9)),
    "square, turned in space": ((0.12, 0, 0.16), (0, -0.2, 0), (6, 9)),
    "wide": ((0.4, 0, 0), (0, 0.2, 0), (6, 18)),
    "high": ((0.1, 0, 0), (0, 0, 0.2), (12, 9)),
    "left out": ((0, 0, 0), (0, 0, 0), (6, 9)),
    "no numbers": ((float("nan"), 0, 0), (0, float("inf"), 0), (6, 9)),
}


@pytest.mark.parametrize("name", SPACED)
@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "colour"])
def test_pixels_that_are_not_square_are_stretched(name: str, channels: tuple[int, ...]) -> None:
    row, column, shape = SPACED[name]
    body = image_body(picture(shape=(6, 9, *channels)), matrix=(*row, *column, 0, 0, 1, 0, 0, 0))
    (message,) = Receiver().feed(packed(b"IMAGE", body))
    assert isinstance(message, Message) and message.image is not None
    assert message.image.shape == (*shape, *channels) and message.image.flags["C_CONTIGUOUS"]


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
    assert found.status == Status(13, -4, "NOT_READY", r"probe is \x1b[31mfrozen")


def test_of_a_long_status_the_beginning_is_shown() -> None:
    found = only(packed(b"STATUS", struct.pack(">Hq20s", 2, 0, b"x") + b"a" * 100_000))
    assert isinstance(found, Message) and found.status is not None and found.status.text == "a" * 1000


def test_other_types_come_without_content() -> None:
    assert told([only(TRANSFORM)]) == [("TRANSFORM", "Tracker", 12.5, None, None)]
    assert told([only(packed(b"my type", b""))]) == [("my type", "Probe", 12.5, None, None)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (image_body(picture(), scalar=5), "uint16"),
        (image_body(picture(), size=(8000, 7000, 1), part=(8000, 7000, 1)), "8000x7000 is more than 50 megapixels"),
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
    receiver = Receiver(max_body_bytes=1000)
    (refused,) = receiver.feed(packed(b"IMAGE", b"", size=1001))
    assert isinstance(refused, Refused) and "1,001" in refused.reason
    (good,) = receiver.feed(packed(b"TRANSFORM", bytes(1000)))
    assert isinstance(good, Message)


def test_what_is_held_stays_bounded() -> None:
    receiver = Receiver(max_body_bytes=1000)
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


# --- OpenIGTLink: after damage the next sound message is found, at a cost that is bounded whatever is sent


MOST = 4096  # bytes of a body
SIZE_AT = 42  # of the body size in a header


def damaged(message: bytes, bit: int, at: int = SIZE_AT) -> bytes:
    """``bit`` 0 is the lowest of the 64-bit number that begins at ``at``."""
    turned = int.from_bytes(message[at : at + 8], "big") ^ 1 << bit
    return message[:at] + turned.to_bytes(8, "big") + message[at + 8 :]


def in_pieces(receiver: Receiver, data: bytes, cuts: list[int]) -> list[Message | Refused]:
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [item for a, b in itertools.pairwise(edges) for item in receiver.feed(data[a:b])]


@pytest.mark.parametrize("bit", range(64))
@pytest.mark.parametrize("device", [b"Probe", "Schallköpfe".encode()], ids=["ascii", "utf-8"])
def test_one_wrong_bit_of_a_size_costs_one_message(bit: int, device: bytes) -> None:
    sent = [image(seed, device=device) for seed in range(40)]
    found = Receiver(MOST).feed(b"".join([*sent[:3], damaged(sent[3], bit), *sent[4:]]))
    assert sum(isinstance(item, Refused) for item in found) == 1
    good: list[Message | Refused] = [item for item in found if isinstance(item, Message)]
    assert told(good) == told([only(message) for message in sent[:3] + sent[4:]])


@pytest.mark.parametrize("bit", [7, 8, 9, 10, 11])
def test_wrong_sizes_one_within_the_other_cost_only_themselves(bit: int) -> None:
    sent = [image(seed) for seed in range(60)]
    hurt = {3, 4, 6, 9, 10}
    stream = b"".join(damaged(message, bit) if seed in hurt else message for seed, message in enumerate(sent))
    good: list[Message | Refused] = [item for item in Receiver(MOST).feed(stream) if isinstance(item, Message)]
    assert told(good) == told([only(message) for seed, message in enumerate(sent) if seed not in hurt])


def test_what_was_swallowed_comes_when_the_body_is_whole() -> None:
    wrong = damaged(image(0), 11)  # 126 + 2048 bytes
    receiver = Receiver(MOST)
    rest = b"".join(image(seed) for seed in range(1, 13))
    assert receiver.feed(wrong + rest[:2047]) == []
    refused, *good = receiver.feed(rest[2047:])
    assert refused == Refused("bad CRC", "IMAGE", "Probe")
    assert told(good) == told([only(image(seed)) for seed in range(1, 13)])


def test_a_message_with_a_good_crc_is_never_searched() -> None:
    inner = image(1)
    volume = image_body(picture(), size=(9, 3, 2), part=(9, 3, 2)) + inner
    (refused,) = Receiver().feed(packed(b"IMAGE", volume))
    assert isinstance(refused, Refused) and "9x3x2" in refused.reason
    assert told(Receiver().feed(packed(b"TRANSFORM", inner))) == [("TRANSFORM", "Probe", 12.5, None, None)]


def test_an_image_within_a_damaged_one_must_have_its_own_good_crc() -> None:
    inner = packed(b"IMAGE", image_body(picture(1)), crc=7)
    found = Receiver().feed(packed(b"IMAGE", bytes(50) + inner + bytes(50), crc=1) + image(2))
    assert [isinstance(item, Refused) for item in found] == [True, True, False]
    assert told(found[2:]) == told([only(image(2))])


@pytest.mark.parametrize("kept", range(1, HEADER_BYTES + 5))
def test_behind_a_message_that_breaks_off_the_next_is_found(kept: int) -> None:
    sent = [image(seed) for seed in range(40)]
    found = Receiver(MOST).feed(image(99)[:kept] + b"".join(sent))
    assert isinstance(found[0], Refused)
    assert told(found[1:]) == told([only(message) for message in sent])


# --- bounds


def nested(count: int) -> bytes:
    """Headers of which each body reaches to the same end."""
    total = count * HEADER_BYTES
    return b"".join(packed(b"IMAGE", b"", size=total - (k + 1) * HEADER_BYTES, crc=1) for k in range(count))


def overlapping(count: int) -> bytes:
    """Headers of which each body is as long as may be."""
    return packed(b"IMAGE", b"", size=MOST, crc=1) * count


def between_good_ones(count: int) -> bytes:
    """Each of them in its place, behind a message that is good."""
    return (packed(b"A", b"") + packed(b"IMAGE", b"", size=MOST, crc=1)) * count


def after_patience(count: int) -> bytes:
    """A long good life first, that would allow much if it were all remembered."""
    return packed(b"GOOD", bytes(MOST)) * count + overlapping(count)


ATTACKS = [nested, overlapping, between_good_ones, after_patience]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of bytes of which a CRC was computed."""
    crc64, lengths = igtlwire.crc64, []

    def counting(data: bytes | bytearray) -> int:
        lengths.append(len(data))
        return crc64(data)

    monkeypatch.setattr(igtlwire, "crc64", counting)
    yield lengths


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("piece_bytes", [10**9, 1000], ids=["at once", "in pieces"])
def test_the_work_is_a_multiple_of_what_was_received(
    attack: Callable[[int], bytes], piece_bytes: int, computed: list[int]
) -> None:
    data = attack(500)
    receiver = Receiver(2 * MOST if attack is nested else MOST)
    for start in range(0, len(data), piece_bytes):
        receiver.feed(data[start : start + piece_bytes])
        assert sum(computed) <= 4 * (start + piece_bytes)
    assert sum(computed) <= 4 * len(data)
    assert sum(computed) >= MOST  # it was looked at


def test_a_long_good_life_is_not_all_credit(computed: list[int]) -> None:
    good = packed(b"GOOD", bytes(MOST)) * 200
    receiver = Receiver(MOST)
    receiver.feed(good)
    computed.clear()
    receiver.feed(overlapping(70))  # every body would be whole for the first of them only
    receiver.feed(bytes(MOST))
    assert sum(computed) <= 3 * (MOST + HEADER_BYTES) + 4 * (71 * HEADER_BYTES + MOST)


@pytest.mark.parametrize("attack", ATTACKS)
def test_after_an_attack_the_next_images_are_read(attack: Callable[[int], bytes]) -> None:
    after = [image(seed) for seed in range(100)]
    found = Receiver(2 * MOST if attack is nested else MOST).feed(attack(70) + b"".join(after))
    assert told(found[-50:]) == told([only(message) for message in after[-50:]])


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_held_stays_bounded_by_one_body(attack: Callable[[int], bytes]) -> None:
    data, receiver = attack(200), Receiver(MOST)
    for start in range(0, len(data), 100):
        receiver.feed(data[start : start + 100])
        assert len(receiver._buffer) <= MOST + HEADER_BYTES + 100


@pytest.mark.parametrize("attack", ATTACKS)
@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(0, 10**6), max_size=40))
def test_any_chunking_of_an_attack_gives_the_same(attack: Callable[[int], bytes], cuts: list[int]) -> None:
    data = attack(80) + image(1) + attack(20) + b"".join(image(seed) for seed in range(2, 50))
    assert told(in_pieces(Receiver(MOST), data, cuts)) == told(Receiver(MOST).feed(data))


@settings(max_examples=25, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 8 * 184 - 1)), max_size=8),
    cuts=st.lists(st.integers(0, 10**6), max_size=20),
)
def test_any_flipped_bits_cost_only_their_messages(flips: list[tuple[int, int]], cuts: list[int]) -> None:
    sent = [image(seed) for seed in range(40)]  # behind those that may be hurt, more than a body may take in
    stream = [bytearray(message) for message in sent]
    for number, bit in flips:
        stream[number][bit // 8] ^= 1 << bit % 8
    data = b"".join(stream)
    found = told(in_pieces(Receiver(1024), data, cuts))
    whole = [told([only(message)])[0] for message, now in zip(sent, stream, strict=True) if message == now]
    assert [item for item in found if item in whole] == whole
    assert found == told(Receiver(1024).feed(data))
