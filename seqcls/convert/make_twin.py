"""The int8 twin that a training leaves beside its model, as far as this computer can make one and it answers alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from seqcls.convert.convert import QUICK_CALIBRATION, ConvertOptions, convert
from seqcls.convert.parity import Parity
from seqcls.convert.quantize import calibration_rows
from seqcls.datasets.dataset import FrameSet
from seqcls.errors import EngineError, ModelError
from seqcls.models.twin import twin_files, twin_path

_LATER = "later: `seqcls convert {model} --precision int8 --calibrate DATA`"


def make_twin(
    model: Path, frames: FrameSet, *, on_step: Callable[[str], None] = lambda what: None
) -> tuple[Parity | None, str]:
    """Write the twin of the .safetensors ``model`` in place of the one before; the comparison, and a line for people.

    frames: those of the training. No comparison, and no twin, where a library is missing or it answers in another way;
    the line says why. Raises OutputError.
    """
    remove_twin(model)
    later = _LATER.format(model=model)
    missing = [name for name, module in (("OpenVINO", "openvino"), ("NNCF", "nncf")) if find_spec(module) is None]
    if missing:
        return None, f"no int8 twin, which is up to three times as fast: pip install 'seqcls[int8]'; {later}"
    held = np.flatnonzero(frames.split == "validation")
    trained = calibration_rows(frames, QUICK_CALIBRATION)
    rows = np.union1d(trained, held) if len(held) else np.arange(len(frames.images))
    chosen = replace(frames.of_rows(rows), facts=None)
    try:
        parity = convert(
            model,
            twin_path(model),
            ConvertOptions(precision="int8"),
            frames=chosen,
            overwrite=True,
            on_step=on_step,
            quick=True,
        )
    except (EngineError, ModelError) as error:
        return None, f"no int8 twin: {error}"
    drift = max(organ.mean for organ in parity.organs)
    return parity, (
        f"int8 twin {twin_path(model).name}: on {parity.compared} no interval gained or lost, scores differ by"
        f" {drift:.4f} on average"
    )


def remove_twin(model: Path) -> None:
    """It is of the model before."""
    for path in twin_files(model):
        path.unlink(missing_ok=True)
