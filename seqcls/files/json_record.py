"""Frozen dataclasses out of JSON: every field is checked by its type, and the first one that is wrong is named."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from seqcls.errors import SeqclsError

T = TypeVar("T")
#: An object of JSON.
Record = Mapping[str, Any]
#: Characters of a name, a reason or a warning; it is shown, written into tables, and drawn.
MAX_TEXT = 1 << 16
#: Characters of what is wrong, in the message about it.
_MAX_SHOWN = 60


def record_from(kind: type[T], plain: Any, place: str = "") -> T:
    """``kind``, a dataclass or a type that its fields may have, made of what ``json.loads`` gave.

    Lists become tuples, and whole numbers floats, where the type asks for it. Absent fields take their defaults; what
    is a ``kind`` already stays as it is. NaN passes, for JSON has none: only the caller can have put it there.

    Raises ValueError, which begins with the place of what is wrong, such as ``intervals[3].state``.
    """
    read = _dataclass if is_dataclass(kind) else _READERS.get(get_origin(kind), _plain)
    made: T = read(kind, plain, place)
    return made


def known_fields(kind: type[Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Without what this version does not know, where a later one may say more of itself."""
    return {f.name: plain[f.name] for f in fields(kind) if f.name in plain}


def _dataclass(kind: Any, plain: Any, place: str) -> Any:
    if isinstance(plain, kind):
        return plain
    if not isinstance(plain, dict):
        raise _wrong(plain, place, "an object")
    hints = _hints(kind)
    inside = f"{place}." if place else ""
    for name in plain.keys() - hints.keys():
        raise ValueError(f"{inside}{name[:_MAX_SHOWN]} is unknown")
    for f in fields(kind):
        if f.name not in plain and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{inside}{f.name} is missing")
    values = {name: record_from(hints[name], value, inside + name) for name, value in plain.items()}
    try:
        return kind(**values)
    except SeqclsError as error:
        raise ValueError(f"{place}: {error}" if place else str(error)) from None


_hints = cache(get_type_hints)


def _union(kind: Any, plain: Any, place: str) -> Any:
    if plain is None and type(None) in get_args(kind):
        return None
    problem: ValueError | None = None
    for one in get_args(kind):
        if one is not type(None):
            try:
                return record_from(one, plain, place)
            except ValueError as error:
                problem = error
    raise problem or _wrong(plain, place, str(kind))


def _literal(kind: Any, plain: Any, place: str) -> Any:
    if plain not in get_args(kind):
        raise _wrong(plain, place, f"one of {', '.join(map(str, get_args(kind)))}")
    return plain


def _tuple(kind: Any, plain: Any, place: str) -> Any:
    kinds = get_args(kind)
    if not isinstance(plain, (list, tuple)):
        raise _wrong(plain, place, "a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(plain)
    if len(plain) != len(kinds):
        raise ValueError(f"{place} holds {len(plain)} values, not {len(kinds)}")
    return tuple(
        record_from(one, value, f"{place}[{i}]") for i, (one, value) in enumerate(zip(kinds, plain, strict=True))
    )


def _mapping(kind: Any, plain: Any, place: str) -> Any:
    return _plain(dict, plain, place)


def _plain(kind: Any, plain: Any, place: str) -> Any:
    if kind is float and type(plain) in (int, float) and not abs(plain) > sys.float_info.max:
        return float(plain)
    # A count must fit into an int64 column.
    if kind is not float and type(plain) is kind and (kind is not int or abs(plain) < 1 << 63):
        if kind is str and len(plain) > MAX_TEXT:
            raise ValueError(f"{place} has {len(plain):,} characters, more than the {MAX_TEXT:,} of any text")
        return plain
    raise _wrong(plain, place, _NAMES[kind])


_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", dict: "an object"}
_READERS = {tuple: _tuple, Mapping: _mapping, Literal: _literal, Union: _union, UnionType: _union}


def _wrong(plain: Any, place: str, wanted: str) -> ValueError:
    shown = repr(plain[:_MAX_SHOWN]) if isinstance(plain, str) else _REPR.repr(plain)
    shown = shown if len(shown) < _MAX_SHOWN else shown[:_MAX_SHOWN] + "…"
    return ValueError(f"{place} is {shown}, not {wanted}".lstrip())


_REPR = reprlib.Repr()
