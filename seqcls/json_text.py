"""JSON as seqcls writes and reads it: a number that does not exist (NaN or infinite) is null."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from seqcls.files import write_text
from seqcls.foreign_text import visible_json, whole_characters


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """Text for files that people look into. Raises TypeError for what JSON does not know."""
    return visible_json(json.dumps(without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False))


def json_line(value: Any) -> str:
    """One short line of ASCII, without its end. Raises TypeError for what JSON does not know."""
    return json.dumps(without_nan(value), separators=(",", ":"), allow_nan=False)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``json_text`` atomically. Raises OutputError."""
    write_text(path, json_text(value) + "\n")


def parse_json(text: str | bytes) -> Any:
    """Raises ValueError for what is no JSON, as are the NaN and Infinity that Python would read."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def without_nan(value: Any) -> Any:
    """The same in dicts and lists, with Python's numbers for NumPy's, None for every one that is not finite, and texts
    that UTF-8 can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return whole_characters(value)  # readers of other languages refuse half a character
    if isinstance(value, dict):
        return {whole_characters(str(key)): without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return value
