"""Measuring: what is counted and what is written; never how fast this machine is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.fakes import detector
from support.media import recipe, write_clip

from seqcls import bench
from seqcls.adaptive import SamplingOptions
from seqcls.cli import main
from seqcls.errors import EngineError, NoFramesError
from seqcls.geometry import Geometry
from seqcls.models.file import write_model
from seqcls.models.untrained import random_model


class Clock:
    """Each case takes as long as it says."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def case(self, name: str, frames: int, *took_s: float) -> bench.Case:
        durations = iter(took_s)

        def work() -> int:
            self.now_s += next(durations)
            return frames

        return bench.Case(name, work)


def test_cases_take_turns_and_the_first_round_does_not_count() -> None:
    clock = Clock()
    steps: list[int] = []
    cases = [clock.case("slow", 10, 99.0, 1.0, 2.0, 1.0), clock.case("quick", 10, 99.0, 0.1, 0.1, 0.2)]
    slow, quick = bench.measure(cases, 3, on_progress=steps.append, clock=clock)
    assert slow.rates == pytest.approx((10, 5, 10)) and quick.rates == pytest.approx((100, 100, 50))
    assert (slow.median, quick.median) == pytest.approx((10, 100))
    assert steps == list(range(1, 9))
    assert bench.table([slow, quick]) == [("slow", "10"), ("quick", "100")]


def test_a_case_that_cannot_be_run_is_noted() -> None:
    def refuse() -> int:
        raise EngineError("/data/Mustermann/node.xml: no such device")

    result, fine = bench.measure([bench.Case("gpu", refuse), Clock().case("cpu", 1, 1.0, 1.0)], 1)
    assert (result.rates, result.note) == ((), "node.xml: no such device") and len(fine.rates) == 1
    assert bench.table([result])[0] == ("gpu", "node.xml: no such device")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "clip.mp4"
    write_clip(path, recipe("mp4 h264 29.97", frames=40))
    return path


def test_every_stage_does_every_frame(clip: Path) -> None:
    fake = detector()
    images = np.zeros((37, 16, 16), np.uint8)
    stages = [
        bench.reading(clip),
        bench.preprocessing(clip, Geometry(size=16)),
        bench.running("run", fake, clip),
        bench.running("few", replace(fake, sampling=SamplingOptions(kind="adaptive")), clip),
    ]
    assert [stage.work() for stage in stages] == [40] * 4
    assert bench.scoring("engine", fake.engine, images).work() == 37
    assert bench.images_of(clip, Geometry(size=16)).shape == (40, 16, 16)
    p50, p95, p99 = bench.latency(fake, clip)
    assert 0 < p50 <= p95 <= p99


def test_the_latency_is_of_frames_that_the_gate_lets_pass(tmp_path: Path) -> None:
    """Of the ten frames after the first thirty, four are black: the gate refuses them, and nothing scores them."""
    blocks = np.random.default_rng(0).integers(40, 200, (40, 8, 8), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    blocks[33:37] = 0
    shape = recipe("mp4 h264 29.97", frames=40, width=64, height=64)
    write_clip(tmp_path / "clip.mp4", shape, lambda k: blocks[k])
    gated, plain = detector(gate=True), detector()
    for made, scored in ((gated, 36), (plain, 40)):
        bench.latency(made, tmp_path / "clip.mp4")
        assert len(made.engine.batches) == scored
    assert set(gated.engine.batches) == {1}


def test_too_short_for_a_latency(tmp_path: Path) -> None:
    write_clip(tmp_path / "short.mp4", recipe("mp4 h264 29.97", frames=20))
    with pytest.raises(NoFramesError, match="more than 30 frames"):
        bench.latency(detector(), tmp_path / "short.mp4")


def test_the_report(tmp_path: Path) -> None:
    results = [
        bench.Result("plain", (20.0, 30.0, 25.0)),
        bench.Result("ours", (100.0,)),
        bench.Result("gpu", (), "none"),
    ]
    bench.write_report(tmp_path, results, {"memory": "100 MiB"})
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| ours | 100 |" in text and "| gpu | none |" in text and "- memory: 100 MiB" in text
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["results"][0]["rates"] == [
        20.0,
        30.0,
        25.0,
    ]


def test_the_command(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "m.safetensors", *random_model(size=32))
    arguments = ["seqcls", "bench", str(clip), "-m", str(tmp_path / "m.safetensors"), "--repeats", "1"]
    monkeypatch.setattr("sys.argv", [*arguments, "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for row in ("read + preprocess", "run, torch", "run, adaptive", "one frame at a time"):
        assert row in out
    assert (tmp_path / "out" / "bench.md").exists()
