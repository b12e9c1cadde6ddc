"""Which weights a model has, whatever it is called and however it is tuned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seqcls.models.digest import weights_digest
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
