"""A folder or a pattern of still images as a clip. Stills have no clock: state the rate with ``rate_hz``."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.sources.base import Clip
from seqcls.sources.images import ASSUMED_RATE_HZ, deep_sample, image_facts, level_details, listing, natural, read_image
from seqcls.sources.levels import SetLevels
from seqcls.sources.sniff import IMAGE_SUFFIXES, is_image, kind_of
from seqcls.types import Frame, Gap, SourceInfo

#: The place of the number in a pattern such as ``frame_%04d.png``.
NUMBERED = re.compile(r"%(?:0\d+)?d")


class ImageSequence(Clip):
    """Images in natural order (frame 2 before frame 10); each lasts ``1 / rate_hz`` seconds.

    With a pattern such as ``frame_%04d.png`` the numbers are the time axis, so a missing number is a gap. ``images``
    are those of ``spec`` where they are known already. Images of more than 8 bits share one scale: ``levels``, else
    what they span together. Raises SourceError when there is no image or the first one cannot be read.
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
        self.name, self._color = spec.name if spec.name else str(spec), color
        self._places = list(enumerate(images)) if images else _find(spec)  # [(slot on the time axis, path)]
        self._rate_hz = ASSUMED_RATE_HZ if rate_hz is None else rate_hz
        own = SetLevels(partial(deep_sample, [path for _, path in self._places]))
        self._levels = own if levels is None else levels
        first = self._places[0][1]
        facts = image_facts(first)
        slots = self._places[-1][0] + 1
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
        self._notes += [remark for remark in (facts.remark, _missing_numbers(self._places)) if remark]
        if rate_hz is None and len(self._places) > 1:
            self._notes.append(
                f"images have no clock: {ASSUMED_RATE_HZ:g} per second assumed; state the rate by rate_hz=NUMBER"
            )

    def _items(self) -> Iterator[Frame | Gap]:
        period_s, expected = 1 / self._rate_hz, 0
        for slot, path in self._places:
            if slot > expected:
                reason = f"no image between {path.name} and the one before it"
                yield self._lost(expected / self._rate_hz, slot / self._rate_hz, reason)
            expected = slot + 1
            try:
                image = read_image(path, color=self._color, levels=self._levels)
            except SourceError as error:
                yield self._lost(slot / self._rate_hz, (slot + 1) / self._rate_hz, str(error))
                continue
            self._watch_size(image, path.name)
            yield Frame(self._delivered, slot / self._rate_hz, period_s, image)


def _find(spec: Path) -> list[tuple[int, Path]]:
    """Paths, each with its place on the time axis, counted from 0. Raises SourceError where there is no image."""
    if spec.is_file():
        return [(0, spec)]
    if spec.is_dir():
        found = listing(spec)
    elif NUMBERED.search(spec.name):
        return _numbered(spec)
    else:
        found = [Path(name) for name in glob.glob(str(spec))]  # noqa: PTH207 - it takes absolute patterns
    images = sorted(filter(is_image, found), key=lambda path: natural(path.name))
    if not images:
        clip = next(filter(_is_clip, sorted(found, key=lambda path: natural(path.name))), None)
        if clip is not None:
            raise SourceError(f"{spec}: holds no image but clips; name one of them, such as {clip.name}")
        read = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise SourceError(f"{spec}: no image there; seqcls reads {read}")
    return list(enumerate(images))


def _is_clip(path: Path) -> bool:
    try:
        return path.is_file() and not path.name.startswith(".") and kind_of(path) not in ("", "image")
    except SourceError:
        return False


def _numbered(spec: Path) -> list[tuple[int, Path]]:
    """Files that fit ``name_%04d.png``, by their number counted from the lowest."""
    head, tail = (re.escape(part.replace("%%", "%")) for part in NUMBERED.split(spec.name, maxsplit=1))
    fits = re.compile(rf"{head}(\d+){tail}\Z")
    found = sorted((int(match[1]), path) for path in listing(spec.parent) if (match := fits.match(path.name)))
    if not found:
        raise SourceError(f"{spec}: no image fits this pattern; check the folder and the number's width")
    return [(number - found[0][0], path) for number, path in found]


def _missing_numbers(places: Sequence[tuple[int, Path]]) -> str:
    """A remark where images in a row skip a number that others of them do not skip; empty where they count up."""
    names = [re.split(r"(\d+)", path.stem) for slot, path in places]
    if len(names) < 3 or any(len(name) != len(names[0]) for name in names):
        return ""
    varying = [at for at in range(1, len(names[0]), 2) if len({name[at] for name in names}) > 1]
    if len(varying) != 1 or places[-1][0] >= len(places):  # a date and a time; a pattern, whose gaps are reported
        return ""
    numbers = [int(name[varying[0]]) for name in names]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    usual = sorted(steps)[len(steps) // 2]
    wide = [at for at, step in enumerate(steps) if step > usual > 0]
    if not wide:
        return ""
    before, after = (places[at][1].name for at in (wide[0], wide[0] + 1))
    return (
        f"numbers are missing ({len(wide)} times, first between {before} and {after}), but the images are read without"
        " a gap; name a pattern such as frame_%04d.png to keep their places"
    )
