"""Converted models: their header is read, and whatever is damaged or foreign is refused in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.networks import HEADER, SIZE

from seqcls.engines import open_engine
from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.models.converted import notes_of, onnx_model
from seqcls.models.file import read_header
from seqcls.models.folded import network
from seqcls.models.untrained import random_model


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.xml with m.bin, and m.onnx."""
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    from seqcls.engines import onnx_graph, openvino_graph

    folder = tmp_path_factory.mktemp("converted")
    net = network(HEADER, random_model(SIZE, HEADER.organs)[1])
    openvino_graph.write(folder / "m.xml", openvino_graph.build(net), HEADER, "fp32")
    onnx_graph.write(folder / "m.onnx", onnx_graph.build(net), HEADER, "fp32")
    return folder


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _doctype(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text('<!DOCTYPE net [<!ENTITY a "b">]>' + re.sub(r"<\?xml.*?\?>", "", text), encoding="utf-8")


def _no_header(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("seqcls", "nobody"), encoding="utf-8")


def _header(old: str, new: str) -> Callable[[Path], object]:
    """Other text in the header."""

    def spoil(path: Path) -> None:
        model = path.suffix == ".onnx" and onnx_model(path.read_bytes(), path)
        if model:
            entry = next(entry for entry in model.metadata_props if entry.key == "seqcls_header")
            assert old in entry.value
            entry.value = entry.value.replace(old, new)
            path.write_bytes(model.SerializeToString())
        else:
            text, quoted = path.read_text(encoding="utf-8"), old.replace('"', "&quot;")
            assert quoted in text
            path.write_text(text.replace(quoted, new.replace('"', "&quot;")), encoding="utf-8")

    return spoil


def _other_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "&quot;size&quot;: 32" in text
    path.write_text(text.replace("&quot;size&quot;: 32", "&quot;size&quot;: 64"), encoding="utf-8")


def _other_weights(path: Path) -> None:
    """A whole file of the right size, but some other model's."""
    path.write_bytes(bytes(path.stat().st_size))


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(600 << 20)  # a hole: takes no room on the disk


def _loop(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count('type="MaxPool"') == 1
    path.write_text(text.replace('type="MaxPool"', 'type="AvgPool"'), encoding="utf-8")


def _strides_of_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('strides="2, 2"', 'strides="0, 0"', 1), encoding="utf-8")


def _onnx(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        import onnx

        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    return spoil


def _elsewhere(model: Any) -> None:
    """Weights that lie in a file of the attacker's choice."""
    import onnx

    tensor = model.graph.initializer[3]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _nan(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    tensor.raw_data = b"\xff" * len(tensor.raw_data)


def _wide(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 33


def _branch(model: Any) -> None:
    model.graph.node[5].op_type = "Expand"


def _stranger(model: Any) -> None:
    model.graph.node[5].domain = "com.example"


def _stride(model: Any) -> None:
    """0 ends the process by a division."""
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    next(attribute for attribute in conv.attribute if attribute.name == "strides").ints[0] = 0


def _subgraph(model: Any) -> None:
    attribute = model.graph.node[5].attribute.add(name="then_branch", type=5)
    attribute.g.node.add(op_type="Loop")


def _claim(model: Any) -> None:
    """A shape of other numbers than there are."""
    next(t for t in model.graph.initializer if len(t.dims) == 4).dims[0] = 63


def _axes(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if t.data_type == 7)
    tensor.raw_data = (10**12).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("m.xml", _cut, "not whole XML"),
        ("m.xml", lambda path: path.write_bytes(b""), "not whole XML"),
        ("m.xml", _doctype, "document type"),
        ("m.xml", _no_header, "no seqcls header"),
        ("m.xml", _other_size, "does not take"),
        ("m.xml", _header('"std": 0.226', '"std": 1e-300'), "std must lie in"),
        (
            "m.onnx",
            _header('"calibration": [[1.0', '"calibration": [[1e308'),
            r"calibration\[0\]\[0\] is 1e\+308, not in",
        ),
        ("m.xml", _loop, "cannot be used|is damaged"),
        ("m.xml", _huge, "larger than"),
        ("m.xml", os.remove, "no model"),
        ("m.bin", _cut, "is cut, changed, or another model's"),
        ("m.bin", _flip, "is cut, changed, or another model's"),
        ("m.bin", _other_weights, "is cut, changed, or another model's"),
        ("m.bin", _huge, "larger than"),
        ("m.bin", os.remove, "no model file at .*m.bin"),
        ("m.onnx", _cut, "not a whole ONNX"),
        ("m.onnx", lambda path: path.write_bytes(b""), "no seqcls header"),
        ("m.onnx", os.remove, "no model"),
        ("m.onnx", _huge, "larger than"),
        ("m.onnx", _onnx(lambda model: model.ClearField("metadata_props")), "no seqcls header"),
        ("m.onnx", _onnx(_elsewhere), "lies in another file"),
        ("m.onnx", _onnx(_nan), "NaN or infinite"),
        ("m.onnx", _onnx(_wide), "does not take"),
        ("m.onnx", _onnx(_stride), "its Conv has strides of"),
        ("m.onnx", _onnx(_subgraph), "has then_branch of"),
        ("m.onnx", _onnx(_claim), "holds other numbers than it states"),
        ("m.onnx", _onnx(_axes), "holds axes that no image has"),
        (
            "m.onnx",
            _onnx(lambda model: model.graph.node.extend([model.graph.node[0]] * 1000)),
            "more than a model needs",
        ),
        ("m.onnx", _onnx(lambda model: model.graph.initializer.add(name="n", data_type=11, dims=[0])), "has shape"),
        ("m.xml", _strides_of_nothing, "Convolution, has strides of 0, 0"),
        ("m.onnx", _onnx(_branch), "the operation Expand"),
        ("m.onnx", _onnx(_stranger), "the operation"),
        ("m.onnx", _onnx(lambda model: model.graph.output.add()), "does not take"),
    ],
)
def test_damaged_models_are_refused_in_one_line(
    converted: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], message: str
) -> None:
    for path in converted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoil(tmp_path / name)
    with pytest.raises(ModelError, match=message) as caught:
        open_engine(tmp_path / ("m.onnx" if name == "m.onnx" else "m.xml"))
    assert "\n" not in str(caught.value) and "m." in str(caught.value)


@pytest.mark.parametrize("at", range(1, 60, 7))
def test_a_header_cut_anywhere_is_refused(converted: Path, tmp_path: Path, at: int) -> None:
    """The reader of protobuf never runs past the end, whatever the lengths say."""
    whole = (converted / "m.onnx").read_bytes()
    cut = tmp_path / "m.onnx"
    for damaged in (whole[:at], whole[at:], whole[:at] + b"\xff" * 12 + whole[at + 12 :]):
        cut.write_bytes(damaged)
        with pytest.raises(ModelError):
            open_engine(cut)


def test_engine_and_precision_must_fit_the_file(converted: Path) -> None:
    with pytest.raises(UsageError, match="runs with engine=openvino only"):
        open_engine(converted / "m.xml", engine="torch")
    with pytest.raises(EngineError, match="seqcls convert MODEL --to openvino --precision int8"):
        open_engine(converted / "m.xml", precision="int8")
    with pytest.raises(ModelError, match=r"name m\.xml"):
        open_engine(converted / "m.bin")


def test_the_header_is_read_without_the_library(converted: Path) -> None:
    assert read_header(converted / "m.xml") == read_header(converted / "m.onnx") == HEADER
    assert notes_of(converted / "m.onnx") == {
        "header": HEADER.to_json(), "precision": "fp32", "proof": "", "weights": "",
    }  # fmt: skip
