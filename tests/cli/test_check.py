"""`seqcls check`, and `train` which asks the same: faults put into a folder are found, named, and stop what they must."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny_network
from support.commands import TRAIN, Seqcls, Trained, one_line
from support.drawn import picture
from support.scenes import pixels


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels in place of embeddings: what is tested is what becomes of them."""
    monkeypatch.setattr("seqcls.training.embedding.embed", lambda images, on_progress=None: pixels(images))


def save(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four patients to train on, two to validate: 12 frames each, the organ in half of them."""
    root = tmp_path / "frames"
    for patient in range(6):
        side = "train" if patient < 4 else "validation"
        for index in range(12):
            state = "present" if index >= 6 else "absent"
            save(root / side / f"node {state}" / f"pat{patient}_{index:04d}.png", picture(index >= 6, index, patient))
    return root


def test_a_clean_folder_gives_no_finding(seqcls: Seqcls, tree: Path) -> None:
    done = seqcls("check", tree)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "findings that stop training: 0, to look at: 0"
    assert "stop:" not in done.out and "look:" not in done.out
    assert max(map(len, done.out.splitlines()[:3])) <= 80


def test_each_fault_is_named_and_training_stops(seqcls: Seqcls, tree: Path) -> None:
    cut = tree / "train/node present/broken_0001.png"
    cut.write_bytes((tree / "train/node present/pat0_0006.png").read_bytes()[:300])
    save(tree / "train/node absent/black_0001.png", np.zeros((80, 96), np.uint8))
    save(tree / "validation/node absent/pat2_0900.png", picture(False, 900, 2))
    original = cv2.imread(str(tree / "train/node present/pat1_0007.png"), cv2.IMREAD_GRAYSCALE)
    save(tree / "validation/node present/pat7_0001.jpg", original)
    done = seqcls("check", tree, "-o", "found")
    assert done.code == 1
    error = one_line(done)
    assert "1 clip stands on both sides of the split: pat2" in error and "--allow-leakage" in error
    for name in ("broken_0001.png", "black_0001.png", "pat7_0001.jpg", "pat2"):
        assert name in done.out
    record = json.loads(Path("found/data-check.json").read_text())
    kinds = {one["kind"] for one in record["findings"]}
    assert {"clip on both sides", "near-duplicate across the split", "set aside"} <= kinds
    assert Path("found/data-check.html").is_file()
    done = seqcls("train", tree, "-o", "m.safetensors", *TRAIN)
    assert done.code == 1 and "m-training/data-check.html" in one_line(done)
    assert not Path("m.safetensors").exists()


def test_leakage_is_trained_on_where_that_is_wanted(
    seqcls: Seqcls, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)
    save(tree / "validation/node absent/pat2_0900.png", picture(False, 900, 2))
    done = seqcls(
        "train", tree, "-o", "m.safetensors", "--allow-leakage", *TRAIN, "--epochs", "1", "--samples-per-epoch", "16"
    )
    assert done.code == 0, done.err
    assert "warning: 1 clip stands on both sides" in done.err and Path("m.safetensors").is_file()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("misspelt split", "rename it 'validation' if it is meant so"),
        ("misspelt state", "rename it 'node present' if it is meant so"),
        ("empty class", "holds no image"),
        ("one image", "one training image shows node present"),
        ("no validation", "there is no validation"),
    ],
)
def test_a_folder_that_is_not_right_is_named(seqcls: Seqcls, tree: Path, fault: str, message: str) -> None:
    if fault == "misspelt split":
        (tree / "validation").rename(tree / "validaton")
    elif fault == "misspelt state":
        (tree / "train/node present").rename(tree / "train/node presnt")
    elif fault == "no validation":
        (tree / "validation").rename(tree.parent / "elsewhere")
    else:
        keep = 1 if fault == "one image" else 0
        for path in sorted((tree / "train/node present").iterdir())[keep:]:
            path.unlink()
    done = seqcls("check", tree)
    assert message in (done.out + done.err).replace("\n", " ")
    assert done.code == (1 if fault in ("misspelt state", "empty class") else 0)


def test_clips_are_checked_by_their_labels(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("check", trained.clips, "--labels", trained.labels)
    assert done.code == 0, done.err
    assert "train  node" in done.out and "there is no validation" in done.out.replace("\n", " ")


def test_a_hidden_name_stays_hidden(seqcls: Seqcls, tree: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    key.chmod(0o600)
    save(tree / "validation/node absent/pat2_0900.png", picture(False, 900, 2))
    done = seqcls("check", tree, "--hash-names", key, "-o", "found")
    assert done.code == 1 and "pat2" not in done.out + done.err
    assert "pat2" not in Path("found/data-check.json").read_text() + Path("found/data-check.html").read_text()
