"""What a clip is, and what seqcls makes of it: its facts, and a contact sheet with the ultrasound region drawn in.

Outside the region names are burnt in: the sheet blanks it unless asked not to, and all of an image without a region.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seqcls.errors import NoFramesError
from seqcls.files import atomic_path
from seqcls.gate import Gate, GateOptions
from seqcls.geometry import Geometry, Region, outline_mask, region_warnings, to_gray
from seqcls.keepable import TextWatch, keepable
from seqcls.preprocess import EvenSample, with_region
from seqcls.sources import Source, open_source
from seqcls.text.foreign_text import for_image
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

Image = NDArray[np.uint8]

_COLUMNS, _ROWS = 4, 3
_TILE = 300  # side of a tile in pixels
_STRIP = 22  # of text below it
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BLANK, _OUTLINE, _BOX, _TEXT, _ALARM = (70, 55, 45), (80, 220, 80), (60, 150, 240), (235, 235, 235), (90, 90, 255)


@dataclass(frozen=True, slots=True)
class InspectReport:
    """``times_s``: first and last frame. ``interval_s``: median time between frames. ``gate``: frames per
    reason. ``warnings``: of the regions, and of text inside them."""

    info: SourceInfo
    report: SourceReport
    frames: int
    times_s: tuple[float, float]
    interval_s: float
    longest_s: float
    regions: tuple[Region, ...]
    warnings: tuple[str, ...]
    gate: tuple[tuple[str, int], ...]
    sheet: Path

    def facts(self) -> list[tuple[str, str]]:
        """Names and values for a person, in the order to show them."""
        info, report = self.info, self.report
        declared = "nothing" if info.declared_frames is None else count_of(info.declared_frames, "frame")
        if info.declared_duration_s is not None:
            declared += f", {info.declared_duration_s:.3f} s"
        pace = f"{1 / self.interval_s:.3f} frames/s" if self.interval_s > 0 else "no clock"
        unscored = sum(count for _, count in self.gate)
        found = [
            ("clip", info.name),
            ("kind", " ".join(part for part in (info.kind, info.container, info.codec) if part)),
            ("image", f"{info.width}x{info.height}{_stretched(info)}"),
            ("declared", declared),
            ("decoded", f"{count_of(self.frames, 'frame')}, {self.times_s[0]:.3f} to {self.times_s[1]:.3f} s"),
            ("pace", f"{pace}, longest wait {self.longest_s:.3f} s"),
            ("verdict", "; ".join((report.verdict, *report.reasons))),
        ]
        found += [("gap", f"{gap.start_s:.3f} to {gap.end_s:.3f} s, {gap.reason}") for gap in report.gaps]
        found += [("region", _described(region)) for region in self.regions]
        found.append(("scorable", f"{self.frames - unscored} of {count_of(self.frames, 'frame')}"))
        found += [("unknown", f"{count_of(count, 'frame')} {reason}") for reason, count in self.gate]
        found += [(name, value) for name, value in info.details]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class CheckedFrame:
    """A frame with its region, and the reason for which it is not scorable; "" where it is."""

    frame: Frame
    region: Region
    reason: str


class SheetFrames(EvenSample[CheckedFrame]):
    """Frames for a sheet, evenly spread over a clip."""

    def __init__(self) -> None:
        super().__init__(2 * _COLUMNS * _ROWS)


def inspect_clip(
    spec: str | Path, geometry: Geometry, out_png: str | Path, *, show_all: bool = False, title: str = ""
) -> InspectReport:
    """Read a whole clip once and write its contact sheet to ``out_png``.

    The sheet shows up to 12 frames, spread over the clip, with the outline of their region, and one image as the
    model gets it. ``show_all`` draws what lies outside the region too. ``title`` stands on the sheet in place of the
    clip's name. Raises SourceError when the clip cannot be opened, NoFramesError when it holds no frame, GeometryError
    when a stated region does not fit, OutputError when the sheet cannot be written.
    """
    sample = SheetFrames()
    regions, reasons, times = dict[Region, None](), Counter[str](), list[float]()
    text = TextWatch()
    with open_source(spec) as source:
        for seen in _checked(source, geometry):
            sample.offer(seen)
            regions[seen.region] = None
            if seen.region.is_found and seen.reason != "not ultrasound" and text.wants(seen.frame.time_s):
                text.add(geometry.crop(seen.frame.image, seen.region), seen.region, seen.frame.time_s)
            times.append(seen.frame.time_s)
            reasons[seen.reason] += 1
        info, report = source.info, source.report()
    if not times:
        raise NoFramesError(f"{info.name}: holds no frame that can be decoded; is the file whole?")
    write_sheet(sample, geometry, title if title else info.name, out_png, show_all=show_all)
    waits = [after - before for before, after in itertools.pairwise(times)]
    return InspectReport(
        info=info,
        report=report,
        frames=len(times),
        times_s=(times[0], times[-1]),
        interval_s=median(waits) if waits else 0.0,
        longest_s=max(waits, default=0.0),
        regions=tuple(regions),
        warnings=(*region_warnings(tuple(regions), ()), *text.warnings()),
        gate=tuple((reason, count) for reason, count in reasons.most_common() if reason),
        sheet=Path(out_png),
    )


def write_sheet(
    frames: SheetFrames, geometry: Geometry, title: str, out_png: str | Path, *, show_all: bool = False
) -> None:
    """Up to 12 of the frames, of which there is one at least, and one as the model gets it. Raises OutputError."""
    page = _sheet(_tiles(frames.kept), geometry, title, show_all)
    with atomic_path(out_png) as temporary:
        PIL.Image.fromarray(page[..., ::-1]).save(temporary, "png")


def _checked(source: Source, geometry: Geometry) -> Iterator[CheckedFrame]:
    """Each frame with its region and the gate's reason, as in a run."""
    gate = Gate(GateOptions())
    for item in with_region(source, geometry, source.info.region):
        if not isinstance(item, Gap):
            frame, region = item
            reason = frame.damaged if frame.damaged else gate.check(frame.image, region, frame.time_s)
            yield CheckedFrame(frame, region, reason)


def _tiles(seen: list[CheckedFrame]) -> list[CheckedFrame]:
    """As many as the sheet has room for, evenly spread."""
    room = _COLUMNS * _ROWS
    if len(seen) <= room:
        return seen
    return [seen[round(i)] for i in np.linspace(0, len(seen) - 1, room)]


def _sheet(seen: list[CheckedFrame], geometry: Geometry, name: str, show_all: bool) -> Image:
    """BGR uint8: rows of frames, and at the right one image as the model gets it."""
    cell = _TILE + _STRIP
    page = np.full((_STRIP + _ROWS * cell, (_COLUMNS + 1) * (_TILE + 4), 3), 24, np.uint8)
    _write_text(page, f"{name}   {_described(seen[0].region)}", 6, 15, _TEXT)
    for n, one in enumerate(seen):
        x, y = n % _COLUMNS * (_TILE + 4), _STRIP + n // _COLUMNS * cell
        page[y : y + _TILE, x : x + _TILE] = _tile(one, show_all)
        _write_text(page, f"#{one.frame.index}  {one.frame.time_s:.2f} s", x + 4, y + _TILE + 15, _TEXT)
        _write_text(page, one.reason, x + 130, y + _TILE + 15, _ALARM)
    middle = seen[len(seen) // 2]
    image = geometry.apply(middle.frame.image, middle.region)
    if not show_all and keepable(middle.frame.image, middle.region, GateOptions()) is None:
        image[:] = 0
    shown = cv2.resize(image, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST)
    x = _COLUMNS * (_TILE + 4)
    page[_STRIP : _STRIP + _TILE, x : x + _TILE] = shown[:, :, None]
    _write_text(
        page, f"#{middle.frame.index} as the model gets it, {geometry.size}x{geometry.size}", x + 4, cell + 15, _TEXT
    )
    return page


def _tile(seen: CheckedFrame, show_all: bool) -> Image:
    """(_TILE, _TILE, 3) uint8 with the outline; blank outside of it unless ``show_all``."""
    region, gray = seen.region, to_gray(seen.frame.image)
    image = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
    if not show_all:
        mask, kept = outline_mask(region), np.zeros(gray.shape, np.bool_)
        if keepable(seen.frame.image, region, GateOptions()) is not None:
            kept[region.y0 : region.y1, region.x0 : region.x1] = True if mask is None else mask > 0
        image[~kept] = _BLANK
    scale = _TILE / max(region.width, region.height)
    size = max(1, round(region.width * scale)), max(1, round(region.height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    corners = np.array([(region.x0, region.y0), (region.x1 - 1, region.y1 - 1)])
    first, last = (tuple(int(v) for v in np.round(corner * scale)) for corner in corners)
    cv2.rectangle(small, first, last, _BOX, 1)
    if region.polygon:
        outline = np.asarray(np.round((np.array(region.polygon) + 0.5) * scale - 0.5), np.int32)
        cv2.polylines(small, [outline], True, _OUTLINE, 1, cv2.LINE_AA)
    tile = np.full((_TILE, _TILE, 3), 24, np.uint8)
    y, x = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile


def _stretched(info: SourceInfo) -> str:
    return "" if info.pixel_aspect == 1 else f", stored with pixels {info.pixel_aspect:.3f} times as wide as high"


def _described(region: Region) -> str:
    corners = f", outline of {len(region.polygon)} corners" if region.polygon else ""
    if not region.is_found:
        return f"none found in {region.width}x{region.height}: the whole image is scored"
    sure = "" if region.confidence == 1 else f", confidence {region.confidence:.2f}"
    return f"{region.kind} {','.join(map(str, region.box))} of {region.width}x{region.height}{corners}{sure}"


def _write_text(page: Image, text: str, x: int, y: int, color: tuple[int, int, int]) -> None:
    cv2.putText(page, for_image(text), (x, y), _FONT, 0.42, color, 1, cv2.LINE_AA)
