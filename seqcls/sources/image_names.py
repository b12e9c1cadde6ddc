"""Do the names of images count the frames of one clip? Words, numbers that begin anew and times of day do not."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

#: A step of more than this is none between frames.
_MOST_STEP_S = 1.0
_DAY = (
    r"(?P<year>(?:19|20)\d\d)(?P<a>[-_. ]?)(?P<month>0[1-9]|1[0-2])(?P=a)(?P<day>[0-2]\d|3[01])",
    r"(?P<day>[0-2]\d|3[01])(?P<a>[-_. ])(?P<month>0[1-9]|1[0-2])(?P=a)(?P<year>(?:19|20)\d\d)",
)
_TIME = (
    r"(?:(?:T|[-_. ]?at[-_. ]|[-_., ]{0,2})(?P<hour>[01]?\d|2[0-3])[-_.:h ]?(?P<minute>[0-5]\d)[-_.:m ]?"
    r"(?P<second>[0-5]\d)(?:[-_.,]?(?P<fraction>\d{3}|\d{6}))?)?"
)
_STAMPS = tuple(re.compile(rf"(?<!\d){day}{_TIME}(?!\d)", re.IGNORECASE) for day in _DAY)
#: Seconds since 1970, from 2001 to 2033, and milliseconds.
_EPOCH = re.compile(r"(?<!\d)(1\d{9})(\d{3})?(?!\d)")


def why_not_counting(images: Sequence[Path]) -> str:
    """Why the names of images in natural order count no frames; empty where they do."""
    first, form = images[0], _form(images[0])
    other = next((path for path in images if _form(path) != form), None)
    if other is None and len(images) > 1 and form == first.stem.casefold():
        other = images[1]
    if other is not None:
        return f"their names do not count up ({first.name}, {other.name})"
    return _why_times(images) or _why_numbers(images)


def _form(path: Path) -> str:
    """The name with every number replaced by one sign."""
    return re.sub(r"\d+", "#", path.stem.casefold())


def _why_times(images: Sequence[Path]) -> str:
    times_s = [_time_s(path.stem) for path in images]
    stated = [time_s for time_s in times_s if time_s is not None]
    if len(stated) == len(images) and len(set(stated)) > 1:
        steps = [after - before for before, after in itertools.pairwise(stated)]
        at = max(range(len(steps)), key=steps.__getitem__)
        both = f"({images[at].name}, {images[at + 1].name})"
        if steps[at] >= 86_400:
            return f"their names are of several days {both}"
        if steps[at] >= _MOST_STEP_S and not _counters(images):
            return f"their names are times that are {steps[at]:g} s apart {both}"
    return ""


def _why_numbers(images: Sequence[Path]) -> str:
    if all(_time_s(path.stem) is not None for path in images):
        return ""
    names = list(dict.fromkeys(_numbers(path) for path in images))  # one image in two formats counts once
    columns = [column for column in zip(*names, strict=True) if len(set(column)) > 1]
    if len(columns) < 2:
        return ""
    rising = next((number for number, column in enumerate(columns) if _rises(column)), None)
    if (
        rising is None or rising > 0
    ):  # of several patients or clips, each of which counts from 0 or where the last ended
        at = next(at for at, (before, after) in enumerate(itertools.pairwise(columns[0])) if before != after)
        before, after = (next(path.name for path in images if _numbers(path) == names[k]) for k in (at, at + 1))
        return (
            f"their first number does not count them ({before}, {after}); a pattern such as {_pattern(after)} is a clip"
        )
    rest = list(zip(*columns[1:], strict=True))
    if any(after < before for before, after in itertools.pairwise(rest)):
        return f"their names count up in one number but not in the next ({images[0].name}, {images[1].name})"
    return ""


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", path.stem))


def _rises(column: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(column))


def _counters(images: Sequence[Path]) -> bool:
    """Whether a number beside the times rises from name to name."""
    rest = [tuple(map(int, re.findall(r"\d+", _without_stamp(path.stem)))) for path in images]
    return any(_rises(column) for column in zip(*rest, strict=False))


def _pattern(name: str) -> str:
    """With the last of its numbers left open."""
    stem, dot, suffix = name.rpartition(".")
    return re.sub(r"\d+(?=\D*$)", "*", stem if dot else name) + dot + (suffix if dot else "")


def _without_stamp(stem: str) -> str:
    for pattern in (*_STAMPS, _EPOCH):
        if pattern.search(stem):
            return pattern.sub(" ", stem, count=1)
    return stem


def _time_s(stem: str) -> float | None:
    """Seconds of the date and time of day in a name, from any beginning; None where there is none."""
    for pattern in _STAMPS:
        if match := pattern.search(stem):
            part = match.groupdict()
            try:
                day = datetime.date(int(part["year"]), int(part["month"]), int(part["day"]))
            except ValueError:
                continue
            clock_s = 0.0
            if part["hour"] is not None:
                clock_s = int(part["hour"]) * 3600 + int(part["minute"]) * 60 + int(part["second"])
                clock_s += float(f"0.{part['fraction'] or 0}")
            return day.toordinal() * 86_400.0 + clock_s
    if match := _EPOCH.search(stem):
        return int(match[1]) + float(f"0.{match[2] or 0}")
    return None
