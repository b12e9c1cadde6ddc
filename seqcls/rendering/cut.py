"""Each presence as a clip of its own, from its first frame to its last, with a contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import OutputError, UsageError, one_line
from seqcls.files import atomic_path, require_free
from seqcls.files.safe_names import clip_name, distinct
from seqcls.geometry import Geometry
from seqcls.rendering.contact_sheet import CheckedFrame, SheetFrames, write_sheet
from seqcls.rendering.kept_frames import KeptFrame
from seqcls.rendering.overlay import KEY_EVERY
from seqcls.rendering.timeline_frames import Box, fitted, frames_of, on_black, opened, region_box
from seqcls.rendering.video_file import VideoFile, time_base_of
from seqcls.sources import Source
from seqcls.timeline import Timeline
from seqcls.types import Frame, Interval, SourceInfo

#: Nobody looks at more.
MAX_CUTS = 1000
Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cut:
    """A presence, its clip and its contact sheet. The clip's time 0 is that of the first frame of the presence."""

    interval: Interval
    path: Path
    sheet: Path
    is_black: bool
    """Nothing of its frames may be shown: no ultrasound region is found in them, or they are damaged."""


def write_cuts(
    timeline: Timeline,
    clip: str | Path | Callable[[], Source],
    folder: str | Path,
    *,
    geometry: Geometry | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Cut, ...]:
    """Write ``<organ>-<h-m-s.ms>.mp4`` and a contact sheet for each presence, named after its beginning.

    A clip holds the frames of its presence, no more and no fewer, at their own times, and shows the region of each.

    Args:
        timeline: of this clip.
        clip: what ``open_source`` takes, or what opens it.
        folder: made where it is not there.
        geometry: how the region is found; None is as in the run, without the layouts that it knew.
        overwrite: replace what is there.
        on_progress: called with the number of frames done.

    Raises UsageError for more presences than MAX_CUTS, SourceError where the clip is not the timeline's, OutputError.
    """
    folder = Path(folder)
    waiting = _planned(timeline, folder)
    for path in (path for plan in waiting for path in (plan.path, plan.sheet)):
        require_free(path, overwrite)
    if not waiting:
        return ()
    done: list[Cut] = []
    open_cuts: list[_OpenCut] = []
    try:
        with opened(clip, timeline) as source, ExitStack() as undo:
            for row, kept in frames_of(timeline, source, geometry):
                while waiting and waiting[0].first == row:
                    begun = _OpenCut(waiting.pop(0), timeline, source.info, kept)
                    undo.push(begun.files)
                    begun.begin()
                    open_cuts.append(begun)
                for one in open_cuts:
                    one.add(kept)
                ended = [one for one in open_cuts if one.plan.last == row]
                open_cuts = [one for one in open_cuts if one.plan.last != row]
                done += [one.finish(timeline) for one in ended]
                if on_progress is not None:
                    on_progress(kept.frame.index + 1)
                if not waiting and not open_cuts:
                    break
    except OSError as error:  # FFmpeg's are of this kind, too
        raise OutputError(f"cannot write into {folder}: {one_line(error)}; choose another place") from error
    return tuple(done)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A cut to be made; ``first`` and ``last`` are rows of the table of scores."""

    interval: Interval
    first: int
    last: int
    path: Path
    sheet: Path


def _planned(timeline: Timeline, folder: Path) -> list[_Planned]:
    """In the order of their beginnings. Raises UsageError."""
    presences = [i for i in timeline.intervals if i.state == "present" and i.start_index >= 0]
    if len(presences) > MAX_CUTS:
        raise UsageError(
            f"{len(presences):,} presences are more than the {MAX_CUTS:,} clips that are cut; make them fewer with a"
            " longer min_present_s"
        )
    taken: set[str] = set()
    plans = []
    for interval in presences:
        name = distinct(Path(clip_name(interval.organ, interval.start_s)).stem, taken)
        first, last = np.searchsorted(timeline.scores.index, (interval.start_index, interval.end_index)).tolist()
        plans.append(_Planned(interval, first, last, folder / f"{name}.mp4", folder / f"{name}-sheet.png"))
    return sorted(plans, key=lambda plan: plan.first)


@dataclass(slots=True, eq=False)
class _OpenCut:
    """A cut that is being written; ``files`` holds what must be undone should it not end well."""

    plan: _Planned
    timeline: Timeline
    info: SourceInfo
    first: KeptFrame
    files: ExitStack = field(default_factory=ExitStack)
    shown: bool = False
    sample: SheetFrames = field(default_factory=SheetFrames)
    box: Box = (0, 0, 0, 0)
    video: VideoFile = field(init=False)

    def begin(self) -> None:
        height, width = self.first.frame.image.shape[:2]
        self.box = region_box(self.timeline, width, height)
        temporary = self.files.enter_context(atomic_path(self.plan.path))
        video = VideoFile(temporary, time_base_of(self.info), key_every=KEY_EVERY, broadcast=True)
        self.video = self.files.enter_context(closing(video))

    def add(self, kept: KeptFrame) -> None:
        x0, y0, x1, y1 = self.box
        height, width = self.first.frame.image.shape[:2]
        image = fitted(on_black(kept), width, height)[y0:y1, x0:x1]
        frame = kept.frame
        self.video.write(image, frame.time_s - self.first.frame.time_s, frame.duration_s)
        self.shown = self.shown or kept.image is not None
        self.sample.offer(_checked(kept))

    def finish(self, timeline: Timeline) -> Cut:
        self.video.finish()
        self.files.close()
        interval = self.plan.interval
        title = f"{interval.organ}, {interval.start_s:.2f} to {interval.end_s:.2f} s of {timeline.source.name}"
        geometry = timeline.provenance.geometry
        write_sheet(self.sample, Geometry() if geometry is None else geometry, title, self.plan.sheet)
        return Cut(interval, self.plan.path, self.plan.sheet, not self.shown)


def _checked(kept: KeptFrame) -> CheckedFrame:
    """For the sheet: the region alone, so that it is shown large, and twelve whole screens need not be held."""
    region, frame = kept.region, kept.frame
    box_width, box_height = region.x1 - region.x0, region.y1 - region.y0
    image = np.zeros((box_height, box_width), np.uint8) if kept.image is None else kept.image
    alone = replace(
        region, x0=0, y0=0, x1=box_width, y1=box_height, width=box_width, height=box_height,
        polygon=tuple((x - region.x0, y - region.y0) for x, y in region.polygon),
    )  # fmt: skip
    return CheckedFrame(Frame(frame.index, frame.time_s, frame.duration_s, image), alone, kept.reason)
