"""Which frames are predicted from damaged or missing ones. Most codecs store what changes from frame to frame: a fault
stays in the image until a key frame, which needs no other, and no decoder marks what it spoils."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seqcls.sources.timestamps import MAX_REORDER

#: Nothing is predicted from a frame of these codecs that is itself predicted from both sides (a B picture).
_B_PICTURES_ARE_ENDS = frozenset({"mpeg1video", "mpeg2video", "mpeg4"})


_B = 3  # AV_PICTURE_TYPE_B; PyAV gives it as a number


class ErrorPropagation:
    """Told of each packet before it is decoded, and of each frame that comes of it. codec: its name in FFmpeg."""

    def __init__(self, codec: str) -> None:
        self._b_pictures_are_ends = codec in _B_PICTURES_ARE_ENDS
        self._faults: set[int] = set()  # their times in ticks, for as long as there is no key frame behind them
        self._at_next_packet = self._at_unknown = self._key_came = False
        self._latest: int | None = None  # of the frames shown so far

    def judged(self, frames: Iterator[Any], is_damaged: Callable[[Any], bool]) -> Iterator[tuple[Any, bool, bool]]:
        """Each frame, whether it is damaged, and whether another spoils it. A B picture waits for the one behind it: it
        is predicted from that as well, and a decoder may say only when it gives it that it is damaged."""
        held: list[tuple[Any, bool, bool]] = []
        for frame in frames:
            damaged = is_damaged(frame)
            spoilt = self.reaches(frame, damaged)
            if _is_b(frame) and len(held) < MAX_REORDER:
                held.append((frame, damaged, spoilt))
                continue
            yield from ((b, own, not own and (by_another or damaged)) for b, own, by_another in held)
            held.clear()
            yield frame, damaged, spoilt
        yield from held

    def packet(self, packet: Any) -> None:
        """One that is about to be decoded."""
        self._key_came = self._key_came or packet.is_keyframe
        if self._at_next_packet and packet.pts is not None:
            self._faults.add(packet.pts)
            self._at_next_packet = self._at_unknown = False

    def lost(self, tick: int | None = None) -> None:
        """A frame is missing or damaged. tick: its time; without one it is about the next packet's."""
        if tick is None:
            self._at_next_packet = self._at_unknown = True
            self._key_came = False
        else:
            self._faults.add(tick)

    def reaches(self, frame: Any, damaged: bool) -> bool:
        """Whether this frame, in the order in which frames are shown, is spoilt by another. damaged: by itself."""
        pts, is_b = frame.pts, _is_b(frame)
        if damaged:
            if not (is_b and self._b_pictures_are_ends):
                self.lost(pts)
            return False
        is_late = pts is not None and self._latest is not None and pts < self._latest
        self._latest = self._latest if pts is None or is_late else pts
        if frame.key_frame and not is_late:  # one of long ago ends nothing
            self._faults = {tick for tick in self._faults if pts is not None and tick >= pts}
            self._at_unknown = self._at_unknown and not self._key_came
            return self._at_unknown
        # What is shown before the fault was decoded before it; B pictures alone may have been decoded behind it.
        return self._at_unknown or any(is_b or pts is None or tick <= pts for tick in self._faults)


def _is_b(frame: Any) -> bool:
    return int(frame.pict_type) == _B
