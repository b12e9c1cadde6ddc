"""A file of several images as a clip: a TIFF of several pages, an animated WebP, an APNG."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.files.named_files import open_regular
from seqcls.sources.base import Clip, require_sane_size
from seqcls.sources.container import examine
from seqcls.sources.image_pages import MAX_PAGES, tiff_pages
from seqcls.sources.images import (
    ASSUMED_RATE_HZ,
    as_asked,
    image_aspect,
    is_deep_color,
    level_details,
    opened,
    page_pixels,
    what_is_wrong,
)
from seqcls.sources.levels import SAMPLE, SetLevels
from seqcls.sources.pixel_aspect import square_size, with_square_pixels
from seqcls.sources.stack_layout import StackLayout, raw_pages, stack_layout
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap, SourceInfo

if TYPE_CHECKING:
    import PIL.Image


class ImageStack(Clip):
    """Its pages or frames in their order; (H, W) gray or (H, W, 3) BGR images.

    WebP and APNG state how long each frame is shown, a TIFF does where ImageJ or OME wrote it; else a page lasts
    ``1 / rate_hz`` seconds. A page that cannot be read is a gap. Pages of more than 8 bits share one scale. Raises
    SourceError when the file cannot be opened, or holds several images of each time.
    """

    def __init__(self, path: Path, *, rate_hz: float | None = None, color: bool = False) -> None:
        super().__init__()
        self.name, self._path, self._color = for_name(path.name), path, color
        self._levels = SetLevels(self._deep_sample)
        self._assumed_s, self._made_up = 1 / (ASSUMED_RATE_HZ if rate_hz is None else rate_hz), 0
        self._rate_stated = rate_hz is not None
        with opened(path) as image:
            layout = self._layout(image)
            self._pages, whole = self._find_pages(image)
            alone = len(self._pages) == 1 < layout.images
            self._raw = raw_pages(path, *image.size, layout.images) if alone else None
            if self._raw is not None:
                self._require_few(self._raw.count)
                self._pages = list(range(self._raw.count))
            self._frame_s, origin = self._pace(image, layout)
            self._aspect, remark = image_aspect(image)
            width, height = square_size(*image.size, self._aspect)
            container = str(image.format)
            deep = image.mode.startswith(("I", "F"))
            if is_deep_color(image):
                raise SourceError(
                    f"{path}: its pages have 16 bits per colour, which is not read in stacks; save them gray or with 8"
                )
        self.info = SourceInfo(
            name=self.name,
            kind="images",
            container=container,
            codec=path.suffix.lstrip(".").lower(),
            width=width,
            height=height,
            declared_frames=len(self._pages),
            declared_duration_s=None if self._frame_s is None else len(self._pages) * self._frame_s,
            rate_hz=None if self._frame_s is None else 1 / self._frame_s,
            has_clock=origin != "",
            pixel_aspect=self._aspect,
            details=(
                ("times from", origin if origin else "nothing: frame axis only"),
                *(level_details(self._levels.find()) if deep else ()),
            ),
        )
        self._notes += [said for said in (remark, layout.remark) if said]
        if not origin:
            self._notes.append(
                f"a stack has no clock: {ASSUMED_RATE_HZ:g} images per second assumed; state the rate by rate_hz=NUMBER"
            )
        if not whole:
            self._truncated = True
            self._alarms.append(f"the file breaks behind page {len(self._pages)}; pages are missing")
        elif layout.images > len(self._pages):
            self._truncated = True
            self._alarms.append(
                f"says that it holds {layout.images:,} images, of which {len(self._pages)} can be found"
            )

    def _layout(self, image: PIL.Image.Image) -> StackLayout:
        if image.format != "TIFF":
            return StackLayout()
        with open_regular(self._path) as stream:
            layout = stack_layout(stream)
        if layout.several:
            raise SourceError(
                f"{self._path}: is no clip but holds {layout.several}, which would be read one after the other; save"
                " one image of each time (ImageJ: Image > Duplicate, one channel and one depth)"
            )
        return layout

    def _find_pages(self, image: PIL.Image.Image) -> tuple[list[int], bool]:
        """Numbers of the pages to read, and whether the list is whole."""
        if image.format == "TIFF":
            with open_regular(self._path) as stream:
                pages, whole = tiff_pages(stream)
            self._require_few(len(pages))
            return pages, whole
        count = int(getattr(image, "n_frames", 1))
        self._require_few(count)  # an APNG states any number
        # An APNG may hold a first image for programs that know no animation, which is none of its frames.
        first = 1 if image.info.get("default_image") and count > 1 else 0
        return list(range(first, count)), True

    def _require_few(self, pages: int) -> None:
        if pages > MAX_PAGES:
            raise SourceError(f"{self._path}: says that it holds more than {MAX_PAGES:,} images; save it as a video")

    def _pace(self, image: PIL.Image.Image, layout: StackLayout) -> tuple[float | None, str]:
        """How long each page lasts, None where each states it itself, and where that comes from."""
        if image.format != "TIFF":
            return None, "the file"
        if layout.interval_s is not None:
            return layout.interval_s, layout.origin
        return self._assumed_s, "the stated rate" if self._rate_stated else ""

    def _items(self) -> Iterator[Frame | Gap]:
        time_s, last_s = 0.0, self._assumed_s
        lost: list[str] = []  # what is wrong with the pages that were just lost
        lost_from_s = 0.0
        with opened(self._path) as image:
            for number, page in enumerate(self._pages):
                try:
                    stored, aspect = self._read_page(image, page, self._color)
                    pixels = with_square_pixels(as_asked(stored, self._color, self._levels), aspect)
                except Exception as error:  # Pillow's decoders raise nearly anything on damaged pages
                    if not lost:
                        lost_from_s = time_s if self._frame_s is None else number * self._frame_s
                    lost.append(what_is_wrong(error))
                    time_s += last_s
                    continue
                if lost:
                    yield self._lost_pages(number, lost, lost_from_s, time_s)
                    lost = []
                if self._frame_s is None:
                    last_s = self._stated_s(image)
                    start_s = time_s
                    time_s += last_s
                else:
                    last_s, start_s = self._frame_s, number * self._frame_s
                self._watch_size(pixels, f"page {number + 1}")
                yield Frame(self._delivered, start_s, last_s, pixels)
        if lost:
            yield self._lost_pages(len(self._pages), lost, lost_from_s, time_s)
        if self._made_up:
            whose = "the stated rate" if self._rate_stated else "assumed; state the rate by rate_hz=NUMBER"
            many = f"{self._made_up:,} of {count_of(len(self._pages), 'frame')}"
            self._notes.append(f"{many} state no time, or 0 s, to be shown: {self._assumed_s:g} s each, {whose}")
        # Of a TIFF the table of pages tells; the others are read from the beginning.
        self._truncated |= bool(lost) and self.info.container != "TIFF"
        kind = self.info.container.lower()
        if kind in ("png", "webp"):
            structure = examine(self._path, kind)
            self._truncated |= structure.truncated
            self._alarms += [structure.flaw] if structure.flaw and not lost else []
            self._unsure = structure.unknown

    def _stated_s(self, image: PIL.Image.Image) -> float:
        """How long the frame that was just read is shown. 0 means as fast as possible, which no player does."""
        stated = image.info.get("duration")
        try:
            seconds = float(stated) / 1000 if stated is not None else 0.0
        except (TypeError, ValueError):
            seconds = 0.0
        if 0 < seconds <= 3600:
            return seconds
        self._made_up += 1
        return self._assumed_s

    def _read_page(self, image: PIL.Image.Image, page: int, color: bool) -> tuple[NDArray[Any], float]:
        if self._raw is not None:
            return self._raw.read(page), self._aspect
        image.seek(page)
        require_sane_size(f"page {page + 1}", *image.size)
        image.load()
        return page_pixels(image, color)

    def _lost_pages(self, behind: int, wrong: list[str], start_s: float, end_s: float) -> Gap:
        """One gap for pages in a row, the last of which is number ``behind``, counted from 1."""
        count = len(wrong)
        which = f"page {behind} cannot" if count == 1 else f"{count} pages ({behind - count + 1} to {behind}) cannot"
        if self._frame_s is not None:
            end_s = behind * self._frame_s
        return self._lost(start_s, end_s, f"{which} be read ({wrong[0]})")

    def _deep_sample(self) -> Iterator[NDArray[Any]]:
        with opened(self._path) as image:
            for page in self._pages[:: max(1, len(self._pages) // SAMPLE)]:
                with contextlib.suppress(Exception):  # reported when the page is read
                    stored, _ = self._read_page(image, page, False)
                    if stored.dtype != np.uint8:
                        yield stored
