"""The table of a cross-validation comes back as it was written, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqcls.errors import DataError
from seqcls.training.fold_scores import FoldScores, read_fold_scores, write_fold_scores

NAN = float("nan")


def table(clips: list[str], times_s: list[float]) -> FoldScores:
    count = len(clips)
    return FoldScores(
        organs=("liver", "left kidney"),
        clip=np.array(clips),
        patient=np.array([f"P{name[:1]}" for name in clips]),
        fold=np.arange(count),
        time_s=np.array(times_s),
        scores=np.linspace(0, 1, 2 * count, dtype=np.float32).reshape(count, 2),
        labels=np.tile(np.array([[1, -1]], np.int8), (count, 1)),
    )


def test_it_comes_back(tmp_path: Path) -> None:
    made = table(["a.mp4", "b.mp4", "b.mp4"], [0.1, NAN, 1 / 3])
    read = read_fold_scores(write_fold_scores(made, tmp_path))
    assert read.organs == made.organs and read.clip.tolist() == made.clip.tolist() and read.fold.tolist() == [0, 1, 2]
    assert np.array_equal(read.scores, made.scores) and np.array_equal(read.labels, made.labels)
    assert read.time_s == pytest.approx(made.time_s, abs=1e-8, nan_ok=True)


def test_a_clip_is_found_by_its_name_and_its_frames_in_order() -> None:
    made = table(["x/a.mp4", "y/b.mp4", "y/b.mp4", "z/a.mp4"], [0.0, 2.0, 1.0, 0.0])
    for name in ("y/b.mp4", "b.mp4", "/elsewhere/b.mp4", "c:\\b.mp4"):
        assert made.of_clip(name).time_s.tolist() == [1.0, 2.0]
    assert made.of_clip("z/a.mp4").fold.tolist() == [3]
    with pytest.raises(DataError, match=r"^a.mp4 stands for several clips: name one of x/a.mp4, z/a.mp4$"):
        made.of_clip("a.mp4")
    with pytest.raises(DataError, match=r"^q.mp4 is no clip of the cross-validation: name one of x/a.mp4, y/b.mp4, z"):
        made.of_clip("q.mp4")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its columns are others"),
        ("clip,patient,frame,liver\n", "its columns are others"),
        ("clip,patient,fold,time_s,liver,liver label\n", "it holds no frame"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,1,0\n", "too few or too many cells"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,x,0,0.5,1\n", "invalid literal"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,1,0,0.5,2\n", "'2'"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,1,0,1.5,1\n", "out of bounds"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,1,inf,0.5,1\n", "'inf' is no number"),
        ("clip,patient,fold,time_s,liver,liver label\na,P,-1,0,0.5,1\n", "below 0"),
        (f"clip,patient,fold,time_s,liver,liver label\na,P,{10**30},0,0.5,1\n", ""),
        ("clip,patient,fold,time_s,liver,liver,liver label,liver label\n", "its columns are others"),
    ],
    ids=["empty", "older", "no frame", "cells", "fold", "label", "score", "time", "below 0", "too large", "twice"],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "cross-validation.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_fold_scores(path)
    assert why in str(caught.value) and str(caught.value).endswith("train with --folds again")


def test_names_are_bounded_before_arrays_are_made_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, head = tmp_path / "cross-validation.csv", "clip,patient,fold,time_s,liver,liver label\n"
    for row in (f"{'a' * 1001},P,1,0,0.5,1\n", f"a,{'a' * 1001},1,0,0.5,1\n"):
        path.write_text(head + row)
        with pytest.raises(DataError, match=r"a name has 1,001 characters"):
            read_fold_scores(path)
    monkeypatch.setattr("seqcls.training.fold_scores.MAX_NAMES", 20)
    path.write_text(head + f"{'a' * 11},P,1,0,0.5,1\nb,P,1,1,0.5,1\n")
    with pytest.raises(DataError, match=r"a name has 11 characters"):
        read_fold_scores(path)


def test_none_there(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"^no cross-validation at .*: train with `--folds groups`, which keeps it there; of a model that tune, "
        "merge or convert made, name the trained one that it was made from$",
    ):
        read_fold_scores(tmp_path / "cross-validation.csv")
