"""`seqcls tune`: another operating point for a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Seqcls, Trained, one_line

from seqcls.models.file import read_model


def test_a_tuned_copy_is_written_beside_the_model(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.training.operating_search.MIN_EVENTS", 3)  # there are three
    done = seqcls(
        "tune", trained.model, trained.clips, "--labels", trained.labels, "-o", "tuned.safetensors", "--max-delay", "0.5",
        "--precision", "fp32",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "node" in done.out and "event F1" in done.out and "smoothing: " in done.out
    (header, tensors), (before, untouched) = read_model("tuned.safetensors"), read_model(trained.model)
    assert header.operating_curve and max(point.delay_s for point in header.operating_curve) <= 0.5
    assert before.operating_curve == () and header.training["tuning"]["clips"] == 3  # type: ignore[index]
    assert (tensors["fc.weight"] == untouched["fc.weight"]).all()


def test_few_presences_and_odd_names_are_refused(seqcls: Seqcls, trained: Trained) -> None:
    arguments = ("tune", trained.model, trained.clips, "--labels", trained.labels)
    done = seqcls(*arguments, "-o", "few.safetensors")
    assert done.code == 1 and "5 presences in 2 clips" in one_line(done) and not Path("few.safetensors").exists()
    assert seqcls(*arguments, "-o", "model.onnx").code == 2
    assert "sensitivity" in one_line(seqcls(*arguments, "--sensitivity", "1.2"))
