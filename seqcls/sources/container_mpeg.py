"""MPEG program and transport streams (ISO/IEC 13818-1)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from seqcls.sources.container_bytes import FileBytes, Structure, breaks_at, ends_early
from seqcls.sources.packet_counters import PacketCounters

_PES = b"\x00\x00\x01"


def walk_program_stream(data: FileBytes) -> Structure:
    """2.5: pack headers and PES packets, each with a start code and, but for packs, a length. Images are counted by
    their own start codes, and by the PES packets that state a time: an image begins there."""
    size, position, images = len(data), 0, _Images()
    while position + 6 <= size:
        code = data.read(position, 4)
        if code[:3] != _PES:
            if not any(data.read(position, 64)):
                following = data.after_zeros(position)
                if following == size:
                    return images.counted()
                position = following - 2  # a start code itself begins with two zeros
                continue
            return breaks_at(position)
        if code[3] == 0xB9:
            return images.counted()
        if code[3] == 0xBA:
            second = data[position + 4] >> 6 == 1  # MPEG-2's pack is longer than MPEG-1's
            position += 14 + (data[position + 13] & 7) if second else 12
        elif code[3] >= 0xBB:
            (length,) = data.unpack(">H", position + 4)
            if bytes([code[3]]) in _IMAGES:
                images.add(code[3], data.read(position, 6 + length))
            position += 6 + length
        else:
            return breaks_at(position)
    if position > size:
        return ends_early(position, size)
    return images.counted() if position == size else ends_early(position + 6, size)  # half a start code is left


class _Images:
    """How many images begin in each stream of images, at least."""

    def __init__(self) -> None:
        self.times, self._pictures, self._mpeg = Counter[int](), Counter[int](), set[int]()

    def add(self, stream: int, packet: bytes) -> None:
        """A whole PES packet."""
        self.times[stream] += _states_a_time(packet[:32])
        if b"\x00\x00\x01\xb3" in packet:  # a sequence of MPEG-1 or 2: other codecs have other start codes
            self._mpeg.add(stream)
        if stream in self._mpeg:
            self._pictures[stream] += packet.count(b"\x00\x00\x01\x00", 6)

    def counted(self) -> Structure:
        """The number where one stream alone has images."""
        found = [max(count, self._pictures[stream]) for stream, count in self.times.items() if count]
        return Structure(frames=found[0] if len(found) == 1 else None)


def _states_a_time(head: bytes) -> bool:
    """2.4.3.6, and ISO/IEC 11172-1 2.4.3.3: of a PES packet of images, whether it says when an image is shown."""
    if not head.startswith(_PES) or head[3:4] not in _IMAGES or len(head) < 32:
        return False
    if head[6] >> 6 == 2:
        return head[7] & 0x80 > 0
    rest = head[6:].lstrip(b"\xff")  # stuffing
    rest = rest[2:] if rest and rest[0] >> 6 == 1 else rest  # the size of a buffer
    return bool(rest) and rest[0] >> 4 in (2, 3)


_IMAGES = tuple(bytes([code]) for code in range(0xE0, 0xF0))


def walk_transport_stream(data: FileBytes) -> Structure:
    """2.4: packets of 188 bytes that begin with 0x47 (192 with a time in front, as on discs), counted from 0 to 15 in
    each of the streams that they carry."""
    size = len(data)
    first, step = (0, 188) if data[0] == 0x47 and data[188] == 0x47 else (4, 192)
    counters = PacketCounters()
    images, broken_starts = _Images(), Counter[int]()
    for position in range(0, size - step + 1, step * 1024):
        block = data.read(position, step * 1024)
        packets = np.frombuffer(block, np.uint8)[: len(block) // step * step].reshape(-1, step)[:, first : first + 188]
        wrong = np.flatnonzero(packets[:, 0] != 0x47)
        if len(wrong):
            at = position + int(wrong[0]) * step
            return images.counted() if data.after_zeros(at) == size else breaks_at(at)
        counters.add(block, first, step)
        for packet in packets[packets[:, 1] & 0x40 > 0]:
            pid, skipped = int(packet[1] & 0x1F) << 8 | int(packet[2]), 5 + int(packet[4]) if packet[3] & 0x20 else 4
            head = packet[skipped : skipped + 32].tobytes()
            broken_starts[pid] += not head.startswith(_PES)
            images.times[pid] += _states_a_time(head)
    broken = [pid for pid, count in images.times.items() if count and broken_starts[pid]]
    if broken:
        return Structure(f"an image of stream {broken[0]} does not begin as it should")
    if size % step:
        return Structure("the file ends inside a packet", truncated=True)
    return Structure(counters.flaw) if counters.flaw else images.counted()
