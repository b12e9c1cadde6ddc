"""Who is held out for validation: whole patients, never single frames, and only where there are enough of them."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np

from seqcls.errors import DataError

#: Without a stated share, a validation set is held out only where each state of each organ is carried by this many
#: groups: fewer, and training loses more by the frames than it gains by the advice.
MIN_GROUPS = 5
SHARE = 0.2
#: What a group (patient or clip) shows: pairs of organ and state ("present" or "absent").
Shown = Set[tuple[str, str]]


def hold_out(groups: Mapping[str, Shown], share: float | None, seed: int) -> tuple[frozenset[str], str]:
    """The groups held out, and a sentence for people when it is none.

    Both sides show every organ present and absent. ``share`` of the groups, 0 for none, None for SHARE where there are
    enough. Deterministic for one ``seed``. Raises DataError where a stated share cannot be held out so.
    """
    states = sorted(set().union(*groups.values()))
    if not states:
        raise DataError("no clip is labelled present or absent, there is nothing to learn from; label some stretches")
    carriers = {state: sorted(name for name, shown in groups.items() if state in shown) for state in states}
    if share == 0:
        return frozenset(), "no validation set, as asked for"
    fewest = min(carriers.items(), key=lambda item: len(item[1]))
    if share is None and len(fewest[1]) < MIN_GROUPS:
        (organ, state), names = fewest
        return frozenset(), (
            f"only {len(names)} of {len(groups)} patients or clips show {organ} {state}: too few to hold some out,"
            " so all are for training; see how it fares on unseen patients with `seqcls train --folds groups`"
        )
    if len(fewest[1]) < 2:
        (organ, state), _ = fewest
        raise DataError(
            f"a validation set needs two patients or clips that show {organ} {state}, there is {len(fewest[1])};"
            " label more, or use --validation 0"
        )
    wanted = max(1, round((SHARE if share is None else share) * len(groups)))
    order = [str(name) for name in np.random.default_rng(seed).permutation(sorted(groups))]
    held = _cover(groups, carriers, order)
    for name in order:
        if len(held) >= wanted:
            break
        if name not in held and all(set(names) - held - {name} for names in carriers.values()):
            held.add(name)
    if not all(set(names) - held for names in carriers.values()):
        raise DataError("no split shows every organ in both states on both sides; label more, or use --validation 0")
    return frozenset(held), ""


def _cover(groups: Mapping[str, Shown], carriers: Mapping[tuple[str, str], list[str]], order: list[str]) -> set[str]:
    """A small set of groups that shows every state: greedily the one that adds most, never a state's last carrier."""
    held: set[str] = set()
    lacking = set(carriers)
    while lacking:
        free = [
            name
            for name in order
            if name not in held and all(set(names) - held - {name} for names in carriers.values())
        ]
        best = max(free, key=lambda name: len(groups[name] & lacking), default=None)
        if best is None or not groups[best] & lacking:
            raise DataError(
                "no split shows every organ present and absent on both sides; label more, or use --validation 0"
            )
        held.add(best)
        lacking -= groups[best]
    return held
