"""A clip read again for its timeline: each frame that was scored, with what of it may be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.rendering.kept_frames import KeptFrame, kept_frames
from seqcls.rendering.same_clip import FramesAgain, require_same_file
from seqcls.sources import Source, open_source
from seqcls.timeline import Timeline

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
#: A name for ``open_source``, or what opens the clip.
Clip = str | Path | Callable[[], Source]


@contextmanager
def opened(clip: Clip, timeline: Timeline) -> Iterator[Source]:
    """The clip of this timeline, closed at the end. Raises SourceError, also where the bytes are another clip's."""
    if not callable(clip):
        require_same_file(timeline, clip)
    with closing(clip() if callable(clip) else open_source(clip, color=True)) as source:
        yield source


def frames_of(timeline: Timeline, source: Source, geometry: Geometry | None) -> Iterator[tuple[int, KeptFrame]]:
    """Each frame that the timeline has, with its row in the table of scores.

    ``geometry``: None is that of the run, without the layouts that it knew. Raises SourceError where the clip is
    another one than the timeline's, longer ones included.
    """
    used, gate = timeline.provenance.geometry, timeline.provenance.gate
    chosen = geometry if geometry is not None else Geometry() if used is None else used
    again = FramesAgain(timeline, source.info)
    for kept in kept_frames(source, chosen, GateOptions() if gate is None else gate):
        row = again.take(kept.frame)
        if row is None:
            break  # the run was interrupted here
        yield row, kept
    again.require_end()


def region_box(timeline: Timeline, width: int, height: int) -> Box:
    """The box around all regions of the run in images of this size; all of it where there is none."""
    own = [r for r in timeline.provenance.regions if r.is_found and (r.width, r.height) == (width, height)]
    if not own:
        return 0, 0, width, height
    x0, y0, x1, y1 = zip(*(region.box for region in own), strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def on_black(kept: KeptFrame) -> Image:
    """(H, W[, 3]) uint8 of the frame's size: what is kept of it at its place."""
    size = kept.frame.image.shape[:2]
    if kept.shown is None:
        return np.zeros(size, np.uint8)
    region = kept.region
    screen = np.zeros((*size, *kept.shown.shape[2:]), np.uint8)
    screen[region.y0 : region.y1, region.x0 : region.x1] = kept.shown
    return screen


def fitted(image: Image, width: int, height: int) -> Image:
    """An image of another size, as large as it can be, in the middle of a black one of this."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    small = cv2.resize(image, (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale))))
    whole = np.zeros((height, width, *image.shape[2:]), np.uint8)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    whole[y : y + small.shape[0], x : x + small.shape[1]] = small
    return whole
