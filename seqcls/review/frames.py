"""A clip's frames as JPEG, by their number: read once from the beginning, as a run reads them, and kept as they come;
what is asked for before is decoded from the key frame before it.

Shown is the ultrasound region alone: names are burnt in outside of it. Therefore the browser gets the clip's own file,
for its own player, only where nothing lies outside of the region, or where a person asked for the whole image.
"""

from __future__ import annotations

import math
import os
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.cores import seeking
from seqcls.errors import SeqclsError, SourceError
from seqcls.files.temporaries import nameless_file
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.keepable import keepable
from seqcls.preprocess import with_region
from seqcls.rendering.same_clip import SAME_TIME_S
from seqcls.review.tracks import FrameTimes
from seqcls.sources.base import Source
from seqcls.sources.clip_digest import clip_digest
from seqcls.types import Frame, Gap, SourceInfo

#: Of the frames of one clip on the disk; what comes later is decoded when it is asked for.
MAX_KEPT_BYTES = 1 << 30
#: JPEGs of frames that were asked for before they were read.
MAX_CACHED = 256
QUALITY = 88
_LOOK_S = 2.0
_NOT_TAKEN = "None of it is shown, and no label is taken"
#: So long after a frame was decoded on its own, reading from the beginning waits.
_GIVE_WAY_S = 0.3
_PLAYED = {"h264", "vp8", "vp9", "av1"}
_PIXELS = {"yuv420p", "yuvj420p"}
Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a run knows of a clip, so that its frames can be shown before they are read again."""

    index: NDArray[np.int64]
    """(T,) int64: the number in the clip of each frame."""
    times: FrameTimes
    regions: tuple[Region, ...] = ()
    gate: GateOptions = field(default_factory=GateOptions)
    geometry: Geometry = field(default_factory=Geometry)
    digest: str = ""
    """``clip_digest`` of the run's clip; empty where nobody knows."""
    is_whole: bool = True
    """Whether the run came to the end of the clip."""
    is_undamaged: bool = False
    """Whether the run found nothing wrong with it."""


class Video(Protocol):
    """Frames by their number, as ``SeekableVideo`` and ``IsolatedVideo`` have them."""

    info: SourceInfo

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W) uint8. Raises SourceError."""
        ...

    def close(self) -> None:
        """Release the file; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Opens:
    """How a clip is opened; ``path``: where it is one file."""

    clip: Callable[[], Source]
    """To be read from the beginning."""
    video: Callable[[Path, NDArray[np.float64], int], Video]
    """To be asked for frames, given the times of all of them, (T,) in seconds, and the number of threads."""
    path: Path | None = None


class ClipFrames:
    """Frames of one clip, from a thread of its own until ``close``; ``folder``: where they are kept on the disk.

    whole: show all of the image. What is wrong with the clip is in ``problem``, in one line.
    """

    def __init__(self, opens: Opens, folder: Path, known: Known | None, *, whole: bool) -> None:
        path = opens.path
        self.problem = ""
        self.info: SourceInfo | None = None
        self.region: Region | None = None
        self.is_read = False
        found = clip_digest(str(path)) if path is not None and known is not None and known.digest else ""
        self._is_same = known is not None and found != "" and found == known.digest
        self.is_another = bool(found) and not self._is_same
        """Whether this is known to be another clip than that of the run: it is not shown."""
        self._seen = 0
        self._opens, self._path, self._known, self._whole = opens, path, known, whole
        # What the run found is right for its own clip; in one that may be another it is looked for anew.
        self._fixed = _the_only(known.regions) if known is not None and self._is_same else None
        self._gate = known.gate if known is not None else GateOptions()
        self._start_s, self._duration_s = array("d"), array("d")
        self._offsets, self._sizes = array("q"), array("q")
        self._fd = nameless_file(folder)
        self._bytes = 0
        self._asked_s = -math.inf
        self._files = threading.Lock()
        self._seeking = threading.Lock()
        self._video: Video | None = None
        self._cached: OrderedDict[int, bytes] = OrderedDict()
        self._stopped, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="seqcls-review-frames", daemon=True)
        self._thread.start()

    @property
    def times(self) -> FrameTimes | None:
        """Of all frames; None while they are not known."""
        if self._known is not None:
            return self._known.times
        if not self.is_read:
            return None
        return FrameTimes.of(np.array(self._start_s), np.array(self._duration_s))

    @property
    def read(self) -> int:
        """How many frames were read so far."""
        return len(self._sizes)

    def looked_into(self) -> bool:
        """Whether it is known by now what kind of clip this is; waits a moment."""
        return self._looked.wait(_LOOK_S)

    @property
    def plays(self) -> bool:
        """Whether the browser may have the file, and its player shows it."""
        self.looked_into()
        if self._path is None or self.info is None or self.is_another or not plays_in_browser(self.info, self._path):
            return False
        region = self._fixed if self._fixed is not None else self.region
        return self._whole or (region is not None and _is_all(region))

    def jpeg(self, row: int) -> bytes | None:
        """Of the frame in this row; empty where nothing of it may be shown, None where it cannot be had yet."""
        if self.is_another:
            return b""
        if row < len(self._sizes) and self._offsets[row] >= 0:
            return self._spooled(row)
        self._asked_s = time.monotonic()
        with self._seeking:
            if row in self._cached:
                self._cached.move_to_end(row)
                return self._cached[row]
            region = self._fixed if self._fixed is not None else self.region
            if self._video is None or self._known is None or (region is None and not self._whole):
                return None
            try:
                shown = self._shown(self._video.image(int(self._known.index[row])), region)
            except SeqclsError:
                self._video.close()
                self._video = None
                return None
            self._cached[row] = shown
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
            return shown

    def close(self) -> None:
        """End the thread; idempotent."""
        self._stopped.set()
        self._thread.join()
        self._close_video()
        with self._files:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _close_video(self) -> None:
        with self._seeking:
            if self._video is not None:
                self._video.close()
                self._video = None

    def _read(self) -> None:
        try:
            if self.is_another:
                self.problem = f"the file is not the run's clip: is another of the same name there? {_NOT_TAKEN}"
                return
            self._open_video()
            self._looked.set()
            with closing(self._opens.clip()) as source:
                self.info = source.info
                for frame, region in self._with_region(source):
                    if self._stopped.is_set():
                        return
                    self.region = region
                    self._take(frame, region)
                    self._give_way()
                self.info = source.info
            self.is_read = True
            self.problem = self._misfit()
            if self._bytes < MAX_KEPT_BYTES:
                self._close_video()  # all of it is on the disk now
        except SeqclsError as error:
            self.problem = str(error)
        except (OSError, MemoryError, cv2.error) as error:
            self.problem = f"its frames cannot be kept ({type(error).__name__})"
        finally:
            self._looked.set()

    def _misfit(self) -> str:
        """Why this is not the clip of the run, or none at all; "" where it is."""
        if self._known is None:
            return "" if self._sizes else "the clip holds no frame"
        known, all_rows = self._known.times.count, np.array_equal(self._known.index, np.arange(len(self._known.index)))
        if len(self._sizes) < known or (all_rows and self._known.is_whole and self._seen > known):
            self.is_another |= not self._is_same
            taken = "" if self._is_same else f" {_NOT_TAKEN}"
            return f"the clip has {self._seen:,} frames, the run had {known:,}: is it the same clip?{taken}"
        if self.is_another:
            return f"the times of the clip's frames are not those of the run: is it the same clip? {_NOT_TAKEN}"
        return ""

    def _give_way(self) -> None:
        """To somebody who looks at frames that are not read yet."""
        if self._video is not None and (left_s := self._asked_s + _GIVE_WAY_S - time.monotonic()) > 0:
            self._stopped.wait(left_s)

    def _open_video(self) -> None:
        """So that any frame can be shown at once."""
        if self._known is not None and self._path is not None and self._path.is_file():
            with suppress(SourceError):
                threads = seeking() if self._is_same and self._known.is_undamaged else 1
                self._video = self._opens.video(self._path, self._times_of_clip(), threads)
                self.info = self._video.info

    def _times_of_clip(self) -> NDArray[np.float64]:
        assert self._known is not None
        if not np.array_equal(self._known.index, np.arange(len(self._known.index))):
            raise SourceError("the run skipped frames")
        return self._known.times.start_s

    def _with_region(self, source: Source) -> Iterator[tuple[Frame, Region]]:
        geometry = self._known.geometry if self._known is not None else Geometry()
        fixed = self._fixed
        for item in source if fixed is not None else with_region(source, geometry, source.info.region):
            if isinstance(item, Frame):
                assert fixed is not None
                yield item, fixed
            elif not isinstance(item, Gap):
                yield item

    def _take(self, frame: Frame, region: Region) -> None:
        self._seen += 1
        if self._known is not None and not self._is_of_run(self._known, frame):
            return
        offset, content = -1, b""
        if self._bytes < MAX_KEPT_BYTES:
            # A decoder that lost its way may have put into the region what was outside of it.
            offset, content = (
                self._bytes,
                b"" if frame.damaged and not self._whole else self._shown(frame.image, region),
            )
            with self._files:
                if content and self._fd >= 0:
                    os.lseek(self._fd, offset, os.SEEK_SET)
                    os.write(self._fd, content)
            self._bytes += len(content)
        self._start_s.append(frame.time_s)
        self._duration_s.append(frame.duration_s)
        self._offsets.append(offset)
        self._sizes.append(len(content))

    def _is_of_run(self, known: Known, frame: Frame) -> bool:
        """Whether the run has a row of this frame, which is the next one then; it may have left frames out."""
        row = int(np.searchsorted(known.index, frame.index))
        if row >= known.times.count or known.index[row] != frame.index:
            return False
        self.is_another |= abs(frame.time_s - known.times.start_s[row]) > SAME_TIME_S
        while len(self._sizes) < row:  # what the run saw and this reading does not give
            for column, value in ((self._start_s, math.nan), (self._duration_s, 0.0)):
                column.append(value)
            self._offsets.append(0)
            self._sizes.append(0)
        return True

    def _spooled(self, row: int) -> bytes | None:
        with self._files:
            if self._fd < 0:
                return None
            os.lseek(self._fd, self._offsets[row], os.SEEK_SET)
            return os.read(self._fd, self._sizes[row])

    def _shown(self, image: Image, region: Region | None) -> bytes:
        if not self._whole:
            fits = region is not None and image.shape[:2] == (region.height, region.width)
            kept = keepable(image, region, self._gate) if fits and region is not None else None
            if kept is None:
                return b""
            image = kept
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def plays_in_browser(info: SourceInfo, path: Path) -> bool:
    """Whether every browser shows this clip as it is: H.264, VP8, VP9 or AV1 of 8 bits, with square pixels, in MP4 or
    WebM."""
    pixels = dict(info.details).get("pixel format", "")
    contained = path.suffix.lower() in (".mp4", ".m4v", ".mov", ".webm")
    return contained and info.codec in _PLAYED and pixels in _PIXELS and info.pixel_aspect == 1.0


def _the_only(regions: tuple[Region, ...]) -> Region | None:
    """The region of the whole run, where it had one."""
    found = [region for region in regions if region.is_found]
    return found[0] if len(found) == 1 == len(regions) else None


def _is_all(region: Region) -> bool:
    return region.is_found and not region.polygon and region.box == (0, 0, region.width, region.height)
