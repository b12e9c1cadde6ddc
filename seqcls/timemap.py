"""Which frame of a clip each frame of its proxy shows, and from one's times to the other's.

A proxy runs at a constant rate, its clip need not: where the clip has gaps or long frames the proxy repeats a frame,
and behind a burst of frames faster than the proxy it lags a little. Between the first proxy frames of two frames of
the clip, time runs evenly in both; so every time of the clip has one in the proxy, and comes back from there.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError, UsageError, one_line
from seqcls.files import write_csv
from seqcls.files.named_files import read_regular
from seqcls.types import MAX_INDEX, MAX_TIME_S, TIME_TOLERANCE_S

#: Faster than this no proxy runs: players and tools of annotation take it, and hands need no more.
MAX_RATE_HZ = 120
#: A proxy of slower clips repeats their frames: at 1e-9 frames/s one frame would last longer than any time may be.
MIN_RATE_HZ = 0.01
#: 4.6 hours at MAX_RATE_HZ, 22 hours at 25 frames/s: a gap of years in a damaged file would be repeated frame by frame.
MAX_FRAMES = 2_000_000
#: A proxy lags behind its clip by at most this much, where frames come in bursts faster than MAX_RATE_HZ.
MAX_LAG_S = 0.1
#: Other tools round times to milliseconds: this near to a frame's time, a time is that frame's.
SNAP_S = 0.001
_EXACT_S = 1e-4

COLUMNS = ("proxy_frame", "source_frame", "source_time_s", "source_end_s", "rate_hz")
_MAX_BYTES = 100 * MAX_FRAMES
_MAX_CELL = 40
#: Characters; a row of somebody else's table with further columns has fewer.
_MAX_LINE = 10_000
_ROW = np.dtype([("frame", np.int64), ("time_s", np.float64), ("end_s", np.float64), ("rate_hz", np.float64)])
_USUAL_RATES = (10, 12, 15, 20, 24, 25, 30, 40, 48, 50, 60, 72, 75, 80, 90, 100, 120)


@dataclass(frozen=True, slots=True, eq=False)
class TimeMap:
    """T proxy frames, the k-th shown from ``k / rate_hz`` on. Raises UsageError for what no proxy can have."""

    source_index: NDArray[np.int64]
    """(T,): the clip's frame that each shows; never decreases."""
    source_time_s: NDArray[np.float64]
    """(T,): the time of that frame in the clip, in seconds; never decreases."""
    rate_hz: float
    """Frames per second of the proxy."""
    source_end_s: float
    """When the clip's last frame ends, in seconds of the clip."""

    def __post_init__(self) -> None:
        index, time_s = np.asarray(self.source_index, np.int64), np.asarray(self.source_time_s, np.float64)
        object.__setattr__(self, "source_index", index)
        object.__setattr__(self, "source_time_s", time_s)
        if index.ndim != 1 or index.shape != time_s.shape or not 1 <= len(index) <= MAX_FRAMES:
            raise UsageError(f"a time map has as many frames as times, from 1 to {MAX_FRAMES:,}, not {index.shape}")
        if not (math.isfinite(self.rate_hz) and MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ):
            raise UsageError(f"a proxy has {MIN_RATE_HZ} to {MAX_RATE_HZ} frames per second, not {self.rate_hz!r}")
        if index[0] < 0 or index[-1] > MAX_INDEX or (np.diff(index) < 0).any():
            raise UsageError("the clip's frames in a time map must count upwards from 0")
        if not (abs(time_s) <= MAX_TIME_S).all() or (np.diff(time_s) < 0).any():
            raise UsageError("the clip's times in a time map must be finite and never decrease")
        if not time_s[-1] <= self.source_end_s <= MAX_TIME_S:
            raise UsageError(f"the clip in a time map ends at {self.source_end_s!r} s, before its last frame")

    @classmethod
    def of_frames(cls, time_s: Sequence[float] | NDArray[np.float64], end_s: float) -> TimeMap:
        """The map of a proxy for frames 0, 1, 2 ... of these times, (N,) in seconds; the last ends at ``end_s``.

        The rate is the clip's own where that is regular, gaps and jitter apart; else the lowest one that has all of the
        clip's times in its grid, or else gives every frame one of its own; at most MAX_RATE_HZ. Only frames that come
        faster than that for more than MAX_LAG_S have none: see ``not_shown``. Raises UsageError for no times, times
        that decrease, and a proxy of more than MAX_FRAMES.
        """
        times = np.asarray(time_s, np.float64)
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise UsageError("a proxy is made of one or more frames, whose times are numbers that never decrease")
        rate = float(_rate_for(times, end_s))
        total_s = max(float(end_s), float(times[-1])) - float(times[0])
        if not total_s * rate < MAX_FRAMES:
            raise UsageError(
                f"the frames lie {total_s:.0f} s apart: a proxy of them at {rate:g} frames per second would have"
                f" more than {MAX_FRAMES:,}; cut the clip into parts"
            )
        first = _first_frames(times, rate)  # (N,) -1 where a frame has none
        own = np.flatnonzero(first >= 0)
        starts = first[own]
        count = max(int(starts[-1]) + 1, round(total_s * rate))
        shown = own[np.searchsorted(starts, np.arange(count), "right") - 1]
        return cls(shown, times[shown], rate, max(float(end_s), float(times[-1])))

    @property
    def proxy_time_s(self) -> NDArray[np.float64]:
        """(T,): when each proxy frame is shown, in seconds of the proxy."""
        return np.arange(len(self.source_index)) / self.rate_hz

    @property
    def proxy_end_s(self) -> float:
        """When the proxy ends, in seconds of the proxy."""
        return len(self.source_index) / self.rate_hz

    @property
    def rate(self) -> Fraction:
        """``rate_hz`` as the ratio of whole numbers that it stands for, as 30000/1001."""
        return _as_fraction(self.rate_hz)

    @property
    def repeated(self) -> int:
        """How many proxy frames show a frame of the clip again."""
        return len(self.source_index) - len(self._first())

    @property
    def not_shown(self) -> tuple[tuple[int, int], ...]:
        """The clip's frames without a proxy frame of their own, as (first, last) of each stretch."""
        index = self.source_index
        steps = np.flatnonzero(np.diff(index) > 1)
        return tuple((int(index[at]) + 1, int(index[at + 1]) - 1) for at in steps)

    @overload
    def to_proxy_s(self, source_time_s: float) -> float: ...
    @overload
    def to_proxy_s(self, source_time_s: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def to_proxy_s(self, source_time_s: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """From the clip's time to the proxy's, both in seconds.

        The time of a frame becomes exactly that of its first proxy frame. Before the first frame it is 0, after the end
        the proxy's end. Raises UsageError for what is no number.
        """
        times_s, proxy_s = self._knots()
        return _mapped(source_time_s, times_s, proxy_s)

    @overload
    def to_source_s(self, proxy_time_s: float) -> float: ...
    @overload
    def to_source_s(self, proxy_time_s: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def to_source_s(self, proxy_time_s: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """From the proxy's time to the clip's, both in seconds: the inverse of ``to_proxy_s``.

        Up to SNAP_S beside the time of a frame's first proxy frame, it is exactly that frame's.

        Raises UsageError for what is no number.
        """
        times_s, proxy_s = self._knots()
        return _mapped(proxy_time_s, proxy_s, times_s)

    def proxy_frame_at(self, source_time_s: float) -> int:
        """The proxy frame that is shown when the clip's time is this; the first or last one outside of the clip.

        Raises UsageError for what is no number.
        """
        at = math.floor(self.to_proxy_s(source_time_s) * self.rate_hz + TIME_TOLERANCE_S)
        return min(max(at, 0), len(self.source_index) - 1)

    def source_frame(self, proxy_frame: int) -> int:
        """The clip's frame that a proxy frame shows. Raises UsageError for one that is not there."""
        if not 0 <= proxy_frame < len(self.source_index):
            raise UsageError(f"the proxy has frames 0 to {len(self.source_index) - 1}, not {proxy_frame}")
        return int(self.source_index[proxy_frame])

    def write(self, path: str | Path) -> None:
        """Write a CSV with a row per proxy frame, atomically. Raises OutputError.

        ``source_end_s``: when the clip shows its next frame, of the last one when it ends.
        """
        first = self._first()
        ends_s = np.append(self.source_time_s[first[1:]], self.source_end_s)
        run = np.repeat(ends_s, np.diff(np.append(first, len(self.source_index))))
        columns = (self.source_index.tolist(), self.source_time_s.tolist(), run.tolist())
        rate_hz = float(self.rate_hz)
        write_csv(path, itertools.chain([COLUMNS], _numbered(zip(*columns, strict=True), rate_hz)))

    @classmethod
    def read(cls, path: str | Path) -> TimeMap:
        """What ``write`` wrote. Raises DataError, which names the row, for anything else."""
        path = Path(path)
        try:
            with io.TextIOWrapper(io.BytesIO(read_regular(path, _MAX_BYTES)), "utf-8-sig", newline="") as stream:
                rows = np.fromiter(_rows(_lines(stream, path), path), _ROW)
        except FileNotFoundError:
            raise DataError(f"no time map at {path}; `seqcls proxy` writes one beside each proxy") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {one_line(error)}; name a timemap.csv") from None
        except UnicodeDecodeError:
            raise DataError(f"{path} is no time map, it is not UTF-8 text; name a timemap.csv") from None
        if not len(rows):
            raise DataError(f"{path} has no row below its first line; make it anew with `seqcls proxy`")
        rates = rows["rate_hz"]
        if (rates != rates[0]).any():
            raise DataError(f"{path}: rate_hz is not the same in all rows; make it anew with `seqcls proxy`")
        try:
            return cls(rows["frame"], rows["time_s"], float(rates[0]), float(rows["end_s"][-1]))
        except UsageError as error:
            raise DataError(f"{path}: {error}; make it anew with `seqcls proxy`") from None

    def _first(self) -> NDArray[np.int64]:
        """The first proxy frame of each frame of the clip."""
        return np.asarray(np.flatnonzero(np.diff(self.source_index, prepend=-1)), np.int64)

    def _knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The times of the clip's frames and its end, and what they are in the proxy."""
        first = self._first()
        times_s = np.append(self.source_time_s[first], self.source_end_s)
        return times_s, np.append(first, len(self.source_index)) / self.rate_hz


def _mapped(
    value: float | NDArray[np.float64], here: NDArray[np.float64], there: NDArray[np.float64]
) -> float | NDArray[np.float64]:
    """From one axis to the other; exactly where ``value`` is a knot's, or near it. Neither axis ever decreases."""
    given = np.clip(np.asarray(value, np.float64), here[0], here[-1])
    if np.isnan(given).any():
        raise UsageError("a time is a number of seconds, not nan")
    after = np.clip(np.searchsorted(here, given, "left"), 1, len(here) - 1)
    before = after - 1
    span = here[after] - here[before]
    near = np.minimum(SNAP_S, np.maximum(span / 4, TIME_TOLERANCE_S))
    part = np.divide(given - here[before], span, out=np.ones_like(given), where=span > 0)
    found = there[before] + part * (there[after] - there[before])
    found = np.where(here[after] - given <= near, there[after], found)
    behind = given - here[before]
    first = np.searchsorted(here, here[before], "left")  # of several frames of one time
    found = np.where((behind <= near) & (behind <= here[after] - given), there[first], found)
    return float(found) if np.ndim(value) == 0 else np.asarray(found, np.float64)


def _first_frames(times: NDArray[np.float64], rate: float) -> NDArray[np.int64]:
    """(N,): the proxy frame with which each is shown first; -1 where the proxy would lag too far behind."""
    wanted = np.asarray(np.rint((times - times[0]) * rate), np.int64)
    if (np.diff(wanted) > 0).all():
        return wanted
    most, last = math.floor(MAX_LAG_S * rate), -1
    first = np.full(len(times), -1, np.int64)
    for number, at in enumerate(wanted.tolist()):
        at = max(at, last + 1)
        if at - wanted[number] <= most or number == len(times) - 1:  # the clip ends with its last frame
            first[number] = last = at
    return first


def _rate_for(times: NDArray[np.float64], end_s: float) -> Fraction:
    """Frames per second; see ``TimeMap.of_frames``."""
    since, waits = times - times[0], np.diff(times)
    waits = waits[waits > 0]
    if not len(waits):
        length_s = end_s - times[-1]
        return _as_fraction(min(MAX_RATE_HZ, max(1.0, 1 / length_s))) if length_s > 0 else Fraction(25)
    median_hz = 1 / float(np.median(waits))
    calm = waits[np.abs(waits * median_hz - 1) < 0.5]  # without gaps: their mean is the rate, to more places
    mean_hz = 1 / float(calm.mean()) if len(calm) else median_hz
    own = [_as_fraction(hz, most) for hz in (mean_hz, median_hz) for most in (1, 1001, 100_000)]
    own += [Fraction(round(hz) * 1000, 1001) for hz in (mean_hz, median_hz)]
    own = [rate for rate in own if MIN_RATE_HZ <= rate <= MAX_RATE_HZ]
    for near_s in (_EXACT_S, SNAP_S, math.inf):  # exact times tell 29.97 from 30 after four frames
        for rate in own:
            if _fits(since, float(rate), min(near_s, 0.25 / float(rate))):
                return rate
    for whole in range(1, MAX_RATE_HZ + 1):
        for rate in (Fraction(whole), Fraction(whole * 1000, 1001)):
            if _fits(since, float(rate), SNAP_S):
                return rate
    usual = (Fraction(whole) for whole in _USUAL_RATES)
    return next((rate for rate in usual if _fits(since, float(rate), math.inf)), Fraction(MAX_RATE_HZ))


def _fits(since: NDArray[np.float64], rate: float, near_s: float) -> bool:
    """Whether every frame has a place of its own in the grid of this rate, and lies that near to it."""
    places = np.rint(since * rate)
    return bool((np.abs(since - places / rate) <= near_s).all() and (np.diff(places) > 0).all())


def _as_fraction(hz: float, most: int = 100_000) -> Fraction:
    """The ratio of small whole numbers, denominators up to ``most``, that ``hz`` stands for."""
    for bound in (1, 1001, most):
        rate = Fraction(hz).limit_denominator(min(bound, most))
        if abs(float(rate) - hz) <= 1e-9 * hz:
            return rate
    return Fraction(hz).limit_denominator(most)


def _numbered(rows: Iterator[tuple[int, float, float]], rate_hz: float) -> Iterator[tuple[object, ...]]:
    for number, row in enumerate(rows):
        yield (number, *row, rate_hz)


def _lines(stream: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """One by one: a list of them, and of the cells of a long one, would take gigabytes. Raises DataError."""
    while line := stream.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise DataError(f"{path} is no time map, it has a line of {_MAX_LINE:,} characters; name a timemap.csv")
        yield line


def _rows(lines: Iterator[str], path: Path) -> Iterator[tuple[int, float, float, float]]:
    """The frame, its time, its end and the rate, of each row. Raises DataError."""
    first = next(lines, "")
    delimiter = max(",;\t", key=first.count)  # a spreadsheet may have saved it
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if missing := [name for name in COLUMNS if header.count(name) != 1]:
            raise DataError(f"{path} is no time map, it lacks the column {missing[0]}; make one with `seqcls proxy`")
        places = [header.index(name) for name in COLUMNS]
        number = 0
        for cells in reader:
            if not any(cells):
                continue
            where = f"{path}, line {reader.line_num}"
            if number >= MAX_FRAMES:
                raise DataError(f"{path} has more than the {MAX_FRAMES:,} rows of any time map")
            try:
                own = [cells[place] for place in places]
                if max(map(len, own)) > _MAX_CELL:
                    raise ValueError
                proxy_frame, source_frame = int(own[0]), int(own[1])
                time_s, end_s, rate_hz = map(float, own[2:])
            except (IndexError, ValueError):
                raise DataError(f"{where}: {', '.join(COLUMNS)} must be numbers; make it anew") from None
            if proxy_frame != number or not 0 <= source_frame <= MAX_INDEX:
                raise DataError(f"{where}: proxy frame {number} and a frame from 0 on belong here, not {own[:2]}")
            yield source_frame, time_s, end_s, rate_hz
            number += 1
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}; make it anew with `seqcls proxy`") from None
