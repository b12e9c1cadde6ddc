"""Packets that are missing from a transport stream, by the counters that its packets carry."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from seqcls.wording import count_of


class PacketCounters:
    """Of its video (ISO/IEC 13818-1 2.4.3.3): each packet with a payload counts up by one, modulo 16.

    A packet may stand twice, and a stream may say that it counts anew.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._is_video: dict[int, bool] = {}
        self._jumps: Counter[int] = Counter()

    def add(self, block: bytes, first: int, step: int) -> None:
        """Whole packets, each ``step`` bytes long, of which ``first`` stand before its mark."""
        count = len(block) // step
        packets = np.frombuffer(block, np.uint8, count * step).reshape(count, step)[:, first : first + 188]
        pids = (packets[:, 1] & 0x1F).astype(np.int32) << 8 | packets[:, 2]
        has_payload = packets[:, 3] & 0x10 != 0
        for pid in map(int, np.unique(pids[has_payload])):
            own = packets[(pids == pid) & has_payload]
            if pid not in self._is_video and (starts := own[own[:, 1] & 0x40 != 0]).size:
                self._is_video[pid] = _begins_video(starts[0])
            counters = (own[:, 3] & 0x0F).astype(np.int32)
            before = np.concatenate([[self._last.get(pid, counters[0])], counters[:-1]])
            anew = (own[:, 3] & 0x20 != 0) & (own[:, 4] > 0) & (own[:, 5] & 0x80 != 0)
            jumps = (counters != before) & (counters != (before + 1) % 16) & ~anew
            self._jumps[pid] += int(jumps.sum())
            self._last[pid] = int(counters[-1])

    @property
    def flaw(self) -> str:
        """What is wrong; empty where nothing is missing."""
        jumps = sum(count for pid, count in self._jumps.items() if self._is_video.get(pid))
        return f"packets are missing at {count_of(jumps, 'place')}, by the counters of the stream" if jumps else ""


def _begins_video(packet: NDArray[np.uint8]) -> bool:
    """Whether the payload begins like a video's: a start code and a stream id of 0xE0 to 0xEF (table 2-22)."""
    place = 5 + int(packet[4]) if packet[3] & 0x20 else 4
    return bytes(packet[place : place + 3]) == b"\0\0\1" and len(packet) > place + 3 and packet[place + 3] >> 4 == 0xE
