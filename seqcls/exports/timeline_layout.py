"""What timeline.png and ``Timeline.plot`` show, whatever draws it: lines about the clip, times, scores, stretches."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.pauses import long_frames, pauses
from seqcls.text.wording import count_of, unseen
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Interval

Floats = NDArray[np.float64]
_LEGEND = "Blue: in view. Hatched: unknown. Line: score, none where no frame was; thresholds dotted"
PAUSE = "no new frame"
MAX_POINTS = 4000
#: Organs that are drawn, the first of them; a picture of 100 took two minutes, and nobody reads one of 13,000 lines.
MAX_STRIPS = 20
#: Images above the strips, side by side.
MAX_THUMBNAILS = 10
#: From here on times are read in minutes, or hours; and the steps that make round ones.
LONG_S = 180.0
_STEPS_S = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400)
#: Of a shorter clip, how many steps there are at most.
_MOST_STEPS = 9
_FACTORS = ((1, 0), (2, 0), (2.5, 1), (5, 0), (10, 0))
#: Pixels: the picture's width, what is left and right of its axis, rows, what is between them, and what is around.
WIDTH, LEFT, RIGHT = 1100, 42, 25
ROW, BETWEEN, TOP, LINE, BOTTOM = 95, 32, 52, 18, 72
AXIS_PIXELS = WIDTH - LEFT - RIGHT
#: Scores at the lower and the upper end of a strip, and the share of it that the bar of a presence takes.
LOWEST, HIGHEST, BAR = -0.03, 1.14, 0.1
#: Pixels: what is narrower is drawn so wide, and what a letter takes.
NARROWEST, _LETTER = 2, 6
#: Letters of a reason that help a reader.
_SHORTEST = 12
#: Left of a single frame, of the time that is shown.
_MARGIN = 0.02
#: Lines about the clip, and letters in each.
_LINES, LETTERS = 6, 165


def height(rows: int, lines: int) -> int:
    """Of a picture with so many rows and lines about the clip, in pixels."""
    return TOP + LINE * lines + rows * ROW + (rows - 1) * BETWEEN + BOTTOM


def title(timeline: Timeline) -> str:
    """The clip's name."""
    return cut_to(timeline.source.title, 90)


def verdict(timeline: Timeline) -> tuple[str, bool]:
    """What came of reading the clip, and whether all of it was read and scorable."""
    read, coverage = timeline.report.verdict, timeline.coverage
    return f"input {read}, {percent(coverage)} scorable", read == "complete" and coverage == 1


def legend(timeline: Timeline) -> str:
    """What the colours and lines mean, and what the picture is not."""
    paused = bool(pauses(timeline.scores, timeline.report.gaps))
    meaning = _LEGEND.replace("unknown", f"unknown (/), {PAUSE} (\\)") if paused else _LEGEND
    return f"{meaning}. {seqcls.DISCLAIMER}"


def lines_about(timeline: Timeline) -> list[str]:
    """Why stretches are unknown, and what else a reader must know of the timeline."""
    marks, lengths_s = reason_marks(timeline), dict[str, float]()
    for gap in timeline.gaps:
        lengths_s[gap.reason] = lengths_s.get(gap.reason, 0.0) + gap.end_s - gap.start_s
    each = max(20, LETTERS // max(1, len(marks)) - 16)
    why = ", ".join(
        f"{mark}) {cut_to(reason or 'no reason', each)} {duration(lengths_s[reason])}"
        for reason, mark in marks.items()
        if reason in lengths_s
    )
    more = len(timeline.organs) - MAX_STRIPS
    about = [f"unknown: {why}"] * bool(why) + [f"{count_of(more, 'more organ')} in timeline.json"] * (more > 0)
    lines = [cut_to(line, LETTERS) for line in (*about, *timeline.notes)]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"and {len(lines) - _LINES + 1} more in timeline.json"]
    return lines


def reason_marks(timeline: Timeline) -> dict[str, str]:
    """A letter for each reason of unknown stretches, the longest first: narrow stretches have no room for more."""
    lengths_s = dict[str, float]()
    for interval in timeline.intervals:
        if interval.state == "unknown":
            lengths_s[interval.reason] = lengths_s.get(interval.reason, 0.0) + interval.duration_s
    ordered = sorted(lengths_s, key=lambda reason: -lengths_s[reason])
    return {reason: string.ascii_lowercase[at % 26] for at, reason in enumerate(ordered)}


def fitting(why: str, mark: str, letters: float) -> str:
    """The reason, as much of it as helps, its letter, or nothing: whatever there is room for."""
    if len(why) <= letters:
        return why
    return f"{why[: int(letters) - 1]}…" if letters >= _SHORTEST else f"{mark})" if letters >= 2 else ""


def cut_to(text: str, letters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= letters else f"{text[: letters // 2]} … {text[-letters // 2 + 3 :]}"


def percent(share: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is not nothing."""
    return f"{share:.0%}" if share in (0, 1) else f"{min(0.999, max(0.001, share)):.1%}"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time that is shown; more than none, also of a frame whose duration nobody knows."""

    start_s: float
    end_s: float
    narrowest_s: float
    """What shorter stretches are widened to."""

    @classmethod
    def of(cls, timeline: Timeline) -> TimeAxis:
        start_s, end_s = timeline.start_s, timeline.end_s
        if end_s <= start_s:
            return cls(start_s - 0.5, end_s + 0.5, 1.0)
        if len(timeline.scores.index) == 1:  # its dot is not to sit on the edge
            start_s -= _MARGIN * (end_s - start_s)
        return cls(start_s, end_s, (end_s - start_s) * NARROWEST / AXIS_PIXELS)

    def widened(self, interval: Interval) -> tuple[float, float]:
        """Begin and length, as drawn."""
        length_s = max(interval.duration_s, self.narrowest_s)
        middle_s = (interval.start_s + interval.end_s) / 2
        begin_s = min(max(middle_s - length_s / 2, self.start_s), self.end_s - length_s)
        return begin_s, length_s


def time_labels(start_s: float, end_s: float) -> tuple[list[tuple[float, str]], str]:
    """Round times from start to end as they are written below the axis, and their unit."""
    span_s = end_s - start_s
    if span_s < LONG_S:
        return _seconds(start_s, end_s), "seconds"
    unit_s, unit = (3600, "hours:minutes") if span_s >= 3600 else (60, "minutes:seconds")
    days = math.ceil(span_s / (12 * _STEPS_S[-1]))
    step_s = next((step_s for step_s in _STEPS_S if span_s <= 12 * step_s), days * _STEPS_S[-1])
    ticks_s = range(math.ceil(start_s / step_s) * step_s, math.floor(end_s) + 1, step_s)
    return [(float(s), f"{s // unit_s}:{s % unit_s * 60 // unit_s:02d}") for s in ticks_s], unit


def _seconds(start_s: float, end_s: float) -> list[tuple[float, str]]:
    """In steps of 1, 2, 2.5 or 5 and their tenths, hundredths and so on."""
    if end_s <= start_s:
        return [(start_s, f"{start_s:.2f}")]
    power = math.floor(math.log10((end_s - start_s) / _MOST_STEPS))
    steps = ((factor * 10.0**power, max(0, decimals - power)) for factor, decimals in _FACTORS)
    step_s, decimals = next(each for each in steps if (end_s - start_s) / each[0] <= _MOST_STEPS + TIME_TOLERANCE_S)
    first, last = math.ceil(start_s / step_s - 1e-6), math.floor(end_s / step_s + 1e-6)
    return [(number * step_s, f"{number * step_s:.{decimals}f}") for number in range(first, last + 1)]


def thumbnail_places(timeline: Timeline) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Each image once, with its number from the left of ``MAX_THUMBNAILS``, about where its frame lies in time; none
    where all is unknown."""
    axis, before = TimeAxis.of(timeline), None
    for place in range(MAX_THUMBNAILS):
        middle_s = axis.start_s + (axis.end_s - axis.start_s) * (place + 0.5) / MAX_THUMBNAILS
        if any(gap.start_s <= middle_s < gap.end_s for gap in timeline.gaps):
            continue
        time_s, image = min(timeline.thumbnails, key=lambda thumbnail: abs(thumbnail[0] - middle_s))
        if time_s != before:  # one image is no clip
            yield place, image
        before = time_s


def stretches(axis: TimeAxis, intervals: Sequence[Interval]) -> list[tuple[float, float]]:
    """From when to when, each as wide as it is drawn; those that lie on each other as one, for a day has thousands."""
    spans: list[tuple[float, float]] = []
    for begin_s, length_s in map(axis.widened, intervals):
        end_s = begin_s + length_s
        if spans and begin_s < spans[-1][1]:
            begin_s, before_s = spans.pop()
            end_s = max(end_s, before_s)
        spans.append((begin_s, end_s))
    return spans


def reasons_shown(timeline: Timeline, organ: str) -> Iterator[tuple[float, str]]:
    """What is written into stretches without a state or a new frame that have room for it, with their middle."""
    axis, marks = TimeAxis.of(timeline), reason_marks(timeline)
    unknown = [(i.start_s, i.end_s, i.reason) for i in timeline.of(organ, "unknown")]
    still = [(*stretch, PAUSE) for stretch in pauses(timeline.scores, timeline.report.gaps)]
    for start_s, end_s, why in (*unknown, *still):
        letters = (end_s - start_s) * AXIS_PIXELS / _LETTER / (axis.end_s - axis.start_s) - 2
        if text := fitting(why, marks.get(why, ""), letters):
            yield (start_s + end_s) / 2, text


def strip_title(timeline: Timeline, organ: str) -> str:
    """The organ, and how long it is in view."""
    return cut_to(f"{organ}: {in_view(timeline, organ)}", LETTERS // 2)


def thresholds(timeline: Timeline, column: int) -> tuple[float, ...]:
    """At which a presence of the organ begins and ends; none of an organ that is made of others."""
    return tuple(
        value for one in timeline.provenance.intervals[column : column + 1] for value in (one.onset, one.offset)
    )


def duration(seconds: float) -> str:
    if seconds < LONG_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def in_view(timeline: Timeline, organ: str) -> str:
    """How long; of a single frame its state and score."""
    own = timeline.of(organ)
    if len(timeline.scores.index) == len(own) == 1:
        [only] = own
        return f"{only.state} ({only.reason})" if only.reason else f"{only.state}, score {only.mean_score:.2f}"
    present_s = [i.duration_s for i in own if i.state == "present"]
    return f"in view for {duration(float(np.sum(present_s)))}" if present_s else unseen(i.state for i in own)


def score_holes(timeline: Timeline) -> NDArray[np.bool_]:
    """(T,) before which frames there is a stretch without any: a gap, or much more time than usual."""
    time_s = np.maximum.accumulate(timeline.scores.time_s)
    holes = np.append(False, long_frames(timeline.scores)[:-1])
    gaps_s = [gap.start_s for gap in (*timeline.report.gaps, *timeline.gaps)]
    rows = np.searchsorted(time_s, np.array(gaps_s) - TIME_TOLERANCE_S)
    holes[rows[rows < len(time_s)]] = True
    return holes


def curve(
    time_s: Floats, values: NDArray[np.float32], holes: NDArray[np.bool_]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """A line through scores (T,), broken by NaN at holes and where a score is missing, and which points stand alone.

    Of many frames, the lowest and the highest of each few.
    """
    known = ~np.isnan(values)
    rows = np.flatnonzero(known)
    if len(rows) > MAX_POINTS:
        step = -(-2 * len(rows) // MAX_POINTS)
        blocks = np.pad(values[rows], (0, -len(rows) % step), mode="edge").reshape(-1, step)
        first = np.arange(len(blocks)) * step
        ends = np.concatenate([first + blocks.argmin(axis=1), first + blocks.argmax(axis=1)])
        rows = rows[np.unique(np.minimum(ends, len(rows) - 1))]
    piece = np.cumsum(holes | ~known)[rows]
    cuts = np.flatnonzero(np.diff(piece)) + 1
    x, y = np.insert(time_s[rows], cuts, np.nan), np.insert(values[rows].astype(np.float64), cuts, np.nan)
    edge = np.concatenate([[True], np.isnan(y), [True]])
    return x, y, edge[:-2] & edge[2:] & ~np.isnan(y)
