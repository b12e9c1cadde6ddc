"""The log of a training that is still running."""

from __future__ import annotations

import csv
from pathlib import Path

from seqcls.training.epoch import Epoch
from seqcls.training.epoch_logs import EpochTable, each_of


def epoch(number: int) -> Epoch:
    return Epoch(
        number=number, loss=0.5, validation_loss=0.25, auroc=0.75, lr=0.001, seconds=2.0, images_per_s=16.0, best=True
    )


def test_each_epoch_is_in_the_table_as_it_ends(tmp_path: Path) -> None:
    messages: list[str] = []
    seen: list[Epoch] = []
    log = each_of(EpochTable(tmp_path / "training.csv", messages.append), seen.append)
    for number in (1, 2):
        log(epoch(number))
        rows = list(csv.DictReader((tmp_path / "training.csv").read_text(encoding="utf-8").splitlines()))
        assert [row["number"] for row in rows] == [str(n) for n in range(1, number + 1)]
    assert rows[1]["loss"] == "0.5" and rows[1]["auroc"] == "0.75" and rows[1]["best"] == "True"
    assert [each.number for each in seen] == [1, 2] and not messages


def test_a_log_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    messages: list[str] = []
    EpochTable(tmp_path / "file" / "training.csv", messages.append)(epoch(1))
    assert len(messages) == 1 and "choose another" in messages[0]
