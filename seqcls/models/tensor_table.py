"""The table at the beginning of a safetensors file, read before the library is given the file.

Layout: 8 bytes with the length of what follows, little endian; JSON that gives each tensor a type, a shape and a
stretch of the rest, and texts under ``__metadata__``; then the values. (github.com/huggingface/safetensors)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcls.files.json_record import record_from
from seqcls.files.json_text import parse_json
from seqcls.files.named_files import open_regular

#: A ResNet-18 has 45 MB of float32 and a table of 15 KB; a header of seqcls adds 2 KB for each known screen, and the
#: regions of the training clips. Weights to start from may be of float64, and more than a ResNet-18.
MAX_BYTES, MAX_TABLE_BYTES = 1 << 30, 8 << 20
#: Tensors of one file, and dimensions of one.
MAX_TENSORS, MAX_DIMENSIONS = 5000, 8
#: Types by their bytes per value; those that are read here, and those that may stand beside them.
TYPES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
_OTHERS = {"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor: its type as it is written, and its shape."""

    type: str
    shape: tuple[int, ...]


def read_table(path: Path) -> tuple[dict[str, str], dict[str, Entry]]:
    """The texts and the tensors of a file that holds what its table says. Raises OSError, ValueError."""
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(8), "little")
        if size > MAX_BYTES:
            raise ValueError(f"it has more than the {MAX_BYTES >> 20} MB that such a file can have")
        if not 2 <= length <= min(MAX_TABLE_BYTES, size - 8):
            raise ValueError("its table is said to be longer than it can be")
        table = record_from(dict, parse_json(stream.read(length)), "the table")
    texts = record_from(dict, table.pop("__metadata__", {}), "__metadata__")
    if len(table) > MAX_TENSORS:
        raise ValueError(f"it has {len(table):,} tensors")
    entries = {name: _entry(name, plain, size - 8 - length) for name, plain in table.items()}
    return {name: str(text) for name, text in texts.items()}, entries


def _entry(name: str, plain: Any, available: int) -> Entry:
    place = name[:60]
    plain = record_from(dict, plain, place)
    kind, shape = str(plain.get("dtype"))[:12], record_from(tuple[int, ...], plain.get("shape"), place)
    begin, end = record_from(tuple[int, int], plain.get("data_offsets"), place)
    width = {**TYPES, **_OTHERS}.get(kind)
    if width is None:
        raise ValueError(f"{place} is of type {kind}, which no weights are kept in")
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError(f"{place} has a shape that no tensor has")
    if not 0 <= begin <= end <= available or end - begin != width * math.prod(shape):
        raise ValueError(f"{place} has another size than its shape")
    return Entry(kind, shape)
