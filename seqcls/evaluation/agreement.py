"""How far two readers agree, or a reader and a model: by frame, by presence, and at the edges.

What two people make of the same clips is the most that a model can be measured against: where its figures are as good
as theirs, more labels of the same kind will not tell it from better or worse.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.datasets.labels import ClipLabels, read_labels
from seqcls.errors import DataError
from seqcls.evaluation.interval_metrics import (
    ClipIntervals,
    IntervalMetrics,
    edge_differences,
    interval_metrics,
    spans_of,
)
from seqcls.evaluation.metrics import Estimate, bootstrap, ratio
from seqcls.exports import read_run
from seqcls.exports.run_folders import TIMELINE, runs_in
from seqcls.files import nfc
from seqcls.files.without_folders import without_folders
from seqcls.sources import open_source
from seqcls.sources.sniff import kind_by_suffix
from seqcls.text.wording import count_of
from seqcls.timeline import Timeline
from seqcls.types import Frame

#: Draws of the bootstrap over clips.
ROUNDS = 200
_STATES = {"present": 1, "absent": 0, "ignore": -1, None: -1}


@dataclass(frozen=True, slots=True, eq=False)
class FrameTimes:
    """A clip's frames: ``index`` (T,) int64, ``time_s`` (T,) float64 in order of time, and the end of the last one."""

    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    end_s: float

    @classmethod
    def of(cls, timeline: Timeline) -> FrameTimes:
        scores = timeline.scores
        return cls(scores.index, np.maximum.accumulate(scores.time_s), timeline.end_s)

    @classmethod
    def of_clip(cls, clip: str | Path) -> FrameTimes:
        """Decodes the whole clip. Raises SourceError."""
        with open_source(clip) as source:
            frames = [
                (frame.index, frame.time_s, frame.time_s + frame.duration_s)
                for frame in source
                if isinstance(frame, Frame)
            ]
        if not frames:
            raise DataError(f"{clip} holds no frame; leave it out")
        index, time_s, end_s = zip(*frames, strict=True)
        return cls(np.array(index, np.int64), np.maximum.accumulate(np.array(time_s, np.float64)), max(end_s))


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one reader, or one model, says of some clips. ``frames``: of the clips of a run, by the clip's name."""

    name: str
    clips: tuple[ClipLabels, ...]
    frames: Mapping[str, FrameTimes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganAgreement:
    """One organ, pooled over the clips that both have labelled. NaN where a figure has no meaning.

    moments: how many frames were compared, or seconds where no frames are known. agreement: share of them with one
    state. kappa: Cohen's, with its confidence interval over clips. present: shares that the first and the second call
    present. intervals: the second's presences against the first's, as a model's are measured. onset_bias_s and
    offset_bias_s: mean of second minus first.
    """

    organ: str
    clips: int
    moments: float
    agreement: float
    kappa: Estimate
    present: tuple[float, float]
    intervals: IntervalMetrics
    onset_bias_s: float
    offset_bias_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two readings side by side. ``by_frame``: whether frames were compared, rather than seconds."""

    first: str
    second: str
    organs: tuple[OrganAgreement, ...]
    by_frame: bool
    messages: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON; messages without folders."""
        return {**asdict(self), "messages": [without_folders(message) for message in self.messages]}


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """One organ in one clip, stretch by stretch: both codes (N,) int8, weights (N,), and edges (N + 1,) in seconds."""

    first: NDArray[np.int8]
    second: NDArray[np.int8]
    weight: NDArray[np.float64]
    edges_s: NDArray[np.float64]

    def intervals(self) -> ClipIntervals:
        ignored = (self.first < 0) | (self.second < 0)
        start_s, end_s = float(self.edges_s[0]), float(self.edges_s[-1])
        truth, prediction, ignore = (
            spans_of(state, self.edges_s[:-1], end_s) for state in (self.first == 1, self.second == 1, ignored)
        )
        return ClipIntervals(truth=truth, prediction=prediction, ignore=ignore, start_s=start_s, end_s=end_s)


def read_reading(path: str | Path) -> Reading:
    """A label file, a run's folder, or a folder of runs. Raises DataError."""
    path = Path(path)
    unread: dict[Path, str] = {}
    runs = runs_in(path, unread.__setitem__)
    for folder, why in unread.items():
        raise DataError(f"{folder} cannot be read: {why}")
    if path.is_dir() and not runs:
        raise DataError(f"{path} holds no run and no runs: name a label file, or the folder that `seqcls run` wrote")
    if path.is_dir() or path.name == TIMELINE:
        return of_timelines(path.stem, [read_run(run) for run in (runs if path.is_dir() else [path])])
    return Reading(path.stem, tuple(read_labels(path)))


def of_timelines(name: str, timelines: Sequence[Timeline], files: Sequence[str] = ()) -> Reading:
    """A model's reading: what it calls unknown is left out, as what a reader wants ignored.

    ``files``: the clips' names, where labels have others than the timelines.
    """
    clips, frames = [], {}
    for timeline, file in zip(timelines, files or [one.source.title for one in timelines], strict=True):
        spans = tuple(
            LabelledSpan(file, i.organ, "ignore" if i.state == "unknown" else i.state, i.start_s, i.end_s)
            for i in timeline.intervals
            if i.end_s > i.start_s
        )
        clips.append(ClipLabels(file, file, spans))
        frames[file] = FrameTimes.of(timeline)
    return Reading(name, tuple(clips), frames)


def agree(first: Reading, second: Reading, find_frames: Callable[[str], FrameTimes | None] | None = None) -> Agreement:
    """Compare two readings of the same clips.

    Args:
        first: the one that the other is measured against, for what is not the same in both directions.
        second: the other one.
        find_frames: gives the frames of a clip by the name that the first has for it, None where it has none.

    Where a clip's frames are not known, every second counts alike instead, which is the same for a constant frame rate.
    Raises DataError where no clip or no organ is in both, or where labels by frame and by second meet without frames.
    """
    pairs, messages = _pairs(first, second)
    organs = _common_organs(pairs, messages)
    compared: dict[str, list[tuple[str, _Compared]]] = {organ: [] for organ in organs}
    by_frame = True
    for one, other in pairs:
        frames = first.frames.get(one.file) or second.frames.get(other.file)
        frames = find_frames(one.file) if frames is None and find_frames is not None else frames
        by_frame &= frames is not None or _by_frame(one)
        for organ in organs:
            found = _compare(organ, one, other, frames)
            if found is not None:
                compared[organ].append((one.patient or one.file, found))
    rows = tuple(_organ(organ, own) for organ, own in compared.items() if own)
    if not rows:
        raise DataError(f"{first.name} and {second.name} label no moment of any organ both: nothing to compare")
    return Agreement(first=first.name, second=second.name, organs=rows, by_frame=by_frame, messages=tuple(messages))


def _pairs(first: Reading, second: Reading) -> tuple[list[tuple[ClipLabels, ClipLabels]], list[str]]:
    """Clips of one name: the same path, else the same file name where that is clear on both sides, else but for a
    suffix that one side leaves out, as some tools of annotation do."""
    known = {_key(clip.file): clip for clip in second.clips}
    by_name, by_stem = _Clear(first, second, _file_name), _Clear(first, second, _stem)
    pairs, alone = [], []
    for clip in first.clips:
        match = known.get(_key(clip.file)) or by_name.of(clip)
        if match is None and (other := by_stem.of(clip)) is not None:
            match = other if _stem(clip) == _file_name(clip) or _stem(other) == _file_name(other) else None
        if match is None:
            alone.append(clip.file)
        else:
            pairs.append((clip, match))
    if not pairs:
        raise DataError(
            f"{first.name} and {second.name} have no clip in common: the first begins with {first.clips[0].file}, the"
            f" second with {second.clips[0].file}"
        )
    taken = {other.file for _, other in pairs}
    alone += [clip.file for clip in second.clips if clip.file not in taken]
    messages = [f"{count_of(len(alone), 'clip')} of one reading alone, such as {alone[0]}: left out"] if alone else []
    return pairs, messages


def _key(file: str) -> str:
    return nfc(file).replace("\\", "/").removeprefix("./")


def _file_name(clip: ClipLabels) -> str:
    return PurePosixPath(_key(clip.file)).name.casefold()


def _stem(clip: ClipLabels) -> str:
    """Its file's name without the suffix of a clip."""
    name = Path(_file_name(clip))
    return name.stem if kind_by_suffix(name) else name.name


class _Clear:
    """Finds the clip of the second reading that is called alike, where each reading has one of this name."""

    def __init__(self, first: Reading, second: Reading, name_of: Callable[[ClipLabels], str]) -> None:
        self._name_of = name_of
        self._first, self._second = (Counter(map(name_of, reading.clips)) for reading in (first, second))
        self._clips = {name_of(clip): clip for clip in second.clips}

    def of(self, clip: ClipLabels) -> ClipLabels | None:
        name = self._name_of(clip)
        return self._clips[name] if self._first[name] == self._second[name] == 1 else None


def _common_organs(pairs: Sequence[tuple[ClipLabels, ClipLabels]], messages: list[str]) -> list[str]:
    """In the spelling of the first."""
    first, second = ({nfc(organ): organ for pair in pairs for organ in pair[side].organs} for side in (0, 1))
    common = [organ for key, organ in first.items() if key in second]
    alone = [organ for key, organ in {**first, **second}.items() if not (key in first and key in second)]
    if not common:
        raise DataError(f"one reading labels {', '.join(first.values())}, the other {', '.join(second.values())}")
    if alone:
        messages.append(f"{', '.join(alone)}: labelled by one reading alone, left out")
    return common


def _by_frame(clip: ClipLabels) -> bool:
    return any(span.by_frame for span in clip.spans)


def _compare(organ: str, one: ClipLabels, other: ClipLabels, frames: FrameTimes | None) -> _Compared | None:
    """None where there is no moment that both have labelled."""
    if frames is not None:
        index, time_s = frames.index.tolist(), frames.time_s.tolist()
        edges_s, weight = np.append(frames.time_s, frames.end_s), np.ones(len(time_s))
    else:
        limits = [span.limits for clip in (one, other) for span in clip.spans if nfc(span.organ) == nfc(organ)]
        if _by_frame(one) != _by_frame(other):
            raise DataError(f"{one.file} is labelled by frame and by second: name the folder of the clips (--clips)")
        # What tools of annotation do not list is absent, from the clip's beginning to its end where that is known.
        limits += [(0.0, clip.frames if _by_frame(clip) else clip.end_s) for clip in (one, other) if clip.rest]
        edges_s = np.unique(np.array(limits, np.float64)) if limits else np.zeros(1)
        time_s, weight = edges_s[:-1].tolist(), np.diff(edges_s)
        index = [int(start) for start in time_s]
    if not len(time_s):
        return None
    codes = [
        np.array([_STATES[clip.state_at(organ, k, t)] for k, t in zip(index, time_s, strict=True)], np.int8)
        for clip in (one, other)
    ]
    made = _Compared(codes[0], codes[1], weight, edges_s)
    return made if ((codes[0] >= 0) & (codes[1] >= 0)).any() else None


def _organ(organ: str, compared: Sequence[tuple[str, _Compared]]) -> OrganAgreement:
    clips = [clip for _, clip in compared]
    first, second, weight = (np.concatenate([getattr(clip, name) for clip in clips]) for name in _COLUMNS)
    groups = np.repeat([patient for patient, _ in compared], [len(clip.first) for clip in clips])
    both = (first >= 0) & (second >= 0)
    first, second, weight, groups = first[both], second[both], weight[both], groups[both]
    total = float(weight.sum())
    intervals = [clip.intervals() for clip in clips]
    bias_s = [float(np.mean(all_s)) if (all_s := edge_differences(intervals, side)) else math.nan for side in (0, 1)]
    return OrganAgreement(
        organ=organ,
        clips=len(clips),
        moments=total,
        agreement=ratio(float(weight[first == second].sum()), total),
        kappa=bootstrap(lambda rows: cohen_kappa(first[rows], second[rows], weight[rows]), groups, rounds=ROUNDS),
        present=(ratio(float(weight[first == 1].sum()), total), ratio(float(weight[second == 1].sum()), total)),
        intervals=interval_metrics(intervals),
        onset_bias_s=bias_s[0],
        offset_bias_s=bias_s[1],
    )


_COLUMNS = ("first", "second", "weight")


def cohen_kappa(first: NDArray[np.int8], second: NDArray[np.int8], weight: NDArray[np.float64]) -> float:
    """Cohen's kappa (Educational and Psychological Measurement 20, 1960) of two codings (N,) with weights (N,).

    NaN where both know one state only: agreement by chance is then complete, and kappa without meaning.
    """
    from sklearn.metrics import cohen_kappa_score  # here, because its import takes a second

    if not len(first) or ((first == first[0]).all() and (second == first[0]).all()):
        return math.nan
    return float(cohen_kappa_score(first, second, sample_weight=weight))
