"""Which patients are held out for validation, and which are left out together in a fold: whole patients, never single
frames, and for validation only where there are enough."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError

#: Without a stated share, a validation set is held out only where each state of each organ is shown by this many
#: groups: with fewer, training loses more by the missing frames than a validation set is worth.
MIN_GROUPS = 5
SHARE = 0.2
#: What a group (patient or clip) shows: pairs of organ and state ("present" or "absent").
Shown = Set[tuple[str, str]]
#: What is left out as a whole.
Unit = Literal["patient", "clip"]


def hold_out(groups: Mapping[str, Shown], share: float | None, seed: int) -> tuple[frozenset[str], str]:
    """The groups held out, and a sentence for the user when there is none.

    Both sides show every organ present and absent. ``share`` of the groups, 0 for none, None for SHARE where there are
    enough. The same for the same ``seed``. Raises DataError where a stated share cannot be held out so.
    """
    states = sorted(set().union(*groups.values()))
    if not states:
        raise DataError("no clip is labelled present or absent, there is nothing to learn from; label some stretches")
    if share == 0:
        return frozenset(), "no validation set, as asked for"
    carriers = {state: {name for name, shown in groups.items() if state in shown} for state in states}
    organ, state = rarest = min(carriers, key=lambda state: len(carriers[state]))
    count = len(carriers[rarest])
    if share is None and count < MIN_GROUPS:
        return frozenset(), (
            f"only {count} of {len(groups)} patients or clips show {organ} {state}: too few to hold some out,"
            " so all are for training; see how it fares on unseen patients with `seqcls train --folds groups`"
        )
    if count < 2:
        raise DataError(
            f"a validation set needs two patients or clips that show {organ} {state}, there is {count};"
            " label more, or use validation=0"
        )
    wanted = max(1, round((SHARE if share is None else share) * len(groups)))
    order = [str(name) for name in np.random.default_rng(seed).permutation(sorted(groups))]
    held = _cover(groups, carriers, order)
    for name in order:
        if len(held) < wanted and name not in held and _is_free(name, held, carriers):
            held.add(name)
    return frozenset(held), ""


def grouping_of(patients: NDArray[np.str_], clips: NDArray[np.str_]) -> tuple[Unit, NDArray[np.str_]]:
    """What is left out as a whole, and each item's: (N,) its patient, or its clip where there is one patient.

    Raises DataError where there is one clip.
    """
    units: tuple[tuple[Unit, NDArray[np.str_]], ...] = (("patient", patients), ("clip", clips))
    for unit, names in units:
        if len(np.unique(names)) >= 2:
            return unit, np.asarray(names)
    raise DataError("all frames are of one clip: nothing can be left out; label more clips")


def folds_of(
    groups: NDArray[np.str_], present: NDArray[np.bool_], folds: int | Literal["groups"]
) -> tuple[tuple[str, ...], ...]:
    """The groups of each fold: each group by itself, or so that what shows presence is spread evenly.

    groups (N,): of each item, ``present`` (N,): whether it shows any organ. The same data give the same folds.
    """
    names = [str(name) for name in np.unique(groups)]
    if folds == "groups" or folds >= len(names):
        return tuple((name,) for name in names)
    if folds < 2:
        raise DataError(f"{folds} folds leave nothing to compare; ask for 2 or more")
    from sklearn.model_selection import StratifiedGroupKFold

    if min(np.count_nonzero(present), np.count_nonzero(~present)) < folds:
        # scikit-learn wants as many of each; their shares are what it spreads.
        groups, present = np.tile(groups, folds), np.tile(present, folds)
    parts = (
        np.unique(groups[tested]).tolist() for _, tested in StratifiedGroupKFold(folds).split(groups, present, groups)
    )
    return tuple(sorted(map(tuple, parts)))


def _cover(groups: Mapping[str, Shown], carriers: Mapping[tuple[str, str], set[str]], order: list[str]) -> set[str]:
    """A small set of groups that shows every state: each time the group that adds most, the first of ``order``."""
    held: set[str] = set()
    lacking = set(carriers)
    while lacking:
        free = [name for name in order if _is_free(name, held, carriers)]
        best = max(free, key=lambda name: len(groups[name] & lacking))
        if not groups[best] & lacking:
            raise DataError(
                "no split shows every organ present and absent on both sides; label more, or use validation=0"
            )
        held.add(best)
        lacking -= groups[best]
    return held


def _is_free(name: str, held: set[str], carriers: Mapping[tuple[str, str], set[str]]) -> bool:
    """Whether every state is still shown by a group for training once this one is held out too."""
    return all(names - held - {name} for names in carriers.values())
