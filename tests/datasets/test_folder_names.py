"""Folders that are nearly right: each is named, with what to call it."""

from __future__ import annotations

import pytest

from seqcls.datasets.folder_names import alike_organs, side_hint, state_hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("validaton", "rename it 'validation' if it is meant so"),
        ("Validation_set", "rename it 'validation' if it is meant so"),
        ("val-images", "rename it 'validation' if it is meant so"),
        ("dev", "rename it 'validation' if it is meant so"),
        ("trian", "rename it 'train' if it is meant for training"),
        ("train_data", "rename it 'train' if it is meant for training"),
        ("test", "a test set must not choose the model"),
        ("notes", ""),
    ],
)
def test_sides(name: str, hint: str) -> None:
    assert side_hint(name).startswith(hint) and bool(side_hint(name)) == bool(hint)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("thyroid_presnt", "rename it 'thyroid present' if it is meant so"),
        ("Left-Lobe abscent", "rename it 'left lobe absent' if it is meant so"),
        ("thyroidpresent", "rename it 'thyroid present' if it is meant so"),
        ("thyroid yes", "rename it 'thyroid present' if it is meant so"),
        ("absent", "put the organ before the state, as 'thyroid absent'"),
        ("negative", "put the organ before the state, as 'thyroid absent'"),
        ("notes", ""),
        ("P01", ""),
    ],
)
def test_states(name: str, hint: str) -> None:
    assert state_hint(name) == hint


def test_two_spellings_of_one_organ() -> None:
    """Only where one lacks what the other has: left kidney and right kidney are two organs."""
    whole = [(split, "thyroid", state) for split in ("train", "validation") for state in (True, False)]
    misspelt = [(split, {"validation": "thyriod"}.get(split, name), state) for split, name, state in whole]
    assert list(alike_organs(misspelt)) == [
        "folders of 'thyriod' and of 'thyroid' count as two organs; if they are one, rename them alike"
    ]
    sides = [(split, organ, state) for split, _, state in whole for organ in ("lobe one", "lobe two", "lobe on")]
    assert list(alike_organs(sides)) == []
