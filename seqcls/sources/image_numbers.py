"""The numbers in the names of images as places on a time axis: which images are missing between those there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: More numbers than these are missing from no clip, for each image that is there: a mistyped name, or a date.
_MOST_MISSING = 100

_UNEVEN = (
    "the numbers of the images step unevenly, so that nothing tells whether some are missing: read without a gap;"
    " name a pattern such as frame_%04d.png to take the numbers for places"
)


@dataclass(frozen=True, slots=True)
class ImagePlaces:
    """slots: of each image on the time axis, counted from 0; where one is left out, an image is missing. remark: on
    what the numbers say beyond that, empty where there is nothing to say."""

    slots: tuple[int, ...]
    remark: str = ""


def image_places(paths: Sequence[Path]) -> ImagePlaces:
    """Places of images in natural order, by the number in their names that counts up.

    Numbers that all step by 10 belong to a sequence of which every tenth image was kept, without a gap. Numbers that
    step unevenly, as those of a selection or of times do, give no places.
    """
    columns = _rising(paths)
    for numbers in columns:
        if (step := _usual_step(numbers)) > 0:
            return ImagePlaces(tuple((number - numbers[0]) // step for number in numbers), _thinned(numbers, step))
    return ImagePlaces(tuple(range(len(paths))), _UNEVEN if columns else _doubled(paths))


def numbered_places(numbers: Sequence[int], paths: Sequence[Path]) -> ImagePlaces:
    """Places by numbers that are known to be the time axis, in the order of the numbers."""
    if len(set(numbers)) < len(numbers):  # 1 and 01
        return ImagePlaces(tuple(range(len(paths))), _doubled(paths))
    step = (_usual_step(numbers) or 1) if len(numbers) > 2 else 1
    return ImagePlaces(tuple((number - numbers[0]) // step for number in numbers), _thinned(numbers, step))


def _rising(paths: Sequence[Path]) -> list[list[int]]:
    """The numbers at each place in the names where they rise from image to image."""
    names = [re.split(r"(\d+)", path.stem) for path in paths]
    if len(names) < 3 or any(len(name) != len(names[0]) for name in names):
        return []
    columns = [[int(name[at]) for name in names] for at in range(1, len(names[0]), 2)]
    return [column for column in columns if all(before < after for before, after in itertools.pairwise(column))]


def _usual_step(numbers: Sequence[int]) -> int:
    """The least step, if at least half of the steps are that and the others are several of it; else 0."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    least = min(steps, default=0)
    if least <= 0 or is_too_far(numbers, least):
        return 0
    counts = 2 * steps.count(least) >= len(steps) and not any(step % least for step in steps)
    return least if counts else 0


def is_too_far(numbers: Sequence[int], step: int = 1) -> bool:
    """Whether more numbers are left out between the first and the last than images can be missing from a clip."""
    return (numbers[-1] - numbers[0]) // step > _MOST_MISSING * len(numbers) + 10_000


def _thinned(numbers: Sequence[int], step: int) -> str:
    if step == 1 or len(numbers) < 3:
        return ""
    return f"the numbers of the images step by {step}: the one after is taken for the next frame, not for a later one"


def _doubled(paths: Sequence[Path]) -> str:
    """A remark on images of one number, as of one image saved as PNG and as JPEG; empty where there are none."""
    for one, two in itertools.pairwise(paths):
        if _parts(one) == _parts(two):
            return f"{one.name} and {two.name} have the same number: both are read, one after the other"
    return ""


def _parts(path: Path) -> list[str | int]:
    """The name without its suffix, numbers as such: 1 and 01 are the same."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.stem.casefold())]
