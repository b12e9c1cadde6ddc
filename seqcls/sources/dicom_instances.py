"""DICOM files of one image each: are those of a series the frames of a clip, or single pictures?

Some scanners and exports write a cine as one file per frame. A series of stills looks the same but for its times.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcls.sources.dicom_fields import text, whole
from seqcls.sources.dicom_times import clip_times
from seqcls.sources.image_numbers import is_too_far

#: Where the time of an image stands, the most exact first.
_STAMPS = ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")
_TIME_OF_DAY = re.compile(r"(?:\d{8})?(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)(?:[+-]\d{4})?")
#: Fewer images than these do not show a pace.
MIN_FRAMES = 3
#: From image to image in a clip, in seconds; stills lie farther apart.
_PACE_S = (0.001, 0.5)
_DAY_S = 86_400.0
#: Times without fractions are off by up to a second at either end.
_WHOLE_SECONDS_S = 2.0


@dataclass(frozen=True, slots=True)
class Instance:
    """What the header of a file of one image says of its place among others. number: InstanceNumber, -1 where there is
    none. form: size and kind of the image. stamps_s: by ``_STAMPS``, seconds of the day, None where not stated.
    period_s: from frame to frame, 0 where not stated."""

    number: int
    form: tuple[object, ...]
    stamps_s: tuple[float | None, ...]
    period_s: float


@dataclass(frozen=True, slots=True)
class InstanceTimes:
    """The instances in the order of their numbers. Either ``times_s``, of each from the first on, or ``period_s`` from
    number to number; origin: the field that they come from, "" for none."""

    order: tuple[int, ...]
    times_s: tuple[float, ...] = ()
    period_s: float = 0.0
    origin: str = ""


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """The files of a series that are the frames of a clip, ``times`` being those of ``instances``."""

    paths: tuple[Path, ...]
    instances: tuple[Instance, ...]
    times: InstanceTimes


def instance_of(header: Any) -> Instance | None:
    """None for what holds several frames, or is no ultrasound by its own word."""
    if whole(header, "NumberOfFrames", 1) > 1 or text(header, "Modality").upper() not in ("", "US", "IVUS", "OT"):
        return None
    form = tuple(whole(header, name, 0) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"))
    stamps_s = tuple(_seconds_of_day(text(header, name)) for name in _STAMPS)
    times = clip_times(header, 1, None)
    period_s = times.times_s[1] if times.origin else 0.0
    return Instance(whole(header, "InstanceNumber", -1), form, stamps_s, period_s)


def instance_times(instances: Sequence[Instance], *, as_clip: bool = False) -> InstanceTimes | str:
    """Order and times if these are the frames of a clip, else why they are none.

    ``as_clip``: somebody knows that they are one; it may then have no times.
    """
    if len({instance.form for instance in instances}) > 1:
        return "their sizes differ"
    numbers = [instance.number for instance in instances]
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        return "their instance numbers do not count up"
    order = tuple(sorted(range(len(numbers)), key=numbers.__getitem__))
    if len(instances) < MIN_FRAMES and not as_clip:
        return "they are too few to show a pace"
    ordered = [instances[at] for at in order]
    period_s = statistics.median(instance.period_s for instance in ordered)
    columns = [[one.stamps_s[at] for one in ordered] for at in range(len(_STAMPS))]
    for name, column in zip(_STAMPS, columns, strict=True):
        if (times_s := _rising(column)) and _at_pace(times_s):
            return InstanceTimes(order, times_s, origin=name)
    if is_too_far(sorted(numbers)):
        return "their instance numbers do not count up"
    if period_s > 0 and all(_allows(column, period_s) for column in columns):
        return InstanceTimes(order, period_s=period_s, origin="FrameTime")
    if as_clip:
        return InstanceTimes(order, period_s=period_s, origin="FrameTime" if period_s else "")
    dated = any(stamp is not None for column in columns for stamp in column)
    return "their times are not those of a clip" if dated else "they state no times"


def _rising(stamps_s: Sequence[float | None]) -> tuple[float, ...]:
    """Seconds from the first on; empty where one is missing or is not later than the one before."""
    known = _past_midnight([stamp for stamp in stamps_s if stamp is not None])
    if len(known) < len(stamps_s) or any(before >= after for before, after in itertools.pairwise(known)):
        return ()
    return tuple(round(stamp - known[0], 6) for stamp in known)


def _past_midnight(stamps_s: list[float]) -> list[float]:
    """A clock that falls back by more than half a day has begun a new one."""
    days = itertools.accumulate((a - b > _DAY_S / 2 for a, b in itertools.pairwise(stamps_s)), initial=0)
    return [stamp + _DAY_S * day for stamp, day in zip(stamps_s, days, strict=False)]


def _at_pace(times_s: Sequence[float]) -> bool:
    steps_s = [after - before for before, after in itertools.pairwise(times_s)]
    return _PACE_S[0] <= statistics.median(steps_s) <= _PACE_S[1]


def _allows(stamps_s: Sequence[float | None], period_s: float) -> bool:
    """Whether a clip of this period could carry these times: none, one for all, or whole seconds that go with it."""
    known = [stamp for stamp in stamps_s if stamp is not None]
    if len(set(known)) < 2:
        return True
    if any(before > after for before, after in itertools.pairwise(known)):
        return False
    return abs(known[-1] - known[0] - period_s * len(known)) < _WHOLE_SECONDS_S + 0.1 * period_s * len(known)


def _seconds_of_day(value: str) -> float | None:
    match = _TIME_OF_DAY.fullmatch(value.strip().replace(":", ""))
    if match is None:
        return None
    hours, minutes, seconds = (float(part) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
