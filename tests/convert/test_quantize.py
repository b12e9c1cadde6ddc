"""Quantization: which frames its calibration sees, and what stays in float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.networks import HEADER, disc_frames, needs

from seqcls.convert.quantize import _stems_of_onnx, _stems_of_openvino, calibration_rows
from seqcls.datasets.dataset import FrameSet
from seqcls.models.folded import network
from seqcls.models.networks import joined
from seqcls.models.untrained import random_model


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return disc_frames()


def test_calibration_is_spread_over_states_and_clips(frames: FrameSet) -> None:
    rows = calibration_rows(frames, 40)
    assert len(rows) <= 40 and set(frames.split[rows]) == {"train"}
    for clip in ("c0", "c1", "c2", "c3", "c4"):
        states = frames.targets[rows[frames.clip[rows] == clip], 0]
        assert set(states) == {0.0, 1.0} and 0.4 <= states.mean() <= 0.6
    few = replace(frames, split=np.full(len(frames.split), "validation"))
    assert len(calibration_rows(few, 7)) == 7


@needs("onnx", "openvino")
@pytest.mark.parametrize("count", [1, 3])
def test_each_network_has_a_first_layer(count: int) -> None:
    """And no other convolution is taken for one."""
    from seqcls.engines import onnx_graph, openvino_graph

    _, tensors = random_model(size=32)
    digests = tuple(character * 64 for character in "abc")[: count if count > 1 else 0]
    net = network(replace(HEADER, networks=digests), joined([tensors] * count))
    found, graph = _stems_of_onnx(made := onnx_graph.build(net)), openvino_graph.build(net)
    weights = {one.name: one.dims for one in made.graph.initializer}
    shapes = [weights[node.input[1]] for node in made.graph.node if node.name in found]
    assert shapes == [[64, 1, 7, 7]] * count
    named = _stems_of_openvino(graph)
    stems = [one for one in graph.get_ops() if one.get_friendly_name() in named]
    assert [list(one.input_value(1).get_shape()) for one in stems] == [[64, 1, 7, 7]] * count
