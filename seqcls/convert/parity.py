"""How far a converted model strays from the one it was made of: scores, AUROC, frames and intervals that flip."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
    """One organ: largest and mean |p - p'|, AUROC before and after (NaN without labels of both classes), frames whose
    side of the onset threshold changed, and present intervals before, gained and lost (NaN of intervals is 0)."""

    organ: str
    largest: float
    mean: float
    auroc_before: float
    auroc_after: float
    flipped: int
    intervals: int
    gained: int
    lost: int

    @property
    def auroc_change(self) -> float:
        """0 where there is no AUROC."""
        change = abs(self.auroc_after - self.auroc_before)
        return 0.0 if math.isnan(change) else change


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Over ``frames`` frames of ``origin``, against ``reference``."""

    frames: int
    clips: int
    origin: Origin
    reference: str
    organs: tuple[OrganParity, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def problems(self, most_drift: float, most_auroc_change: float = 0.002) -> list[str]:
        """Why the converted model must not be used; empty when it may."""
        found = []
        for organ in self.organs:
            if not organ.mean <= most_drift:  # NaN is no agreement either
                found.append(f"{organ.organ}: scores drift by {organ.mean:.4f} on average, more than {most_drift:g}")
            if (change := organ.auroc_change) > most_auroc_change:
                found.append(f"{organ.organ}: AUROC changes by {change:.4f}, more than {most_auroc_change:g}")
            if organ.gained or organ.lost:
                found.append(f"{organ.organ}: {organ.gained} intervals gained, {organ.lost} lost")
        return found


def parity_report(
    header: ModelHeader,
    before: Floats,
    after: Floats,
    *,
    origin: Origin,
    reference: str,
    targets: Floats | None = None,
    mask: NDArray[np.bool_] | None = None,
    clip: NDArray[np.str_] | None = None,
    time_s: NDArray[np.float64] | None = None,
) -> Parity:
    """Parity of scores (N, K) before and after; targets and mask (N, K) for the AUROC, clip and time_s (N,) for the
    intervals, where there are any."""
    organs = []
    spans = _spans(header, before, after, clip, time_s) if clip is not None and time_s is not None else None
    for k, name in enumerate(header.organs):
        apart = np.abs(before[:, k].astype(np.float64) - after[:, k])
        areas = [math.nan, math.nan]
        if targets is not None and mask is not None:
            known = mask[:, k]
            areas = [auroc(targets[known, k], scores[known, k]) for scores in (before, after)]
        onset = header.intervals[k].onset
        old, new = ([], []) if spans is None else (spans[0][k], spans[1][k])
        organs.append(
            OrganParity(
                organ=name,
                largest=float(apart.max()),
                mean=float(apart.mean()),
                auroc_before=areas[0],
                auroc_after=areas[1],
                flipped=int(((before[:, k] >= onset) != (after[:, k] >= onset)).sum()),
                intervals=len(old),
                gained=_without_partner(new, old),
                lost=_without_partner(old, new),
            )
        )
    clips = 0 if clip is None else len(np.unique(clip))
    return Parity(frames=len(before), clips=clips, origin=origin, reference=reference, organs=tuple(organs))


Spans = list[tuple[str, float, float]]


def _spans(
    header: ModelHeader, before: Floats, after: Floats, clip: NDArray[np.str_], time_s: NDArray[np.float64]
) -> tuple[list[Spans], list[Spans]]:
    """Per organ the present intervals (clip, start, end) that the header's post-processing finds in either's scores."""
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


def _without_partner(ours: Spans, theirs: Spans) -> int:
    """How many of ours have no partner: one of theirs that overlaps it in the same clip and is no other's partner.

    So a presence torn in two counts as one more. In order of time the first free partner is always the right one.
    """
    left = sorted(theirs)
    alone = 0
    for clip, start, end in sorted(ours):
        partner = next((t for t in left if t[0] == clip and start < t[2] and t[1] < end), None)
        if partner is None:
            alone += 1
        else:
            left.remove(partner)
    return alone
