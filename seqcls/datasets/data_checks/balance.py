"""How much there is of what, and how much of it is independent.

Frames of one clip are alike, and patients count alike only if there is as much of each:

- N frames of k clips count as N / (1 + (m - 1) * ICC) independent ones, with m = sum(n_i^2) / N (the design effect of
  cluster sampling: Kish 1965, Survey Sampling, ch. 5). ICC is the intraclass correlation of the frames' embeddings
  within a clip, by one-way analysis of variance (Donner and Koval 1980, 10.2307/2529897), summed over the dimensions,
  after the mean of the organ's state is taken off.
- P patients with n_i frames each count as (sum n_i)^2 / sum(n_i^2) patients of equal weight (Kish 1965, ch. 11).
- A presence is a run of frames of one clip in which the organ is present, ended by absence or by PAUSE_S without a
  label.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.data_checks.finding import Finding, first_of
from seqcls.datasets.data_checks.near_duplicates import Floats
from seqcls.datasets.dataset import FrameSet
from seqcls.text.wording import count_of

#: Seconds without a labelled frame that part two presences.
PAUSE_S = 2.0
#: Frames that the intraclass correlation is estimated on, evenly chosen.
MAX_FOR_ICC = 20_000
#: Fewer frames of a state can hardly be learned from.
FEW = 10


@dataclass(frozen=True, slots=True)
class Balance:
    """One organ on one side of the split.

    patients_worth: of equal weight, those that show the organ. presences: None where every image is a clip of its own.
    """

    split: str
    organ: str
    frames: int
    present: int
    absent: int
    presences: int | None
    clips: int
    patients: int
    patients_present: int
    patients_worth: float
    sites: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one patient, clip or site holds: frames, and by organ how many are present and absent."""

    unit: str
    name: str
    frames: int
    states: tuple[tuple[str, int, int], ...]


def sites_of(frames: FrameSet) -> tuple[NDArray[np.str_], str]:
    """The site of each frame, and where that is known from."""
    for column in ("site", "scanner"):
        stated = getattr(frames, column, None)
        if stated is not None and len(stated) == len(frames.clip) and (np.asarray(stated) != "").any():
            return np.where(np.asarray(stated) == "", "not stated", stated), f"the column {column} of the labels"
    if frames.facts is None:
        return np.full(len(frames.clip), "one"), "nothing: it is not known"
    sizes = [f"{width}x{height}" for width, height in zip(frames.facts.width, frames.facts.height, strict=True)]
    return np.array(sizes), "the size of the image, which stands for the scanner"


def balance_of(frames: FrameSet) -> tuple[Balance, ...]:
    """A row per side and organ that has a labelled frame there."""
    sites, _ = sites_of(frames)
    found = []
    for split in ("train", "validation"):
        for column, organ in enumerate(frames.organs):
            rows = np.flatnonzero((frames.split == split) & frames.mask[:, column])
            if not len(rows):
                continue
            shown = rows[frames.targets[rows, column] > 0.5]
            found.append(
                Balance(
                    split,
                    organ,
                    len(rows),
                    len(shown),
                    len(rows) - len(shown),
                    presences(frames, column, rows),
                    len(np.unique(frames.clip[rows])),
                    len(np.unique(frames.patient[rows])),
                    len(np.unique(frames.patient[shown])),
                    equal_weights(frames.patient[shown]),
                    len(np.unique(sites[rows])),
                )
            )
    return tuple(found)


def parts_of(frames: FrameSet) -> tuple[Part, ...]:
    """Patients, clips and sites, each with what it holds."""
    found = []
    for unit, names in (("patient", frames.patient), ("clip", frames.clip), ("site", sites_of(frames)[0])):
        unique, place = np.unique(names, return_inverse=True)
        counts = np.bincount(place, minlength=len(unique))
        known = [np.bincount(place[frames.mask[:, k]], minlength=len(unique)) for k in range(len(frames.organs))]
        shown = [
            np.bincount(place[frames.mask[:, k] & (frames.targets[:, k] > 0.5)], minlength=len(unique))
            for k in range(len(frames.organs))
        ]
        for at, name in enumerate(unique.tolist()):
            states = tuple(
                (organ, int(shown[k][at]), int(known[k][at] - shown[k][at])) for k, organ in enumerate(frames.organs)
            )
            found.append(Part(unit, name, int(counts[at]), states))
    return tuple(found)


def presences(frames: FrameSet, column: int, rows: NDArray[np.int64]) -> int | None:
    """Runs of presence of one organ among labelled rows, clip by clip in order of time. None where every one of several
    images without a time is a clip of its own: which belong together is not known."""
    if 1 < len(rows) == len(np.unique(frames.clip[rows])) and np.isnan(frames.time_s[rows]).all():
        return None
    count = 0
    for clip in np.unique(frames.clip[rows]):
        own = rows[frames.clip[rows] == clip]
        time_s = frames.time_s[own]
        if np.isnan(time_s).any():
            own, time_s = own[np.argsort([_number(frames, row) for row in own.tolist()], kind="stable")], np.zeros(0)
        else:
            own, time_s = own[np.argsort(time_s, kind="stable")], np.sort(time_s)
        shown = frames.targets[own, column] > 0.5
        breaks = np.zeros(len(own), bool)
        breaks[1:] = np.diff(time_s) > PAUSE_S if len(time_s) else False
        begins = shown & (np.r_[True, ~shown[:-1]] | breaks)
        count += int(begins.sum())
    return count


def _number(frames: FrameSet, row: int) -> int:
    """The last number in the name of an image, by which the frames of a clip are counted."""
    found = re.findall(r"\d+", str(frames.facts.name[row]).rsplit("/", 1)[-1]) if frames.facts is not None else []
    return int(found[-1]) if found else row


def equal_weights(groups: NDArray[np.str_]) -> float:
    """How many groups of equal weight groups of these frames count as."""
    counts = np.unique(groups, return_counts=True)[1].astype(float)
    return float(counts.sum() ** 2 / (counts**2).sum()) if len(counts) else 0.0


def intraclass_correlation(values: Floats, groups: NDArray[np.str_]) -> float:
    """Of (N, D) values within groups, 0 to 1; NaN where there are fewer than two groups, or no group has two."""
    names, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    total, k = len(values), len(names)
    if k < 2 or total <= k:
        return math.nan
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, place, values)
    means = sums / counts[:, None]
    between = float((counts[:, None] * (means - values.mean(axis=0)) ** 2).sum()) / (k - 1)
    within = float(((values - means[place]) ** 2).sum()) / (total - k)
    size = (total - float((counts.astype(float) ** 2).sum()) / total) / (k - 1)
    whole = between + (size - 1) * within
    return float(np.clip((between - within) / whole, 0, 1)) if whole > 0 else math.nan


def independent_frames(frames: FrameSet, features: Floats, column: int) -> tuple[float, float, float]:
    """Of an organ's training frames: how many independent ones they count as, the ICC, and the design effect."""
    rows = np.flatnonzero((frames.split == "train") & frames.mask[:, column])
    sample = rows[:: max(1, math.ceil(len(rows) / MAX_FOR_ICC))]
    values = features[sample].astype(np.float64)
    shown = frames.targets[sample, column] > 0.5
    for state in (shown, ~shown):
        values[state] -= values[state].mean(axis=0) if state.any() else 0.0
    icc = intraclass_correlation(values.astype(np.float32), frames.clip[sample])
    counts = np.unique(frames.clip[rows], return_counts=True)[1].astype(float)
    effect = 1 + (float((counts**2).sum() / counts.sum()) - 1) * icc if len(rows) else math.nan
    return len(rows) / effect if effect else math.nan, icc, effect


def few_frames(balance: tuple[Balance, ...], frames: FrameSet) -> Iterator[Finding]:
    """A state that hardly a frame shows, and an organ that one side lacks."""
    for one in balance:
        for state, count in (("present", one.present), ("absent", one.absent)):
            where = "training" if one.split == "train" else "validation"
            if count == 0 and one.split == "validation":
                text = (
                    f"validation shows no {one.organ} {state}: nothing can be said of it there; add such frames of"
                    f" other patients (folder 'validation/{one.organ} {state}')"
                )
                yield Finding("look", "missing class", text)
            elif count == 1 and one.split == "train":
                text = f"one {where} image shows {one.organ} {state}: nothing can be learned from it; label more"
                yield Finding("look", "one image", text)
            elif count < FEW and one.split == "train":
                text = f"only {count} {where} images show {one.organ} {state}: label more"
                yield Finding("look", "few images", text)
    held = {one.organ for one in balance if one.split == "validation"}
    trained = {one.organ for one in balance if one.split == "train"}
    for organ in sorted(trained - held if held else ()):
        text = (
            f"{organ} is in training only: nothing chooses its thresholds; add 'validation/{organ} present' and"
            f" 'validation/{organ} absent'"
        )
        yield Finding("look", "organ on one side", text)
    for organ in sorted(held - trained):
        text = f"{organ} is in validation only: it is not learned; add frames of it for training, or leave it out"
        yield Finding("look", "organ on one side", text)


def advice(balance: tuple[Balance, ...], frames: FrameSet) -> Iterator[Finding]:
    """What is no fault and should be known: no validation, clips not told apart, a site that shows one state only."""
    if not (frames.split == "validation").any():
        text = (
            "there is no validation: thresholds stay at their defaults and the last weights are kept; ask how"
            " unseen patients fare with `seqcls train --folds groups`, or put whole patients into a folder 'validation'"
        )
        yield Finding("advice", "no validation", text)
    if frames.facts is not None and frames.facts.clips == "unknown":
        text = (
            "the names of the images tell no clip: each folder counts as one, so who is on which side is not checked by"
            " name; call them CLIP_NUMBER.png, or extract them from labelled clips"
        )
        yield Finding("advice", "clips not known", text)
    sites, _ = sites_of(frames)
    names = np.unique(sites)
    for column, organ in enumerate(frames.organs if len(names) > 1 else ()):
        rows = (frames.split == "train") & frames.mask[:, column]
        one_sided = [
            (str(name), "present" if shown.all() else "absent")
            for name in names
            if len(shown := frames.targets[rows & (sites == name), column] > 0.5) and (shown.all() or not shown.any())
        ]
        for state in ("present", "absent"):
            if own := [name for name, only in one_sided if only == state]:
                text = (
                    f"site {first_of(own)}: {organ} {state} only, while other sites show both: a network may learn the"
                    f" scanner instead of the organ; add frames of the other state from there"
                )
                yield Finding("advice", "site with one state", text)
    for one in balance:
        if one.split == "train" and one.patients_present and one.patients_worth < 0.5 * one.patients_present:
            text = (
                f"{count_of(one.patients_present, 'patient')} show {one.organ}, but count as"
                f" {one.patients_worth:.1f}: few of them hold most of the frames"
            )
            yield Finding("advice", "uneven patients", text)
