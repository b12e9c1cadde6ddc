"""A trained model in another library's form, or in fewer bits, refused where it strays too far from the original."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.convert.parity import Origin, Parity, parity_report
from seqcls.convert.quantize import quantize_onnx, quantize_openvino
from seqcls.datasets.dataset import FrameSet
from seqcls.engines import Engine, open_engine
from seqcls.errors import EngineError, ModelError, OutputError, UsageError
from seqcls.files import require_writable
from seqcls.json_text import write_json
from seqcls.models.file import ModelHeader, Tensors, read_model
from seqcls.models.folded import network

Target = Literal["openvino", "onnx", "torchscript"]
#: What each target can be kept in.
PRECISIONS: dict[str, tuple[str, ...]] = {
    "openvino": ("fp32", "fp16", "int8"),
    "onnx": ("fp32", "fp16", "int8"),
    "torchscript": ("fp32",),
}
SUFFIXES = {"openvino": ".xml", "onnx": ".onnx", "torchscript": ".pt"}
#: Frames to calibrate with, and to compare on; more change nothing but the time.
CALIBRATE_WITH, COMPARE_ON = 300, 2000

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """target and precision: of what is written. most_drift: of the mean |p - p'|, per organ, over the compared frames.

    Raises UsageError for what does not go together.
    """

    target: Target = "openvino"
    precision: str = "fp32"
    most_drift: float = 0.02

    def __post_init__(self) -> None:
        if self.target not in PRECISIONS:
            raise UsageError(f"cannot convert to {self.target!r}: choose one of {', '.join(PRECISIONS)}")
        if self.precision not in PRECISIONS[self.target]:
            raise UsageError(
                f"{self.target} models are kept in {', '.join(PRECISIONS[self.target])}, not in {self.precision}"
            )
        if not 0 <= self.most_drift <= 1:
            raise UsageError(f"the largest drift must lie in 0..1, not {self.most_drift}")


def output_of(model: Path, options: ConvertOptions) -> Path:
    """Where the converted model goes unless somebody says otherwise: NAME-int8.xml beside NAME.safetensors."""
    marked = model.stem if options.precision == "fp32" else f"{model.stem}-{options.precision}"
    return model.with_name(marked + SUFFIXES[options.target])


def convert(
    model: Path,
    out: Path,
    options: ConvertOptions,
    *,
    frames: FrameSet | None = None,
    overwrite: bool = False,
    on_step: Callable[[str], None] = lambda what: None,
) -> Parity:
    """Write ``out``, and beside it the report NAME.xml.parity.json; the comparison. frames: of the model's geometry.

    Nothing is written where the result strays further than ``options`` allow: ModelError says how far. Raises also
    UsageError where int8 has no frames to calibrate with, EngineError where a library is missing, OutputError.
    """
    if options.precision == "int8" and frames is None:
        raise UsageError("int8 needs frames to calibrate with: --calibrate DATA, the folder that was trained on")
    if out.suffix.lower() != SUFFIXES[options.target]:
        raise UsageError(f"a model for {options.target} is named *{SUFFIXES[options.target]}, not {out.name}")
    for path in (out, out.with_suffix(".bin")) if options.target == "openvino" else (out,):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists: add --overwrite, or choose another name with -o")
    require_writable(out.parent)
    header, tensors = read_model(model)
    if frames is not None:
        frames = frames.of_organs(header.organs)
    with tempfile.TemporaryDirectory(prefix=".seqcls-convert-", dir=out.parent) as scratch:
        made = Path(scratch) / out.name
        on_step(f"converting to {options.target}, {options.precision}")
        _BUILDERS[options.target](made, header, tensors, options.precision, frames, keep_first_layer_fp32=False)
        on_step("comparing with the original")
        parity = _compare(header, tensors, made, options, frames)
        if options.precision == "int8" and parity.problems(options.most_drift):
            on_step("it strays too far: once more with the first layer in float32, which costs speed")
            _BUILDERS[options.target](made, header, tensors, options.precision, frames, keep_first_layer_fp32=True)
            parity = _compare(header, tensors, made, options, frames)
        if problems := parity.problems(options.most_drift):
            raise ModelError(
                f"{out} is not written: {'; '.join(problems)} (on {parity.frames} {parity.origin} frames);"
                " calibrate with more frames, or take a higher precision"
            )
        for part in sorted(Path(scratch).iterdir(), key=lambda part: part.suffix):  # .bin before .xml
            shutil.move(part, out.with_name(part.name))
    write_json(out.with_name(out.name + ".parity.json"), parity.to_dict())
    return parity


def _to_openvino(
    path: Path,
    header: ModelHeader,
    tensors: Tensors,
    precision: str,
    frames: FrameSet | None,
    *,
    keep_first_layer_fp32: bool,
) -> None:
    try:
        from seqcls.engines.openvino_graph import build, write_ir
    except ImportError as error:
        raise EngineError(f"OpenVINO cannot be used ({error}); pip install openvino") from error
    net = network(header, tensors)
    if precision == "int8":
        write_ir(
            path,
            quantize_openvino(net, _calibration(frames), keep_first_layer_fp32=keep_first_layer_fp32),
            header,
            precision,
        )
    else:
        write_ir(path, build(net, precision), header, precision)


def _to_onnx(
    path: Path,
    header: ModelHeader,
    tensors: Tensors,
    precision: str,
    frames: FrameSet | None,
    *,
    keep_first_layer_fp32: bool,
) -> None:
    try:
        from seqcls.engines.onnx_graph import build, write_onnx
    except ImportError as error:
        raise EngineError(f"ONNX cannot be used ({error}); pip install 'seqcls[onnx]'") from error
    net = network(header, tensors)
    if precision == "int8":
        write_onnx(
            path,
            quantize_onnx(net, _calibration(frames), keep_first_layer_fp32=keep_first_layer_fp32),
            header,
            precision,
        )
    else:
        write_onnx(path, build(net, precision), header, precision)


def _to_torchscript(
    path: Path,
    header: ModelHeader,
    tensors: Tensors,
    precision: str,
    frames: FrameSet | None,
    *,
    keep_first_layer_fp32: bool,
) -> None:
    """(N, S, S) uint8 to (N, K) raw logits. For other programs: seqcls never loads it, since its archive may hold a
    pickle."""
    try:
        import torch

        from seqcls.models.resnet import GrayResNet
    except ImportError as error:
        raise EngineError(f"PyTorch cannot be used ({error}); pip install torch torchvision") from error
    model = GrayResNet(len(header.organs), mean=header.mean, std=header.std)
    model.load(dict(tensors))
    size = header.geometry.size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls the format outdated
        example = torch.zeros(1, size, size, dtype=torch.uint8)
        traced = torch.jit.trace(model.eval(), example)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files={"seqcls_header": header.to_json()})


_BUILDERS: dict[str, Callable[..., None]] = {
    "openvino": _to_openvino,
    "onnx": _to_onnx,
    "torchscript": _to_torchscript,
}


def _calibration(frames: FrameSet | None) -> Pictures:
    assert frames is not None, "int8 was refused without frames"
    return frames.images[calibration_rows(frames, CALIBRATE_WITH)]


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
    if not cells:
        cells = [rows]
    chosen: NDArray[np.int64] = np.empty(0, np.int64)
    for each in range(1, max(len(cell) for cell in cells) + 1):
        picked = [cell[np.linspace(0, len(cell) - 1, min(each, len(cell))).astype(int)] for cell in cells]
        before, chosen = chosen, np.unique(np.concatenate(picked))
        if len(chosen) > most:
            chosen = before
            break
    if not len(chosen):  # more clips than frames are wanted
        chosen = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return chosen


def _compare(
    header: ModelHeader, tensors: Tensors, made: Path, options: ConvertOptions, frames: FrameSet | None
) -> Parity:
    reference = _reference(header, tensors)
    pictures, rows, origin = _compared(header, frames)
    before = reference.scores(pictures)
    if options.target == "torchscript":
        after = _script_scores(made, header, pictures)
    else:
        after = open_engine(made, engine=options.target).scores(pictures)
    if frames is None or rows is None:
        return parity_report(header, before, after, origin=origin, reference=reference.description)
    return parity_report(
        header,
        before,
        after,
        origin=origin,
        reference=reference.description,
        targets=frames.targets[rows],
        mask=frames.mask[rows],
        clip=frames.clip[rows],
        time_s=frames.time_s[rows],
    )


def _reference(header: ModelHeader, tensors: Tensors) -> Engine:
    """PyTorch in float32, else OpenVINO in float32."""
    try:
        return open_engine((header, tensors), engine="torch", device="cpu", precision="fp32")
    except EngineError:
        return open_engine((header, tensors), engine="openvino", precision="fp32")


def _compared(header: ModelHeader, frames: FrameSet | None) -> tuple[Pictures, NDArray[np.int64] | None, Origin]:
    """Frames held out, in whole clips up to about COMPARE_ON; else frames trained on; else random pictures."""
    if frames is None:
        size = header.geometry.size
        draws = np.random.default_rng(0)
        noise = draws.integers(0, 256, (32, size, size), np.uint8)
        coarse = draws.integers(0, 256, (32, -(-size // 16), -(-size // 16)), np.uint8)
        blocks = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :size, :size]
        return np.concatenate([noise, blocks]), None, "random"
    rows = np.flatnonzero(frames.split == "validation")
    origin: Origin = "validation" if len(rows) else "training"
    rows = rows if len(rows) else np.arange(len(frames.images))
    names, counts = np.unique(frames.clip[rows], return_counts=True)
    kept = names[np.cumsum(counts) - counts < COMPARE_ON]
    rows = rows[np.isin(frames.clip[rows], kept)]
    return frames.images[rows], rows, origin


def _script_scores(path: Path, header: ModelHeader, pictures: Pictures) -> NDArray[np.float32]:
    """Of what was written a moment ago by this very process; nothing else is ever loaded this way."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        parts = [script(torch.from_numpy(pictures[i : i + 32])) for i in range(0, len(pictures), 32)]
    return header.probabilities(torch.cat(parts).float().numpy())
