"""From raw scores to events: smoothing and the state machines of one run, frame by frame."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seqcls.intervals import IntervalBuilder, IntervalOptions
from seqcls.novelty import NoveltyFilter
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.types import UNLIKE_TRAINING, Event, FrameScore, Gap, ScoreTable


class RawScores:
    """What a run's timeline is made of: every frame as the engine scored it, 38 + 4 K bytes each, and the gaps."""

    def __init__(self, organs: tuple[str, ...]) -> None:
        self.organs = organs
        #: In stream order, each with the number of frames before it.
        self.gaps: list[tuple[int, Gap]] = []
        self._index = array("q")
        self._time_s = array("d")
        self._duration_s = array("d")
        self._scores = array("f")
        self._scored = array("b")
        self._reasons: list[str] = []
        self._measured = array("b")
        self._novelty = array("f")

    def add(self, item: FrameScore | Gap) -> None:
        """The next item."""
        if isinstance(item, Gap):
            self.gaps.append((len(self._index), item))
            return
        self._index.append(item.index)
        self._time_s.append(item.time_s)
        self._duration_s.append(item.duration_s)
        self._scores.extend(row_of(item, len(self.organs)))
        self._scored.append(item.scores is not None)
        self._reasons.append(item.reason)
        self._measured.append(item.measured)
        self._novelty.append(item.novelty)

    def add_frames(
        self,
        index: NDArray[np.int64],
        time_s: NDArray[np.float64],
        duration_s: NDArray[np.float64],
        scores: NDArray[np.float32],
        reasons: Sequence[str] = (),
        measured: NDArray[np.bool_] | None = None,
        novelty: NDArray[np.float32] | None = None,
    ) -> None:
        """The next N frames, (N,), with scores (N, K), NaN where there are none; all measured, and without novelty,
        where nothing is said."""
        self._index.frombytes(index.tobytes())
        self._time_s.frombytes(time_s.tobytes())
        self._duration_s.frombytes(duration_s.tobytes())
        self._scores.frombytes(scores.tobytes())
        self._scored.frombytes((~np.isnan(scores).all(axis=1)).tobytes())
        self._reasons.extend(reasons or [""] * len(index))
        self._measured.frombytes(b"\1" * len(index) if measured is None else measured.tobytes())
        self._novelty.frombytes((np.full(len(index), np.nan, np.float32) if novelty is None else novelty).tobytes())

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(T,), which frames have scores."""
        return np.array(self._scored, np.bool_)

    def __len__(self) -> int:
        """How many items there are, frames and gaps."""
        return len(self._index) + len(self.gaps)

    def frame(self, row: int) -> FrameScore:
        """One of the frames."""
        organs = len(self.organs)
        scores = np.array(self._scores[row * organs : (row + 1) * organs]) if self._scored[row] else None
        return FrameScore(
            self._index[row], self._time_s[row], self._duration_s[row], scores, self._reasons[row],
            bool(self._measured[row]), self._novelty[row],
        )  # fmt: skip

    def items(self, first_row: int = 0) -> Iterator[FrameScore | Gap]:
        """Frames and gaps in stream order, from a frame (and the gaps before it) on."""
        gaps = deque((before, gap) for before, gap in self.gaps if before >= first_row)
        for row in range(first_row, len(self._index) + 1):
            while gaps and gaps[0][0] == row:
                yield gaps.popleft()[1]
            if row < len(self._index):
                yield self.frame(row)

    def table(self, smooth: NDArray[np.float32] | None = None, unlike: NDArray[np.bool_] | None = None) -> ScoreTable:
        """The frames so far; their smoothed scores are the raw ones where none are given. ``unlike``: (T,) which of
        them were found to be unlike training."""
        raw, novelty = matrix(self._scores, len(self.organs)), np.array(self._novelty)
        reasons = self._reasons.copy()
        for row in () if unlike is None else np.flatnonzero(unlike).tolist():
            reasons[row] = UNLIKE_TRAINING
        return ScoreTable(
            organs=self.organs,
            index=np.array(self._index),
            time_s=np.array(self._time_s),
            duration_s=np.array(self._duration_s),
            raw=raw,
            smooth=raw if smooth is None else smooth,
            reason=tuple(reasons),
            measured=np.array(self._measured, np.bool_),
            novelty=None if np.isnan(novelty).all() else novelty,
        )


class PostProcess:
    """Smoothing and the state machines of one run.

    Frames that are unlike training lose their scores before they are smoothed, unless ``novelty`` is False. Keeps every
    score, 39 + 8 K bytes per frame, unless ``keep`` is False (a feed that is watched for days).
    latest: the last frame that was smoothed, late by the smoother's delay. raw, smooth: what is kept, smooth of the
    frames that the smoother has given back.
    """

    def __init__(
        self,
        organs: tuple[str, ...],
        smoothing: SmoothingOptions,
        intervals: Sequence[IntervalOptions],
        *,
        keep: bool = True,
        novelty: bool = True,
    ) -> None:
        self.latest: FrameScore | None = None
        self.smoother = open_smoother(smoothing)
        self.builders = [IntervalBuilder(o, i) for o, i in zip(organs, intervals, strict=True)]
        self.raw = RawScores(organs) if keep else None
        self.smooth = array("f")
        self.filter = NoveltyFilter() if novelty else None
        self.unlike = array("b")

    def push(self, item: FrameScore | Gap) -> Iterator[Event]:
        """Take a raw item, give the events that became certain."""
        if isinstance(item, FrameScore) and self.raw is not None:
            self.raw.add(item)
        item = self.filtered(item)
        if isinstance(item, FrameScore) and self.raw is not None:
            self.unlike.append(item.reason == UNLIKE_TRAINING)
        for ready in self.smoother.push(item):
            yield from self._build(ready)

    def filtered(self, item: FrameScore | Gap) -> FrameScore | Gap:
        """The next item as the smoother is to see it."""
        return item if self.filter is None or isinstance(item, Gap) else self.filter.apply(item)

    def close(self, end_s: float) -> Iterator[Event]:
        """End of stream."""
        for ready in self.smoother.finish():
            yield from self._build(ready)
        for builder in self.builders:
            yield from builder.close(end_s)

    def table(self) -> ScoreTable:
        """All scores so far; after ``close`` every frame has its smoothed score. Not without ``keep``."""
        assert self.raw is not None, "this run keeps no scores"
        return self.raw.table(matrix(self.smooth, len(self.builders)), np.array(self.unlike, np.bool_))

    def _build(self, item: FrameScore | Gap) -> Iterator[Event]:
        if isinstance(item, FrameScore):
            self.latest = item
            if self.raw is not None:
                self.smooth.extend(row_of(item, len(self.builders)))
        for column, builder in enumerate(self.builders):
            if isinstance(item, Gap):
                yield from builder.gap(item)
            else:
                score = None if item.scores is None else float(item.scores[column])
                yield from builder.push(item.index, item.time_s, score, item.reason)


def certain_after_s(smoothing: SmoothingOptions, intervals: IntervalOptions) -> float:
    """How long after it happens a change of state is certain at most, in seconds, beyond the distance of two frames.

    Scores of a presence that flickers as it begins may take up to ``min_absent_s`` more, and what lies beside unknown
    stretches waits for what is seen next; see "When an event is final" in docs/intervals.md.
    """
    return smoothing.delay_s + max(intervals.min_present_s, intervals.min_absent_s) + 2 * intervals.pad_s


def row_of(frame: FrameScore, organs: int) -> list[float]:
    """The frame's scores, NaN where it is unscored."""
    return [float("nan")] * organs if frame.scores is None else frame.scores.tolist()


def matrix(scores: array[float], organs: int) -> NDArray[np.float32]:
    """(T, K) of T rows one after the other."""
    return np.array(scores).reshape(-1, organs)
