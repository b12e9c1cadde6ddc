"""The seqcls header inside a converted model, read with the standard library alone and without trusting the file.

OpenVINO IR is XML with the weights beside it in a .bin; what seqcls writes lies in it under rt_info/seqcls. ONNX is a
protobuf message; there it lies in metadata_props under keys that begin with ``seqcls``. Both carry

    header      the JSON of ``ModelHeader``
    precision   fp32, fp16 or int8: what the weights were converted to
    weights     IR only: SHA-256 of the .bin, because two files are easily mixed up
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from seqcls.errors import ModelError, one_line

#: ResNet-18 in float32 has 45 MB of weights; its graph, quantised, 0.2 MB.
MAX_GRAPH_BYTES = 8 << 20
MAX_WEIGHT_BYTES = 200 << 20
KEYS = ("header", "precision", "weights")
CONVERTED = (".xml", ".onnx")


def read_bytes(path: Path, most: int) -> bytes:
    """The whole file. Raises ModelError where it is absent, unreadable or larger than a model can be."""
    if not path.is_file():
        raise ModelError(f"no model file at {path}; copy it there, or convert the model again with `seqcls convert`")
    try:
        if path.stat().st_size > most:
            raise ModelError(f"{path} is larger than the {most >> 20} MB that a model can have; it is none of seqcls")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}; copy it again") from error


def notes_of(path: Path) -> dict[str, str]:
    """What seqcls wrote into a .xml or .onnx, by ``KEYS``. Raises ModelError."""
    if path.suffix.lower() == ".xml":
        return ir_notes(read_bytes(path, MAX_GRAPH_BYTES), path)
    return onnx_notes(read_bytes(path, MAX_WEIGHT_BYTES), path)


def ir_notes(xml: bytes, path: Path) -> dict[str, str]:
    """From the text of an IR. A document type, where entities would be declared, is refused."""
    notes: dict[str, str] = {}
    place: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        place.append(name)
        if place[:-1] == ["net", "rt_info", "seqcls"] and name in KEYS:
            notes[name] = attributes.get("value", "")

    def refuse(*_: object) -> None:
        raise ModelError(f"{path} declares a document type, which no model needs: it is not trusted")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: place.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise ModelError(f"{path} is not whole XML ({error}); convert or copy it again") from error
    return _complete(notes, path)


def onnx_notes(model: bytes, path: Path) -> dict[str, str]:
    """From the bytes of an ONNX model: ModelProto field 14 is a list of (key = 1, value = 2)."""
    notes: dict[str, str] = {}
    try:
        for number, value in _fields(model):
            if number == 14:
                entry = dict(_fields(value))
                key = bytes(entry.get(1, b"")).decode()
                if key.startswith("seqcls_") and key[7:] in KEYS:
                    notes[key[7:]] = bytes(entry.get(2, b"")).decode()
    except (IndexError, ValueError) as error:
        raise ModelError(f"{path} is not a whole ONNX model; convert or copy it again") from error
    return _complete(notes, path)


def _complete(notes: dict[str, str], path: Path) -> dict[str, str]:
    if not notes.get("header"):
        raise ModelError(f"{path} holds no seqcls header, so it is no seqcls model; make one with `seqcls convert`")
    return {key: notes.get(key, "") for key in KEYS}


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of a protobuf message's length-delimited fields; raises IndexError or ValueError if damaged.

    Wire format: https://protobuf.dev/programming-guides/encoding
    """
    view, at = memoryview(message), 0

    def varint() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 70, 7):
            byte = view[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number does not end")

    while at < len(view):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            varint()
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length = varint()
            if at + length > len(view):
                raise ValueError("a field ends after the message")
            yield number, view[at : at + length]
            at += length
        else:
            raise ValueError(f"unknown wire type {kind}")
    if at > len(view):
        raise ValueError("the last field is cut")
