"""A trained model in another library's form, or in fewer bits; refused where its outputs differ by too much."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.convert.parity import Origin, Parity, parity_report
from seqcls.convert.quantize import calibration_images, quantize_onnx, quantize_openvino
from seqcls.datasets.dataset import FrameSet
from seqcls.engines import Engine, answers, open_engine
from seqcls.engines.base import needs
from seqcls.engines.proven_twin import logits
from seqcls.errors import ModelError, UsageError
from seqcls.files import on_disk, require_free, require_writable
from seqcls.files.json_text import write_json
from seqcls.files.temporaries import temporary_folder
from seqcls.models.file import ModelHeader, Tensors, read_model
from seqcls.models.folded import network
from seqcls.models.twin import Proof, file_digest
from seqcls.novelty import LIMIT
from seqcls.text.wording import count_of

Target = Literal["openvino", "onnx"]
SUFFIXES = {"openvino": ".xml", "onnx": ".onnx"}
#: What the weights can be kept in. Sums are made in float32 for fp16 too.
PRECISIONS = ("fp32", "fp16", "int8")
#: Frames to compare on; more change nothing but the time.
COMPARE_ON = 2000
#: For a training's twin: enough to tell, and a small part of any training's time. The clips that tell the most come
#: first: two of the real clips with both states say more than three without the organ, which 600 frames were.
QUICK_COMPARE_ON, QUICK_CALIBRATION = 300, 48
#: Images by which speeds are compared, and how often.
_TIMED, _TIMES = 8, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """target and precision: of what is written. max_drift: of the mean |p - p'|, per organ, over the compared frames.

    Raises UsageError for what does not go together.
    """

    target: Target = "openvino"
    precision: str = "fp32"
    max_drift: float = 0.02

    def __post_init__(self) -> None:
        if self.target not in SUFFIXES:
            raise UsageError(
                f"cannot convert to {self.target!r}: choose openvino, or onnx, which is the form for other programs"
            )
        if self.precision not in PRECISIONS:
            raise UsageError(f"converted models are kept in {', '.join(PRECISIONS)}, not in {self.precision}")
        if not 0 <= self.max_drift <= 1:
            raise UsageError(f"the largest drift must lie in 0..1, not {self.max_drift}")


def output_of(model: Path, options: ConvertOptions) -> Path:
    """Where the converted model goes unless stated otherwise: NAME-int8.xml beside NAME.safetensors."""
    marked = model.stem if options.precision == "fp32" else f"{model.stem}-{options.precision}"
    return model.with_name(marked + SUFFIXES[options.target])


def check_output(out: Path, options: ConvertOptions, overwrite: bool) -> None:
    """Whether the model can be written there. Raises UsageError for its name, OutputError for the place."""
    if out.suffix.lower() != SUFFIXES[options.target]:
        raise UsageError(f"a model for {options.target} is named *{SUFFIXES[options.target]}, not {out.name}")
    for path in (out, out.with_suffix(".bin")) if options.target == "openvino" else (out,):
        require_free(path, overwrite)
    require_writable(out.parent)


def convert(
    model: Path,
    out: Path,
    options: ConvertOptions,
    *,
    frames: FrameSet | None = None,
    overwrite: bool = False,
    on_step: Callable[[str], None] = lambda what: None,
    quick: bool = False,
) -> Parity:
    """Write ``out``, and beside it the report NAME.xml.parity.json; the comparison. frames: of the model's geometry.
    quick: with fewer frames, compared with OpenVINO in float32, and int8 with corrected biases only where it differs
    by too much without.

    The comparison is in the stated precision; what this machine's default adds is reported, and no reason to refuse.
    Nothing is written where the outputs differ by more than ``options`` allow: ModelError says by how much. Raises also
    UsageError where int8 has no frames for its calibration, EngineError where a library is missing, OutputError.
    """
    if options.precision == "int8" and frames is None:
        raise UsageError(
            "int8 needs frames for its calibration: frames=load_frames(DATA, ...), those that it was trained on"
        )
    check_output(out, options, overwrite)
    header, tensors = read_model(model)
    if frames is not None:
        frames = frames.of_organs(header.organs)
    most = QUICK_COMPARE_ON if quick else COMPARE_ON
    images = None
    if frames is not None and options.precision == "int8":
        images = calibration_images(frames, QUICK_CALIBRATION if quick else None)
    with temporary_folder(out.parent) as scratch:
        made = scratch / out.name
        on_step(f"converting to {options.target}, {options.precision}")
        graph = _write(made, header, tensors, options, images, quick=quick)
        on_step("comparing with the original")
        reference = "openvino" if quick else "torch"
        parity, engine = _compare(header, tensors, made, options, frames, most, reference)
        if options.precision == "int8" and parity.problems(options.max_drift):
            on_step("the outputs differ by too much: once more with the first layer in float32, which costs speed")
            graph = _write(made, header, tensors, options, images, keep_first_layer_fp32=True)
            parity, engine = _compare(header, tensors, made, options, frames, most, reference)
        if problems := parity.problems(options.max_drift):
            raise ModelError(
                f"{out} is not written: {'; '.join(problems)} (on {count_of(parity.frames, f'{parity.origin} frame')});"
                " calibrate with more frames, or take a higher precision"
            )
        if options.precision == "int8" and options.target == "openvino":
            _add_proof(made, graph, model, parity, engine, open_engine((header, tensors), device="cpu", exact=True))
        report = out.with_name(out.name + ".parity.json")
        report.unlink(missing_ok=True)  # it is of the model before
        parts = sorted(scratch.iterdir(), key=lambda part: part.suffix)  # .bin before .xml
        if len(parts) > 1:  # whoever is killed in between leaves no model rather than one of two
            out.unlink(missing_ok=True)
        for part in parts:
            part.replace(out.with_name(part.name))
    write_json(report, asdict(parity))
    return parity


def _write(
    path: Path,
    header: ModelHeader,
    tensors: Tensors,
    options: ConvertOptions,
    images: NDArray[np.uint8] | None,
    *,
    keep_first_layer_fp32: bool = False,
    quick: bool = False,
) -> Any:
    """The graph, as it is written. images: (N, S, S) to calibrate int8 with."""
    library: Any
    if options.target == "openvino":
        with needs("OpenVINO", "pip install openvino"):
            from seqcls.engines import openvino_graph as library
        quantize = partial(quantize_openvino, correct_biases=not quick)
    else:
        with needs("ONNX", "pip install 'seqcls[onnx]'"):
            from seqcls.engines import onnx_graph as library
        quantize = partial(quantize_onnx)
    net = network(header, tensors)
    if images is not None:
        graph = quantize(net, images, keep_first_layer_fp32=keep_first_layer_fp32)
    else:
        graph = library.build(net, options.precision)
    library.write(path, graph, header, options.precision)
    return graph


def _add_proof(path: Path, graph: Any, model: Path, parity: Parity, twin: Engine, itself: Engine) -> None:
    """Into an int8 model that answers like the original: it may be taken for it, see ``models.twin``."""
    from seqcls.engines.openvino_graph import write

    images = np.random.default_rng(0).integers(0, 256, (_TIMED, *2 * (twin.header.geometry.size,)), np.uint8)
    proof = Proof(
        model=file_digest(on_disk(model)),
        drift=max(organ.mean for organ in parity.organs),
        largest=max(organ.largest for organ in parity.organs),
        compared=parity.compared,
        times_as_fast=_seconds(itself, images) / max(1e-9, _seconds(twin, images)),
        logits=tuple(tuple(row) for row in logits(twin).tolist()),
    )
    write(path, graph, twin.header, "int8", proof.to_json())


def _seconds(engine: Engine, images: NDArray[np.uint8]) -> float:
    """The least of several times."""
    took_s = []
    for _ in range(_TIMES):
        began_s = time.perf_counter()
        engine.scores(images)
        took_s.append(time.perf_counter() - began_s)
    return min(took_s)


def _compare(
    header: ModelHeader,
    tensors: Tensors,
    made: Path,
    options: ConvertOptions,
    frames: FrameSet | None,
    most: int,
    library: str,
) -> tuple[Parity, Engine]:
    """And the converted model's engine."""
    reference = open_engine((header, tensors), engine=library, device="cpu", precision="fp32")
    converted = open_engine(made, precision="int8" if options.precision == "int8" else "fp32")
    default = converted if options.precision == "int8" else open_engine(made)
    images, shown, origin = _compared(header, frames, most)
    before, after = answers(reference, images), answers(converted, images)
    organs = len(header.organs)
    unlike = None
    if header.novelty is not None:
        unlike = float(np.mean(before[:, -1] >= LIMIT)), float(np.mean(after[:, -1] >= LIMIT))
    after = after[:, :organs]
    parity = parity_report(
        header,
        before[:, :organs],
        after,
        by_default=after if default.precision == converted.precision else default.scores(images),
        origin=origin,
        engines=(reference.description, converted.description, default.description),
        frames=shown,
        unlike=unlike,
    )
    return parity, converted


def _compared(
    header: ModelHeader, frames: FrameSet | None, most: int
) -> tuple[NDArray[np.uint8], FrameSet | None, Origin]:
    """Frames held out, in whole clips up to about ``most``; else frames trained on; else random images."""
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
    rows = rows[np.isin(frames.clip[rows], _telling(frames, rows, most))][
        : 2 * most
    ]  # of a very long one the beginning
    arrays = ("images", "targets", "mask", "clip", "patient", "split", "time_s")
    shown = replace(frames, **{name: getattr(frames, name)[rows] for name in arrays})
    return shown.images, shown, origin


def _telling(frames: FrameSet, rows: NDArray[np.int64], most: int) -> list[str]:
    """Clips of these rows, until they have ``most`` frames: each time the one whose organs and states the clips before
    it show the least, so that presences, changes and AUROC are compared, not frames of one state alone."""
    names, places, counts = np.unique(frames.clip[rows], return_inverse=True, return_counts=True)
    known, present = frames.mask[rows], frames.targets[rows] > 0.5
    shown = np.concatenate([known & present, known & ~present], axis=1)  # (N, 2 K)
    shows = np.zeros((len(names), shown.shape[1]), bool)
    np.logical_or.at(shows, places, shown)
    times, kept, count = np.zeros(shown.shape[1]), list[int](), 0
    while count < most and len(kept) < len(names):
        worth = shows @ (1 / (1 + times))
        worth[kept] = -1
        kept.append(int(worth.argmax()))  # of equals the first by name
        times += shows[kept[-1]]
        count += int(counts[kept[-1]])
    return [str(names[place]) for place in kept]
