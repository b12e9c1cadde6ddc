"""How much a converted model's outputs differ from the original's: scores, AUROC, frames and intervals that change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.evaluation.metrics import auroc
from seqcls.intervals import intervals_from_events
from seqcls.models.file import ModelHeader
from seqcls.postprocess import PostProcess
from seqcls.types import Event, FrameScore, Gap

Floats = NDArray[np.float32]
#: A hole of more than so many frames in a clip's labelled frames is one that nothing is known of.
MAX_MISSING = 2
#: What the frames were: held out, else those trained on, else drawn at random.
Origin = Literal["validation", "training", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganParity:
    """One organ: largest and mean |p - p'|, AUROC before and after (None without labels of both classes), frames whose
    side of the onset threshold changed, and present intervals before, gained and lost (without frames there are none).

    default_largest, default_mean: what this machine's default precision adds to the converted model's scores.
    """

    organ: str
    largest: float
    mean: float
    default_largest: float
    default_mean: float
    auroc_before: float | None
    auroc_after: float | None
    flipped: int
    intervals: int
    gained: int
    lost: int

    @property
    def auroc_change(self) -> float:
        """0 where there is no AUROC."""
        if self.auroc_before is None or self.auroc_after is None:
            return 0.0
        return abs(self.auroc_after - self.auroc_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Over ``frames`` frames of ``origin``, between the engines ``reference`` and ``converted``, both in a stated
    precision; ``default``: the engine that runs the converted model here when no precision is stated."""

    frames: int
    clips: int
    origin: Origin
    reference: str
    converted: str
    default: str
    organs: tuple[OrganParity, ...]

    def problems(self, max_drift: float, max_auroc_change: float = 0.002) -> list[str]:
        """Why the converted model must not be used; empty when it may."""
        found = []
        for organ in self.organs:
            if not organ.mean <= max_drift:  # NaN is no agreement either
                found.append(f"{organ.organ}: scores drift by {organ.mean:.4f} on average, more than {max_drift:g}")
            if (change := organ.auroc_change) > max_auroc_change:
                found.append(f"{organ.organ}: AUROC changes by {change:.4f}, more than {max_auroc_change:g}")
            if organ.gained or organ.lost:
                found.append(f"{organ.organ}: {organ.gained} intervals gained, {organ.lost} lost")
        return found


def parity_report(
    header: ModelHeader,
    before: Floats,
    after: Floats,
    *,
    by_default: Floats | None = None,
    origin: Origin,
    engines: tuple[str, str, str] = ("", "", ""),
    frames: FrameSet | None = None,
) -> Parity:
    """Parity of scores (N, K) before and after conversion, and in the machine's default precision (None: as after).

    engines: descriptions of what gave the three. frames: the N frames, for AUROC and intervals; None for random images.
    """
    by_default = after if by_default is None else by_default
    spans = None if frames is None else _spans(header, before, after, frames)
    organs = []
    for k, name in enumerate(header.organs):
        drift, added = np.abs(before[:, k].astype(np.float64) - after[:, k]), np.abs(by_default[:, k] - after[:, k])
        areas: list[float | None] = [None, None]
        if frames is not None:
            known = frames.mask[:, k]
            found = [auroc(frames.targets[known, k], scores[known, k]) for scores in (before, after)]
            areas = [None if math.isnan(area) else area for area in found]
        onset = header.intervals[k].onset
        old, new = ([], []) if spans is None else (spans[0][k], spans[1][k])
        pairs = _pairs(old, new)
        organs.append(
            OrganParity(
                organ=name,
                largest=float(drift.max()),
                mean=float(drift.mean()),
                default_largest=float(added.max()),
                default_mean=float(added.mean()),
                auroc_before=areas[0],
                auroc_after=areas[1],
                flipped=int(((before[:, k] >= onset) != (after[:, k] >= onset)).sum()),
                intervals=len(old),
                gained=len(new) - pairs,
                lost=len(old) - pairs,
            )
        )
    reference, converted, default = engines
    return Parity(
        frames=len(before),
        clips=0 if frames is None else len(np.unique(frames.clip)),
        origin=origin,
        reference=reference,
        converted=converted,
        default=default,
        organs=tuple(organs),
    )


Spans = list[tuple[str, float, float]]


def _spans(header: ModelHeader, before: Floats, after: Floats, frames: FrameSet) -> tuple[list[Spans], list[Spans]]:
    """Per organ the present intervals (clip, start, end) that the header's post-processing finds in either's scores."""
    clip, time_s = frames.clip, frames.time_s
    found: tuple[list[Spans], list[Spans]] = ([[] for _ in header.organs], [[] for _ in header.organs])
    for name in np.unique(clip):
        rows = np.flatnonzero((clip == name) & np.isfinite(time_s))
        rows = rows[np.argsort(time_s[rows], kind="stable")]
        if len(rows) < 2:
            continue
        step_s = float(np.median(np.diff(time_s[rows])))
        for scores, spans in zip((before, after), found, strict=True):
            for organ, start_s, end_s in _present(header, scores[rows], time_s[rows], step_s):
                spans[header.organs.index(organ)].append((str(name), start_s, end_s))
    return found


def _present(
    header: ModelHeader, scores: Floats, time_s: NDArray[np.float64], step_s: float
) -> list[tuple[str, float, float]]:
    process = PostProcess(header.organs, header.smoothing, header.intervals)
    events: list[Event] = []
    expected_s = float(time_s[0])
    for index, (now_s, own) in enumerate(zip(time_s.tolist(), scores, strict=True)):
        if now_s - expected_s > MAX_MISSING * step_s:
            events += process.push(Gap(expected_s, now_s, "not labelled"))
        events += process.push(FrameScore(index, now_s, step_s, own))
        expected_s = now_s + step_s
    end_s = float(time_s[-1]) + step_s
    events += process.close(end_s)
    intervals = intervals_from_events(events, process.table(), end_s)
    return [(i.organ, i.start_s, i.end_s) for i in intervals if i.state == "present"]


def _pairs(old: Spans, new: Spans) -> int:
    """How many of both stand for the same presence: they overlap in the same clip, and neither has another partner.

    So a presence torn in two counts as one more. In order of time the first free partner is always the right one.
    """
    free = sorted(new)
    for clip, start_s, end_s in sorted(old):
        partner = next((n for n in free if n[0] == clip and start_s < n[2] and n[1] < end_s), None)
        if partner is not None:
            free.remove(partner)
    return len(new) - len(free)
