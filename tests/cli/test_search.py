"""`seqcls tune DATA`: a search on the command line, and which options belong to which of the two."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.commands import Seqcls, Trained, one_line
from support.networks import needs

from seqcls.cli.search import is_best
from seqcls.training.search_space import NAMES
from seqcls.training.study import Trial

QUICK = ["--weights", "none", "--samples-per-epoch", "16", "--batch-size", "8", "--folds", "2"]
SPACE = [part for one in ("size=32", "epochs=1", "frozen_stages=4", "optimizer=adamw") for part in ("--search", one)]


@needs("optuna", "sqlalchemy")
def test_a_search_goes_on_with_the_same_command(seqcls: Seqcls, trained: Trained) -> None:
    search = ["tune", trained.data, "-o", "study", *QUICK, *SPACE]
    done = seqcls(*search, "--trials", "1", "--seeds", "0")
    assert done.code == 0, done.err
    assert "trial 0: AUROC" in done.err and "best of 1 trial (1 complete, 0 pruned, 0 failed)" in done.out
    command = f"seqcls train {trained.data} --size 32 --epochs 1 --lr 0.001 --optimizer adamw --loss bce --augment 1"
    assert command in done.out
    again = seqcls(*search, "--trials", "2", "--seeds", "0")
    assert "trial 0" not in again.err and "trial 1: " in again.err and "best of 2 trials" in again.out
    assert {path.name for path in Path("study").iterdir()} >= {"study.db", "study.json", "study.png", "trials.csv"}
    assert str(trained.data.parent) not in Path("study/study.json").read_text()
    other = seqcls(*search, "--search", "loss=bce")
    assert other.code == 2 and "study with other space" in one_line(other) and "--overwrite" in one_line(other)


def test_the_best_is_so_among_trials_of_earlier_runs_too() -> None:
    def trial(number: int, auroc: float, state: str = "complete") -> Trial:
        return Trial(
            number=number, state=state, auroc=auroc, folds=(), values=dict.fromkeys(NAMES, 1), seconds=1, reason=""
        )

    first, pruned = trial(0, 0.51), trial(1, math.nan, "pruned")
    assert is_best(first, ()) and is_best(trial(2, 0.52), (first, pruned))
    assert not is_best(trial(2, 0.5), (first, pruned)) and not is_best(pruned, ())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.safetensors", "clips", "-l", "l.csv", "--trials", "3"], 2, "--trials is for a search over DATA"),
        (["gone.safetensors"], 2, "seqcls tune MODEL CLIPS --labels FILE"),
        (["data", "--max-delay", "0.5"], 2, "--max-delay is for a MODEL, and data is no .safetensors; leave it out"),
        (["data", "clips", "-l", "l.csv"], 2, "CLIPS is for a MODEL"),
        (["gone"], 1, "gone: no such file or folder"),
        ([".", "--search", "momentum=1"], 2, "--search takes NAME=RANGE"),
        ([".", "--timeout", "-1", "-o", "../study"], 2, "timeout must be above 0"),
        ([".", "-o", "study"], 2, "study lies within the data: name another folder with -o"),
        ([".", "--set", "frozen_stages=2"], 2, "frozen_stages is searched: fix it with --search frozen_stages=2"),
        (["gone.safetensors", "clips", "-l", "l.csv", "--set", "warmup=1"], 2, "--set is for a search over DATA"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(seqcls: Seqcls, arguments: list[str], code: int, message: str) -> None:
    done = seqcls("tune", *arguments)
    assert done.code == code and message in one_line(done), done.err
