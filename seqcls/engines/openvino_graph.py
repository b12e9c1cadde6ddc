"""Graphs of OpenVINO: built from a network's arrays, written to IR (.xml and .bin), read back with suspicion."""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError, one_line
from seqcls.files import atomic_path
from seqcls.models.converted import MAX_GRAPH_BYTES, MAX_WEIGHT_BYTES, ir_net, ir_notes_of, read_bytes
from seqcls.models.file import ModelHeader, header_of
from seqcls.models.folded import SECOND_PLANE, Conv, Network
from seqcls.models.openvino_ir import ir_problem
from seqcls.third_party import library

if TYPE_CHECKING:
    import openvino as ov
    from openvino import opset13 as ops
else:
    ov, ops = library("openvino"), library("openvino.opset13")

#: What a model written by seqcls consists of. Others could loop, branch or ask for memory without end.
OPERATIONS = {
    *("Add", "Concat", "Constant", "Convert", "Convolution", "FakeQuantize", "MatMul", "MaxPool"),
    *("Multiply", "Parameter", "ReduceMean", "Relu", "ReLU", "Reshape", "Result", "Subtract", "Transpose", "Unsqueeze"),
}


def build(network: Network, weights: str = "fp32") -> ov.Model:
    """(1, S, S) uint8 to (1, K) float32 logits, and (1, D) features where the network is to give some; weights are kept
    in fp32 or fp16, sums in float32.

    One image at a time: in a batch its kernels, and so its last bits, would depend on the others.
    """

    def constant(array: NDArray[np.float32]) -> ov.Node:
        if weights == "fp16":
            return ops.convert(ops.constant(array.astype(np.float16)), "f32")
        return ops.constant(np.ascontiguousarray(array))

    def conv(x: ov.Node, part: Conv) -> ov.Node:
        pads = [part.pad, part.pad]
        y = ops.convolution(x, constant(part.weight), [part.stride] * 2, pads, pads, [1, 1])
        return ops.add(y, ops.constant(part.bias.reshape(1, -1, 1, 1)))

    def mean(x: ov.Node) -> ov.Node:
        return ops.reduce_mean(x, ops.constant(np.array([2, 3], np.int64)), False)

    def scored(planes: ov.Node, one: Network) -> list[ov.Node]:
        """Its logits, and its features where it is to give some."""
        if one.stem.weight.shape[1] == 2:
            second = np.full((1, 1, network.size, network.size), SECOND_PLANE, np.float32)
            planes = ops.concat([planes, ops.constant(second)], 1)
        x = ops.relu(conv(planes, one.stem))
        x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
        features: list[ov.Node] = []
        for number, block in enumerate(one.blocks):
            y = conv(ops.relu(conv(x, block.first)), block.second)
            x = ops.relu(ops.add(y, x if block.shortcut is None else conv(x, block.shortcut)))
            if number in one.pooled:
                features.append(mean(x))
        product = ops.matmul(mean(x), constant(one.weight), False, True)
        logits = ops.add(product, ops.constant(one.bias[None]))
        return [logits, ops.concat(features, 1)] if features else [logits]

    images = ops.parameter([1, network.size, network.size], np.uint8, name="images")
    x = ops.subtract(ops.convert(images, "f32"), ops.constant(np.float32(network.shift)))
    planes = ops.unsqueeze(x, ops.constant(1))
    given = scored(planes, network)
    for other in network.others:
        given[0] = ops.add(given[0], scored(planes, other)[0])
    for output, name in zip(given, ("logits", "features"), strict=False):
        output.output(0).get_tensor().set_names({name})
    return ov.Model(given, [images], "seqcls")


def write(path: Path, model: ov.Model, header: ModelHeader, precision: str, proof: str = "") -> None:
    """Write PATH.xml and PATH.bin, each atomically, the weights first. Raises OutputError.

    ``proof``: see ``models.twin``.
    """
    weights = path.with_suffix(".bin")
    with atomic_path(weights) as new_weights, atomic_path(path) as new_graph:
        # The first writing is for the weights' digest, which the second puts into the graph.
        ov.serialize(model, new_graph, new_weights)
        digest = hashlib.sha256(new_weights.read_bytes()).hexdigest()
        notes = {"header": header.to_json(), "precision": precision, "weights": digest, "proof": proof}
        for key, value in notes.items():
            model.set_rt_info(value, ["seqcls", key])
        ov.serialize(model, new_graph, new_weights)


@cache
def core() -> ov.Core:
    """The library's entry, one for the whole process.

    Its plugin for the processor gives the thread that loads it a stack for signals and puts back the one before when it
    is unloaded. Of two that are unloaded in the order in which they were loaded, the second puts back the first one's,
    which is freed by then, and the next Ctrl-C ends the process with a segmentation fault (seen with OpenVINO 2026.4).
    """
    return ov.Core()


def read(path: Path) -> tuple[ov.Model, ModelHeader, dict[str, str]]:
    """Graph, header and notes, by ``models.converted.KEYS``, of a .xml with its .bin.

    Raises ModelError for anything damaged or foreign.
    """
    graph = read_bytes(path, MAX_GRAPH_BYTES)
    net = ir_net(graph, path)
    notes = ir_notes_of(net, path)
    header = header_of(notes["header"], path)
    weights = read_bytes(path.with_suffix(".bin"), MAX_WEIGHT_BYTES * header.network_count)
    if hashlib.sha256(weights).hexdigest() != notes["weights"]:
        raise ModelError(f"{path.with_suffix('.bin')} is cut, changed, or another model's; copy both files again")
    if problem := ir_problem(net, weights, header.network_count):
        raise ModelError(f"{path} cannot be used: {problem}; make it with `seqcls convert`")
    try:
        model = core().read_model(model=graph, weights=weights)
    except RuntimeError as error:
        raise ModelError(f"{path} is damaged ({one_line(error)}); convert or copy it again") from error
    if problem := _misfit(model, header):
        raise ModelError(f"{path} cannot be used: {problem}; make it with `seqcls convert`")
    return model, header, notes


def _misfit(model: ov.Model, header: ModelHeader) -> str:
    """Why the graph is not one that seqcls wrote for this header, or ""."""
    size, outputs = header.geometry.size, len(header.organs)
    found = [f"{p.get_partial_shape()} {p.get_element_type().to_string()}" for p in (*model.inputs, *model.outputs)]
    beside = [] if header.novelty is None else [header.novelty.features]
    if found != [f"[1,{size},{size}] u8", *(f"[1,{each}] f32" for each in (outputs, *beside))]:
        given = " and ".join(f"(1, {each})" for each in (outputs, *beside))
        return f"it does not take (1, {size}, {size}) uint8 and give {given} float"
    # The largest tensors are the stem's output, 64 planes of S/2 x S/2, and the last convolutions' weights.
    most = max(64 * (size + 2) ** 2, 512 * 512 * 9)
    for operation in model.get_ops():
        if operation.get_type_name() not in OPERATIONS:
            return f"it holds the operation {operation.get_type_name()}, which no seqcls model has"
        for output in operation.outputs():
            if output.get_partial_shape().is_dynamic or math.prod(output.get_shape()) > most:
                return f"its {operation.get_type_name()} gives {output.get_partial_shape()}, more than a model needs"
    return ""
