"""WMV and ASF (Advanced Systems Format 1.20): objects of 16 bytes identifier and 8 bytes size; the data are packets of
one size, each with pieces of numbered media objects."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from seqcls.sources.container_bytes import FileBytes, Structure, breaks_at, ends_early

_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
#: By two bits of the flags: how many bytes a field has.
_WIDTHS = (0, 1, 2, 4)


@dataclass(slots=True)
class _Facts:
    """What the header says."""

    packets: int = 0
    packet_bytes: int = 0
    videos: list[int] = field(default_factory=list)


def walk_asf(data: FileBytes) -> Structure:
    """Whether all packets are there and the media objects in them are numbered without a hole, and how many objects
    the only video stream has."""
    size, position, kind, facts = len(data), 0, b"", _Facts()
    while kind != _DATA and position + 24 <= size:
        kind, length = data.unpack("<16sQ", position)
        if length < 24:  # a recorder that never filled in the size
            return Structure(unknown=_UNSTATED) if kind == _DATA else breaks_at(position)
        if position == 0:
            facts = _header(data, min(length, size))
        start, position = position, position + length
    if position > size:
        return ends_early(position, size)
    if kind != _DATA or not 0 < facts.packet_bytes <= 1 << 20:
        return Structure(unknown=_UNSTATED)
    (stated,) = data.unpack("<40xQ", start)
    if (position - start - 50) // facts.packet_bytes < max(stated, facts.packets):
        return Structure(f"holds fewer than the {max(stated, facts.packets):,} packets that it states")
    return _objects(data, start + 50, position, facts)


_UNSTATED = "the file states neither its length nor the size of its packets"


def _header(data: FileBytes, end: int) -> _Facts:
    """ASF 3.2 and 3.3: the header object holds a description of the file and of each stream."""
    facts, position = _Facts(), 30
    while position + 24 <= end:
        kind, length = data.unpack("<16sQ", position)
        if kind == _FILE:
            facts.packets, least, most = data.unpack("<56xQ28xII", position)
            facts.packet_bytes = least if least == most else 0
        elif kind == _STREAM and data.read(position + 24, 16) == _VIDEO:
            facts.videos.append(data.unpack("<72xH", position)[0] & 0x7F)
        position += max(24, length)
    return facts


def _objects(data: FileBytes, position: int, end: int, facts: _Facts) -> Structure:
    """Each media object must follow the one before and be as long as it says."""
    latest: dict[int, tuple[int, int, int]] = {}  # stream -> number, bytes of it so far, its size
    counts: dict[int, int] = {}
    for at in range(position, end - facts.packet_bytes + 1, facts.packet_bytes):
        for stream, number, limit, offset, length, whole in _payloads(data.read(at, facts.packet_bytes)):
            before = latest.get(stream)
            if before is None or before[0] != number:
                if before is not None and (before[1] != before[2] or number != (before[0] + 1) % limit):
                    return Structure(f"an image or a piece of one is missing before byte {at:,}")
                before = (number, 0, whole)
                counts[stream] = counts.get(stream, 0) + 1
            if offset != before[1]:
                return Structure(f"a piece of an image is missing before byte {at:,}")
            latest[stream] = (number, offset + length, whole)
    short = [1 for _, have, whole in latest.values() if have != whole]
    if short:
        return Structure("the last image is cut short", truncated=True)
    return Structure(frames=counts.get(facts.videos[0], 0) if len(facts.videos) == 1 else None)


def _payloads(packet: bytes) -> Iterator[tuple[int, int, int, int, int, int]]:
    """ASF 5.2: of each payload its stream, the number of its media object and where such numbers start anew, where it
    lies in the object, its length, and the object's length. Raises struct.error, IndexError."""
    at = 1 + (packet[0] & 0x0F) if packet[0] & 0x80 else 0
    flags, fields = packet[at], packet[at + 1]
    at += 2
    sizes = []
    for shift in (5, 1, 3):  # length of the packet, sequence, padding
        value, at = _field(packet, at, flags >> shift)
        sizes.append(value)
    at += 6
    several = flags & 1
    count, width = (packet[at] & 0x3F, packet[at] >> 6) if several else (1, 0)
    at += several
    end = (sizes[0] or len(packet)) - sizes[2]
    for _ in range(count):
        stream, at = packet[at] & 0x7F, at + 1
        number, at = _field(packet, at, fields >> 4)
        offset, at = _field(packet, at, fields >> 2)
        extra, at = _field(packet, at, fields)
        whole = struct.unpack_from("<I", packet, at)[0] if extra >= 8 else None
        at += extra
        length, at = _field(packet, at, width) if several else (end - at, at)
        if whole is not None:  # else it holds several objects, as sound does
            yield stream, number, 1 << 8 * _WIDTHS[fields >> 4 & 3], offset, length, whole
        at += length


def _field(packet: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number of as many bytes as the two lowest bits say, and where what follows begins."""
    width = _WIDTHS[bits & 3]
    return int.from_bytes(packet[at : at + width], "little"), at + width
