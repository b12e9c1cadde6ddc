"""The search for hyper-parameters: resumed after a kill, refused for other data, judged on patients it never saw."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.frame_sets import QUICK, frame_set
from support.networks import needs

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError, OutputError, UsageError
from seqcls.training import search as module
from seqcls.training.options import TrainOptions
from seqcls.training.search import Comparison, SearchOptions, SearchResult, search
from seqcls.training.search_files import write_search
from seqcls.training.search_parts import divided
from seqcls.training.search_space import NAMES, command_of, default_space, defaults_of, narrowed

pytestmark = needs("optuna", "sqlalchemy")
SPACE = narrowed(default_space(QUICK), ["size=32", "epochs=2..6"])


class Killed(BaseException):
    """As a kill: nothing that catches errors catches it."""


def frames_of(side: int = 32, split: str = "") -> FrameSet:
    """Six patients of two clips each, all for training, or the last for validation."""
    frames = frame_set(clips=12, frames=4).of_organs(["disc"])
    return frames if split == "kept" else replace(frames, split=np.full(len(frames.split), "train"))


def with_fewer_patients(frames: FrameSet) -> FrameSet:
    """The same files and labels; other folds."""
    return replace(frames, patient=np.where(frames.patient == "p5", "p4", frames.patient))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    """In place of training: the AUROC of every epoch is better the nearer lr lies to 2e-3, and the seed adds a little."""
    seen: list[TrainOptions] = []

    def train(frames: FrameSet, options: TrainOptions, *, on_epoch: Any = None, **more: Any) -> Any:
        seen.append(options)
        area = 0.95 - 0.1 * abs(math.log10(options.lr / 2e-3))
        history = [SimpleNamespace(number=n, auroc=area) for n in range(1, options.epochs + 1)]
        for epoch in history:
            if on_epoch is not None:
                on_epoch(epoch)
        return SimpleNamespace(history=history, interrupted=more["should_stop"](), area=area)

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "score_frames", lambda result, images, options: (result, options))
    monkeypatch.setattr(module, "_area", lambda frames, rows, scores: scores[0].area + scores[1].seed * 1e-4)
    return seen


def run(folder: Path, trials: int = 5, load: Callable[[int], FrameSet] = frames_of, **more: Any) -> SearchResult:
    folder.mkdir(exist_ok=True)
    chosen = SearchOptions(trials=trials, seeds=more.pop("seeds", 0), folds=more.pop("folds", 2))
    space, options = more.pop("space", SPACE), more.pop("options", QUICK)
    return search(load, options, space, folder / "study.db", chosen, size=32, **more)


def test_the_first_trial_is_the_defaults_and_a_better_one_is_found(tmp_path: Path, trained: list[TrainOptions]) -> None:
    options = replace(QUICK, lr=1e-4)
    result = search(frames_of, options, SPACE, tmp_path / "study.db", SearchOptions(trials=9, folds=2), size=32)
    first = result.trials[0]
    assert first.values == defaults_of(SPACE, options, 32) and first.values["lr"] == 1e-4
    assert first.auroc == pytest.approx(0.95 - 0.1 * math.log10(20))
    assert result.best.auroc > first.auroc and len(result.trials) == 9 and not result.interrupted
    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}
    assert any(trial.state == "pruned" for trial in result.trials), "those below the median are given up"
    compared = result.comparison
    assert compared is not None and compared.held_out >= 1
    assert compared.gain == pytest.approx(result.best.auroc - first.auroc)
    assert compared.spread == pytest.approx(1e-4) and "beats the defaults" in compared.verdict


def test_a_killed_search_goes_on(tmp_path: Path, trained: list[TrainOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def kill(trial: Any, before: Any) -> None:
        ended.append(trial.number)
        assert all(one.number < trial.number for one in before)
        if len(before) == 1:
            real = module.train

            def dies(*_: Any, **__: Any) -> Any:
                monkeypatch.setattr(module, "train", real)
                raise Killed

            monkeypatch.setattr(module, "train", dies)

    with pytest.raises(Killed):
        run(tmp_path, on_trial=kill)
    cut = len(ended)
    result = run(tmp_path, on_trial=kill)
    assert ended[:cut] == [0, 1] and len(result.trials) == 5
    # Number 2 was running when it was killed, and what it tried comes first again.
    assert [trial.number for trial in result.trials] == [0, 1, 3, 4, 5]
    again = run(tmp_path)
    assert again.trials == result.trials and again.best == result.best, "enough were there"


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, trained: list[TrainOptions]) -> None:
    result = run(tmp_path, should_stop=lambda: len(trained) >= 5)
    assert result.interrupted and 1 <= len(result.trials) < 5
    assert len(run(tmp_path).trials) == 5
    with pytest.raises(DataError, match="interrupted before a trial was finished"):
        search(frames_of, QUICK, SPACE, tmp_path / "other.db", SearchOptions(), size=32, should_stop=lambda: True)


def test_a_comparison_that_was_cut_off_goes_on(tmp_path: Path, trained: list[TrainOptions]) -> None:
    """Two trials of two folds, then three seeds each of the defaults and the best; cut off in the fourth of these."""
    options = replace(QUICK, lr=1e-4)
    cut = run(tmp_path, trials=2, seeds=3, options=options, should_stop=lambda: len(trained) >= 2 * 2 + 4)
    assert cut.interrupted and cut.comparison is None and cut.best.values != cut.defaults
    before, said = len(trained), list[str]()
    done = run(tmp_path, trials=2, seeds=3, options=options, on_step=said.append)
    assert len(trained) - before == 3 and len(said) == 6
    assert done.comparison == run(tmp_path / "at-once", trials=2, seeds=3, options=options).comparison
    assert done.comparison is not None and len({*done.comparison.best, *done.comparison.default}) == 6


def test_other_weights_of_the_same_name_are_another_study(tmp_path: Path, trained: list[TrainOptions]) -> None:
    weights = tmp_path / "start.safetensors"
    options = replace(QUICK, weights=str(weights))
    chosen = SearchOptions(trials=1, seeds=0, folds=2)
    for content, reason in ((b"one", ""), (b"two", "study with other weights")):
        weights.write_bytes(content)
        with pytest.raises(UsageError, match=reason) if reason else nullcontext():
            search(frames_of, options, SPACE, tmp_path / "study.db", chosen, size=32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"load": lambda side: replace(frames_of(side), hash="other")}, "study with other data"),
        ({"load": lambda side: with_fewer_patients(frames_of(side))}, "study with other patients of the frames"),
        ({"space": narrowed(SPACE, ["lr=1e-3..2e-3"])}, "study with other space"),
        ({"folds": 3}, "study with other folds"),
    ],
)
def test_another_study_is_refused(
    tmp_path: Path, trained: list[TrainOptions], change: dict[str, Any], reason: str
) -> None:
    run(tmp_path, trials=1)
    with pytest.raises(UsageError, match=reason):
        run(tmp_path, **change)


def test_what_is_no_study_is_refused(tmp_path: Path, trained: list[TrainOptions]) -> None:
    run(tmp_path, trials=1)
    (database,) = tmp_path.glob("*.db")
    content = database.read_bytes()
    for harm in (content[:5000] + bytes(8000) + content[13000:], content.replace(b"samples_per_epoch", b"\xff" * 17)):
        database.write_bytes(harm)
        with pytest.raises(OutputError, match="cannot be used as a study"):
            run(tmp_path, trials=1)


def test_nobody_who_is_held_out_takes_part() -> None:
    frames = frames_of(split="kept")
    held = set(np.flatnonzero(frames.split == "validation").tolist())
    parts = divided(frames, 2, 0)
    assert set(parts.held_out.tolist()) == held and parts.notes == ()
    assert not held & {row for fold in parts.folds for row in fold.tolist()} and not held & {*parts.searched.tolist()}
    assert sorted(np.concatenate(parts.folds).tolist()) == parts.searched.tolist()
    patients = [{*frames.patient[fold].tolist()} for fold in parts.folds]
    assert not patients[0] & patients[1]
    few = frames_of().of_rows(np.flatnonzero(np.isin(frames.patient, ["p0", "p1"])))
    parts = divided(few, 3, 0)
    assert not len(parts.held_out) and "judged on what it was chosen by" in parts.notes[0]
    assert parts.notes[1] == "3 folds were asked for, of 2 patients: each is left out alone" and len(parts.folds) == 2


def test_a_trial_that_fails_has_its_reason(
    tmp_path: Path, trained: list[TrainOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.train

    def train(frames: FrameSet, options: TrainOptions, **more: Any) -> Any:
        if options.optimizer == "sgd":
            raise DataError("the loss became nan in epoch 1")
        return real(frames, options, **more)

    monkeypatch.setattr(module, "train", train)
    result = run(tmp_path, trials=7)
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert failed and all(trial.reason == "the loss became nan in epoch 1" for trial in failed)
    assert len(result.trials) == 7

    def never(frames: FrameSet, options: TrainOptions, **more: Any) -> Any:
        raise DataError("the loss became nan in epoch 1")

    monkeypatch.setattr(module, "train", never)
    none = tmp_path / "none"
    none.mkdir()
    with pytest.raises(DataError, match=r"no trial could be finished .*loss became nan in epoch 1"):
        run(none, trials=1)


def test_files_and_what_mattered(tmp_path: Path, trained: list[TrainOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    few = run(tmp_path, trials=3)
    assert few.importance == {} and "what mattered cannot be told of 3 complete trials" in few.notes[-1]
    monkeypatch.setattr("seqcls.training.study.MIN_FOR_IMPORTANCE", 4)
    many = run(tmp_path, trials=12)
    assert max(many.importance, key=lambda name: many.importance[name]) == "lr"
    paths = write_search(many, SPACE, QUICK, tmp_path)
    assert [path.name for path in paths] == ["trials.csv", "study.json", "study.png"]
    assert len(paths[0].read_text().splitlines()) == 13 and paths[2].stat().st_size > 5000


def test_a_real_trial(tmp_path: Path) -> None:
    """Two of them, of a real network, with all that Optuna and the training say to each other."""
    space = narrowed(SPACE, ["epochs=1", "frozen_stages=4", "optimizer=adamw", "loss=bce"])
    result = search(frames_of, QUICK, space, tmp_path / "study.db", SearchOptions(trials=2, folds=2, seeds=1), size=32)
    assert [len(trial.folds) for trial in result.trials] == [2, 2] and 0 <= result.best.auroc <= 1
    assert result.comparison is not None and "one seed, which says nothing" in result.comparison.verdict


def test_the_verdict_by_hand() -> None:
    compared = Comparison(default=(0.9, 0.92), best=(0.93, 0.93), held_out=3)
    assert compared.gain == pytest.approx(0.02) and compared.spread == pytest.approx(0.02 / math.sqrt(2))
    assert compared.verdict.startswith("the best beats")
    assert "no gain beyond the noise" in replace(compared, best=(0.915, 0.925)).verdict


def test_the_space() -> None:
    space = narrowed(default_space(QUICK), ["lr=1e-4..3e-3", "size=64,112", "optimizer=sgd", "augment=1"])
    assert (space["lr"].low, space["lr"].high, space["lr"].is_logarithmic) == (1e-4, 3e-3, True)
    assert space["size"].choices == (64, 112) and space["optimizer"].is_fixed and space["augment"].is_fixed
    values = defaults_of(space, TrainOptions(lr=1.0), 224)
    assert (values["lr"], values["size"], values["optimizer"]) == (3e-3, 112, "sgd") and tuple(values) == NAMES
    assert command_of(values, TrainOptions(samples_per_epoch=64)) == (
        "seqcls train DATA --size 112 --epochs 12 --lr 0.003 --optimizer sgd --loss bce --augment 1 "
        "--samples-per-epoch 64 --set frozen_stages=0"
    )
    elsewhere = TrainOptions(weights="/home/me/start one.safetensors")
    assert " --weights 'start one.safetensors' " in command_of(values, elsewhere)
    assert command_of(values, elsewhere, ["my data", "--organ", "disc"]).startswith(
        "seqcls train 'my data' --organ disc --size 112 "
    )
    assert " --weights '/home/me/start one.safetensors' " in command_of(values, elsewhere, ["my data"])
    own = TrainOptions(weight_decay=0.01, augment=replace(TrainOptions().augment, cutout=0.2))
    assert command_of(values, own).endswith(" --set frozen_stages=0 --set weight_decay=0.01 --set cutout=0.2")


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["lr"], "takes NAME=RANGE with one of epochs"),
        (["momentum=1"], "takes NAME=RANGE"),
        (["lr=1..x"], "search lr takes numbers"),
        (["lr=nan"], "search lr takes numbers"),
        (["lr=1e-2..1e-3"], "begins above its end"),
        (["lr=1e-4...1e-3"], "a dot too many"),
        (["epochs=1.5"], "whole numbers from 1 to 1000"),
        (["size=8"], "from 32 to 1024"),
        (["size=64,64"], "a value twice"),
        (["loss=hinge"], "takes one or more of bce, focal"),
        (["lr=1e-3", "lr=1e-4"], "states lr twice"),
    ],
)
def test_spaces_that_cannot_be_right(texts: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        narrowed(default_space(QUICK), texts)


def test_all_fixed_leaves_nothing(tmp_path: Path) -> None:
    fixed = narrowed(SPACE, ["epochs=2", "lr=1e-3", "optimizer=sgd", "loss=bce", "augment=1", "frozen_stages=0"])
    with pytest.raises(UsageError, match="nothing is left to search"):
        run(tmp_path, space=fixed)
