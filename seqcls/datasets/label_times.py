"""Times as people and spreadsheets write them, read as seconds; what could mean two things is refused."""

from __future__ import annotations

import math
import re

from seqcls.errors import DataError
from seqcls.types import MAX_TIME_S

#: No time is written longer; what the patterns below take grows with the square of it.
MAX_CHARACTERS = 64
_UNITS = {"s": 1.0, "sec": 1.0, "ms": 1e-3}
_NUMBER = re.compile(r"(?P<value>[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?) ?(?P<unit>s|sec|ms)?")
_CLOCK = re.compile(r"(?:(?P<h>\d+):)?(?P<min>\d+):(?P<s>\d\d?(?:[.,]\d*)?)(?: ?(?P<half>[ap])\.?m\.?)?")
#: Day 0 of spreadsheets, of Python and of pandas, which write it before a time of day.
_DAY_ZERO = re.compile(r"(?:1899-12-3[01]|1900-01-0[01])[ t]|0 days?,? ")
_TIMECODE = re.compile(r"\d+:\d+:\d+[:;]\d+")
_MONTH = "(?:jan|feb|mar|mär|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])"
_DATE = re.compile(rf"\d+[. -]*{_MONTH}|{_MONTH}[a-zä]*[. -]*\d|\d+([./-])\d+(\1|$)")


def seconds_of(text: str, name: str, where: str) -> float:
    """Seconds from `83.5`, `83,5`, `83.5 s`, `83500 ms`, `1:23.5` or `00:01:23.5`.

    Raises DataError, which names ``where`` and the column ``name``, for anything else and for negative times.
    """
    if len(text) > MAX_CHARACTERS:
        raise DataError(f"{where}: {name} has {len(text):,} characters, which is no time; write seconds or h:min:s")
    plain = " ".join(text.lower().split())
    if number := _NUMBER.fullmatch(plain):
        value = float(number["value"].replace(",", ".")) * _UNITS[number["unit"] or "s"]
        if 0 <= value <= MAX_TIME_S:
            return value
        if MAX_TIME_S < value < math.inf:
            raise DataError(f"{where}: {name} {text!r} is more than {MAX_TIME_S:g} seconds; are they another unit?")
    elif clock := _CLOCK.fullmatch(_DAY_ZERO.sub("", plain, count=1)):
        return _of_clock(clock, f"{where}: {name} {text!r}")
    elif _TIMECODE.fullmatch(plain):
        raise DataError(f"{where}: {name} {text!r} ends in a number of frames; write it as a fraction of a second")
    elif _DATE.match(plain):
        raise DataError(f"{where}: {name} {text!r} is a date; format the column as text and type the seconds again")
    elif plain.lstrip("+-") not in ("nan", "inf", "infinity"):
        raise DataError(f"{where}: {name} {text!r} is not a number of seconds, nor a time such as 00:01:23.5")
    raise DataError(f"{where}: {name} must be 0 or more seconds, not {text}")


def _of_clock(clock: re.Match[str], what: str) -> float:
    hours, minutes = int(clock["h"] or 0), int(clock["min"])
    seconds = float(clock["s"].replace(",", "."))
    if seconds >= 60 or (clock["h"] and minutes >= 60):
        raise DataError(f"{what} is no time: minutes and seconds end at 59; write h:min:s or seconds")
    if clock["half"]:  # 12:01:23 am is 83 seconds after midnight
        if not (clock["h"] and 1 <= hours <= 12):
            raise DataError(f"{what} is no time of day; write h:min:s or seconds")
        hours = hours % 12 + 12 * (clock["half"] == "p")
    total_s = hours * 3600 + minutes * 60 + seconds
    if total_s > MAX_TIME_S:
        raise DataError(f"{what} is more than {MAX_TIME_S:g} seconds; write h:min:s or seconds")
    return total_s
