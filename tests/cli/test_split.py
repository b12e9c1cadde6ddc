"""`seqcls split`: one file that extraction, training and cross-validation go by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import Seqcls, Trained, one_line


def test_a_split_of_clips_serves_extraction_and_training(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("split", trained.clips, "--labels", trained.labels, "--validation", "0.4", "--folds", "groups")
    assert done.code == 0, done.err
    body = json.loads(Path("split.json").read_text(encoding="utf-8"))
    held = [name for name, side in body["sides"].items() if side == "validation"]
    assert len(held) == 1 and sorted(body["folds"].values()) == [1, 2, 3]
    assert "validation         1" in done.out and "fold 3" in done.out and "wrote split.json: 0.4 of" in done.err
    cut = seqcls(
        "extract", trained.clips, "--labels", trained.labels, "-o", "data", "--every", "9", "--split", "split.json"
    )
    assert cut.code == 0, cut.err
    rows = Path("data/frames.csv").read_text(encoding="utf-8").splitlines()
    assert {name for name in body["sides"] for row in rows if f",{name}," in row and ",validation," in row} == set(held)
    refused = seqcls("train", "data", "--split", "split.json", "--folds", "2", "--weights", "none")
    assert refused.code == 2 and "has 3 folds, and 2 are asked for" in one_line(refused)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone: no such file or folder"),
        ([".", "-o", "split.csv"], "-o must end in .json"),
        ([".", "--folds", "1"], "--folds takes 2 or more, or 'groups', not '1'"),
        ([".", "--validation", "0.9"], "--validation must lie between 0 and 0.5"),
        ([".", "--patients", "(P)"], "name their labels by --labels"),
        (["."], "holds no frames in a layout that seqcls knows"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_cannot_be(seqcls: Seqcls, arguments: list[str], message: str) -> None:
    done = seqcls("split", *arguments)
    assert done.code in (1, 2) and message in one_line(done)
    assert not Path("split.json").exists()


def test_a_split_that_is_there_stays(seqcls: Seqcls, trained: Trained) -> None:
    Path("split.json").write_text("mine")
    done = seqcls("split", trained.data)
    assert done.code == 1 and "--overwrite" in one_line(done) and Path("split.json").read_text() == "mine"


def test_frames_keep_their_names_and_that_is_said(seqcls: Seqcls, trained: Trained) -> None:
    Path("key").write_text("0123456789abcdef" * 4)
    Path("key").chmod(0o600)
    done = seqcls("split", trained.data, "--hash-names", "key")
    assert done.code == 0 and "the split holds the names that the frames have" in done.err
