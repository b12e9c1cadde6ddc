"""OpenVINO's IR read without OpenVINO: whether a graph holds nothing but what its reader can take.

The library believes the numbers in a graph: a stride of 0 may end the process by a division, a constant may claim bytes
behind the end of the weights, layers may form a circle. So they are held against what models of seqcls have before the
library sees them. (Documentation: docs.openvino.ai, "OpenVINO IR format".)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np

#: The IR of a quantised ResNet-18 has 324 layers, 331 edges, 8,000 elements of XML in 6 levels. Layers are bounded for
#: each network, elements for as many networks as there may be.
MAX_LAYERS, MAX_ELEMENTS, MAX_LEVELS = 1000, 100_000, 16
#: The largest tensors: the stem's output of an image of 1024 pixels, 64 planes of half its height and width.
MAX_DIMENSIONS, MAX_VALUES = 4, 64 * 514 * 514
#: Axes and shapes kept as constants.
MAX_INTEGERS, INTEGERS = 8, (-1, 4096)

#: What layers are: what models of seqcls consist of. Others could loop, branch or ask for memory without end.
TYPES = frozenset(
    {"Add", "Concat", "Const", "Convert", "Convolution", "FakeQuantize", "MatMul", "MaxPool", "Multiply", "Parameter"}
    | {"ReduceMean", "ReLU", "Reshape", "Result", "Subtract", "Transpose", "Unsqueeze"}
)
_ELEMENTS: dict[str, np.dtype[Any]] = {
    name: np.dtype(code)
    for name, code in {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "i8": "i1", "u8": "u1"}.items()
}
_INTEGERS = (_ELEMENTS["i64"], _ELEMENTS["i32"])
#: Attributes that are numbers, with the least and the greatest that each of them may be. All others are words.
_NUMBERS = {
    **dict.fromkeys(("strides", "dilations"), (1, 2)),
    "kernel": (1, 7),
    **dict.fromkeys(("pads_begin", "pads_end"), (0, 3)),
    "levels": (2, 65_536),
    "axis": (-4, 4),
}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}|")


def parse_ir(xml: bytes) -> ElementTree.Element:
    """The root of the XML. Raises ValueError, fit to be shown, for what is no XML or is more than a graph can be.

    A document type, where entities would be declared, is refused.
    """
    builder = _Builder()
    try:
        parser = ElementTree.XMLParser(target=builder)
        parser.feed(xml)
        root: ElementTree.Element = parser.close()
        return root
    except ElementTree.ParseError as error:
        raise ValueError(f"is not whole XML ({error}); convert or copy it again") from None


class _Builder(ElementTree.TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._level = self._count = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("declares a document type, which no model needs: it is not trusted")

    def start(self, tag: Any, attrs: Any) -> Any:
        self._level, self._count = self._level + 1, self._count + 1 + len(attrs)
        if self._level > MAX_LEVELS or self._count > MAX_ELEMENTS:
            raise ValueError("is larger, or nested deeper, than the graph of any model; convert or copy it again")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Any:
        self._level -= 1
        return super().end(tag)


def ir_problem(net: ElementTree.Element, weights: bytes, networks: int = 1) -> str:
    """Why no reader should be given this graph, of so many networks, with these weights, or ""."""
    layers, edges = net.findall("layers/layer"), net.findall("edges/edge")
    parts = [part.tag for part in net]
    if net.tag != "net" or not {*parts} <= {"layers", "edges", "rt_info"} or len({*parts}) < len(parts):
        return "it has other parts than layers, edges and notes"
    if len(layers) > networks * MAX_LAYERS or len(edges) > 4 * networks * MAX_LAYERS:
        return f"it has {len(layers)} layers and {len(edges)} edges, more than a model needs"
    ports: dict[str, tuple[set[str], set[str]]] = {}
    try:
        for layer in layers:
            number, kind = _number_of(layer, "id"), layer.attrib["type"]
            if problem := _layer_problem(layer, kind, weights):
                return f"its layer {number[:20]}, {kind[:40]}, {problem}"
            ports[number] = _ports(layer, "input"), _ports(layer, "output")
        return "two of its layers have one number" if len(ports) < len(layers) else _edge_problem(edges, ports)
    except KeyError as error:
        return f"a layer, a port or an edge lacks {str(error)[:60]}"
    except (ValueError, OverflowError):
        return "it has words or fractions where numbers belong"


def _layer_problem(layer: ElementTree.Element, kind: str, weights: bytes) -> str:
    if kind not in TYPES:
        return "is an operation that no seqcls model has"
    if not {part.tag for part in layer} <= {"data", "input", "output", "rt_info"}:
        return "has other parts than attributes and ports"
    for port in (*layer.findall("input/port"), *layer.findall("output/port")):
        if problem := _shape_problem([int(str(dim.text)[:20]) for dim in port.findall("dim")]):
            return problem
    given = [data.attrib for data in layer.findall("data")]
    if len(given) > 1:
        return "has its attributes twice"
    attributes = dict(given[0]) if given else {}
    if kind in ("Const", "Parameter"):
        shape = _integers(attributes.pop("shape", ""))
        if problem := _shape_problem(shape):
            return problem
    if kind == "Const":
        offset, size = int(attributes.pop("offset")[:20]), int(attributes.pop("size")[:20])
        if problem := _constant_problem(attributes, shape, offset, size, weights):
            return problem
    for name, value in attributes.items():
        least, greatest = _NUMBERS.get(name, (0, -1))
        if name in _NUMBERS:
            if not (found := _integers(value)) or len(found) > 2 or not least <= min(found) <= max(found) <= greatest:
                return f"has {name[:20]} of {value[:40]}"
        elif not _WORD.fullmatch(value):
            return f"has {name[:20]} of {value[:40]}"
    return ""


def _shape_problem(shape: list[int]) -> str:
    if len(shape) > MAX_DIMENSIONS or min(shape, default=1) < 1 or math.prod(shape) > MAX_VALUES:
        return f"has a tensor of {'x'.join(str(side)[:12] for side in shape[:6])}, more or less than a model can have"
    return ""


def _constant_problem(attributes: Mapping[str, str], shape: list[int], offset: int, size: int, weights: bytes) -> str:
    kind = _ELEMENTS.get(attributes["element_type"])
    if kind is None:
        return f"holds {attributes['element_type'][:20]}"
    count = math.prod(shape)
    if offset < 0 or size != count * kind.itemsize or offset + size > len(weights):
        return "lies outside of the weights, or has another size than its shape"
    values: Any = np.frombuffer(weights, kind, count, offset)
    if kind.kind == "f" and not np.isfinite(values).all():
        return "holds NaN or infinite values"
    if kind in _INTEGERS:
        least, greatest = INTEGERS
        if count > MAX_INTEGERS or values.min() < least or values.max() > greatest:
            return "holds axes or sizes that no image has"
    return ""


def _ports(layer: ElementTree.Element, side: str) -> set[str]:
    return {_number_of(port, "id") for port in layer.findall(f"{side}/port")}


def _number_of(element: ElementTree.Element, name: str) -> str:
    """As it is written. Raises ValueError where the same number could be written in another way."""
    text = element.attrib[name]
    if not _NUMBER.fullmatch(text):
        raise ValueError(text[:20])
    return text


def _edge_problem(edges: list[ElementTree.Element], ports: Mapping[str, tuple[set[str], set[str]]]) -> str:
    """Each edge leads from an output to an input, each input has one, and no way leads back to where it began."""
    following: dict[str, list[str]] = {number: [] for number in ports}
    waiting = {number: len(inputs) for number, (inputs, _) in ports.items()}
    taken = set[tuple[str, str]]()
    for edge in edges:
        begin, end = _number_of(edge, "from-layer"), _number_of(edge, "to-layer")
        target = end, _number_of(edge, "to-port")
        if target in taken or _number_of(edge, "from-port") not in ports[begin][1] or target[1] not in ports[end][0]:
            return "its edges do not fit its layers"
        taken.add(target)
        following[begin].append(end)
    if len(taken) != sum(waiting.values()):
        return "a layer of it is given nothing"
    ready, done = [number for number, count in waiting.items() if count == 0], 0
    while ready:
        done += 1
        for number in following[ready.pop()]:
            waiting[number] -= 1
            if waiting[number] == 0:
                ready.append(number)
    return "" if done == len(ports) else "its layers form a circle"


def _integers(text: str) -> list[int]:
    return [int(part) for part in text[:200].split(",")] if text.strip() else []
