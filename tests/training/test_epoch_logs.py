"""The log of a training that is still running."""

from __future__ import annotations

import csv
import math
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from support.networks import needs
from support.tensorboard import events

from seqcls.errors import UsageError
from seqcls.evaluation.metrics import frame_metrics
from seqcls.training.epoch import Epoch, OrganFigure
from seqcls.training.epoch_logs import EpochTable, each_of
from seqcls.training.tensorboard_log import TensorBoardLog


def epoch(number: int) -> Epoch:
    return Epoch(
        number=number, loss=0.5, validation_loss=0.25, auroc=0.75, lr=0.001, seconds=2.0, images_per_s=16.0, best=True,
        organs=(OrganFigure("liver", 0.75), OrganFigure("spleen", math.nan)),
    )  # fmt: skip


def test_each_epoch_is_in_the_table_as_it_ends(tmp_path: Path) -> None:
    messages: list[str] = []
    seen: list[Epoch] = []
    log = each_of(EpochTable(tmp_path / "training.csv", messages.append), seen.append)
    for number in (1, 2):
        log(epoch(number))
        rows = list(csv.DictReader((tmp_path / "training.csv").read_text(encoding="utf-8").splitlines()))
        assert [row["number"] for row in rows] == [str(n) for n in range(1, number + 1)]
    assert rows[1]["auroc liver"] == "0.75" and rows[1]["auroc spleen"] in ("", "nan")
    assert rows[1]["loss"] == "0.5" and rows[1]["auroc"] == "0.75" and rows[1]["best"] == "True"
    assert [each.number for each in seen] == [1, 2] and not messages


def test_a_log_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    messages: list[str] = []
    EpochTable(tmp_path / "file" / "training.csv", messages.append)(epoch(1))
    assert len(messages) == 1 and "choose another" in messages[0]


@needs("tensorboardX")
def test_curves_for_tensorboard_stand_there_once_and_name_nobody(tmp_path: Path) -> None:
    messages: list[str] = []
    (tmp_path / "m").mkdir()
    for name in ("events.out.tfevents.7.seqcls", "events.out.tfevents.7.other", "events.txt"):
        (tmp_path / "m" / name).write_text("old")
    for ended in (2, 3):  # killed after two epochs, and resumed
        with TensorBoardLog(tmp_path / "m", messages.append, lambda: 1000.0) as log:
            for number in range(1, ended + 1):
                log(epoch(number))
                assert [step for step, _ in events(next((tmp_path / "m").glob("*.1000.seqcls")))][-1] == number
            metrics = [frame_metrics(np.array([0, 1]), np.array([0.2, 0.8]), np.ones(2, bool))] * 2
            log.add_figures(2, ("liver", "spleen"), metrics)
    names = ["events.out.tfevents.1000.seqcls", "events.out.tfevents.7.other", "events.txt"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == names and not messages
    found = list(events(tmp_path / "m" / names[0]))
    assert [step for step, _ in found] == [1, 2, 3, 2]
    assert found[0][1] == pytest.approx(
        {
            "loss/training": 0.5,
            "loss/validation": 0.25,
            "auroc/validation": 0.75,
            "auroc/liver": 0.75,
            "rate/learning": 0.001,
            "rate/images per second": 16.0,
        }
    )
    assert found[3][1]["best epoch/spleen sensitivity"] == 1.0
    content = (tmp_path / "m" / names[0]).read_bytes()
    assert socket.gethostname().encode() not in content and str(tmp_path).encode() not in content


@needs("tensorboardX")
def test_curves_that_cannot_be_written_are_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    messages: list[str] = []
    with TensorBoardLog(tmp_path / "file", messages.append) as log:
        log(epoch(1))
        log(epoch(2))
    assert len(messages) == 1 and "from epoch 1 on" in messages[0]


def test_curves_need_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UsageError, match=r"pip install 'seqcls\[tensorboard\]'"):
        TensorBoardLog(tmp_path, print)
