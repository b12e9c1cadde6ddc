"""Which weights a model has, whatever it is called and however it is tuned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seqcls.models.digest import scoring_digest, weights_digest
from seqcls.models.file import write_model
from seqcls.models.untrained import random_model


def test_the_digest_is_of_the_weights_alone(tmp_path: Path) -> None:
    header, tensors = random_model(size=32)
    write_model(tmp_path / "a.safetensors", header, tensors)
    write_model(tmp_path / "b.safetensors", replace(header, dataset_hash="tuned anew"), tensors)
    first = weights_digest(tmp_path / "a.safetensors")
    assert len(first) == 64 and first == weights_digest(tmp_path / "b.safetensors")
    tensors["fc.bias"] = tensors["fc.bias"] + 1
    write_model(tmp_path / "a.safetensors", header, tensors)
    assert weights_digest(tmp_path / "a.safetensors") != first


def test_of_a_converted_model_it_is_that_of_the_file_with_the_weights(tmp_path: Path) -> None:
    for name, content in (("m.xml", b"<net/>"), ("m.bin", b"w"), ("m.onnx", b"w"), ("n.onnx", b"v")):
        (tmp_path / name).write_bytes(content)
    assert (
        weights_digest(tmp_path / "m.xml") == weights_digest(tmp_path / "m.onnx") != weights_digest(tmp_path / "n.onnx")
    )
    assert weights_digest(tmp_path / "absent.onnx") == ""


def test_of_scores_it_depends_on_scaling_and_calibration_too(tmp_path: Path) -> None:
    header, tensors = random_model(size=32)
    path = tmp_path / "a.safetensors"
    write_model(path, header, tensors)
    own = scoring_digest(path, header)
    assert len(own) == 64 and own == scoring_digest(path, replace(header, dataset_hash="tuned anew"))
    others = [
        replace(header, std=header.std / 2),
        replace(header, mean=header.mean + 0.1),
        replace(header, calibration=tuple((2 * a, b) for a, b in header.calibration)),
    ]
    assert len({own, *(scoring_digest(path, other) for other in others)}) == 4
    assert scoring_digest(tmp_path / "absent.safetensors", header) == ""
