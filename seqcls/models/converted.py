"""The seqcls header inside a converted model, read without trusting the file.

OpenVINO IR is XML, with the weights beside it in a .bin; what seqcls writes lies in it under rt_info/seqcls. In ONNX it
lies in metadata_props under keys that begin with ``seqcls_``. Both carry

    header      the JSON of ``ModelHeader``
    precision   fp32, fp16 or int8: what the weights were converted to
    weights     IR only: SHA-256 of the .bin, because two files are easily mixed up
    proof       int8 in IR only: how it compares with the model it was made from, see ``models.twin``
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from seqcls.errors import ModelError, one_line
from seqcls.files.named_files import read_regular
from seqcls.models.networks import MAX_NETWORKS
from seqcls.models.openvino_ir import parse_ir
from seqcls.third_party import library

#: ResNet-18 in float32 has 45 MB of weights, which are bounded for each network; its graph, quantised, 0.2 MB.
MAX_GRAPH_BYTES = 8 << 20
MAX_WEIGHT_BYTES = 64 << 20
KEYS = ("header", "precision", "weights", "proof")
CONVERTED = (".xml", ".onnx")


def read_bytes(path: Path, most: int) -> bytes:
    """The whole file. Raises ModelError where it is absent, unreadable or larger than a model can be."""
    try:
        return read_regular(path, most)
    except FileNotFoundError as error:
        again = "copy it there, or convert the model again with `seqcls convert`"
        raise ModelError(f"no model file at {path}; {again}") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise _too_large(path, most) from error
        raise ModelError(f"{path} cannot be read: {one_line(error)}; copy it again") from error


def require_size(size: int, most: int, path: Path) -> None:
    """Raises ModelError as ``read_bytes`` does, for what is known only once the header is read."""
    if size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> ModelError:
    return ModelError(f"{path} is larger than the {most >> 20} MB that a model can have; it is none of seqcls")


def notes_of(path: Path) -> dict[str, str]:
    """What seqcls wrote into a .xml or .onnx, by ``KEYS``. Raises ModelError."""
    if path.suffix.lower() == ".xml":
        return ir_notes(read_bytes(path, MAX_GRAPH_BYTES), path)
    return onnx_notes(onnx_model(read_bytes(path, MAX_WEIGHT_BYTES * MAX_NETWORKS), path), path)


def ir_notes(xml: bytes, path: Path) -> dict[str, str]:
    """From the text of an IR."""
    return ir_notes_of(ir_net(xml, path), path)


def ir_net(xml: bytes, path: Path) -> Any:
    """The root of an IR's XML."""
    try:
        return parse_ir(xml)
    except ValueError as error:
        raise ModelError(f"{path} {one_line(error)}") from error


def ir_notes_of(net: Any, path: Path) -> dict[str, str]:
    """From the root of an IR's XML."""
    found = {key: net.find(f"rt_info/seqcls/{key}") for key in KEYS}
    return _complete({key: note.get("value", "") for key, note in found.items() if note is not None}, path)


def onnx_model(content: bytes, path: Path) -> Any:
    """The ``onnx.ModelProto`` in the bytes of ``path``. Raises ModelError, also where the library is missing."""
    try:
        from google.protobuf.message import DecodeError

        onnx = library("onnx")
    except ImportError as error:
        raise ModelError(f"{path} cannot be read without ONNX ({error}); pip install 'seqcls[onnx]'") from error
    try:
        return onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelError(f"{path} is not a whole ONNX model; convert or copy it again") from error


def onnx_notes(model: Any, path: Path) -> dict[str, str]:
    """From the metadata of an ``onnx.ModelProto``."""
    return _complete({entry.key.removeprefix("seqcls_"): entry.value for entry in model.metadata_props}, path)


def _complete(notes: dict[str, str], path: Path) -> dict[str, str]:
    if not notes.get("header"):
        raise ModelError(f"{path} holds no seqcls header, so it is no seqcls model; make one with `seqcls convert`")
    return {key: notes.get(key, "") for key in KEYS}
