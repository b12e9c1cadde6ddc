"""Packets that are missing from a transport stream, by the counters that its packets carry."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from seqcls.text.wording import count_of


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
        heads = packets[:, :6].T.copy()  # (6, packets): the fields are read often
        pids = (heads[1] & 0x1F).astype(np.int32) << 8 | heads[2]
        has_payload = heads[3] & 0x10 != 0
        for pid in map(int, np.flatnonzero(np.bincount(pids[has_payload]))):
            if self._is_video.get(pid, True):
                self._follow(pid, packets, heads, np.flatnonzero((pids == pid) & has_payload))

    def _follow(self, pid: int, packets: NDArray[np.uint8], heads: NDArray[np.uint8], own: NDArray[np.intp]) -> None:
        """Packets number ``own``, which are of one stream."""
        if pid not in self._is_video and (starts := own[heads[1, own] & 0x40 != 0]).size:
            self._is_video[pid] = _begins_video(packets[starts[0]])
        counters = heads[3, own] & 0x0F
        steps = np.diff(counters, prepend=np.uint8(self._last.get(pid, counters[0]))) & 0x0F
        for at in own[steps > 1]:
            begins_anew = heads[3, at] & 0x20 and heads[4, at] > 0 and heads[5, at] & 0x80
            self._jumps[pid] += not begins_anew
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
