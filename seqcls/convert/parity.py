"""How much a converted model's outputs differ from the original's: scores, AUROC, frames and intervals that change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.evaluation.metrics import auroc
from seqcls.models.file import ModelHeader
from seqcls.postprocess import RawScores
from seqcls.reprocess import post_process
from seqcls.smoothing import SmoothingOptions
from seqcls.text.wording import count_of
from seqcls.types import FrameScore, Gap

Floats = NDArray[np.float32]
#: A hole of more than so many frames in a clip's labelled frames is one that nothing is known of.
MAX_MISSING = 2
#: By how much the share of frames that are unlike the training may change.
MAX_UNLIKE_CHANGE = 0.01
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
    untimed: bool = False
    """Frames of no clip have times: intervals are runs of frames that follow each other by name, none too short."""
    unlike: tuple[float, float] | None = None
    """Share of the frames that are unlike training, before and after; None where the model does not tell."""

    @property
    def compared(self) -> str:
        """On what, for a person."""
        if self.origin == "random":
            return count_of(self.frames, "random image")
        what = f"{count_of(self.frames, f'{self.origin} frame')} of {count_of(self.clips, 'clip')}"
        return f"{what} without times, of which runs of one state were compared" if self.untimed else what

    def problems(self, max_drift: float, max_auroc_change: float = 0.002) -> list[str]:
        """Why the converted model must not be used; empty when it may."""
        found = []
        for organ in self.organs:
            if not organ.mean <= max_drift:  # NaN is no agreement either
                found.append(f"{organ.organ}: scores drift by {organ.mean:.4f} on average, more than {max_drift:g}")
            if (change := organ.auroc_change) > max_auroc_change:
                found.append(f"{organ.organ}: AUROC changes by {change:.4f}, more than {max_auroc_change:g}")
            if organ.gained or organ.lost:
                found.append(f"{organ.organ}: {count_of(organ.gained, 'interval')} gained, {organ.lost} lost")
        if self.unlike is not None and abs(self.unlike[1] - self.unlike[0]) > MAX_UNLIKE_CHANGE:
            before, after = self.unlike
            found.append(f"{after:.1%} of the frames are unlike the training, {before:.1%} were before")
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
    unlike: tuple[float, float] | None = None,
) -> Parity:
    """Parity of scores (N, K) before and after conversion, and in the machine's default precision (None: as after).

    engines: descriptions of what gave the three. frames: the N frames, for AUROC and intervals; None for random images.
    """
    by_default = after if by_default is None else by_default
    spans = [[] if frames is None else _spans(header, scores, frames) for scores in (before, after)]
    organs = []
    for k, name in enumerate(header.organs):
        drift, added = np.abs(before[:, k].astype(np.float64) - after[:, k]), np.abs(by_default[:, k] - after[:, k])
        areas: list[float | None] = [None, None]
        if frames is not None:
            known = frames.mask[:, k]
            both = [auroc(frames.targets[known, k], scores[known, k]) for scores in (before, after)]
            areas = [None if math.isnan(area) else area for area in both]
        onset = header.intervals[k].onset
        old, new = ([span for span in found if span[0] == name] for found in spans)
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
        untimed=frames is not None and not np.isfinite(frames.time_s).any(),
        unlike=unlike,
    )


#: Organ, clip, and from when to when.
Span = tuple[str, str, float, float]


def _spans(header: ModelHeader, scores: Floats, frames: FrameSet) -> list[Span]:
    """The present intervals that the header's post-processing finds in the scores of each clip."""
    found: list[Span] = []
    smoothing, options, times_s = header.smoothing, header.intervals, frames.time_s
    if not np.isfinite(times_s).any():  # of folders of images: each one follows the one before
        smoothing, times_s = SmoothingOptions(kind="none"), np.arange(len(times_s), dtype=np.float64)
        options = tuple(replace(one, min_present_s=0.0, min_absent_s=0.0, pad_s=0.0) for one in options)
    for clip in np.unique(frames.clip):
        rows = np.flatnonzero((frames.clip == clip) & np.isfinite(times_s))
        rows = rows[np.argsort(times_s[rows], kind="stable")]
        if len(rows) < 2:
            continue
        time_s = times_s[rows]
        step_s, end_s = float(np.median(np.diff(time_s))), float(time_s[0])
        raw = RawScores(header.organs)
        for index, (start_s, own) in enumerate(zip(time_s.tolist(), scores[rows], strict=True)):
            if start_s - end_s > MAX_MISSING * step_s:
                raw.add(Gap(end_s, start_s, "not labelled"))
            raw.add(FrameScore(index, start_s, step_s, own))
            end_s = start_s + step_s
        _, intervals = post_process(raw, smoothing, options, end_s)
        found += [(i.organ, str(clip), i.start_s, i.end_s) for i in intervals if i.state == "present"]
    return found


def _pairs(old: list[Span], new: list[Span]) -> int:
    """How many of both stand for the same presence: they overlap in the same clip, and neither has another partner.

    So a presence torn in two counts as one more. In order of time the first free partner is always the right one.
    """
    free = sorted(new)
    for _, clip, start_s, end_s in sorted(old):
        partner = next((n for n in free if n[1] == clip and start_s < n[3] and n[2] < end_s), None)
        if partner is not None:
            free.remove(partner)
    return len(new) - len(free)
