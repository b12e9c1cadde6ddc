"""The demo in small: every file is made, the unseen patient is truly unseen, and the comparison is with the truth."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from seqcls.demo import DemoOptions, demo
from seqcls.exports import read_run
from seqcls.models.file import read_header

SMALL = DemoOptions(patients=5, duration_s=14.0, rate_hz=4.0, size=32, epochs=1, samples_per_epoch=64)


def test_the_demo_makes_everything_and_compares(tmp_path: Path) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def stage(label: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = [0]
        yield done.append
        assert done == sorted(done) and (not total or done[-1] == total), label
        told.append(label)

    result = demo(tmp_path / "demo", SMALL, stage)
    assert told == ["drawing sweeps", "extracting", "training", "running"]
    made = {p.relative_to(tmp_path / "demo").as_posix() for p in (tmp_path / "demo").rglob("*") if p.is_file()}
    assert {"unseen.mp4", "unseen.csv", "labels.csv", "neck.safetensors", "data/frames.csv"} <= made
    assert {f"run/{n}" for n in ("intervals.csv", "scores.csv", "timeline.json", "timeline.png")} <= made
    with (tmp_path / "demo/labels.csv").open(encoding="utf-8", newline="") as stream:
        trained = {row["patient"] for row in csv.DictReader(stream)}
    with (tmp_path / "demo/unseen.csv").open(encoding="utf-8", newline="") as stream:
        unseen = {row["patient"] for row in csv.DictReader(stream)}
    assert len(trained) == 5 and len(unseen) == 1 and not trained & unseen
    assert read_header(tmp_path / "demo/neck.safetensors").organs == ("thyroid", "trachea")
    truth = result.evaluation.clips[0]
    assert truth.codes.shape == (500, 2) and {-1, 0, 1} == set(truth.codes.ravel().tolist())
    assert {o.organ for o in result.evaluation.organs} == {"thyroid", "trachea"}
    assert read_run(tmp_path / "demo/run").frame_counts.received == 500
