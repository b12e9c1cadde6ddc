"""`seqcls train`: from frames or clips to a model, and what cannot be right."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import pytest
from support import tiny_network
from support.commands import TRAIN, Seqcls, Trained, one_line
from support.networks import needs
from support.tensorboard import events

from seqcls.cli.train import EpochLines, resolve_weights
from seqcls.cli.train_settings import stated_over
from seqcls.datasets.split_file import read_split
from seqcls.errors import OutputError
from seqcls.models.file import read_header
from seqcls.training.epoch import Epoch
from seqcls.training.options import TrainOptions, default_size, options_from


def test_training_straight_from_clips_and_cross_validation(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)
    made = seqcls("split", trained.clips, "--labels", trained.labels, "--validation", "0.4", "--folds", "groups")
    assert made.code == 0, made.err
    done = seqcls(
        "train",
        trained.clips,
        "--split",
        "split.json",
        "--labels",
        trained.labels,
        "-o",
        "m.safetensors",
        *TRAIN,
        "--epochs",
        "1",
        "--samples-per-epoch",
        "32",
        "--folds",
        "groups",
    )
    assert done.code == 0, done.err
    assert "left out P1: node AUROC" in done.out and "cross-validation by patient" in done.out
    assert done.out.count("n/a: 3 patients; an interval needs 10") == 1 and "intervals over" not in done.out
    for name in ("cross-validation.csv", "history.csv", "learning-curves.png"):
        assert (Path("m-training") / name).is_file()
    header = read_header("m.safetensors")
    assert header.training["split"] == read_split("split.json").summary()
    assert header.training["validation"]["patients"] == 1  # type: ignore[index]
    assert [data.role for data in header.trained_on] == ["training", "validation"]
    shown = seqcls("folds", "show", "-m", "m.safetensors")
    assert shown.code == 0 and len([line for line in shown.out.splitlines() if ".mp4" in line]) == 3


def test_a_model_is_never_overwritten_unasked(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("train", trained.data, "-o", trained.model)
    assert done.code == 1 and "--overwrite" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        ([".", "--weights", "gone.safetensors"], "gone.safetensors"),
        ([".", "--folds", "x"], "--folds takes 2 or more, or 'groups', not 'x'"),
        ([".", "--labels", "gone.csv"], "gone.csv"),
        (["DATA", "--organ", "nosuch"], "no label for nosuch: the data know"),
        (["CLIPS", "--labels", "LABELS", "--organ", "nosuch"], "no label for nosuch: the data know"),
    ],
    ids=["data", "weights", "folds", "labels", "organ", "organ of clips"],
)
def test_what_cannot_be_is_refused_before_a_frame_is_read(
    seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch, trained: Trained, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("seqcls.cli.train.load", None)
    monkeypatch.setattr("seqcls.models.resnet.build", None)
    known = {"DATA": trained.data, "CLIPS": trained.clips, "LABELS": trained.labels}
    done = seqcls("train", *(known.get(argument, argument) for argument in arguments))
    assert done.code in (1, 2) and message in one_line(done)


def test_an_output_that_cannot_be(seqcls: Seqcls, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "data").mkdir()
    done = seqcls("train", "data", "-o", "file/m.safetensors")
    assert done.code == 1 and "choose another" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.pt"], "must end in .safetensors"),
        (["--lr", "-1"], "lr must be above 0"),
        (["--optimizer", "luck"], "--optimizer takes one of adamw, adam, sgd, not 'luck'"),
        (["--set", "luck=1"], "--set does not know 'luck=1'; it takes NAME=VALUE with one of weight_decay,"),
        (["--set", "precision=fp8"], "unknown precision 'fp8': choose one of auto, fp32, bf16, fp16"),
        (["--device", "tpu"], "--device takes one of auto, cpu, cuda, mps, not 'tpu'"),
        (["--set", "shadow=2"], "shadow must be 0 or more and at most 1, not 2.0"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(seqcls: Seqcls, arguments: list[str], message: str) -> None:
    done = seqcls("train", "data", *arguments)
    assert done.code == 2 and message in one_line(done)


def test_wrong_folds(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("train", trained.data, "--weights", "none", "--folds", "one")
    assert done.code == 2 and "--folds takes 2 or more" in one_line(done)


def test_auto_is_early_layers_where_imagenets_weights_are_not_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert resolve_weights("auto") == "early" and default_size("early") == 112
    said = capsys.readouterr().err
    assert said.startswith("starting from early layers that come with seqcls, new from layer3 on, because the ImageNet")
    assert "--weights imagenet downloads them once" in said
    assert resolve_weights("none") == "none"


def test_early_layers_take_a_third_of_the_images_unless_it_is_stated() -> None:
    early, none = options_from("early"), options_from("none")
    assert (early.epochs, early.batch_size, early.samples_per_epoch) == (8, 16, 512)
    assert none == TrainOptions(weights="none") and options_from("imagenet") == TrainOptions(weights="imagenet")
    assert (none.epochs, none.batch_size, none.samples_per_epoch) == (12, 32, 1024)
    assert early.steps_per_epoch(10_000) == none.steps_per_epoch(10_000) == 32
    given = {"batch_size": None, "samples_per_epoch": 1024, "epochs": 12, "weights": "auto", "labels": "of no matter"}
    found = stated_over(early, given, ["frozen_stages=2"])
    assert found == TrainOptions(weights="early", batch_size=16, samples_per_epoch=1024, frozen_stages=2)


def test_a_disk_without_room_is_named_before_a_frame_is_read(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr("seqcls.cli.train.load", None)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=59_000_000))
    done = seqcls("train", trained.data, "-o", "new/m.safetensors", *TRAIN)
    assert done.code == 1 and "a model with its int8 twin takes 60.0 MB, and new has 59.0 MB left" in one_line(done)
    assert not Path("new").exists()


def test_a_disk_that_fills_meanwhile_costs_no_training(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)
    monkeypatch.setattr("seqcls.training.checkpoints.MAX_SHARE", float("inf"))
    usage = shutil.disk_usage(".")
    short = (*TRAIN, "--epochs", "1", "--samples-per-epoch", "32")

    def full(*_: object) -> None:
        raise OutputError("cannot write m.safetensors: No space left on device; choose another place")

    with monkeypatch.context() as patch:
        patch.setattr("seqcls.models.file.write_model", full)
        patch.setattr("shutil.disk_usage", lambda path: usage._replace(free=500_000_000))
        done = seqcls("train", trained.data, "-o", "m.safetensors", *short)
    assert done.code == 1 and "or make room there, and repeat the command with --resume" in one_line(done)
    assert "warning: 500 MB of disk are left, too little for checkpoints" in done.err
    resumed = seqcls("train", trained.data, "-o", "m.safetensors", *short, "--resume")
    assert resumed.code == 0 and "images/s" in resumed.err, resumed.err
    assert Path("m.safetensors").is_file() and not Path("m-training/checkpoints").exists()


def test_ctrl_c_ends_a_training_cleanly(seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal is a real one, and comes to this process: another would take longer to start than to train."""
    tiny_network.stand_in(monkeypatch.setattr)
    show = EpochLines.__call__

    def show_and_press(lines: EpochLines, epoch: Epoch) -> None:
        show(lines, epoch)
        if epoch.number == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(EpochLines, "__call__", show_and_press)
    endless = ("--epochs", "100000", "--samples-per-epoch", "16")
    done = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, *endless)
    assert done.code == 130 and "stopping cleanly" in done.err and "Traceback" not in done.err
    assert " 2/100000" in done.err and " 3/100000" not in done.err and Path("m.safetensors").is_file()
    assert "repeat the command with --resume" in done.err
    refused = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, *endless)
    assert refused.code == 1 and "holds an unfinished training: add --resume" in one_line(refused)
    refused = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, "--epochs", "3", "--resume")
    assert refused.code == 2 and "epochs was 100000, now 3; repeat its command with --resume" in one_line(refused)
    refused = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, *endless, "--folds", "2", "--resume")
    assert refused.code == 2 and "folds was none, now 2; repeat its command" in one_line(refused)
    refused = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, *endless, "--resume", "--overwrite")
    assert refused.code == 2 and "give one of them" in one_line(refused)
    monkeypatch.setattr(EpochLines, "__call__", show)
    anew = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, "--epochs", "1", "--overwrite")
    assert anew.code == 0, anew.err
    assert not Path("m-training/checkpoints").exists()


SHORT = (*TRAIN, "--epochs", "2", "--samples-per-epoch", "16")


def test_before_the_first_step_no_model_is_written(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)

    def press(*arguments: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return 2

    with monkeypatch.context() as patch:
        patch.setattr("seqcls.cli.train.total_steps", press)
        done = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT)
    assert done.code == 130 and "before the first step: nothing is learned" in done.err and not done.out
    assert not Path("m.safetensors").exists()
    resumed = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT, "--resume")
    assert resumed.code == 0 and "nothing to resume: the training begins" in resumed.err, resumed.err
    assert read_header("m.safetensors").training["epochs"] == 2


def test_an_interrupted_model_without_checkpoints_is_not_complete(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)
    show = EpochLines.__call__

    def show_and_press(lines: EpochLines, epoch: Epoch) -> None:
        show(lines, epoch)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(EpochLines, "__call__", show_and_press)
        patch.setattr("seqcls.training.checkpoints.Checkpoints.save", lambda *_: None)
        done = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT)
    assert done.code == 130 and "no checkpoint could be kept: with --resume, the training begins anew" in done.err
    training = read_header("m.safetensors").training
    assert (training["epochs"], training["interrupted"]) == (1, True)
    resumed = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT, "--resume")
    assert resumed.code == 0 and "interrupted training without checkpoints: the training begins anew" in resumed.err
    training = read_header("m.safetensors").training
    assert (training["epochs"], training["interrupted"]) == (2, False)
    before = Path("m.safetensors").read_bytes()
    complete = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT, "--resume")
    assert complete.code == 1 and "is complete, there is nothing to resume" in one_line(complete)
    # A training with --overwrite that was killed before its first checkpoint has left the model of another one.
    other = seqcls("train", trained.data, "-o", "m.safetensors", *SHORT, "--seed", "7", "--resume")
    assert other.code == 1 and "of another training (seed was 1, now 7), there is nothing to" in one_line(other)
    foreign = shutil.copy(trained.model, "foreign.safetensors")
    unknown = seqcls("train", trained.data, "-o", foreign, *SHORT, "--resume")
    assert unknown.code == 1 and "does not say which training made it" in one_line(unknown)
    assert Path("m.safetensors").read_bytes() == before
    assert Path(foreign).read_bytes() == trained.model.read_bytes()


def test_the_second_start_neither_reads_nor_checks(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny_network.stand_in(monkeypatch.setattr)
    monkeypatch.setattr("seqcls.datasets.frame_cache.MIN_FRAMES", 10)
    data = shutil.copytree(trained.data, tmp_path / "data")
    short = (*TRAIN, "--epochs", "1", "--samples-per-epoch", "32", "--overwrite")
    first = seqcls("train", data, "-o", "first.safetensors", *short)
    assert first.code == 0 and "\n114 frames are kept in" in f"\n{first.err}", first.err
    with monkeypatch.context() as patch:
        for name in ("seqcls.datasets.dataset.read_images", "seqcls.datasets.data_checks.check_frames"):
            patch.setattr(name, None)
        second = seqcls("train", data, "-o", "second.safetensors", *short)
    assert second.code == 0 and second.out == first.out, second.err
    plain = seqcls("train", data, "-o", "plain.safetensors", *short, "--no-cache")
    assert plain.code == 0 and plain.out == first.out
    models = {Path(f"{name}.safetensors").read_bytes() for name in ("first", "second", "plain")}
    assert len(models) == 1


def test_curves_without_the_extra_are_refused_before_a_frame_is_read(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setattr("seqcls.cli.train.load", None)
    done = seqcls("train", trained.data, "-o", "m.safetensors", *TRAIN, "--tensorboard", "curves")
    assert done.code == 2 and "pip install 'seqcls[tensorboard]'" in one_line(done)


@needs("tensorboardX")
def test_a_stopped_training_is_resumed(seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """With folds: stopped in the middle of the last training, it ends with the very figures of one that was not."""
    tiny_network.stand_in(monkeypatch.setattr)
    monkeypatch.setattr("seqcls.training.checkpoints.MAX_SHARE", float("inf"))
    short = (*TRAIN, "--epochs", "3", "--samples-per-epoch", "32", "--folds", "2")
    whole = seqcls("train", trained.data, "-o", "whole.safetensors", *short, "--resume")
    assert whole.code == 0 and "nothing to resume: the training begins" in whole.err, whole.err
    show = EpochLines.__call__

    def show_and_press(lines: EpochLines, epoch: Epoch) -> None:
        show(lines, epoch)
        if epoch.number == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(EpochLines, "__call__", show_and_press)
        stopped = seqcls("train", trained.data, "-o", "m.safetensors", *short, "--tensorboard", "curves")
    assert stopped.code == 130 and Path("m-training/checkpoints").is_dir()
    kept = sorted(path.name for path in Path("m-training/checkpoints").iterdir())
    assert kept[:2] == ["fold1-00000000.safetensors", "fold2-00000000.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr("seqcls.cli.train.load", None)  # before a frame is read
        for folds, now in (((), "none"), (("--folds", "3"), "3"), (("--folds", "groups"), "groups")):
            refused = seqcls("train", trained.data, "-o", "m.safetensors", *short[:-2], *folds, "--resume")
            assert refused.code == 2 and f"is another one: folds was 2, now {now};" in one_line(refused)
    assert sorted(path.name for path in Path("m-training/checkpoints").iterdir()) == kept
    resumed = seqcls("train", trained.data, "-o", "m.safetensors", *short, "--tensorboard", "curves", "--resume")
    assert resumed.code == 0, resumed.err
    assert resumed.out == whole.out and " 1/3" in resumed.err and " 3/3" in resumed.err
    assert Path("m.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert (
        Path("m-training/cross-validation.csv").read_bytes() == Path("whole-training/cross-validation.csv").read_bytes()
    )
    assert not Path("m-training/checkpoints").exists() and not Path("m-training/training.csv").exists()
    (curves,) = Path("curves/m").iterdir()
    steps = [step for step, values in events(curves) if "loss/training" in values]
    assert steps == [1, 2, 3], "each epoch once"
    again = seqcls("train", trained.data, "-o", "m.safetensors", *short, "--resume")
    assert again.code == 1 and "is complete, there is nothing to resume" in one_line(again)
