"""The int8 twin of a model: the same network in OpenVINO's int8 beside it, with the proof that it answers alike.

The proof lies in the twin, under ``proof`` beside the header. It names the model that it was compared with by all bytes
of its file, so that a model that was trained or tuned again has no twin until one is made of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from seqcls.files.json_record import between, record_from
from seqcls.files.json_text import parse_json
from seqcls.files.named_files import open_regular

#: By how much the logit of a test image may differ from what it was where the twin was proven. Two kinds of processor
#: that sum exactly differ in the last digits; one whose sums of 16 bits overflow differs by whole logits.
MAX_STRAY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a twin compares with its model. No interval was gained or lost, or there would be no proof."""

    model: str
    """SHA-256 of the model's file."""
    drift: float = field(metadata=between(0, 1))
    """Mean |p - p'| of the organ in which it is largest."""
    largest: float = field(metadata=between(0, 1))
    """The largest |p - p'| of any frame."""
    compared: str
    """On what, for a person: `97 validation frames of 5 clips`."""
    times_as_fast: float
    """As the model itself in its usual precision, on the processor where the twin was made."""
    logits: tuple[tuple[float, ...], ...]
    """(4, K) of the test images, see ``engines.test_images``, on that processor."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """Raises ValueError for what is no proof."""
        return record_from(cls, parse_json(text), "proof")


def twin_path(model: Path) -> Path:
    """Where the twin of a .safetensors lies: what `seqcls convert --precision int8` writes."""
    return model.with_name(f"{model.stem}-int8.xml")


def twin_files(model: Path) -> tuple[Path, ...]:
    """All that belongs to it: the graph, its weights, and the report."""
    twin = twin_path(model)
    return twin, twin.with_suffix(".bin"), twin.with_name(f"{twin.name}.parity.json")


def file_digest(path: Path) -> str:
    """SHA-256 in hex. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
