"""Graphs of ONNX: built from a network's arrays, written to one file, read back with suspicion."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError
from seqcls.files import atomic_path
from seqcls.models.converted import MAX_WEIGHT_BYTES, onnx_model, onnx_notes, read_bytes, require_size
from seqcls.models.file import ModelHeader, header_of
from seqcls.models.folded import SECOND_PLANE, Conv, Network
from seqcls.models.networks import MAX_NETWORKS
from seqcls.third_party import library

if TYPE_CHECKING:
    import onnx
    from onnx import AttributeProto, TensorProto, helper, numpy_helper
else:
    onnx, helper, numpy_helper = library("onnx"), library("onnx.helper"), library("onnx.numpy_helper")
    AttributeProto, TensorProto = onnx.AttributeProto, onnx.TensorProto

#: Old enough for every ONNX Runtime of the last years.
OPSET, IR_VERSION = 17, 8
#: What a model written by seqcls consists of. Others could loop, branch or ask for memory without end.
OPERATIONS = {
    *("Add", "Cast", "Concat", "Conv", "DequantizeLinear", "Flatten", "Gemm", "GlobalAveragePool"),
    *("MaxPool", "QuantizeLinear", "Relu", "Sub", "Unsqueeze"),
}
#: Their attributes, and the least and the greatest that each of them may be.
ATTRIBUTES = {
    "to": (TensorProto.FLOAT, TensorProto.FLOAT),
    "axis": (-4, 4),
    "transB": (0, 1),
    "pads": (0, 3),
    **dict.fromkeys(("strides", "dilations"), (1, 2)),
    "kernel_shape": (1, 7),
    "group": (1, 1),
}
#: What constants consist of.
TENSORS = {
    *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64),
    *(TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8),
}
#: Of each network. A quantised one has 166 operations and 198 constants; each convolution may add to the image's size.
MAX_PARTS, MAX_CONVOLUTIONS = 1000, 24


def build(network: Network, weights: str = "fp32") -> onnx.ModelProto:
    """(N, S, S) uint8 "images" to (N, K) float32 "logits", and (N, D) "features" where the network is to give some;
    weights are kept in fp32 or fp16, sums in float32."""
    graph = _Graph(weights)
    x = graph.add("Cast", ["images"], to=TensorProto.FLOAT)
    x = graph.add("Sub", [x, graph.exact(np.float32(network.shift))])
    planes = graph.add("Unsqueeze", [x, graph.exact(np.array([1], np.int64))])
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", network.size, network.size])
    given = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(network.bias)])]
    if network.pooled:
        features = sum(len(network.blocks[number].second.bias) for number in network.pooled)
        given.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", features]))
    logits = graph.scored(planes, network, "" if network.others else "logits")
    for left, other in enumerate(network.others, start=1 - len(network.others)):
        summands = [logits, graph.scored(planes, other)]
        logits = graph.add("Add", summands, output="" if left else "logits")
    made = helper.make_graph(graph.nodes, "seqcls", [images], given, graph.initializers)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION, producer_name="seqcls")


class _Graph:
    """Nodes and constants while they are collected, named by number."""

    def __init__(self, weights: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._weights = weights

    def add(self, kind: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        name = output if output else f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def exact(self, array: NDArray[np.generic] | np.generic) -> str:
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def kept(self, array: NDArray[np.float32]) -> str:
        if self._weights == "fp16":
            return self.add("Cast", [self.exact(array.astype(np.float16))], to=TensorProto.FLOAT)
        return self.exact(array)

    def conv(self, x: str, part: Conv) -> str:
        inputs = [x, self.kept(part.weight), self.exact(part.bias)]
        return self.add("Conv", inputs, strides=[part.stride] * 2, pads=[part.pad] * 4)

    def scored(self, planes: str, network: Network, output: str = "") -> str:
        """Its logits; and "features" where it is to give some."""
        if network.stem.weight.shape[1] == 2:
            nothing = self.add("Sub", [planes, planes])  # as many images as there are
            second = self.add("Add", [nothing, self.exact(np.float32(SECOND_PLANE))])
            planes = self.add("Concat", [planes, second], axis=1)
        x = self.add("Relu", [self.conv(planes, network.stem)])
        x = self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        features = []
        for number, block in enumerate(network.blocks):
            y = self.conv(self.add("Relu", [self.conv(x, block.first)]), block.second)
            shortcut = x if block.shortcut is None else self.conv(x, block.shortcut)
            x = self.add("Relu", [self.add("Add", [y, shortcut])])
            if number in network.pooled:
                features.append(self.add("Flatten", [self.add("GlobalAveragePool", [x])]))
        if features:
            self.add("Concat", features, output="features", axis=1)
        x = self.add("Flatten", [self.add("GlobalAveragePool", [x])])
        return self.add("Gemm", [x, self.kept(network.weight), self.exact(network.bias)], output=output, transB=1)


def write(path: Path, model: onnx.ModelProto, header: ModelHeader, precision: str) -> None:
    """Write one file with the header in its metadata, atomically. Raises OutputError."""
    helper.set_model_props(model, {"seqcls_header": header.to_json(), "seqcls_precision": precision})
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def read(path: Path) -> tuple[bytes, ModelHeader, str]:
    """The model's bytes, header and precision. Raises ModelError for anything damaged or foreign."""
    content = read_bytes(path, MAX_WEIGHT_BYTES * MAX_NETWORKS)
    model = onnx_model(content, path)
    notes = onnx_notes(model, path)
    header = header_of(notes["header"], path)
    require_size(len(content), MAX_WEIGHT_BYTES * header.network_count, path)
    if problem := _misfit(model, header):
        raise ModelError(f"{path} cannot be used: {problem}; make it with `seqcls convert`")
    return content, header, notes["precision"]


def _misfit(model: onnx.ModelProto, header: ModelHeader) -> str:
    """Why the graph is not one that seqcls wrote for this header, or ""."""
    size, outputs = header.geometry.size, len(header.organs)
    graph = model.graph
    ports = [port.type.tensor_type for port in (*graph.input, *graph.output)]
    found = [(port.elem_type, [dim.dim_value for dim in port.shape.dim][1:]) for port in ports]
    beside = [] if header.novelty is None else [header.novelty.features]
    if found != [(TensorProto.UINT8, [size, size]), *((TensorProto.FLOAT, [each]) for each in (outputs, *beside))]:
        given = " and ".join(f"(N, {each})" for each in (outputs, *beside))
        return f"it does not take (N, {size}, {size}) uint8 and give {given} float"
    if model.functions or graph.sparse_initializer:
        return "it holds functions or sparse tensors, which no seqcls model has"
    kinds, networks = Counter(node.op_type for node in graph.node), header.network_count
    parts = max(len(graph.node), len(graph.initializer))
    if parts > MAX_PARTS * networks or kinds["Conv"] > MAX_CONVOLUTIONS * networks:
        return f"it has {len(graph.node)} operations and {len(graph.initializer)} constants, more than a model needs"
    problems = chain(map(_node_problem, graph.node), (_tensor_problem(one, outputs) for one in graph.initializer))
    return next(filter(None, problems), "")


def _node_problem(node: onnx.NodeProto) -> str:
    """The library believes what operations state: a stride of 0 may end the process by a division."""
    kind = node.op_type[:40]
    if node.op_type not in OPERATIONS or node.domain not in ("", "ai.onnx"):
        return f"it holds the operation {kind}, which no seqcls model has"
    for attribute in node.attribute:
        least, greatest = ATTRIBUTES.get(attribute.name, (0, -1))
        known = attribute.type in (AttributeProto.INT, AttributeProto.INTS) and len(attribute.ints) <= 4
        values = attribute.ints if attribute.type == AttributeProto.INTS else [attribute.i]
        if not known or not all(least <= value <= greatest for value in values):
            return f"its {kind} has {attribute.name[:20]} of {list(values)[:4]}, which no seqcls model has"
    return ""


def _tensor_problem(tensor: onnx.TensorProto, outputs: int) -> str:
    name, shape = tensor.name[:40], tensor.dims
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        return f"its {name} lies in another file"
    if len(shape) > 4 or not all(0 < side <= max(512, outputs) for side in shape):
        return f"its {name} has shape {list(shape[:5])}, more or less than a model needs"
    try:
        values = numpy_helper.to_array(tensor) if tensor.data_type in TENSORS else None
    except (ValueError, TypeError, KeyError):
        values = None
    if values is None or values.shape != tuple(shape):
        return f"its {name} holds other numbers than it states"
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return f"its {name} holds NaN or infinite values"
    if tensor.data_type == TensorProto.INT64 and (values.size > 8 or np.abs(values).max() > 8):
        return f"its {name} holds axes that no image has"
    return ""
