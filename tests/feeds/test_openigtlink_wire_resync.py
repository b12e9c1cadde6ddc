"""OpenIGTLink: after damage the next sound message is found, at a cost that is bounded whatever is sent."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.igtlserver import image, image_body, only, packed, picture, told

from seqcls.feeds import openigtlink_wire as igtlwire
from seqcls.feeds.openigtlink_wire import HEADER_BYTES, Message, Receiver, Refused

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
