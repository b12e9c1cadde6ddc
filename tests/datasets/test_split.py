"""Who is held out for validation: whole patients, both states on both sides, and only where there are enough."""

from __future__ import annotations

import pytest

from seqcls.datasets.split import MIN_GROUPS, SHARE, hold_out
from seqcls.errors import DataError

P, A = ("liver", "present"), ("liver", "absent")
KIDNEY = ("kidney", "present")


def both(count: int) -> dict[str, set[tuple[str, str]]]:
    return {f"P{i}": {P, A} for i in range(count)}


def error(groups: dict[str, set[tuple[str, str]]], share: float | None) -> str:
    with pytest.raises(DataError) as caught:
        hold_out(groups, share, 0)
    return str(caught.value)


def test_with_few_patients_all_are_for_training() -> None:
    assert hold_out(both(4), None, 0) == (
        frozenset(),
        "only 4 of 4 patients or clips show liver absent: too few to hold some out, so all are for training;"
        " see how it fares on unseen patients with `seqcls train --folds groups`",
    )


def test_the_rarest_state_decides() -> None:
    groups = both(9) | {"X": {KIDNEY}}
    held, message = hold_out(groups, None, 0)
    assert not held and message.startswith("only 1 of 10 patients or clips show kidney present: ")


def test_with_five_patients_of_each_state_one_is_held_out() -> None:
    assert (MIN_GROUPS, SHARE) == (5, 0.2)
    held, message = hold_out(both(5), None, 0)
    assert len(held) == 1 and message == ""


@pytest.mark.parametrize(
    ("count", "share", "held"), [(20, None, 4), (13, None, 3), (12, None, 2), (20, 0.3, 6), (20, 0.01, 1), (2, 0.4, 1)]
)
def test_the_share_is_rounded_and_one_at_least(count: int, share: float | None, held: int) -> None:
    found, message = hold_out(both(count), share, 0)
    assert len(found) == held and found <= set(both(count)) and message == ""


def test_no_validation_set_is_asked_for() -> None:
    assert hold_out(both(20), 0, 0) == (frozenset(), "no validation set, as asked for")
    assert hold_out({"P0": {P}}, 0.0, 0) == (frozenset(), "no validation set, as asked for")


def test_both_sides_show_both_states() -> None:
    groups = {f"P{i}": ({P} if i % 3 == 0 else {A} if i % 3 == 1 else {P, A}) for i in range(20)}
    for seed in range(20):
        held, message = hold_out(groups, None, seed)
        assert message == "" and len(held) == 4
        for side in (held, set(groups) - held):
            assert set().union(*(groups[name] for name in side)) == {P, A}


def test_the_seed_alone_decides() -> None:
    groups = both(20)
    assert len({hold_out(groups, None, seed)[0] for seed in range(20)}) > 10
    assert hold_out(groups, None, 3) == hold_out(dict(reversed(groups.items())), None, 3)
    assert hold_out(groups, None, 0)[0] == {"P9", "P10", "P12", "P14"}


def test_a_patient_is_on_one_side_however_rare_a_state() -> None:
    """P1 and P2 alone show presence: one of them is held out, never both, even where half is asked for."""
    groups = {"P1": {P, A}, "P2": {P, A}, "P3": {A}, "P4": {A}}
    for seed in range(12):
        held, _ = hold_out(groups, 0.5, seed)
        assert len(held) == 2 and len(held & {"P1", "P2"}) == 1
    assert {next(iter(hold_out(groups, 0.25, seed)[0])) for seed in range(12)} == {"P1", "P2"}


def test_more_than_the_share_where_the_states_ask_for_it() -> None:
    """Two states of two organs, each shown by other patients: two must be held out, though a tenth was asked for."""
    groups = {f"L{i}": {P} for i in range(5)} | {f"A{i}": {A} for i in range(5)}
    held, _ = hold_out(groups, 0.1, 0)
    assert sorted(name[0] for name in held) == ["A", "L"]


def test_the_patient_that_adds_most_goes_first() -> None:
    groups = {"one": {P}, "two": {P, A}, "three": {P, A, KIDNEY}, "other": {P, A, KIDNEY}, "more": {A}}
    for seed in range(10):
        (held,) = hold_out(groups, 0.2, seed)[0]
        assert held in ("three", "other")


def test_errors_name_what_is_missing() -> None:
    assert error({"P1": set(), "P2": set()}, None) == (
        "no clip is labelled present or absent, there is nothing to learn from; label some stretches"
    )
    assert error({}, 0) == error({"P1": set()}, 0.2)
    assert error({"P1": {P, A}, "P2": {A}}, 0.3) == (
        "a validation set needs two patients or clips that show liver present, there is 1;"
        " label more, or use validation=0"
    )
    # Whoever of the three is held out, one of the states is left to nobody.
    pairs = {"P1": {P, A}, "P2": {A, KIDNEY}, "P3": {P, KIDNEY}}
    assert error(pairs, 0.3) == (
        "no split shows every organ present and absent on both sides; label more, or use validation=0"
    )
