"""Small pictures of the ultrasound region along a clip, for the axis of its report; nothing from outside the region."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import OutputError, one_line
from seqcls.files import atomic_path
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region, region_mask
from seqcls.keepable import keepable
from seqcls.preprocess import EvenSample
from seqcls.rendering.kept_frames import kept_frames
from seqcls.rendering.same_clip import FramesAgain, require_same_file
from seqcls.sources import Source
from seqcls.sources.found import FoundSource
from seqcls.sources.isolated import DecoderPool
from seqcls.timeline import Timeline

Image = NDArray[np.uint8]
#: Pictures in a report, and the height of each in pixels: 40 take about 0.2 MB.
MOST, HEIGHT = 40, 144
_QUALITY = 72


#: The one that stands for a run in the index of many, beside the run's own page.
THUMBNAIL = "thumbnail.jpg"
_HEAD = "data:image/jpeg;base64,"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """``url``: a JPEG as data. ``ratio``: its width divided by its height."""

    time_s: float
    url: str
    ratio: float


def thumbnails_of_run(timeline: Timeline) -> tuple[Thumbnail, ...]:
    """Of the images that a run still holds, without the black borders that make them square."""
    regions = timeline.provenance.regions
    region = regions[0] if len(regions) == 1 else None
    if region is None:
        return thumbnails_of(timeline.thumbnails)
    width, height = region.x1 - region.x0, region.y1 - region.y0
    return thumbnails_of([(time_s, _middle(image, width / height)) for time_s, image in timeline.thumbnails])


def _middle(image: Image, ratio: float) -> Image:
    """The middle of a square image that has this ratio of width to height."""
    size = image.shape[0]
    across, down = round(size * min(1.0, ratio)), round(size * min(1.0, 1 / ratio))
    left, top = (size - across) // 2, (size - down) // 2
    return image[top : top + max(1, down), left : left + max(1, across)]


def thumbnails_of_clip(
    clip: str, timeline: Timeline, pool: DecoderPool, on_progress: Callable[[int], None] | None = None
) -> tuple[Thumbnail, ...]:
    """Decode the clip of a run, in a child of ``pool``; ``on_progress`` is called with the number of frames done.

    Raises SourceError where it cannot be opened, or is another clip than that of the run.
    """
    require_same_file(timeline, clip)
    info = timeline.source
    rate_hz = None if info.has_clock else info.rate_hz
    with pool.open(FoundSource(spec=clip, path=Path(clip).name), rate_hz=rate_hz) as source:
        return thumbnails_of(_sample(source, timeline, on_progress))


def _sample(source: Source, timeline: Timeline, on_progress: Callable[[int], None] | None) -> list[tuple[float, Image]]:
    """What may be shown of frames spread over the clip.

    The region is looked for anew, in this clip: what a file says of it may be wrong, or of another clip. Where the run
    knew better, both must have it.
    """
    used = timeline.provenance
    geometry = Geometry() if used.geometry is None else used.geometry
    gate = GateOptions() if used.gate is None else used.gate
    again, sample = FramesAgain(timeline, source.info), EvenSample[tuple[float, Image]](2 * MOST)
    found = {(region.width, region.height): region for region in used.regions}
    known = found if len(found) == len(used.regions) else {}  # the run's own, where each size of images has one
    for done, kept in enumerate(kept_frames(source, geometry, gate), 1):
        frame, image = kept.frame, kept.image
        again.take(frame)
        own = known.get((frame.image.shape[1], frame.image.shape[0]))
        if image is not None and own is not None and own != kept.region:
            image = _of_both(frame.image, kept.region, own, gate)
        if image is not None:
            sample.offer((frame.time_s, _small(image)))
        if on_progress is not None:
            on_progress(done)
    again.require_end()
    return sample.kept


def _of_both(image: Image, region: Region, own: Region, gate: GateOptions) -> Image | None:
    """What may be kept by either region, black where only one has it; None for nothing."""
    kept = keepable(image, own, gate)
    if kept is None:
        return None
    inside = region_mask(region)[own.y0 : own.y1, own.x0 : own.x1]
    return np.where(inside, kept, 0).astype(np.uint8) if inside.any() else None


def thumbnails_of(images: Sequence[tuple[float, Image]]) -> tuple[Thumbnail, ...]:
    """Of images (H, W) uint8 of the region with their times, evenly chosen where there are more than MOST."""
    chosen = images
    if len(images) > MOST:
        chosen = [images[round(place)] for place in np.linspace(0, len(images) - 1, MOST)]
    return tuple(_thumbnail(time_s, _small(image)) for time_s, image in chosen)


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = HEIGHT / height
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), HEIGHT
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _thumbnail(time_s: float, image: Image) -> Thumbnail:
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return Thumbnail(time_s, _HEAD + base64.b64encode(jpeg).decode("ascii"), image.shape[1] / image.shape[0])


def write_thumbnail(timeline: Timeline, pictures: Sequence[Thumbnail], folder: Path) -> bool:
    """Write THUMBNAIL of a run into a folder, or remove an earlier one where there are no pictures.

    Returns whether it is there. It is the one nearest to the middle of the longest presence, or of the run. Raises
    OutputError.
    """
    path = folder / THUMBNAIL
    if not pictures:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot replace {path}: {one_line(error)}; choose another place") from error
        return False
    present = [i for i in timeline.intervals if i.state == "present"]
    longest = max(present, key=lambda i: i.duration_s, default=None)
    ends_s = (timeline.start_s, timeline.end_s) if longest is None else (longest.start_s, longest.end_s)
    nearest = min(pictures, key=lambda one: abs(one.time_s - sum(ends_s) / 2))
    with atomic_path(path) as temporary:
        temporary.write_bytes(base64.b64decode(nearest.url.removeprefix(_HEAD)))
    return True
