"""JSON as seqcls writes it, for every reader: a number that does not exist (NaN or infinite) is null."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from seqcls.files import write_text


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """Text for files that people look into. Raises TypeError for what JSON does not know."""
    return json.dumps(without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False)


def json_line(value: Any) -> str:
    """One short line of ASCII, without its end. Raises TypeError for what JSON does not know."""
    return json.dumps(without_nan(value), separators=(",", ":"), allow_nan=False)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``json_text`` atomically. Raises OutputError."""
    write_text(path, json_text(value) + "\n")


def without_nan(value: Any) -> Any:
    """The same in dicts and lists, with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return value
