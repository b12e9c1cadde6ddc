"""`seqcls convert` and `seqcls bench`: what cannot be is refused before anything long is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Seqcls, one_line

from seqcls.models.file import write_model
from seqcls.models.untrained import random_model


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["convert", "m.safetensors", "--calibrate", "data", "-o", "m8"], 2, "is named *.xml, not m8"),
        (["convert", "m.safetensors", "--calibrate", "data", "-o", "there.xml"], 1, "there.xml is there already"),
        (["convert", "m.safetensors", "--precision", "int8"], 2, "--calibrate DATA"),
        (["convert", "gone.safetensors", "--calibrate", "data"], 1, "no model at gone.safetensors"),
        (["convert", "m.safetensors", "--to", "torchscript"], 2, "--to takes one of openvino, onnx"),
        (["bench", "there.xml"], 1, "there.xml"),
        (["bench", "-m", "gone.safetensors"], 1, "no model at gone.safetensors"),
        (["bench", "-o", "measured"], 1, "bench.md is there already: add --overwrite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_before_the_work(
    seqcls: Seqcls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.setattr("seqcls.datasets.dataset.load_frames", None)
    monkeypatch.setattr("seqcls.cli.bench._detectors", None)
    write_model(tmp_path / "m.safetensors", *random_model(size=32))
    (tmp_path / "measured").mkdir()
    for name in ("there.xml", "measured/bench.md"):
        (tmp_path / name).touch()
    done = seqcls(*arguments)
    assert done.code == code and message in one_line(done)
