"""What lets validation figures flatter: a patient, a clip or a frame on both sides of the split; and what is its kin on
one side: one clip under two names, one image with two labels."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.data_checks.finding import Finding, first_of, shared
from seqcls.datasets.data_checks.near_duplicates import Floats, Twins, find_twins
from seqcls.datasets.data_checks.odd_frames import name_of
from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.image_rows import blocks
from seqcls.text.wording import count_of

#: Pairs that are listed.
MAX_LISTED = 200
#: From this share of a clip's frames on, with a twin each in one other clip, the two are one recording; and the least
#: number of such frames.
SAME_CLIP, MIN_TWINS = 0.5, 3


#: Names tell no clips where so large a share of so many images is in clips of so few, as a sweep has more.
MOSTLY_LONE, MIN_IMAGES, MAX_LONE = 0.5, 10, 2


def twins_of(frames: FrameSet, features: Floats | None = None) -> Twins:
    """Frames that show the same, of different clips or on different sides of the split."""
    both = np.char.add(np.char.add(frames.split, "\0"), frames.clip)
    groups, sides = (np.unique(names, return_inverse=True)[1].astype(np.int64) for names in (both, frames.split))
    return find_twins(frames.images, groups, sides, features)


def leaked_rows(frames: FrameSet, twins: Twins | None = None) -> NDArray[np.int64]:
    """Validation frames that show the same as a training frame; ``twins`` where they are known already."""
    twins = twins_of(frames) if twins is None else twins
    across = _across(frames, twins)
    both = np.concatenate([across.first, across.second])
    return np.unique(both[frames.split[both] == "validation"])


def leakage(frames: FrameSet, twins: Twins) -> Iterator[Finding]:
    """All that stands on both sides of the split."""
    train, held = frames.split == "train", frames.split == "validation"
    if not held.any():
        return
    clips = _certain(frames, shared(frames.clip[train].tolist(), frames.clip[held].tolist()))
    patients = _certain(frames, shared(frames.patient[train].tolist(), frames.patient[held].tolist()))
    patients = [name for name in patients if name not in clips]
    for what, names, column in (("clip", clips, frames.clip), ("patient", patients, frames.patient)):
        if names:
            sides = [
                (name, " and ".join(f"{int((column[rows] == name).sum())} frames in {side}" for side, rows in pairs))
                for name in names[:MAX_LISTED]
                for pairs in [(("train", train), ("validation", held))]
            ]
            verb = "stands" if len(names) == 1 else "stand"
            text = (
                f"{count_of(len(names), what)} {verb} on both sides of the split: {first_of(names)}; keep all frames of"
                f" a {what} on one side"
            )
            yield Finding("leak", f"{what} on both sides", text, tuple(sides))
    across = _across(frames, twins)
    if len(across):
        rows = leaked_rows(frames, twins)
        text = (
            f"{len(rows):,} of {count_of(int(held.sum()), 'validation frame')} {'shows' if len(rows) == 1 else 'show'}"
            f" the same as a training frame: {first_of((name_of(frames, row) for row in rows[:3].tolist()), len(rows))}"
        )
        yield Finding("leak", "near-duplicate across the split", text, *_listed(frames, _best(across)))


def same_clips(frames: FrameSet, twins: Twins) -> Iterator[Finding]:
    """Two clips of one side, half of one of which is in the other."""
    if frames.facts is not None and frames.facts.clips == "unknown":
        return
    within = twins.where(frames.split[twins.first] == frames.split[twins.second])
    lengths = Counter(frames.clip.tolist())
    matched: dict[tuple[str, str], set[int]] = {}
    for one, other in zip(within.first.tolist(), within.second.tolist(), strict=True):
        matched.setdefault((str(frames.clip[one]), str(frames.clip[other])), set()).add(one)
        matched.setdefault((str(frames.clip[other]), str(frames.clip[one])), set()).add(other)
    found = {
        tuple(sorted(pair))
        for pair, rows in matched.items()
        if len(rows) >= max(MIN_TWINS, SAME_CLIP * lengths[pair[0]]) and pair[0] != pair[1]
    }
    for one, other in sorted(found):
        text = (
            f"{one} and {other} look like one recording under two names: leave one out, or state one patient for both"
        )
        wanted = (frames.clip[within.first] == one) & (frames.clip[within.second] == other)
        wanted |= (frames.clip[within.first] == other) & (frames.clip[within.second] == one)
        yield Finding("look", "one clip under two names", text, *_listed(frames, within.where(wanted)))


def lone_images(frames: FrameSet) -> Iterator[Finding]:
    """Names of images that tell of no clips, so that nearly each would be a clip of its own, and a patient."""
    if frames.facts is None or frames.facts.clips != "read from names":
        return
    clips, of_clip, counts = np.unique(frames.clip, return_inverse=True, return_counts=True)
    lone = np.flatnonzero(counts[of_clip] <= MAX_LONE)
    if len(frames.clip) < MIN_IMAGES or len(lone) < MOSTLY_LONE * len(frames.clip):
        return
    names = [name_of(frames, row) for row in lone[:MAX_LISTED].tolist()]
    text = (
        f"{len(lone):,} of {count_of(len(frames.clip), 'image')} are in a clip of {MAX_LONE} images at most, as their"
        f" names tell it ({count_of(len(clips), 'clip')} in all), and each clip counts as a patient: {first_of(names)}."
        " Where several show one sweep, folds and figures leak: name them CLIP_NUMBER, as neck01_000123.png"
    )
    yield Finding("look", "names that tell no clip", text, tuple((name, "") for name in names))


def contradictions(frames: FrameSet, twins: Twins) -> Iterator[Finding]:
    """One image that is labelled present and absent: byte for byte anywhere, or encoded twice, in two clips."""
    same, best = _identical(frames), _best(twins)
    pairs = {*zip(*same, strict=True), *zip(best.first.tolist(), best.second.tolist(), strict=True)}
    for column, organ in enumerate(frames.organs):
        known, shown = frames.mask[:, column], frames.targets[:, column] > 0.5
        wrong = [(i, j) for i, j in sorted(pairs) if known[i] and known[j] and shown[i] != shown[j]]
        if not wrong:
            continue
        listed = [
            (name_of(frames, i if shown[i] else j), f"present; absent as {name_of(frames, j if shown[i] else i)}")
            for i, j in wrong[:MAX_LISTED]
        ]
        text = (
            f"{count_of(len(wrong), 'image')} labelled {organ} present and {organ} absent:"
            f" {first_of((name for name, _ in listed), len(wrong))}; decide, and remove the other label"
        )
        rows = tuple(row for pair in wrong[:MAX_LISTED] for row in pair)
        yield Finding("look", "contradictory labels", text, tuple(listed), rows)


def _certain(frames: FrameSet, names: list[str]) -> list[str]:
    """Of names on both sides those that name one clip or patient for sure: ``thyroid_0001.png`` on both sides does
    not make "thyroid" a patient, where names of images are all that is known."""
    if frames.facts is None or frames.facts.clips == "stated":
        return names
    return [name for name in names if re.search(r"\d", name)] if frames.facts.clips == "read from names" else []


def _across(frames: FrameSet, twins: Twins) -> Twins:
    return twins.where(frames.split[twins.first] != frames.split[twins.second])


def _best(twins: Twins) -> Twins:
    """Of each frame's twins the most alike, if that is so for both: its neighbours in its clip are alike, too."""
    best: dict[int, float] = {}
    for rows in (twins.first, twins.second):
        for row, alike in zip(rows.tolist(), twins.correlation.tolist(), strict=True):
            best[row] = max(alike, best.get(row, 0.0))
    mine = [best[row] for row in twins.first.tolist()]
    others = [best[row] for row in twins.second.tolist()]
    least = np.maximum(mine, others) if len(twins) else np.zeros(0)
    return twins.where(twins.correlation >= least)


def _identical(frames: FrameSet) -> tuple[list[int], list[int]]:
    """Pairs of rows with equal images, each with the first of them."""
    first: dict[bytes, list[int]] = {}
    for row, image in enumerate(itertools.chain.from_iterable(blocks(frames.images))):
        if image.any():
            first.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), []).append(row)
    pairs = [(rows[0], row) for rows in first.values() for row in rows[1:]]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _listed(frames: FrameSet, twins: Twins) -> tuple[tuple[tuple[str, str], ...], tuple[int, ...]]:
    """The pairs, the most alike first: the validation frame of each, if there is one, stands first."""
    order = np.argsort(-twins.correlation, kind="stable")[:MAX_LISTED]
    pairs = [(int(twins.first[at]), int(twins.second[at]), float(twins.correlation[at])) for at in order]
    pairs = [(j, i, r) if frames.split[j] == "validation" != frames.split[i] else (i, j, r) for i, j, r in pairs]
    listed = tuple((name_of(frames, i), f"as {name_of(frames, j)} (correlation {r:.3f})") for i, j, r in pairs)
    return listed, tuple(row for i, j, _ in pairs for row in (i, j))
