"""Which weights a model file holds, as a digest that does not depend on its name or its options."""

from __future__ import annotations

import hashlib
from pathlib import Path

from seqcls.files import on_disk
from seqcls.files.named_files import open_regular
from seqcls.models.file import ModelHeader


def weights_digest(path: str | Path) -> str:
    """SHA-256 in hex of what follows the header of a .safetensors, of the .bin of an .xml, or of a whole .onnx.

    Empty where the file cannot be read: what is wrong with it is said by whoever opens the model.
    """
    path = on_disk(path)
    path = path.with_suffix(".bin") if path.suffix.lower() == ".xml" else path
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            if path.suffix.lower() == ".safetensors":
                file.seek(8 + int.from_bytes(file.read(8), "little"))
            while part := file.read(1 << 20):
                digest.update(part)
    except (OSError, ValueError, OverflowError):
        return ""
    return digest.hexdigest()


def scoring_digest(path: str | Path, header: ModelHeader) -> str:
    """Of all that decides a score: the weights, the scaling of images, the calibration, what novelty is measured by.

    Empty as for the weights.
    """
    weights = weights_digest(path)
    if not weights:
        return ""
    decides: tuple[object, ...] = (header.arch, header.organs, header.mean, header.std, header.calibration)
    decides = decides if header.novelty is None else (*decides, header.novelty)
    return hashlib.sha256(f"{weights} {decides!r}".encode()).hexdigest()
