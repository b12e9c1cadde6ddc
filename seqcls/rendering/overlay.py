"""A clip seen again with what a run found in it: state, score and strip of each organ, at the clip's own times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError, OutputError, one_line
from seqcls.files import atomic_path, require_free
from seqcls.geometry import Geometry
from seqcls.rendering.kept_frames import KeptFrame
from seqcls.rendering.overlay_panel import Panel
from seqcls.rendering.timeline_frames import fitted, frames_of, on_black, opened, region_box
from seqcls.rendering.video_file import VideoFile, time_base_of
from seqcls.sources import Source
from seqcls.timeline import Timeline

OVERLAY_NAME = "overlay.mp4"
#: Frames from key frame to key frame, so that a player finds any place quickly.
KEY_EVERY = 25
Image = NDArray[np.uint8]


def write_overlay(
    timeline: Timeline,
    clip: str | Path | Callable[[], Source],
    path: str | Path,
    *,
    geometry: Geometry | None = None,
    shows_names: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write a video of the clip's times, and even size, in which each frame shows what the timeline says of it.

    Outside the ultrasound region it is black, and all of a frame is that shows no ultrasound or is damaged.

    Args:
        timeline: of this clip.
        clip: what ``open_source`` takes, or what opens it.
        path: an .mp4.
        geometry: how the region is found; None is as in the run, without the layouts that it knew.
        shows_names: show all of the screen, with the names that are burnt in.
        overwrite: replace what is there.
        on_progress: called with the number of frames done.

    Raises SourceError where the clip is not the timeline's, GeometryError where nothing of it may be shown,
    OutputError.
    """
    path = Path(path)
    require_free(path, overwrite)
    shown = 0
    try:
        with opened(clip, timeline) as source, atomic_path(path) as temporary:
            video = VideoFile(temporary, time_base_of(source.info), key_every=KEY_EVERY, broadcast=True)
            with closing(video):
                for screen, kept in _screens(timeline, source, geometry, shows_names):
                    shown += shows_names or kept.image is not None
                    video.write(screen, kept.frame.time_s, kept.frame.duration_s)
                    if on_progress is not None:
                        on_progress(kept.frame.index + 1)
                video.finish()
            if not shown:
                raise GeometryError(
                    f"nothing of {source.info.name} may be shown, so there is no overlay of it: no ultrasound is found"
                    " in it; look at it with inspect, and state region=x0,y0,x1,y1"
                )
    except OSError as error:  # FFmpeg's are of this kind, too
        raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from error


def _screens(
    timeline: Timeline, source: Source, geometry: Geometry | None, shows_names: bool
) -> Iterator[tuple[Image, KeptFrame]]:
    """(H, W, 3) BGR uint8, all of the first frame's size, with the frames that they show."""
    panel: Panel | None = None
    height = width = 0
    for row, kept in frames_of(timeline, source, geometry):
        screen = kept.frame.image if shows_names else on_black(kept)
        if panel is None:
            height, width = screen.shape[:2]
            panel = Panel(timeline, width, height, region_box(timeline, width, height))
        screen = fitted(screen, width, height)
        screen = cv2.cvtColor(screen, cv2.COLOR_GRAY2BGR).astype(np.uint8) if screen.ndim == 2 else screen.copy()
        panel.draw(screen, row)
        yield screen, kept
