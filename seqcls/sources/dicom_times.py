"""When each frame of a DICOM cine is shown, from fields that often contradict each other.

FrameTime and FrameTimeVector are milliseconds (PS3.3 C.7.6.5), and some writers put seconds or microseconds there.
What no scanner does is not believed; where two fields differ the likelier one is taken, and the clip's report says so.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seqcls.sources.dicom_fields import number, numbers, several, text
from seqcls.sources.images import ASSUMED_RATE_HZ
from seqcls.text.wording import count_of

#: Seconds from frame to frame that a scanner can reach, and those that are common.
_POSSIBLE_S = (0.00099, 10.0)
_COMMON_S = (0.004, 0.5)

#: Below this many seconds a period is believed without a word only if two fields agree.
_RARE_S = 0.002

#: Two fields agree when neither is this many times the other: rates are often rounded to whole numbers.
_AGREE = 1.25

#: Factors by which a time in milliseconds is wrong, and what it is then.
_UNITS = ((1000.0, "s"), (0.001, "us"))

_DISPLAY = ("CineRate", "RecommendedDisplayFrameRate")


@dataclass(frozen=True, slots=True)
class ClipTimes:
    """Begin of each frame and the end of the last, in seconds from the first frame's begin."""

    times_s: tuple[float, ...]
    origin: str
    """The field that they come from; "" where they come from none."""
    notes: tuple[str, ...] = ()
    """What contradicts them, and what was made of it."""


@dataclass(frozen=True, slots=True)
class _Claim:
    field: str
    period_s: float

    @property
    def rate(self) -> str:
        hz = 1 / self.period_s
        return f"{hz:,.0f} frames per second" if hz >= 100 else f"{hz:.3g} frames per second"


def clip_times(header: Any, count: int, rate_hz: float | None) -> ClipTimes:
    """Times of ``count`` frames. ``rate_hz``, stated by the user, serves where the file gives none or contradicts."""
    claims, notes = _other_claims(header, count)
    steps_s, vector_notes = _vector(header, count)
    frame_time = _frame_time(header)
    chosen: _Claim | None = None
    remark = ""
    if steps_s:
        first = [frame_time] if frame_time is not None and _within(frame_time, _POSSIBLE_S) else []
        stated = _Claim("FrameTimeVector", statistics.fmean(steps_s))
        chosen, remark = _settle(stated, [*first, *claims])
        factor = chosen.period_s / stated.period_s if chosen is not None and chosen.field == stated.field else 0
        steps_s = [step * factor for step in steps_s] if factor else []
    elif frame_time is not None:
        chosen, remark = _settle(frame_time, claims)
    elif claims:
        chosen, remark = _likeliest(claims)
    elif steps_s := _by_date(header, count):
        chosen = _Claim("FrameReferenceDateTime", statistics.fmean(steps_s))
    disputed = remark != ""
    notes = [*_no_times(header), *notes, *vector_notes, *([remark] if remark else [])]
    notes = [] if count == 1 else notes  # how long a still lasts is of no consequence
    if rate_hz is not None and (chosen is None or disputed):
        return _even(count, 1 / rate_hz, "the stated rate")
    if chosen is None:
        return _even(count, 1 / ASSUMED_RATE_HZ, "", notes)
    if not steps_s:
        return _even(count, chosen.period_s, chosen.field, notes)
    usual = sorted(steps_s)[len(steps_s) // 2]
    padded = [*steps_s, *[usual] * (count + 1)][:count]
    return ClipTimes(tuple(itertools.accumulate([0.0, *padded])), chosen.field, tuple(notes))


def _even(count: int, period_s: float, origin: str, notes: Sequence[str] = ()) -> ClipTimes:
    return ClipTimes(tuple(k * period_s for k in range(count + 1)), origin, tuple(notes))


def _settle(stated: _Claim, others: list[_Claim]) -> tuple[_Claim | None, str]:
    """What the field means, beside what ``others`` say; and what is to be told of it, "" where nothing is."""
    backing = [claim for claim in others if _agree(stated, claim)]
    if _within(stated, _COMMON_S):
        measured = [claim for claim in others if claim.field not in _DISPLAY and not _agree(claim, stated)]
        outvoted = [one for one in measured for two in others if two.field in _DISPLAY and _agree(one, two)]
        if outvoted and not backing:
            two = next(claim for claim in others if claim.field in _DISPLAY and _agree(claim, outvoted[0]))
            return (
                two,
                f"{stated.field} gives {stated.rate}, {outvoted[0].field} and {two.field} {two.rate}: the latter taken",
            )
        if backing or not others:
            return stated, ""
        if (copied := next((claim for claim in others if _same_number(stated, claim)), None)) is not None:
            return copied, f"FrameTime and {copied.field} are the same number: taken as {copied.rate}"
        return stated, f"{stated.field} gives {stated.rate}, {others[0].field} {others[0].rate}: {_taken(stated)}"
    if backing:
        return stated, ""
    doubt = f"{stated.field} of {stated.period_s * 1000:,.6g} ms would be {stated.rate}"
    readings = [(_Claim(stated.field, stated.period_s * factor), unit) for factor, unit in _UNITS]
    for reading, unit in readings:
        if (agreeing := next((claim for claim in others if _agree(reading, claim)), None)) is not None:
            return reading, f"{doubt}: taken as {stated.period_s * 1000:,.6g} {unit}, as {agreeing.field} has it"
    if others:
        other, _ = _likeliest(others)
        return other, f"{doubt} but {other.field} gives {other.rate}: {other.field} taken"
    if _within(stated, _POSSIBLE_S):
        return stated, _rare(stated)
    for reading, unit in readings:
        if _within(reading, _COMMON_S):
            return reading, f"{doubt}: taken as {stated.period_s * 1000:,.6g} {unit}, {reading.rate}"
    return None, f"{doubt}: not used"


def _likeliest(claims: list[_Claim]) -> tuple[_Claim, str]:
    """The first one that another bears out, else the first that is common; and what is to be told of it."""
    agreeing = [one for one in claims if any(_agree(one, two) for two in claims if two is not one)]
    common = [claim for claim in claims if _within(claim, _COMMON_S)]
    chosen = (agreeing or common or claims)[0]
    against = next((claim for claim in claims if not _agree(chosen, claim)), None)
    if against is None:
        return chosen, "" if agreeing else _rare(chosen)
    return chosen, f"{chosen.field} gives {chosen.rate}, {against.field} {against.rate}: {_taken(chosen)}"


def _other_claims(header: Any, count: int) -> tuple[list[_Claim], list[str]]:
    """What fields other than FrameTime and its vector say, those that are possible; and what is not believed."""
    claims = []
    for field in _DISPLAY:
        if (rate := number(header, field)) is not None and rate > 0:
            claims.append(_Claim(field, 1 / rate))
    if (duration_ms := number(header, "ActualFrameDuration")) is not None and duration_ms > 0:
        claims.append(_Claim("ActualFrameDuration", duration_ms / 1000))
    for field in ("EffectiveDuration", "AcquisitionDuration"):
        if (whole_s := number(header, field)) is not None and whole_s > 0 and count > 1:
            claims.append(_Claim(field, whole_s / count))
    notes = [f"{c.field} would be {c.rate}: not used" for c in claims if not _within(c, _POSSIBLE_S)]
    return [claim for claim in claims if _within(claim, _POSSIBLE_S)], notes


def _no_times(header: Any) -> list[str]:
    """What is to be told of fields that hold what no time can be. A 0 means that there is none."""
    found = [(field, number(header, field)) for field in ("FrameTime", *_DISPLAY)]
    return [f"{field} of {value:g} cannot be: not used" for field, value in found if value is not None and value < 0]


def _frame_time(header: Any) -> _Claim | None:
    time_ms = number(header, "FrameTime")
    return _Claim("FrameTime", time_ms / 1000) if time_ms is not None and time_ms > 0 else None


def _vector(header: Any, count: int) -> tuple[list[float], list[str]]:
    """Seconds from each frame to the next by FrameTimeVector, [] where it is of no use; and what is to be told."""
    values_ms = numbers(header, "FrameTimeVector")
    known = [value for value in values_ms if value is not None]
    if len(values_ms) == 1 < count and known and 0 < known[0] < 1e8:
        note = f"FrameTimeVector has 1 entry for {count} frames: taken for all of them"
        return [known[0] / 1000] * (count - 1), [note]
    if len(values_ms) < 2:
        return [], []
    if len(known) < len(values_ms) or min(known) < 0 or max(known[1:]) >= 1e8 or sum(known[1:]) <= 0:
        return [], ["FrameTimeVector holds times that cannot be: not used"]
    if len(known) >= 5 and _counts_from_the_start(known[::-1]):
        return [], ["FrameTimeVector runs backwards: not used"]
    notes = []
    if len(known) == count and known[0] > 0 and known[-1] == 0 and known[0] <= 3 * statistics.median(known):
        known = [0.0, *known[:-1]]
        notes.append("FrameTimeVector has its 0 at the end: read as steps to the next frame")
    if len(known) != count:
        notes.append(f"FrameTimeVector has {count_of(len(known), 'entry', 'entries')} for {count_of(count, 'frame')}")
    if _counts_from_the_start(known):
        known = [0.0, *(after - before for before, after in itertools.pairwise(known))]
        notes.append("FrameTimeVector holds times since the first frame instead of steps: read as that")
    # The first entry belongs to the first frame and is 0 (PS3.3 C.7.6.5.1.2); some writers leave it out.
    steps_ms = known if len(known) == count - 1 and known[0] > 0 else known[1:]
    if zeros := steps_ms.count(0):
        steps_ms = _moved_apart(steps_ms)
        notes.append(f"FrameTimeVector gives {count_of(zeros, 'frame')} the time of the one before: moved apart")
    return [step / 1000 for step in steps_ms], notes


def _moved_apart(steps: list[float]) -> list[float]:
    """Steps of 0 take an even share of the next one, or at the end of the last one."""
    found, place = list(steps), 0
    while place < len(found):
        end = next((at for at in range(place, len(found)) if found[at] > 0), len(found) - 1)
        start = place if found[end] > 0 else place - 1
        found[start : end + 1] = [max(found[start : end + 1]) / (end + 1 - start)] * (end + 1 - start)
        place = end + 1
    return found


def _by_date(header: Any, count: int) -> list[float]:
    """Seconds from each frame to the next by the dates of enhanced multi-frame images (PS3.3 C.7.6.16.2.2)."""
    dates = []
    for groups in several(header, "PerFrameFunctionalGroupsSequence"):
        (frame, *_) = several(groups, "FrameContentSequence") or [{}]
        date = text(frame, "FrameReferenceDateTime") or text(frame, "FrameAcquisitionDateTime")
        if not re.fullmatch(r"\d{14}(\.\d{1,6})?([+-]\d{4})?", date):
            return []
        digits, _, part = re.sub(r"[+-]\d{4}$", "", date).partition(".")
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S")
        except ValueError:
            return []
        dates.append((moment - datetime(1970, 1, 1)).total_seconds() + float(f"0.{part or 0}"))
    steps = [round(after - before, 6) for before, after in itertools.pairwise(dates)]
    return steps if len(dates) == count and steps and min(steps) > 0 and max(steps) <= _POSSIBLE_S[1] else []


def _counts_from_the_start(values: list[float]) -> bool:
    """Whether they rise evenly from first to last, as times do and steps between frames never."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    usual = statistics.median(steps)
    return len(values) >= 5 and min(steps) > 0 and max(steps) <= 3 * usual and values[0] <= 3 * usual


def _within(claim: _Claim, bounds_s: tuple[float, float]) -> bool:
    return bounds_s[0] <= claim.period_s <= bounds_s[1]


def _taken(claim: _Claim) -> str:
    return f"{claim.field} taken, state rate_hz=NUMBER if that is wrong"


def _rare(claim: _Claim) -> str:
    """What is to be told of a rate that is rare and stands in one field alone; "" for others."""
    return f"{claim.rate} by {claim.field} alone, which is rare: {_taken(claim)}" if claim.period_s < _RARE_S else ""


def _same_number(stated: _Claim, other: _Claim) -> bool:
    """Whether the rate was written into FrameTime, too: then the one of the two that is a usual rate is meant."""
    same = other.field in _DISPLAY and abs(stated.period_s * 1000 * other.period_s - 1) < 1e-3
    return stated.field == "FrameTime" and same and stated.period_s < 1 / 60 and other.period_s <= 0.1


def _agree(one: _Claim, two: _Claim) -> bool:
    return one.period_s <= _AGREE * two.period_s and two.period_s <= _AGREE * one.period_s
