"""Units of H.264 and HEVC (NAL units; ITU-T H.264 and H.265, 7.3.1 and annex B): where they lie in a packet, and bytes
that none can hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

#: In a unit each two zeros are followed by a byte that is none (7.4.1); some writers leave rubbish behind the last unit
#: of a packet, but not behind so many zeros.
_RUN = bytes(8)
#: Where units stand behind a mark of 00 00 01, zeros may stand before it.
_RUN_IN_A_STREAM = re.compile(rb"\0{8,}[^\0\1]")
#: Where the codec's own description says in how many bytes the length before each unit is written.
_PLACES = {"h264": 4, "hevc": 21}


def length_bytes(context: Any) -> int:
    """In how many bytes the length before each unit is written; 0 where there is none, as units are marked."""
    extra, place = context.extradata or b"", _PLACES.get(context.name)
    is_described = place is not None and len(extra) > place and extra[0] == 1
    return (extra[place] & 3) + 1 if place is not None and is_described else 0


def units(data: bytes, width: int) -> Iterator[tuple[int, int]]:
    """Where each unit of a packet begins and ends; ``width``: of the lengths. The last may end behind the packet."""
    at = 0
    while at + width < len(data):
        length = int.from_bytes(data[at : at + width], "big")
        at += width + length
        yield at - length, at


def fills(width: int) -> Callable[[bytes], bool]:
    """Whether units whose lengths are written in so many bytes fill a packet."""

    def filled(data: bytes) -> bool:
        end = 0
        for start, end in units(data, width):
            if start == end or end > len(data) or data[start] & 0x80:  # a bit that is never set
                return False
        return end == len(data) > 0

    return filled


def zeroed(context: Any) -> Callable[[bytes], bool] | None:
    """Whether bytes of a packet were lost and are zero now, which decoders may pass over; None for other codecs."""
    if context.name not in _PLACES:
        return None
    width = length_bytes(context)

    def found(data: bytes) -> bool:
        if _RUN not in data:
            return False
        if not width:
            return _RUN_IN_A_STREAM.search(data) is not None
        return any(_RUN in data[start:end].rstrip(b"\0") for start, end in units(data, width))

    return found
