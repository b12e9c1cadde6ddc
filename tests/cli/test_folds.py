"""`seqcls folds show`: from a cross-validation's scores to a clip's strips, picture and page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.commands import Seqcls, Trained, one_line

from seqcls.training.fold_scores import FoldScores, write_fold_scores


@pytest.fixture
def model(trained: Trained) -> Path:
    """The tests' model, as if it had been cross-validated: clip a was told apart, clip b was not."""
    shutil.copy(trained.model, "m.safetensors")
    present = np.tile(np.arange(20) >= 10, 2)
    found = np.where(np.arange(40) < 20, present, False)
    table = FoldScores(
        organs=("node",),
        clip=np.repeat(["a.mp4", "b.mp4"], 20),
        patient=np.repeat(["P1", "P2"], 20),
        fold=np.repeat([1, 2], 20),
        time_s=np.tile(np.arange(20) / 10, 2),
        scores=np.where(found, 0.99, 0.01).astype(np.float32)[:, None],
        labels=present.astype(np.int8)[:, None],
    )
    write_fold_scores(table, Path("m-training"))
    return Path("m.safetensors")


def test_a_clip_beside_its_labels(seqcls: Seqcls, model: Path) -> None:
    done = seqcls("folds", "show", "elsewhere/a.mp4", "-m", model, "-o", "fold")
    assert done.code == 0, done.err
    assert "a.mp4: left out in fold 1, patient P1" in done.out and "node (labels)" in done.out
    assert "accuracy 1.000, AUROC 1.000 on 20 labelled frames; presences found 1 of 1, false events 0" in done.out
    assert {path.name for path in Path("fold").iterdir()} == {"timeline.png", "report.html", "fold.json"}
    page = Path("fold/report.html").read_text(encoding="utf-8")
    assert "node (labels)" in page and "as labelled; the sliders do not change it" in page
    body = json.loads(Path("fold/fold.json").read_text(encoding="utf-8"))
    assert (body["clip"], body["patient"], body["fold"], body["organs"][0]["frames"]["accuracy"]) == (
        "a.mp4",
        "P1",
        1,
        1.0,
    )
    assert "--overwrite" in one_line(seqcls("folds", "show", "a.mp4", "-m", model, "-o", "fold"))


def test_all_clips_the_worst_first(seqcls: Seqcls, model: Path) -> None:
    done = seqcls("folds", "show", "-m", model)
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines() if ".mp4" in line]
    assert rows == [["b.mp4", "P2", "2", "1", "0", "0.500"], ["a.mp4", "P1", "1", "0", "0", "1.000"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw", "a.mp4"], "folds takes show, not 'draw'"),
        (["show", "c.mp4"], "c.mp4 is no clip of the cross-validation: name one of a.mp4, b.mp4"),
        (["show", "-o", "fold"], "-o is for one clip; name it"),
    ],
    ids=["action", "clip", "all"],
)
def test_what_cannot_be(seqcls: Seqcls, model: Path, arguments: list[str], message: str) -> None:
    done = seqcls("folds", *arguments, "-m", model)
    assert done.code in (1, 2) and message in one_line(done) and not Path("fold").exists()


def test_a_model_without_cross_validation(seqcls: Seqcls, trained: Trained) -> None:
    shutil.copy(trained.model, "other.safetensors")
    done = seqcls("folds", "show", "a.mp4", "-m", "other.safetensors")
    assert done.code == 1 and "train with `--folds groups`, which keeps it there" in one_line(done)


def test_names_are_hidden_by_a_key(seqcls: Seqcls, model: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    done = seqcls("folds", "show", "a.mp4", "-m", model, "-o", "fold", "--hash-names", key)
    assert done.code == 0, done.err
    text = done.out + Path("fold/report.html").read_text(encoding="utf-8") + Path("fold/fold.json").read_text()
    assert "a.mp4" not in text and "P1" not in done.out and '"P1"' not in text
    assert "h-" in done.out and "patient patient-" in done.out
    every = seqcls("folds", "show", "-m", model, "--hash-names", key)
    assert every.code == 0 and "a.mp4" not in every.out and "P1" not in every.out
