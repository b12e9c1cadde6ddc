"""A folder or a pattern of still images as a clip. Stills have no clock: state the rate with ``rate_hz``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.files import matching, nfc, on_disk
from seqcls.files.without_folders import without_folders
from seqcls.sources.base import Clip
from seqcls.sources.image_names import why_not_counting
from seqcls.sources.image_numbers import ImagePlaces, image_places, numbered_places
from seqcls.sources.image_pages import MAX_TRAILERS, images_in_a_row
from seqcls.sources.images import ASSUMED_RATE_HZ, deep_sample, image_facts, level_details, listing, natural, read_image
from seqcls.sources.levels import SetLevels
from seqcls.sources.own_files import made_names
from seqcls.sources.sniff import IMAGE_SUFFIXES, is_image
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of
from seqcls.types import MAX_TIME_S, Frame, Gap, SourceInfo

#: The place of the number in a pattern such as ``frame_%04d.png``.
NUMBERED = re.compile(r"%(?:0\d+)?d")


class NoImageError(SourceError):
    """Nothing that is an image has this name, or lies in this folder."""


class ImageSequence(Clip):
    """Images in natural order (frame 2 before frame 10); each lasts ``1 / rate_hz`` seconds.

    Where the numbers in the names count up, and in a pattern such as ``frame_%04d.png``, they are the time axis, so a
    missing number is a gap. ``images`` are those of ``spec`` where they are known already. Images of more than 8 bits
    share one scale: ``levels``, else what they span together. Raises SourceError when there is no image or the first
    one cannot be read.
    """

    def __init__(
        self,
        spec: Path,
        *,
        images: Sequence[Path] = (),
        levels: SetLevels | None = None,
        rate_hz: float | None = None,
        color: bool = False,
    ) -> None:
        super().__init__()
        self.name, self._color = for_name(spec.name if spec.name else str(spec)), color
        paths, places = (list(images), image_places(images)) if images else _find(spec)
        if not images and len(paths) > 1 and not NUMBERED.search(spec.name) and (why := why_not_counting(paths)):
            self._notes.append(f"read as one clip, though {why}")
        self._places = list(zip(places.slots, paths, strict=True))
        self._rate_hz = ASSUMED_RATE_HZ if rate_hz is None else rate_hz
        own = SetLevels(partial(deep_sample, [path for _, path in self._places]))
        self._levels = own if levels is None else levels
        first = self._places[0][1]
        facts = image_facts(first)
        slots = self._places[-1][0] + 1
        if slots / self._rate_hz > MAX_TIME_S:
            last = self._places[-1][1].name
            raise SourceError(f"{spec}: the number of {last} is so far from the first that it is no place in a clip")
        self.info = SourceInfo(
            name=self.name,
            kind="images",
            codec=first.suffix.lstrip(".").lower(),
            width=facts.width,
            height=facts.height,
            declared_frames=len(self._places),
            declared_duration_s=slots / self._rate_hz,
            rate_hz=self._rate_hz,
            has_clock=rate_hz is not None,
            pixel_aspect=facts.aspect,
            details=level_details(self._levels.find()) if facts.deep else (),
        )
        self._notes += [remark for remark in (facts.remark, places.remark) if remark]
        if len(paths) == 1 and (several := images_in_a_row(first)) > 1 and not facts.remark:
            remark = f"holds {several:,} images one behind the other, of which the first is read"
            self._truncated = several > MAX_TRAILERS + 1
            lines = self._alarms if self._truncated else self._notes
            lines.append(
                f"{remark}; name a row of JPEG .mjpeg, save others as single files" if self._truncated else remark
            )
        if rate_hz is None and len(self._places) > 1:
            self._notes.append(
                f"images have no clock: {ASSUMED_RATE_HZ:g} per second assumed; state the rate by rate_hz=NUMBER"
            )

    def _items(self) -> Iterator[Frame | Gap]:
        period_s, expected, before = 1 / self._rate_hz, 0, ""
        for slot, path in self._places:
            if slot > expected:
                reason = f"{count_of(slot - expected, 'image')} missing between {before} and {path.name}"
                yield self._lost(expected / self._rate_hz, slot / self._rate_hz, reason)
            expected, before = slot + 1, path.name
            try:
                image = read_image(path, color=self._color, levels=self._levels)
            except SourceError as error:
                yield self._lost(slot / self._rate_hz, (slot + 1) / self._rate_hz, without_folders(str(error)))
                continue
            self._watch_size(image, path.name)
            yield Frame(self._delivered, slot / self._rate_hz, period_s, image)


def _find(spec: Path) -> tuple[list[Path], ImagePlaces]:
    """Paths and their places on the time axis. Raises SourceError where there is no image."""
    if spec.is_file():
        return [spec], ImagePlaces((0,))
    if spec.is_dir():
        found = listing(spec)
        is_made = made_names({path.name for path in found})
        found = [path for path in found if not is_made(path.name)]
    elif NUMBERED.search(spec.name):
        return _numbered(spec)
    else:
        found = [Path(name) for name in matching(str(spec))]
    images = sorted(filter(is_image, found), key=lambda path: natural(path.name))
    if not images:
        read = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise NoImageError(f"{spec}: no image there; seqcls reads {read}")
    return images, image_places(images)


def _numbered(spec: Path) -> tuple[list[Path], ImagePlaces]:
    """Files that fit ``name_%04d.png``, by their number."""
    head, tail = (re.escape(part.replace("%%", "%")) for part in NUMBERED.split(nfc(spec.name), maxsplit=1))
    fits = re.compile(rf"{head}(\d+){tail}\Z")
    found = sorted(
        (int(match[1]), path) for path in listing(on_disk(spec.parent)) if (match := fits.match(nfc(path.name)))
    )
    if not found:
        raise SourceError(f"{spec}: no image fits this pattern; check the folder and the number's width")
    paths = [path for _, path in found]
    return paths, numbered_places([number for number, _ in found], paths)
