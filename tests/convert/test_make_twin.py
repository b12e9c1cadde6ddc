"""The twin that a training leaves: of that model, on frames of the training, or a line that says why there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.networks import HEADER, disc_frames, fitted, needs

from seqcls.convert import make_twin as module
from seqcls.convert.make_twin import make_twin
from seqcls.convert.parity import parity_report
from seqcls.engines import open_engine, proven_twin
from seqcls.errors import ModelError
from seqcls.models.file import write_model
from seqcls.models.twin import twin_files, twin_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "disc.safetensors"
    for file in twin_files(path):
        file.write_text("of the model before", encoding="utf-8")
    return path


@needs("openvino", "nncf")
def test_a_twin_is_proven_on_what_was_held_out(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.convert.convert.QUICK_CALIBRATION", 8)
    monkeypatch.setattr(proven_twin, "fast_int8", lambda: True)
    frames = disc_frames()
    write_model(model, HEADER, fitted(frames.images[:80], frames.targets[:80]).tensors())
    parity, line = make_twin(model, frames)
    assert parity is not None and parity.organs[0].mean < 0.02 and not parity.untimed
    assert line.startswith(
        "int8 twin disc-int8.xml: on 40 validation frames of 1 clip no interval gained or lost, scores"
    )
    assert {path.name for path in model.parent.iterdir()} == {model.name, *(path.name for path in twin_files(model))}
    assert f"twin {twin_path(model).name}, the fastest here" in open_engine(model).description


def test_without_the_library_a_line_says_how_to_get_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "nncf" else name)
    parity, line = make_twin(model, disc_frames())
    assert parity is None and not any(path.exists() for path in twin_files(model))
    assert line == (
        "no int8 twin, which is up to three times as fast: pip install 'seqcls[int8]'; later: `seqcls convert"
        f" {model} --precision int8 --calibrate DATA`"
    )


def test_one_that_answers_in_another_way_is_not_left(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ModelError("x is not written: liver: 1 interval gained, 0 lost")

    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module, "convert", refused)
    parity, line = make_twin(model, disc_frames())
    assert parity is None and not any(path.exists() for path in twin_files(model))
    assert line == "no int8 twin: x is not written: liver: 1 interval gained, 0 lost"


def test_folders_without_times_are_compared_by_runs() -> None:
    """Six clips of 40 images; of one of them two runs of the state become three."""
    frames = disc_frames()
    untimed = module.replace(frames, time_s=np.full(240, np.nan))
    before = np.where(frames.targets > 0.5, 0.9, 0.1).astype(np.float32)
    after = before.copy()
    after[20] = 0.1  # a frame amid a presence: too short for an interval, and yet another run
    parity = parity_report(HEADER, before, after, origin="training", frames=untimed)
    assert (parity.organs[0].intervals, parity.organs[0].gained, parity.organs[0].lost) == (6, 1, 0)
    assert parity.compared == "240 training frames of 6 clips without times, of which runs of one state were compared"
    assert parity_report(HEADER, before, after, origin="training", frames=frames).compared == (
        "240 training frames of 6 clips"
    )
