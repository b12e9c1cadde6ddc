"""A constant-rate twin of a clip's ultrasound region, for tools that mis-time the clip, and the map between the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError, NoFramesError, OutputError, SourceError, one_line
from seqcls.files import atomic_path, require_free
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region, region_warnings
from seqcls.keepable import TextWatch
from seqcls.preprocess import with_region
from seqcls.rendering.kept_frames import KeptFrame, in_gray, kept_frames
from seqcls.rendering.video_file import VideoFile
from seqcls.sources import Source, open_source
from seqcls.text.wording import count_of
from seqcls.timemap import TimeMap
from seqcls.types import Gap, SourceReport

#: What a proxy and its map are called in their folder.
PROXY_NAME, TIMEMAP_NAME = "proxy.mp4", "timemap.csv"
#: Called with the number of frames done so far.
Progress = Callable[[int], None]
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan:
    """What is known of a proxy once its clip has been read: see ``plan_proxy``."""

    name: str
    """Of the clip, for messages."""
    timemap: TimeMap
    box: Box
    """What the proxy shows of the clip's images: all regions of the clip lie in (x0, y0, x1, y1), half-open."""
    regions: tuple[Region, ...]
    report: SourceReport
    geometry: Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that was written."""

    path: Path
    """The video."""
    timemap_path: Path
    """Its ``timemap`` as a CSV."""
    timemap: TimeMap
    """Which frame of the clip each of its frames shows."""
    box: Box
    """What it shows of the clip's images: x0, y0, x1, y1 in pixels, half-open."""
    regions: tuple[Region, ...]
    """The ultrasound regions found in the clip."""
    report: SourceReport
    """Whether all of the clip was read."""
    black: tuple[tuple[str, int], ...]
    """How many frames of the clip are black in it, per reason."""
    warnings: tuple[str, ...]
    """What a person should know."""


def write_proxy(
    clip: str | Path | Callable[[], Source],
    folder: str | Path,
    *,
    geometry: Geometry | None = None,
    overwrite: bool = False,
) -> Proxy:
    """Write proxy.mp4 and timemap.csv into ``folder``: the clip's ultrasound region at a constant rate, and which frame
    of the clip each frame of it shows.

    Args:
        clip: what ``open_source`` takes, or what opens it: the clip is read twice.
        folder: made where it is not there.
        geometry: how the region is found, or which one it is.
        overwrite: replace what is there.

    Raises GeometryError where no ultrasound region is found, or no frame shows ultrasound; NoFramesError; UsageError
    for times that no proxy can have; SourceError; OutputError.
    """
    opens = clip if callable(clip) else lambda: open_source(clip, color=True)
    path, timemap_path = Path(folder) / PROXY_NAME, Path(folder) / TIMEMAP_NAME
    for each in (path, timemap_path):
        require_free(each, overwrite)
    with closing(opens()) as source:
        plan = plan_proxy(source, Geometry() if geometry is None else geometry)
    with closing(opens()) as source:
        return write_planned(plan, source, path, timemap_path)


def plan_proxy(source: Source, geometry: Geometry, on_progress: Progress | None = None) -> ProxyPlan:
    """Read the clip once. Raises NoFramesError, GeometryError where no region is found in it, UsageError for times that
    no proxy can have, and what reading raises."""
    times_s, end_s, regions = list[float](), 0.0, dict[Region, None]()
    for item in with_region(in_gray(source), geometry, source.info.region):
        if isinstance(item, Gap):
            continue  # the frame before it is repeated
        frame, region = item
        times_s.append(frame.time_s)
        end_s = frame.time_s + frame.duration_s
        regions[region] = None
        if on_progress is not None:
            on_progress(frame.index + 1)
    name, report = source.info.name, source.report()
    if not times_s:
        raise NoFramesError(f"{name}: holds no frame that can be decoded; is the file whole?")
    found = [region for region in regions if region.is_found]
    if not found:
        raise GeometryError(
            f"no ultrasound region is found in {name}, so nothing of it is written; look at it with inspect, and state"
            " region=x0,y0,x1,y1"
        )
    x0, y0, x1, y1 = zip(*(region.box for region in found), strict=True)
    return ProxyPlan(
        name=name,
        timemap=TimeMap.of_frames(times_s, max([end_s, *(gap.end_s for gap in report.gaps)])),
        box=(min(x0), min(y0), max(x1), max(y1)),
        regions=tuple(regions),
        report=report,
        geometry=geometry,
    )


def write_planned(
    plan: ProxyPlan, source: Source, path: Path, timemap_path: Path, on_progress: Progress | None = None
) -> Proxy:
    """Read the clip again and write both files, which replace what is there; both or none.

    Raises GeometryError where no frame shows ultrasound, SourceError where the clip is not what it was, OutputError.
    """
    rate = plan.timemap.rate
    black, text = Counter[str](), TextWatch()
    try:
        with atomic_path(path) as temporary:
            # A whole number of frames from key frame to key frame: a second, or as near to it as the rate allows.
            video = VideoFile(temporary, 1 / rate, key_every=max(1, round(rate)), broadcast=True)
            with closing(video):
                for kept, shown in _with_proxy_frames(kept_frames(source, plan.geometry, GateOptions()), plan):
                    if kept.image is None:
                        black[kept.reason] += 1
                    elif text.wants(kept.frame.time_s):
                        text.add(kept.image, kept.region, kept.frame.time_s)
                    image = _placed(kept, plan.box)
                    for number in shown:
                        video.write(image, float(number / rate), float(1 / rate))
                    if on_progress is not None:
                        on_progress(kept.frame.index + 1)
                video.finish()
            if sum(black.values()) == _count(plan):
                raise GeometryError(f"no frame of {plan.name} shows ultrasound, so nothing of it is written")
            plan.timemap.write(timemap_path)
    except OSError as error:  # FFmpeg's are of this kind, too
        raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from error
    warned = (*_warnings(plan, black), *region_warnings(plan.regions, ()), *text.warnings())
    return Proxy(
        path=path,
        timemap_path=timemap_path,
        timemap=plan.timemap,
        box=plan.box,
        regions=plan.regions,
        report=plan.report,
        black=tuple(black.most_common()),
        warnings=warned,
    )


def _count(plan: ProxyPlan) -> int:
    """Frames of the clip; those at the end all have a proxy frame."""
    return int(plan.timemap.source_index[-1]) + 1


def _with_proxy_frames(frames: Iterator[KeptFrame], plan: ProxyPlan) -> Iterator[tuple[KeptFrame, range]]:
    """Each frame of the clip with the proxy frames that show it. Raises SourceError where it is not the same clip."""
    index = plan.timemap.source_index
    first = np.searchsorted(index, np.arange(_count(plan) + 1), "left")
    count = 0
    for kept in frames:
        at = kept.frame.index
        shown = range(int(first[at]), int(first[at + 1])) if at < _count(plan) else range(0)
        if at >= _count(plan) or (shown and plan.timemap.source_time_s[shown.start] != kept.frame.time_s):
            raise SourceError(f"{plan.name} has changed while it was read; run it again")
        yield kept, shown
        count += 1
    if count != _count(plan):
        raise SourceError(f"{plan.name} has changed while it was read; run it again")


def _placed(kept: KeptFrame, box: Box) -> Image:
    """(y1 - y0, x1 - x0[, 3]) uint8 of ``box``: what is kept of the frame at its place, else black."""
    x0, y0, x1, y1 = box
    if kept.shown is None:
        return np.zeros((y1 - y0, x1 - x0), np.uint8)
    canvas = np.zeros((y1 - y0, x1 - x0, *kept.shown.shape[2:]), np.uint8)
    region = kept.region
    canvas[region.y0 - y0 : region.y1 - y0, region.x0 - x0 : region.x1 - x0] = kept.shown
    return canvas


def _warnings(plan: ProxyPlan, black: Counter[str]) -> Iterator[str]:
    timemap = plan.timemap
    for reason, count in black.most_common():
        yield f"{count} of {count_of(_count(plan), 'frame')} are black: {reason}"
    if timemap.not_shown:
        lost = sum(last - first + 1 for first, last in timemap.not_shown)
        first, last = timemap.not_shown[0]
        where = f"{first}" if first == last else f"{first} to {last}"
        yield (
            f"{count_of(lost, 'frame')} of the clip, the first of them {where}, come faster than the proxy's"
            f" {timemap.rate_hz:g} frames per second and have no frame of their own in it"
        )


def rate_text(rate: Fraction) -> str:
    """25, or 29.97 where it is no whole number."""
    return f"{float(rate):.5g}"
