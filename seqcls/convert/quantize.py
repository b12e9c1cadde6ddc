"""Post-training quantization to int8: by NNCF for OpenVINO, by ONNX Runtime's own quantizer for ONNX.

Its calibration, the ranges of what lies between the layers, is measured on some of the frames trained on.

The head stays in float32, where it costs nothing. So may the stem, the first convolution of each network: the answers
come closer to the original's, and the whole takes a tenth longer with OpenVINO (311 instead of 343 frames/s at 224 px
on two cores of Sapphire Rapids), half again as long with ONNX Runtime.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import EngineError, one_line
from seqcls.files.temporaries import libraries_use, temporary_folder
from seqcls.models.folded import Network
from seqcls.third_party import library

Images = NDArray[np.uint8]
#: Frames for the calibration; more change nothing but the time.
CALIBRATION_FRAMES = 300


def quantize_openvino(
    net: Network, images: Images, *, keep_first_layer_fp32: bool = False, correct_biases: bool = True
) -> Any:
    """An ``ov.Model`` with int8 convolutions, calibrated on (N, S, S). Raises EngineError: NNCF is missing or fails.

    correct_biases: takes a third to two thirds of the time, at 64 and at 224 px, and brings answers a little closer:
    on 231 phantom frames at 64 px mean |dp| 0.0012 instead of 0.0017.

    Ranges are those seen in any image. NNCF's own choice, the mean of every image's range, cuts off what makes the
    images with the organ differ: measured on 976 phantom frames at 224 px, mean |dp| 0.009 instead of 0.002.
    """
    with _library("seqcls[int8]"):
        from seqcls.engines.openvino_graph import build

        nncf, advanced = library("nncf"), library("nncf.quantization.advanced_parameters")
        ranges = advanced.AdvancedQuantizationParameters(
            activations_range_estimator_params=library(
                "nncf.quantization.range_estimator"
            ).RangeEstimatorParametersSet.MINMAX,
            disable_bias_correction=not correct_biases,
        )
        plain = build(net)
        return nncf.quantize(
            plain,
            nncf.Dataset([image[None] for image in images]),
            subset_size=len(images),
            fast_bias_correction=False,  # the fast one does harm with these ranges: 0.010
            advanced_parameters=ranges,
            ignored_scope=nncf.IgnoredScope(
                types=["MatMul"], names=_stems_of_openvino(plain) if keep_first_layer_fp32 else []
            ),
        )


def quantize_onnx(net: Network, images: Images, *, keep_first_layer_fp32: bool = False) -> Any:
    """An ``onnx.ModelProto`` with int8 convolutions (QDQ), calibrated on (N, S, S). Raises EngineError."""
    with _library("seqcls[onnx]"), temporary_folder() as scratch, libraries_use(scratch):
        from seqcls.engines.onnx_graph import build

        onnx, quantization = library("onnx"), library("onnxruntime.quantization")
        feeds = ({"images": image[None]} for image in images)
        model = build(net)
        plain, small = scratch / "plain.onnx", scratch / "small.onnx"
        onnx.save(model, plain)
        quantization.quantize_static(
            plain,
            small,
            SimpleNamespace(get_next=lambda: next(feeds, None)),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=_stems_of_onnx(model) if keep_first_layer_fp32 else [],
        )
        return onnx.load(small)


def _stems_of_openvino(model: Any) -> list[str]:
    """Names of the first convolution of every network: all of them take the image, some with a second plane."""
    convolutions = [one for one in model.get_ordered_ops() if one.get_type_name() == "Convolution"]
    takes = {one.get_friendly_name(): one.input_value(0).get_node().get_type_name() for one in convolutions}
    return [name for name, kind in takes.items() if kind in ("Unsqueeze", "Concat")]


def _stems_of_onnx(model: Any) -> list[str]:
    """The same of an ``onnx.ModelProto``."""
    planes = {node.output[0] for node in model.graph.node if node.op_type in ("Unsqueeze", "Concat")}
    return [node.name for node in model.graph.node if node.op_type == "Conv" and node.input[0] in planes]


def calibration_images(frames: FrameSet, most: int | None = None) -> Images:
    """The images (N, S, S) to calibrate with."""
    return frames.images[calibration_rows(frames, CALIBRATION_FRAMES if most is None else most)]


def calibration_rows(frames: FrameSet, most: int) -> NDArray[np.int64]:
    """At most so many rows, spread evenly over the states, the clips that show them, and their length.

    Of the frames trained on, where there are any: those held out are for the comparison.
    """
    rows = np.flatnonzero(frames.split == "train")
    rows = rows if len(rows) else np.arange(len(frames.images))
    cells: list[NDArray[np.int64]] = []
    for k in range(len(frames.organs)):
        for state in (0.0, 1.0):
            inside = rows[frames.mask[rows, k] & (frames.targets[rows, k] == state)]
            cells += [inside[frames.clip[inside] == clip] for clip in np.unique(frames.clip[inside])]
    cells = cells if cells else [rows]
    each = max(1, most // len(cells))
    return _evenly(np.unique(np.concatenate([_evenly(cell, each) for cell in cells])), most)


def _evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return np.take(rows, np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))


@contextlib.contextmanager
def _library(extra: str) -> Iterator[None]:
    """Quantizers print, warn and raise whatever they like; people read one line."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise EngineError(f"int8 needs a library that is missing ({error}); pip install '{extra}'") from error
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"the model cannot be quantized ({one_line(error)}); update '{extra}'") from error
    finally:
        logging.disable(before)
