"""A clip that can be passed on: the ultrasound region alone, at its own times, and a contact sheet to check it by.

Nothing is copied and then cleaned: each file is made anew from the images of the region. What is not shown there is
not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.burnt_in_text import BurntInText
from seqcls.deidentify.dicom_file import DicomFile
from seqcls.deidentify.dicom_tags import add_image_tags, add_method, add_scale, clean_tags, require_profile
from seqcls.errors import GeometryError, NoFramesError, OutputError, UsageError, one_line
from seqcls.files import atomic_path, require_free
from seqcls.gate import Gate, GateOptions
from seqcls.geometry import Geometry, Region, outline_mask, region_warnings
from seqcls.preprocess import with_region
from seqcls.pseudonyms import Pseudonyms
from seqcls.rendering.contact_sheet import CheckedFrame, SheetFrames, write_sheet
from seqcls.rendering.kept_frames import ColorsAside, cut_out
from seqcls.rendering.video_file import VideoFile, time_base_of
from seqcls.sources import Source
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

Image = NDArray[np.uint8]
_NOTHING = np.zeros((1, 1), np.uint8)
SUFFIXES = {"mp4": ".mp4", "dicom": ".dcm"}

#: Frames for which the gate has this reason show something else than ultrasound, whatever it is.
_NOT_SHOWN = "not ultrasound"
_LOSSLESS = frozenset(
    {"ffv1", "rawvideo", "png", "huffyuv", "ffvhuff", "utvideo", "gif", "tiff", "bmp", "not compressed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeidentifyOptions:
    """What is written. Raises UsageError for values that cannot be right."""

    geometry: Geometry = field(default_factory=Geometry)
    """How the region is found, or which one it is."""
    to: Literal["same", "mp4", "dicom"] = "same"
    """``same``: DICOM for DICOM, mp4 for everything else."""
    overwrite: bool = False
    """Replace what is there already."""

    def __post_init__(self) -> None:
        if self.to not in ("same", *SUFFIXES):
            raise UsageError(f"a clip is written as mp4 or dicom, not as {self.to!r}")


@dataclass(frozen=True, slots=True)
class DeidentifiedClip:
    """``paths``: one file, more where the size of the region changes. ``black``: frames per reason for which they are
    black. ``warnings``: what a person must look at on the ``sheet``."""

    paths: tuple[Path, ...]
    sheet: Path
    frames: int
    times_s: tuple[float, float]
    regions: tuple[Region, ...]
    black: tuple[tuple[str, int], ...]
    report: SourceReport
    warnings: tuple[str, ...]


def deidentify_clip(
    source: Source,
    header: Any | None,
    out: Path,
    options: DeidentifyOptions,
    names: Pseudonyms,
    *,
    on_frame: Callable[[int], None] | None = None,
) -> DeidentifiedClip:
    """Write ``out`` with the suffix of what is written, and ``out``-sheet.png; all of it or nothing.

    source: opened with ``color=True``, closed by the caller; its ``info.path`` decides on the pseudonyms of what has no
    DICOM identifiers. header: its pydicom data set, None where it is no DICOM.

    Raises GeometryError where no ultrasound region is found, or no frame shows ultrasound; NoFramesError; OutputError;
    UsageError where DICOM is to be written and the library with its profile is not installed.
    """
    kind = options.to if options.to != "same" else "dicom" if source.info.kind == "dicom" else "mp4"
    if kind == "dicom":
        require_profile()
    clip = _Clip(source.info, header, out.with_name(out.name + SUFFIXES[kind]), options, names)
    sheet = out.with_name(f"{out.name}-sheet.png")
    require_free(sheet, options.overwrite)
    try:
        with ExitStack() as undo:
            for frame, region, reason in _shown(source, options.geometry):
                clip.add(frame, region, reason, undo)
                if on_frame is not None:
                    on_frame(frame.index + 1)
            report = source.report()
            done = clip.finish(sheet, report)
            write_sheet(clip.sample, options.geometry, out.name, sheet)
        return done
    except OSError as error:  # FFmpeg's are of this kind, too
        raise OutputError(f"cannot write {out}: {one_line(error)}; choose another place") from error


def _shown(source: Source, geometry: Geometry) -> Iterator[tuple[Frame, Region, str]]:
    """Each frame with its region, and why it must not be shown, "" where it may."""
    gate, colors = Gate(GateOptions(frozen=False)), ColorsAside()
    for item in with_region(colors.kept_of(source), geometry, source.info.region):
        if isinstance(item, Gap):
            continue
        gray, region = item
        frame = colors.given_back(gray)
        if not region.is_found:
            yield frame, region, "no ultrasound region"
            continue
        # A decoder that lost its way may have put into the region what was outside of it.
        reason = f"damaged: {frame.damaged}" if frame.damaged else gate.check(gray.image, region, frame.time_s)
        yield frame, region, reason if frame.damaged or reason == _NOT_SHOWN else ""


class _Clip:
    """What one clip becomes, as it grows."""

    def __init__(
        self, info: SourceInfo, header: Any | None, path: Path, options: DeidentifyOptions, names: Pseudonyms
    ) -> None:
        self.sample = SheetFrames()
        self._info, self._header, self._path, self._options, self._names = info, header, path, options, names
        self._parts: list[_Part] = []
        self._waiting: list[Frame] = []  # before a region is found; not their images
        self._times_s: list[float] = []
        self._end_s = 0.0
        self._black = Counter[str]()
        self._regions: dict[Region, None] = {}

    def add(self, frame: Frame, region: Region, reason: str, undo: ExitStack) -> None:
        if reason:
            self._black[reason] += 1
        self._times_s.append(frame.time_s)
        self._end_s = frame.time_s + frame.duration_s
        if not region.is_found:
            nothing = Frame(frame.index, frame.time_s, frame.duration_s, _NOTHING)
            if self._parts:
                self._parts[-1].write_black(nothing)
            else:
                self._waiting.append(nothing)
            return
        self._regions[region] = None
        image = cut_out(frame.image, region)
        if not self._parts or self._parts[-1].shape != image.shape[:2]:
            self._parts.append(self._next_part(region, undo))
        part, waiting, self._waiting = self._parts[-1], self._waiting, []
        for earlier in waiting:
            part.write_black(earlier)
        whole = np.zeros((region.height, region.width, *image.shape[2:]), np.uint8)
        if reason:
            part.write_black(frame)
        else:
            part.write(image, frame)
            whole[region.y0 : region.y1, region.x0 : region.x1] = image
        alone = Frame(frame.index, frame.time_s, frame.duration_s, whole)
        self.sample.offer(CheckedFrame(alone, region, reason))

    def finish(self, sheet: Path, report: SourceReport) -> DeidentifiedClip:
        name, count = self._info.name, len(self._times_s)
        if not count:
            raise NoFramesError(f"{name}: holds no frame that can be decoded; is the file whole?")
        if not self._parts:
            raise GeometryError(
                f"no ultrasound region is found in {name}, so nothing of it is written; look at it with inspect, and"
                " state region=x0,y0,x1,y1"
            )
        if sum(self._black.values()) == count:
            raise GeometryError(f"no frame of {name} shows ultrasound, so nothing of it is written")
        for part in self._parts:
            part.text.finish()
            if part.text.found and part.text.unsure and self._options.geometry.region == "auto":
                raise GeometryError(
                    f"what is taken for the ultrasound in {name} stands still and holds text, as a menu does, so"
                    " nothing of it is written; look at it with inspect, and state region=x0,y0,x1,y1"
                )
        for part in self._parts:
            part.finish(self._tags)
        return DeidentifiedClip(
            tuple(part.path for part in self._parts),
            sheet,
            count,
            (self._times_s[0], self._end_s),
            tuple(self._regions),
            tuple(self._black.most_common()),
            report,
            tuple(self._warnings()),
        )

    def _next_part(self, region: Region, undo: ExitStack) -> _Part:
        number = len(self._parts) + 1
        path = self._path if number == 1 else self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")
        require_free(path, self._options.overwrite)
        temporary = undo.enter_context(atomic_path(path))
        size = region.y1 - region.y0, region.x1 - region.x0
        part = _Part(number, path, temporary, size, outline_mask(region), self._info)
        return undo.enter_context(closing(part))

    def _tags(self, part: _Part, shape: tuple[int, ...]) -> Any:
        info = self._info
        tags = clean_tags(self._header, self._names, info.path if info.path else info.name, part.number)
        add_image_tags(tags, shape, part.times_s, lossy=_is_lossy(info, self._header))
        add_scale(tags, self._header, info.pixel_aspect)
        add_method(tags, text_free=None if part.text.unsure else not part.text.found)
        return tags

    def _warnings(self) -> Iterator[str]:
        for reason, count in self._black.most_common():
            yield f"{count} of {len(self._times_s)} frames are black: {reason}"
        yield from region_warnings(self._regions, ())
        for region in self._regions:
            if region.kind == "full":
                yield "the whole image is taken for ultrasound: look at the sheet for names"
            elif region.kind == "stated" and self._options.geometry.region == "auto":
                yield "the region is a box that the file states, its outline was not found: look at the sheet for names"
        for part in self._parts:
            yield from (f"{part.path.name}: {line}" for line in part.text.warnings())
        if len(self._parts) > 1:
            yield f"the size of the region changes: {len(self._parts)} files"
        if self._path.suffix == ".dcm" and self._times_s[0] > 0:
            yield f"DICOM counts times from the first image, which is at {self._times_s[0]:.3f} s of the clip"


class _Part:
    """One file of a clip."""

    def __init__(
        self, number: int, path: Path, temporary: Path, size: tuple[int, int], mask: Image | None, info: SourceInfo
    ) -> None:
        self.number, self.path, self.shape = number, path, size
        self.times_s: list[float] = []
        self.text = BurntInText(mask)
        self._temporary = temporary
        self._file: VideoFile | DicomFile
        if path.suffix == SUFFIXES["dicom"]:
            self._file = DicomFile(temporary.parent)
        else:
            self._file = VideoFile(temporary, time_base_of(info))

    def write(self, image: Image, frame: Frame) -> None:
        self._file.write(image, frame.time_s, frame.duration_s)
        self.times_s.append(frame.time_s)
        # Of colours the brightest channel: blue letters are hardly seen in gray.
        self.text.add(image if image.ndim == 2 else image.max(axis=2), frame.time_s)

    def write_black(self, frame: Frame) -> None:
        """An image at the frame's time that shows nothing of it."""
        self._file.write(np.zeros(self.shape, np.uint8), frame.time_s, frame.duration_s)
        self.times_s.append(frame.time_s)

    def finish(self, tags: Any) -> None:
        if isinstance(self._file, DicomFile):
            self._file.finish(self._temporary, lambda shape: tags(self, shape))
        else:
            self._file.finish()

    def close(self) -> None:
        self._file.close()


def _is_lossy(info: SourceInfo, header: Any | None) -> bool:
    """Whether the source's images had lost something already: once lost, always lossy (PS3.3 C.7.6.1.1.5)."""
    if header is not None and str(header.get("LossyImageCompression", "")) == "01":
        return True
    codec = info.codec.lower()
    return codec not in _LOSSLESS and "lossless" not in codec and codec != ""
