"""The frames of a video file by their number, in any order: for looking at it, not for running through it."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError, one_line
from seqcls.sources.pixels import gray
from seqcls.sources.timestamps import EMPTY_PACKET_BYTES
from seqcls.sources.video import VideoSource
from seqcls.types import TIME_TOLERANCE_S

#: Decoded frames are kept up to so many bytes, so that steps back need not begin at a key frame.
KEPT_BYTES = 48 << 20
#: Of the frames before the one that is looked for, so many are decoded whole, for steps back; of those further back
#: the ones that no other frame needs are passed over, which halves the time with B-frames.
_KEPT_BEHIND = 16
#: A seek that lands in front of the key frame has so many packets to come to it.
_MAX_SKIPPED = 1000
#: So many frames show whether a file's times are in order: more than a decoder reorders.
_CHECKED = 40


class SeekableVideo(VideoSource):
    """Frame ``index`` is the one that iterating gives that index to. Not for several threads at once.

    ``time_s``: (T,) float64, the times of all frames as iterating gave them. Raises SourceError where the times in the
    file do not give the same ones, as in a damaged file: then only reading from the beginning tells which frame is
    which. ``threads``: to decode in; more than one only for a clip that is known to be undamaged, as threads forget to
    mark damaged frames now and then.
    """

    def __init__(self, path: Path, time_s: NDArray[np.float64], threads: int = 1) -> None:
        super().__init__(path)
        if threads > 1:
            self._decoder.thread_count, self._decoder.thread_type = threads, "FRAME"
        self._coming: Iterator[Any] = iter(())
        self._next_stamp: int | None = None  # of the next frame that the decoder gives, at least
        self._recent: OrderedDict[int, Any] = OrderedDict()  # by stamp
        self._whole_from = 0  # the time from which on no frame is passed over, as the file counts it
        try:
            self._index_packets(time_s)
            self._check_order()
        except BaseException:
            self.close()
            raise

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W) uint8. Raises SourceError where it cannot be decoded."""
        stamp = self._stamps[index]
        if stamp not in self._recent:
            self._whole_from = self._stamps[max(0, index - _KEPT_BEHIND)]
            self._decode_to(stamp)
        return gray(self._recent[stamp], self.info.pixel_aspect)

    def _index_packets(self, time_s: NDArray[np.float64]) -> None:
        stamps, keys = [], []
        try:
            for packet in self._container.demux(self._stream):
                if packet.size > EMPTY_PACKET_BYTES and not packet.is_discard:
                    stamps.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:  # also one that an edit list hides
                    keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
        except Exception as error:
            raise self._unfit(one_line(error)) from None
        if None in stamps or not keys or len(stamps) != len(time_s) or len(set(stamps)) != len(stamps):
            raise self._unfit("its packets have no times, or not one for each frame")
        self._stamps, self._keys = sorted(stamps), sorted(keys)
        self._whole_from = self._stamps[0]
        base = self._stream.time_base
        found_s = np.array(self._stamps) - self._stamps[0]
        found_s = found_s * float(base.numerator) / float(base.denominator)
        if np.abs(found_s - (time_s - time_s[0])).max() > TIME_TOLERANCE_S:
            raise self._unfit("its times were put right")

    def _check_order(self) -> None:
        """Some programs write the times in the order of decoding; iterating puts these right."""
        for index, stamp in enumerate(self._stamps[:_CHECKED]):
            self._decode_to(stamp)
            if index and self._next_stamp is None:
                break  # the end

    def _unfit(self, why: str) -> SourceError:
        return SourceError(f"{self.name}: its frames can only be read from the beginning: {why}")

    def _decode_to(self, stamp: int) -> None:
        place = max(0, bisect.bisect_right(self._keys, (stamp, 1 << 62)) - 1)
        key = self._keys[place][0]
        if self._next_stamp is not None and key < self._next_stamp <= stamp and self._found(stamp, key):
            return
        for further in self._further:
            self._coming, self._next_stamp = self._from_key(key, self._keys[max(0, place - further)][1]), None
            if self._found(stamp, key):
                return
        raise SourceError(f"{self.name}: a frame cannot be found again")

    @property
    def _further(self) -> tuple[int, ...]:
        """How many key frames before the one that is needed a seek aims at. In MPEG streams not every packet has a
        time, and the first ones behind a seek get wrong ones."""
        return (1, 3) if self._demuxer in ("mpeg", "mpegts") else (0, 1)

    def _found(self, stamp: int, key: int) -> bool:
        """Go on to the frame with this time; those on the way are kept."""
        try:
            for frame in self._coming:
                if frame.pts is None:
                    continue
                if self._next_stamp is not None and frame.pts < self._next_stamp:
                    raise ValueError("its times are out of order")
                self._next_stamp = frame.pts + 1
                if frame.pts < max(key, self._whole_from):  # it needs what was before the key frame, or was passed over
                    continue
                if frame.is_corrupt:
                    raise ValueError("the decoder marks it as damaged")
                self._keep(frame)
                if frame.pts >= stamp:
                    return bool(frame.pts == stamp)
        except Exception as error:
            self._next_stamp = None
            raise SourceError(f"{self.name}: a frame cannot be decoded ({one_line(error)})") from None
        self._next_stamp = None
        return stamp in self._recent

    def _keep(self, frame: Any) -> None:
        self._recent[frame.pts] = frame
        most = max(2, KEPT_BYTES // max(1, frame.width * frame.height * 3))
        while len(self._recent) > most:
            self._recent.popitem(last=False)

    def _from_key(self, key: int, aim: int) -> Iterator[Any]:
        """Frames from a key frame on, as they come out of the decoder; ``aim``: the time to go to for it."""
        self._decoder.flush_buffers()
        self._container.seek(aim, stream=self._stream, backward=True, any_frame=False)
        skipped, reached = 0, False
        for packet in self._container.demux(self._stream):
            reached = reached or (packet.pts == key and packet.is_keyframe)
            if reached and packet.size:
                is_far = packet.pts is not None and packet.pts < self._whole_from
                self._decoder.skip_frame = "NONREF" if is_far else "DEFAULT"
                yield from self._decoder.decode(packet)
            elif not reached:
                skipped += 1
                if skipped > _MAX_SKIPPED:
                    return
        if reached:
            yield from self._decoder.decode(None)
        self._next_stamp = None  # a decoder that was emptied takes no more
