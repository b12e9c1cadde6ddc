"""The demo in small: every file is made, the unseen patient is truly unseen, and the comparison is with the truth."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from seqcls.demo import UNSEEN, DemoOptions, demo
from seqcls.exports import read_run
from seqcls.models.file import EARLY_LAYERS, read_model
from seqcls.phantom import SweepOptions

SWEEP = SweepOptions(patient=UNSEEN, width=160, height=120, duration_s=14.0, rate_hz=2.0)
SMALL = DemoOptions(
    patients=4,
    sweeps=SWEEP,
    unseen=replace(SWEEP, duration_s=20.0, rate_hz=4.0),
    size=32,
    epochs=1,
    samples_per_epoch=32,
    precision="fp32",
)


def test_the_demo_makes_everything_and_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.demo.make_twin", lambda *_: (None, "no twin in this test"))
    told: list[str] = []

    @contextlib.contextmanager
    def stage(label: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = [0]
        yield done.append
        assert done == sorted(done) and (not total or done[-1] == total), label
        told.append(label)

    result = demo(tmp_path / "demo", SMALL, stage)
    assert told == ["drawing sweeps", "extracting", "training", "making the int8 twin", "running"]
    assert result.twin == "no twin in this test"
    made = {p.relative_to(tmp_path / "demo").as_posix() for p in (tmp_path / "demo").rglob("*") if p.is_file()}
    assert {"unseen.mp4", "unseen.csv", "labels.csv", "neck.safetensors", "data/frames.csv"} <= made
    assert {f"run/{n}" for n in ("intervals.csv", "scores.csv", "timeline.json", "timeline.png")} <= made
    with (tmp_path / "demo/labels.csv").open(encoding="utf-8", newline="") as stream:
        trained = {row["patient"] for row in csv.DictReader(stream)}
    with (tmp_path / "demo/unseen.csv").open(encoding="utf-8", newline="") as stream:
        unseen = {row["patient"] for row in csv.DictReader(stream)}
    assert len(trained) == 4 and len(unseen) == 1 and not trained & unseen
    assert unseen == {f"phantom-{UNSEEN}"}
    header, tensors = read_model(tmp_path / "demo/neck.safetensors")
    assert header.organs == ("thyroid", "trachea")
    assert header.training["weights"] == "early layers that come with seqcls, new from layer3 on"
    assert header.training["options"]["precision"] == "fp32"
    early = load_file(EARLY_LAYERS)
    assert len(early) == 50 and all(np.array_equal(tensors[name], value) for name, value in early.items())
    truth = result.evaluation.clips[0]
    assert truth.codes.shape == (80, 2) and {-1, 0, 1} == set(truth.codes.ravel().tolist())
    assert {o.organ for o in result.evaluation.organs} == {"thyroid", "trachea"}
    assert read_run(tmp_path / "demo/run").frame_counts.received == 80
