"""A clip's labels against its real length: what lies beyond the end, covers no frame, or is in another unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.text.wording import count_of
from seqcls.types import TIME_TOLERANCE_S, SourceReport

#: Labels may end this much behind the clip, or by a frame: programs round, and sound often lasts longer.
SLACK_S = 0.1
#: What label files hold instead of seconds, and how many seconds one of them is.
_UNITS = {
    "milliseconds": 1e-3,
    "microseconds": 1e-6,
    "nanoseconds": 1e-9,
    "ticks of 1/90000 s": 1 / 90000,
    "minutes": 60.0,
    "hours:minutes, meant as minutes:seconds": 1 / 60,
    "fractions of a day, as a spreadsheet keeps times": 86400.0,
}
#: Frames per second at which other programs count.
_RATES = (10, 15, 20, 24, 25, 30, 50, 60, 100)
#: What ends with the clip ends at most this part of it before or behind the end.
_ENDS_WITHIN = 0.03
#: Whole days since 1900 of the years 2015 to 2034.
_DATES = (42005, 49309)
#: In another unit the labels must reach this part of the clip, else the unit explains little.
_LEAST_REACH = 0.25


def clip_messages(
    name: str, labels: ClipLabels, time_s: NDArray[np.float64], end_s: float, report: SourceReport
) -> list[str]:
    """For a person: damage to a labelled clip that was read, notes on its label file, and labels that do not fit it.

    ``time_s`` (T,) float64: when each frame is shown. ``end_s``: when the last one ends. Raises DataError where most
    labels cannot be meant in seconds: the frames would get wrong labels.
    """
    damaged = report.verdict in ("truncated", "damaged")
    messages = [f"{name} is {report.verdict}: {'; '.join(report.reasons)}; the rest is used"] * damaged
    if labels.frames and not damaged and labels.frames != len(time_s):
        messages.append(
            f"{name} has {count_of(len(time_s), 'frame')}, its labels were made on {labels.frames}: check that they fit"
        )
    spans = sorted(labels.spans, key=lambda span: span.limits)
    if not (len(time_s) and spans):
        return [*messages, *labels.notes]
    check = _by_frame if spans[0].by_frame else _by_time
    problem, mostly = check(spans, name, time_s, end_s)
    if problem and (units := " or ".join(_units(spans, time_s, end_s))):
        problem += f": are these {units}?"
        if mostly and not damaged:
            raise DataError(problem)
    if not problem and not spans[0].by_frame:
        problem = _far_from_end(spans, name, end_s)
    return [*messages, *[problem] * bool(problem), *labels.notes]


def _by_frame(spans: Sequence[LabelledSpan], name: str, time_s: NDArray[np.float64], end_s: float) -> tuple[str, bool]:
    """As ``_by_time``, of inclusive ranges of frames."""
    count, last = len(time_s), max(span.end_index for span in spans)
    if last < count:
        return "", False
    behind = sum(span.start_index >= count for span in spans)
    rows = f"; {behind} of {len(spans)} segments lie wholly behind the end" if behind else ""
    cause = "; frames count from 0, do these count from 1?" if last == count else ""
    text = f"{name} has {count_of(count, 'frame')}, but is labelled up to frame {last}{rows}{cause}"
    return text, 2 * sum(span.end_index >= count for span in spans) > len(spans)


def _by_time(spans: Sequence[LabelledSpan], name: str, time_s: NDArray[np.float64], end_s: float) -> tuple[str, bool]:
    """What does not fit, "" where all does; and whether most rows do not, rather than an end that was not looked at."""
    last = max(spans, key=lambda span: span.end_s)
    step_s = _step(time_s, end_s)
    slack_s = max(SLACK_S, step_s)
    if last.end_s > end_s + slack_s:
        behind = [span for span in spans if span.start_s >= end_s - TIME_TOLERANCE_S]
        rows = f"; {len(behind)} of {len(spans)} rows lie wholly behind the end" if behind else ""
        dates = [span.end_s for span in spans if span.end_s % 1 == 0 and _DATES[0] <= span.end_s <= _DATES[1]]
        cause = f"; {dates[0]:.0f} is how a spreadsheet keeps a date, type it again as text" if dates else ""
        text = f"{name} ends at {end_s:.2f} s, but is labelled up to {_plain(last.end_s)} s ({last.where}){rows}{cause}"
        return text, 2 * sum(span.end_s > end_s + slack_s for span in spans) > len(spans)
    empty = [s for s in spans if s.state != "ignore" and not _covers_any(s, time_s, 0.1 * step_s)]
    if not empty:
        return "", False
    first = empty[0]
    return (
        f"{name} runs from {time_s[0]:.2f} to {end_s:.2f} s, but {len(empty)} of {len(spans)} rows cover no frame, the"
        f" first from {_plain(first.start_s)} to {_plain(first.end_s)} s ({first.where})"
    ), len(empty) == len(spans)


def _far_from_end(spans: Sequence[LabelledSpan], name: str, end_s: float) -> str:
    """Labels that all lie within the clip, but would reach its very end in another unit; "" where they would not."""
    last = max(spans, key=lambda span: span.end_s)
    if last.end_s > _LEAST_REACH * end_s or (last.end_s % 1 == 0 and len(spans) == 1):
        return ""
    units = {"minutes": last.end_s * 60, "hours": last.end_s * 3600, "shares of the clip": last.end_s * end_s}
    units["percent of the clip"] = last.end_s * end_s / 100
    if not (fitting := [unit for unit, reached_s in units.items() if abs(reached_s - end_s) <= _ENDS_WITHIN * end_s]):
        return ""
    return (
        f"{name} ends at {end_s:.2f} s, but is labelled up to {_plain(last.end_s)} s only ({last.where}):"
        f" are these {' or '.join(fitting)}?"
    )


def _units(spans: Sequence[LabelledSpan], time_s: NDArray[np.float64], end_s: float) -> Iterator[str]:
    """Units in which all rows would lie inside the clip, most be about a frame long or more, and the last reach far."""
    step_s = _step(time_s, end_s)
    times = np.array([span.limits for span in spans])  # (N, 2)

    def fits(scaled: NDArray[np.float64]) -> bool:
        long_enough = np.mean(scaled[:, 1] - scaled[:, 0] >= 0.9 * step_s) > 0.5
        return bool(long_enough) and _LEAST_REACH * end_s <= scaled.max() <= end_s + max(SLACK_S, step_s)

    if not spans[0].by_frame and (times % 1 == 0).all() and fits(times * step_s):
        yield "numbers of frames"
    elif not spans[0].by_frame and _ends_near(times.max() / 100, end_s) and fits(times / 100):
        yield "hundredths of a second"
    elif not spans[0].by_frame and (times % 1 == 0).all() and (times % 60 != 0).any():
        rates = [rate for rate in _RATES if _ends_near(times.max() / rate, end_s) and fits(times / rate)]
        if rates:
            yield f"numbers of frames at {min(rates, key=lambda rate: abs(times.max() / rate - end_s))} per second"
    for unit, seconds in _UNITS.items():
        if fits(times * seconds) and (seconds != 1 / 60 or (times % 60 == 0).all()):
            yield unit
    if not spans[0].by_frame and times.min() > end_s and fits(times - times.min()):
        yield "seconds from another start than the clip's"


def _ends_near(reached_s: float, end_s: float) -> bool:
    return abs(reached_s - end_s) <= max(_ENDS_WITHIN * end_s, SLACK_S)


def _step(time_s: NDArray[np.float64], end_s: float) -> float:
    """How long a frame lasts on average."""
    return (end_s - float(time_s[0])) / len(time_s)


def _covers_any(span: LabelledSpan, time_s: NDArray[np.float64], least_s: float) -> bool:
    first, behind = np.searchsorted(time_s, np.array(span.limits) - TIME_TOLERANCE_S)
    return bool(behind > first) and span.end_s - span.start_s >= least_s


def _plain(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
