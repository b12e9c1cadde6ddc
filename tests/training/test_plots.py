"""Learning curves for people and for programs."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2

from seqcls.training.epoch import Epoch
from seqcls.training.plots import remove_history, write_history

HISTORY = [
    Epoch(
        number=n, loss=1 / n, validation_loss=1.2 / n, auroc=1 - 0.4 / n, lr=1e-3, seconds=1, images_per_s=9, best=n < 3
    )
    for n in (1, 2, 3)
]


def test_history_is_written_for_people_and_programs(tmp_path: Path) -> None:
    paths = write_history(HISTORY, tmp_path / "run")
    assert [path.name for path in paths] == ["history.csv", "history.json", "learning-curves.png"]
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in HISTORY]
    assert json.loads(paths[1].read_text())[0]["number"] == 1
    image = cv2.imread(str(paths[2]))
    assert image.shape == (840, 840, 3)
    assert image.std() > 10


def test_history_without_validation_is_drawn_too(tmp_path: Path) -> None:
    epoch = Epoch(
        number=1, loss=0.5, validation_loss=math.nan, auroc=math.nan, lr=0.1, seconds=1, images_per_s=9, best=True
    )
    paths = write_history([epoch], tmp_path)
    assert json.loads(paths[1].read_text())[0]["auroc"] is None
    assert paths[2].stat().st_size > 1000
    write_history([], tmp_path)


def test_what_an_earlier_training_left_goes_and_nothing_else(tmp_path: Path) -> None:
    write_history(HISTORY, tmp_path)
    for name in ("cross-validation.csv", "notes.txt"):
        (tmp_path / name).touch()
    remove_history(tmp_path, scores=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cross-validation.csv", "notes.txt"]
    remove_history(tmp_path, scores=True)
    remove_history(tmp_path / "absent", scores=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
