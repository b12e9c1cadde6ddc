"""Packets missing from a transport stream."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from seqcls.sources.packet_counters import PacketCounters

VIDEO, AUDIO = 0x100, 0x101


def packet(
    counter: int, pid: int = VIDEO, *, payload: bytes = b"", fields: bytes = b"", has_payload: bool = True
) -> bytes:
    """One packet; ``payload`` begins a unit, ``fields`` are those of an adaptation field."""
    flags = (0x20 if fields else 0) | (0x10 if has_payload else 0) | counter % 16
    head = bytes([0x47, (0x40 if payload else 0) | pid >> 8, pid & 0xFF, flags])
    return (head + (bytes([len(fields)]) + fields if fields else b"") + payload).ljust(188, b"\xff")


def flaw(packets: Iterable[bytes]) -> str:
    counters = PacketCounters()
    counters.add(packet(0, payload=b"\0\0\1\xe0") + packet(0, AUDIO, payload=b"\0\0\1\xc0"), 0, 188)
    for one in packets:  # in blocks of one: what was last is remembered
        counters.add(one, 0, 188)
    return counters.flaw


@pytest.mark.parametrize(
    ("packets", "places"),
    [
        ([packet(k) for k in range(1, 40)], ""),
        ([packet(1), packet(1), packet(2)], ""),  # sent twice
        ([packet(1), packet(1, fields=b"\0", has_payload=False), packet(2)], ""),
        ([packet(1), packet(9, fields=b"\x80"), packet(10)], ""),  # it says that it counts anew
        ([packet(1), packet(3)], "1 place"),
        ([packet(2), packet(5), packet(7, fields=b"\0")], "3 places"),
        ([packet(4, AUDIO), packet(9, AUDIO), packet(5, 0x1FFF), packet(1)], ""),  # sound and stuffing
    ],
    ids=["whole", "twice", "no payload", "anew", "a hole", "three holes", "other streams"],
)
def test_holes_in_the_counters_of_the_video_are_counted(packets: list[bytes], places: str) -> None:
    assert flaw(packets) == (f"packets are missing at {places}, by the counters of the stream" if places else "")


def test_packets_with_a_time_in_front_and_blocks_of_many() -> None:
    counters = PacketCounters()
    numbers = [*range(20), *range(22, 30)]
    data = b"".join(b"time" + packet(k, payload=b"" if k else b"\0\0\1\xe3") for k in numbers)
    counters.add(data, 4, 192)
    assert "1 place," in counters.flaw
