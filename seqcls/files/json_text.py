"""JSON as seqcls writes and reads it: a number that does not exist (NaN or infinite) is null."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from seqcls.files import write_text
from seqcls.files.named_files import read_regular
from seqcls.text.foreign_text import visible_json, whole_characters

#: A file's bytes where its kind has no narrower bound: the timeline of a day has 5 MB.
MAX_BYTES = 64 << 20
#: Fields and entries of one text, counted before they are built. 100,000 intervals have a million of them, and the
#: dearest kind, an object with one field, takes 0.5 GB so often.
MAX_VALUES = 2_000_000
#: Lists and objects inside each other; what seqcls writes has 9.
MAX_DEPTH = 32


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """Text for files that people look into. Raises TypeError for what JSON does not know."""
    return visible_json(json.dumps(without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False))


def json_line(value: Any) -> str:
    """One short line of ASCII, without its end. Raises TypeError for what JSON does not know."""
    return json.dumps(without_nan(value), separators=(",", ":"), allow_nan=False)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``json_text`` atomically. Raises OutputError."""
    write_text(path, json_text(value) + "\n")


def read_json(path: str | Path, most_bytes: int = MAX_BYTES) -> Any:
    """The one way in for JSON from a file that somebody else may have written: UTF-8, with or without its mark.

    Raises OSError as ``read_regular``, ValueError, both fit to be shown after the name of the file.
    """
    return parse_json(read_regular(path, most_bytes).decode("utf-8-sig"))


def parse_json(text: str | bytes) -> Any:
    """Raises ValueError, which says where, for what is no JSON, as are the NaN and Infinity that Python would read; for
    an object that names a field twice; for more than MAX_VALUES values, or lists deeper than MAX_DEPTH."""
    # Before anything is built: what makes a value a value stands in the text, also where it stands in a name.
    marks = (b",", b"[", b"{") if isinstance(text, bytes) else (",", "[", "{")
    if sum(map(text.count, marks)) > MAX_VALUES:  # type: ignore[arg-type]  # of the one type, or of the other
        raise ValueError(f"it holds more than {MAX_VALUES:,} values")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} lists") from None
    _require_flat(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the field {twice[:60]!r} stands twice in one object")
    return made


def _require_flat(value: Any) -> None:
    """What writes a value out again, or copies it, calls itself for every level."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, _NESTED))
        level = [inner for outer in inside for inner in outer if isinstance(inner, _NESTED)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} lists")


_NESTED = (dict, list)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name[:60]} is no number of JSON")


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
