"""One checkpoint, one file: safetensors with the tensors of a training as it stands, and JSON for the rest of it.

The JSON lies in the metadata under ``seqcls-checkpoint``, and beside it the SHA-256 of both, so that a file that was
cut short or damaged is known for it. Nothing here ever unpickles anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seqcls.errors import OutputError, one_line
from seqcls.files import atomic_path
from seqcls.files.json_text import json_line, parse_json
from seqcls.models.tensor_table import read_table

KEY, DIGEST = "seqcls-checkpoint", "sha256"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A training after ``step`` of its steps: tensors by name, and what JSON holds of it."""

    step: int
    tensors: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically. Raises OutputError."""
    text = json_line({"step": checkpoint.step, **checkpoint.facts})
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in checkpoint.tensors.items()}
    content = save(tensors, metadata={KEY: text, DIGEST: _digest(text, tensors)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises ValueError, which says what is wrong with the file, for all that was not written so as a whole, and
    OutputError where it may not be read: then it may well be good."""
    try:
        texts, entries = read_table(path)
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in entries}
        text = texts[KEY]
        if texts[DIGEST] != _digest(text, tensors):
            raise ValueError("its content is not what was written")
        facts = parse_json(text)
        return Checkpoint(step=int(facts.pop("step")), tensors=tensors, facts=facts)
    except PermissionError as error:
        raise OutputError(
            f"cannot read {path}: {one_line(error)}; allow yourself to read it, or begin anew with overwrite=True"
        ) from error
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from error
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(one_line(error)) from error


def remove_files(paths: list[Path]) -> None:
    """Remove them in this order. Raises OutputError."""
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {one_line(error)}; remove it by hand") from error


def _digest(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype.str}\0{tensors[name].shape}\0".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
