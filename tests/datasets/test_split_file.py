"""A split that is kept: made once, read by whoever trains, and refused for other data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.frame_sets import frame_set

from seqcls.datasets.frame_table import Row
from seqcls.datasets.kept_split import with_split
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.datasets.labels import ClipLabels
from seqcls.datasets.split_file import Labelled, Split, make_split, read_split, write_split
from seqcls.errors import DataError, UsageError

PRESENT, ABSENT = (("liver", True),), (("liver", False),)


def labelled(patients: int) -> Labelled:
    """Two clips of each patient, of which the first shows the organ and the second does not."""
    names = np.repeat([f"P{number}" for number in range(patients)], 2)
    clips = np.array([f"{name}{'ab'[place % 2]}.mp4" for place, name in enumerate(names)])
    return Labelled(names, clips, (PRESENT, ABSENT) * patients)


def kept(tmp_path: Path, data: Labelled, **more: Any) -> Split:
    split, _ = make_split(data, **more)
    write_split(split, tmp_path / "split.json")
    return read_split(tmp_path / "split.json")


def test_a_fifth_is_held_out_and_all_are_dealt_out_to_folds(tmp_path: Path) -> None:
    split = kept(tmp_path, labelled(10), folds=5, seed=3)
    assert len(split.held_out) == 2 and len(split.sides) == 10 and split.unit == "patient"
    assert [len(part) for part in split.parts(5)] == [2] * 5
    assert sorted(name for part in split.parts(5) for name in part) == sorted(split.sides)
    assert (
        split.method
        == "0.2 of the patients for validation, every state on both sides; 5 folds with presence spread evenly"
    )
    assert split.digest == hashlib.sha256((tmp_path / "split.json").read_bytes()).hexdigest()
    assert (split.seed, split.name) == (3, "split.json")
    again, _ = make_split(labelled(10), folds=5, seed=3)
    assert (again.sides, again.folds, again.data) == (split.sides, split.folds, split.data)


def test_each_patient_by_itself_and_nobody_held_out(tmp_path: Path) -> None:
    made, message = make_split(labelled(4), folds="groups")
    assert "only 4 of 4 patients" in message and made.held_out == frozenset()
    assert made.method == "nobody for validation; each patient a fold"
    assert made.parts("groups") == made.parts(4) == made.parts(9) == (("P0",), ("P1",), ("P2",), ("P3",))


def test_of_one_patient_the_clips_are_split() -> None:
    data = replace(labelled(3), patients=np.full(6, "P"))
    made, _ = make_split(data, share=0.4, folds=2)
    assert made.unit == "clip" and made.sides.keys() == set(data.clips) and len(made.held_out) == 2
    assert [sum(name.endswith("a.mp4") for name in part) for part in made.parts(2)] in ([1, 2], [2, 1])


def test_folds_that_are_asked_for_are_those_that_were_made(tmp_path: Path) -> None:
    split = kept(tmp_path, labelled(10), folds=5)
    with pytest.raises(UsageError, match=r"^the split split.json has 5 folds, and 3 are asked for: ask for 5$"):
        split.parts(3)
    with pytest.raises(UsageError, match="5 folds, and groups are asked for"):
        split.parts("groups")
    with pytest.raises(UsageError, match=r"split.json has no folds: make it again with `seqcls split --folds 3`"):
        kept(tmp_path, labelled(10)).parts(3)


def test_more_folds_than_stretches_of_a_state() -> None:
    """Three stretches show the organ: scikit-learn would refuse five folds of the nine patients."""
    names = np.array([f"P{number}" for number in range(9)])
    made, _ = make_split(Labelled(names, names, (PRESENT,) * 3 + (ABSENT,) * 6), share=0, folds=5)
    parts = made.parts(5)
    assert sorted(len(part) for part in parts) == [1, 2, 2, 2, 2]
    assert max(len({"P0", "P1", "P2"} & set(part)) for part in parts) == 1


def test_labels_and_the_frames_cut_out_of_them_are_the_same_data() -> None:
    spans = tuple(LabelledSpan("a.mp4", "liver", state, at, at + 1.0) for at, state in enumerate(("present", "ignore")))  # type: ignore[arg-type]
    marked = ClipLabels("b.mp4", "Mu\u0308ller", (LabelledSpan("b.mp4", "liver", "present", 0.0, 1.0),), rest="absent")
    from_labels = Labelled.of_clips([(Path("a.mp4"), ClipLabels("a.mp4", "P1", spans)), (Path("b.mp4"), marked)])
    rows = [Row(Path("x"), "a.mp4", "P1", 0.0, "train", PRESENT)]
    rows += [Row(Path("x"), "b.mp4", "M\u00fcller", 0.0, "train", states) for states in (PRESENT, PRESENT, ABSENT)]
    from_rows = Labelled.of_rows(rows)
    assert make_split(from_labels, share=0)[0].data == make_split(from_rows, share=0)[0].data
    assert make_split(from_labels, share=0)[0].sides == {"M\u00fcller": "train", "P1": "train"}


def test_frames_stand_on_the_sides_of_the_split(tmp_path: Path) -> None:
    frames = frame_set()  # patients p0, p1, p2, of two clips each
    states = [
        tuple(zip(np.array(frames.organs)[m], t[m] > 0.5, strict=True))
        for m, t in zip(frames.mask, frames.targets, strict=True)
    ]
    data = Labelled(frames.patient, frames.clip, tuple(states))
    split = kept(tmp_path, data, share=0.3, folds=3)
    placed = with_split(frames, split)
    held = np.isin(frames.patient, list(split.held_out))
    assert np.array_equal(placed.split == "validation", held) and len(split.held_out) == 1
    assert placed.kept_split is split and placed.messages == frames.messages
    changed = replace(frames, targets=np.where(frames.patient == "p1", 0, frames.targets.T).T.astype(np.float32))
    assert with_split(changed, split).messages == (
        "the labels have changed since split.json was made: sides and folds stay, whatever they show now",
    )
    other = replace(frames, patient=np.where(frames.patient == "p1", "p7", frames.patient))
    with pytest.raises(DataError) as caught:
        with_split(other, split)
    assert str(caught.value) == (
        "split.json was made for other patients than these (new: p7; missing: p1): make the split again with"
        " `seqcls split`, or name the data that it was made for"
    )


def changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.update(fields)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (changed(format=2), "reads splits of format 1"),
        (changed(unit="organ"), "unit is 'organ', not one of patient, clip"),
        (changed(sides={}), "names nobody"),
        (changed(sides=["P1"]), "sides is "),
        (changed(sides={"P0": "test"}), "P0 is for 'test', not for train or validation"),
        (changed(folds={"P0": 1}), "not numbered from 1"),
        (lambda body: body["folds"].update(P0=4), "not numbered from 1"),
        (lambda body: body["folds"].update(P0=10**12), "not numbered from 1"),
        (lambda body: body.pop("seed"), "seed is missing"),
    ],
    ids=["format", "unit", "nobody", "list", "side", "some folds", "a gap", "a huge gap", "field"],
)
def test_what_is_no_split_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], Any], why: str) -> None:
    path = tmp_path / "split.json"
    kept(tmp_path, labelled(4), folds=2)
    body = json.loads(path.read_text(encoding="utf-8"))
    change(body)
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_split(path)
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_accents_that_pile_up_are_counted_before_they_are_composed(tmp_path: Path) -> None:
    kept(tmp_path, labelled(4))
    path = tmp_path / "split.json"
    path.write_text(path.read_text().replace('"P0"', '"' + "a" + "\u0301\u0316" * 100_000 + '"', 1))
    with pytest.raises(DataError, match=r"sides\..* has 200,001 characters, more than 1,000"):
        read_split(path)


def test_no_split_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^no split at .*gone.json; make one with `seqcls split DATA -o .*gone.json`$"):
        read_split(tmp_path / "gone.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="is no split"):
        read_split(tmp_path / "x.json")
