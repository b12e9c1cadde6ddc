"""A training that is killed goes on as if nothing had happened: to the bit, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_network
from support.frame_sets import QUICK, frame_set

from seqcls.errors import OutputError, UsageError
from seqcls.training import checkpoint_file, crossvalidation
from seqcls.training import checkpoints as module
from seqcls.training import train as training
from seqcls.training.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint
from seqcls.training.checkpoints import KEPT, Checkpoints
from seqcls.training.crossvalidation import cross_validate
from seqcls.training.options import TrainOptions
from seqcls.training.train import TrainResult, train

FRAMES = frame_set()
PLAIN = replace(QUICK, epochs=3)  # of two steps
OTHER = replace(
    QUICK, epochs=3, optimizer="sgd", freeze_epochs=1, progressive=0.5, patience=2, loss="focal", samples_per_epoch=48
)


class KilledError(Exception):
    """What stands for a kill: nothing that runs after it may write."""


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "build", tiny_network.build)
    monkeypatch.setattr(crossvalidation, "GrayResNet", lambda outputs, **_: tiny_network.TinyNetwork(outputs))
    monkeypatch.setattr(module, "MAX_SHARE", float("inf"))  # after every epoch, however short


@pytest.fixture(scope="module", params=[PLAIN, OTHER], ids=["plain", "other"])
def undisturbed(request: pytest.FixtureRequest) -> Iterator[tuple[TrainOptions, TrainResult]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build", tiny_network.build)
        yield request.param, train(FRAMES, request.param)


def dies_at(step: int) -> Callable[[int, int], None]:
    def on_step(done: int, total: int) -> None:
        if done == step:
            raise KilledError

    return on_step


def same(one: TrainResult, other: TrainResult) -> None:
    assert {n: t.tobytes() for n, t in one.tensors.items()} == {n: t.tobytes() for n, t in other.tensors.items()}
    assert one.header == other.header
    assert one.scores.tobytes() == other.scores.tobytes()
    still = [replace(epoch, seconds=0.0, images_per_s=0.0) for epoch in one.history]
    assert repr(still) == repr([replace(epoch, seconds=0.0, images_per_s=0.0) for epoch in other.history])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_killed_twice_it_ends_as_if_undisturbed(undisturbed: tuple[TrainOptions, TrainResult], tmp_path: Path) -> None:
    options, expected = undisturbed
    each = options.steps_per_epoch(int((FRAMES.split == "train").sum()))
    for step in (each + 1, 2 * each + 1):
        with pytest.raises(KilledError):
            train(FRAMES, options, on_step=dies_at(step), checkpoints=Checkpoints(tmp_path, resume=True))
    steps, epochs = [], []
    again = train(
        FRAMES,
        options,
        on_step=lambda done, total: steps.append(done),
        on_epoch=epochs.append,
        checkpoints=Checkpoints(tmp_path, resume=True),
    )
    assert steps == list(range(2 * each + 1, 3 * each + 1))
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    same(again, expected)
    assert len(names(tmp_path)) == KEPT
    steps.clear()  # and once more from the very end: nothing is left to learn
    same(
        train(
            FRAMES, options, on_step=lambda *step: steps.append(step[0]), checkpoints=Checkpoints(tmp_path, resume=True)
        ),
        expected,
    )
    assert not steps


@pytest.mark.parametrize("step", [1, 2, 5])
def test_stopped_in_the_middle_of_an_epoch_it_goes_on_from_the_very_step(
    undisturbed: tuple[TrainOptions, TrainResult], tmp_path: Path, step: int
) -> None:
    options, expected = undisturbed
    steps: list[int] = []
    stopped = train(
        FRAMES,
        options,
        on_step=lambda done, total: steps.append(done),
        should_stop=lambda: len(steps) >= step,
        checkpoints=Checkpoints(tmp_path),
    )
    assert stopped.interrupted and steps[-1] == step
    again = train(
        FRAMES,
        options,
        on_step=lambda done, total: steps.append(done),
        checkpoints=Checkpoints(tmp_path, resume=True),
    )
    assert steps == list(range(1, steps[-1] + 1))
    same(again, expected)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: b"",
        lambda data: data.replace(b'"seconds', b'"sec0nds', 1),
    ],
    ids=["half", "one bit", "empty", "another figure"],
)
def test_a_damaged_one_costs_an_epoch(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    expected = train(FRAMES, PLAIN)
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(5), checkpoints=Checkpoints(tmp_path))
    older, newest = names(tmp_path)
    assert (older, newest) == ("model-00000002.safetensors", "model-00000004.safetensors")
    (tmp_path / newest).write_bytes(spoil((tmp_path / newest).read_bytes()))
    messages: list[str] = []
    steps: list[int] = []
    again = train(
        FRAMES,
        PLAIN,
        on_step=lambda done, total: steps.append(done),
        checkpoints=Checkpoints(tmp_path, resume=True, on_message=messages.append),
    )
    assert len(messages) == 1 and newest in messages[0] and "is damaged" in messages[0]
    assert steps == [3, 4, 5, 6]
    same(again, expected)


def test_a_good_one_is_not_removed_for_damaged_ones_of_later_steps(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(5), checkpoints=Checkpoints(tmp_path))
    for name in names(tmp_path):
        (tmp_path / name).write_bytes(b"")
    steps: list[int] = []
    train(
        FRAMES,
        PLAIN,
        on_step=lambda done, total: steps.append(done),
        should_stop=lambda: bool(steps),
        checkpoints=Checkpoints(tmp_path, resume=True),
    )
    assert names(tmp_path) == ["model-00000001.safetensors"]
    train(FRAMES, PLAIN, on_step=lambda *step: steps.append(step[0]), checkpoints=Checkpoints(tmp_path, resume=True))
    assert steps == [1, 2, 3, 4, 5, 6]


def test_one_that_may_not_be_read_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(3), checkpoints=Checkpoints(tmp_path))

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint_file, "read_table", refused)
    with pytest.raises(OutputError, match=r"cannot read .*model-00000002.safetensors: .*denied.*overwrite=True"):
        train(FRAMES, PLAIN, checkpoints=Checkpoints(tmp_path, resume=True))
    assert names(tmp_path) == ["model-00000002.safetensors"]


@pytest.mark.parametrize(("name", "value"), [("history", None), ("sampler", []), ("lr", []), ("schedule", 3)])
def test_one_that_somebody_wrote_is_refused_in_a_line(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(3), checkpoints=Checkpoints(tmp_path))
    path = tmp_path / "model-00000002.safetensors"
    known = checkpoint_file.read_checkpoint(path)
    checkpoint_file.write_checkpoint(path, replace(known, facts={**known.facts, name: value}))
    with pytest.raises(UsageError, match=r"checkpoint of step 2 is not what seqcls wrote \(.*overwrite=True"):
        train(FRAMES, PLAIN, checkpoints=Checkpoints(tmp_path, resume=True))
    assert names(tmp_path) == ["model-00000002.safetensors"]


def test_other_weights_under_the_same_name_are_another_training(tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    start.write_bytes(b"one")
    options = replace(PLAIN, weights=str(start))
    with pytest.raises(KilledError):
        train(FRAMES, options, on_step=dies_at(3), checkpoints=Checkpoints(tmp_path / "kept"))
    start.write_bytes(b"two")
    with pytest.raises(UsageError, match="the content of the weights changed"):
        train(FRAMES, options, checkpoints=Checkpoints(tmp_path / "kept", resume=True))


@pytest.mark.parametrize(
    ("options", "frames", "message"),
    [
        (replace(PLAIN, epochs=9), FRAMES, "epochs was 3, now 9"),
        (replace(PLAIN, augment=replace(PLAIN.augment, flip=False)), FRAMES, "augment.flip was true, now false"),
        (PLAIN, replace(FRAMES, hash="def"), "data was abc, now def"),
        (
            PLAIN,
            replace(FRAMES, split=np.where(FRAMES.clip == "clip0", "validation", FRAMES.split)),
            "the choice of frames changed",
        ),
        (PLAIN, replace(FRAMES, hash="0" * 64), "the data changed"),
        (PLAIN, FRAMES.of_organs(["disc"]), "organs were disc, bar, now disc"),
        (PLAIN, replace(FRAMES, patient=FRAMES.patient[::-1]), "the patients of the frames changed"),
        (PLAIN, replace(FRAMES, clip=FRAMES.clip[::-1]), "the clips of the frames changed"),
        (PLAIN, replace(FRAMES, targets=1 - FRAMES.targets), "the labels changed"),
    ],
    ids=["options", "augmentation", "data", "split", "contents", "organs", "patients", "clips", "labels"],
)
def test_another_training_is_refused(tmp_path: Path, options: TrainOptions, frames: object, message: str) -> None:
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(3), checkpoints=Checkpoints(tmp_path))
    with pytest.raises(UsageError, match=message):
        train(frames, options, checkpoints=Checkpoints(tmp_path, resume=True))  # type: ignore[arg-type]
    assert names(tmp_path) == ["model-00000002.safetensors"]


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(FRAMES, PLAIN, on_step=dies_at(5), checkpoints=Checkpoints(tmp_path))
    steps: list[int] = []
    with pytest.raises(KilledError):
        train(
            FRAMES,
            PLAIN,
            on_step=lambda *step: (steps.append(step[0]), dies_at(1)(*step)),
            checkpoints=Checkpoints(tmp_path),
        )  # type: ignore[arg-type]
    assert steps == [1] and not names(tmp_path)


def test_epochs_of_a_moment_are_not_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHARE", 0.1)
    now_s = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    kept = Checkpoints(tmp_path)
    kept.begin({})
    assert not kept.is_due()  # a tenth of the time: the first is taken to need a second
    now_s = 9.9
    assert not kept.is_due()
    now_s = 10.0
    assert kept.is_due()


def test_where_nothing_can_be_written_the_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    messages: list[str] = []
    options = replace(QUICK, epochs=1)
    result = train(FRAMES, options, checkpoints=Checkpoints(tmp_path / "file" / "x", on_message=messages.append))
    assert len(result.history) == 1 and len(messages) == 1 and "checkpoint is not kept" in messages[0]


def test_folds_that_are_finished_are_not_trained_again(tmp_path: Path) -> None:
    options = replace(QUICK, epochs=2)
    expected = cross_validate(FRAMES, options)
    steps = 0

    def dies(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 7:  # in the second epoch of the second fold
            raise KilledError

    with pytest.raises(KilledError):
        cross_validate(FRAMES, options, on_step=dies, checkpoints=Checkpoints(tmp_path))
    assert names(tmp_path) == ["fold1-00000000.safetensors", "fold2-00000002.safetensors"]
    taken: list[int] = []
    again = cross_validate(
        FRAMES,
        options,
        on_step=lambda done, total: taken.append(done),
        checkpoints=Checkpoints(tmp_path, resume=True),
    )
    assert taken == [3, 4, 1, 2, 3, 4]
    assert again.scores.tobytes() == expected.scores.tobytes()
    assert [fold.result is None for fold in again.folds] == [True, False, False]
    assert repr(again.metrics) == repr(expected.metrics)
    left = Checkpoints(tmp_path)
    assert left.exist()
    left.remove()
    assert not left.exist() and not tmp_path.exists()


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    tensors = {
        "a": np.float32(3).reshape(()),
        "b": np.arange(6, dtype=np.int64).reshape(2, 3).T,
        "c": np.zeros(0, np.uint8),
    }
    write_checkpoint(tmp_path / "a.safetensors", Checkpoint(step=7, tensors=tensors, facts={"x": [1.5, None]}))
    found = read_checkpoint(tmp_path / "a.safetensors")
    assert (found.step, dict(found.facts)) == (7, {"x": [1.5, None]})
    for name, value in tensors.items():
        assert found.tensors[name].shape == value.shape and np.array_equal(found.tensors[name], value)
    (tmp_path / "b.safetensors").write_text("no")
    with pytest.raises(ValueError):
        read_checkpoint(tmp_path / "b.safetensors")
