"""Frozen dataclasses out of JSON: every field is checked by its type and its bounds, and the first one that is wrong is
named."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from seqcls.errors import SeqclsError

T = TypeVar("T")
#: An object of JSON.
Record = Mapping[str, Any]
#: Characters of a name, a reason or a warning; it is shown, written into tables, and drawn.
MAX_TEXT = 1 << 16
#: Numbers, where nothing narrower is stated beside the field: no count, time or length of seqcls comes near it.
MAX_NUMBER = 10**12
#: Entries of a list, where nothing narrower is stated: each takes up to 20 us.
MAX_ENTRIES = 200_000
#: Characters of what is wrong, in the message about it.
_MAX_SHOWN = 60
_EVERY = (-MAX_NUMBER, MAX_NUMBER)
#: From what JSON gave to what a field holds; raises _WrongError.
_Reader = Callable[[Any], Any]


def between(low: float, high: float) -> Mapping[str, Any]:
    """``metadata`` of a dataclass's field: the numbers in it that ``record_from`` takes."""
    return {"between": (low, high)}


def at_most(count: int) -> Mapping[str, Any]:
    """``metadata`` of a dataclass's field: how many entries its list may have for ``record_from``."""
    return {"at_most": count}


def record_from(kind: type[T], plain: Any, place: str = "", bounds: tuple[float, float] = _EVERY) -> T:
    """``kind``, a dataclass or a type that its fields may have, made of what ``json.loads`` gave.

    Lists become tuples, and whole numbers floats, where the type asks for it. Absent fields take their defaults; what
    is a ``kind`` already stays as it is. NaN passes, for JSON has none: only the caller can have put it there.
    ``bounds``: of numbers beside whose field nothing is stated.

    Raises ValueError, which begins with the place of what is wrong, such as ``intervals[3].state``.
    """
    try:
        return cast(T, _reader(cast(Hashable, kind), bounds)(plain))
    except _WrongError as error:
        raise ValueError(error.text(place)) from None


def known_fields(kind: type[Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Without what this version does not know, where a later one may say more of itself."""
    return {f.name: plain[f.name] for f in fields(kind) if f.name in plain}


class _WrongError(ValueError):
    """What is wrong, and where: the place is put together only once something is."""

    def __init__(self, why: str, *path: str) -> None:
        super().__init__(why)
        self.why, self.path = why, list(path)

    def text(self, place: str) -> str:
        where = (place + "".join(self.path)).removeprefix("" if place else ".")
        return f"{where}{self.why}" if where else self.why.removeprefix(":").lstrip()


@cache
def _reader(kind: Any, bounds: tuple[float, float] = _EVERY, entries: int = MAX_ENTRIES) -> _Reader:
    """Made once for each type: a day's timeline has a million values."""
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _dataclass(kind)
    if origin is tuple:
        return _tuple(get_args(kind), bounds, entries)
    if origin is Literal:
        return _literal(get_args(kind))
    if origin in (Union, UnionType):
        return _union(get_args(kind), bounds, entries)
    if kind in (int, float):
        return _number(kind, bounds)
    return _text if kind is str else _plain(dict if origin is Mapping else kind)


def _dataclass(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    readers = {
        f.name: _reader(hints[f.name], f.metadata.get("between", _EVERY), f.metadata.get("at_most", MAX_ENTRIES))
        for f in fields(kind)
    }
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]

    def read(plain: Any) -> Any:
        if isinstance(plain, kind):
            return plain
        if not isinstance(plain, dict):
            raise _wrong(plain, "an object")
        values, name = {}, ""
        try:
            for name, value in plain.items():
                values[name] = readers[name](value)
        except KeyError:
            raise _WrongError(" is unknown", f".{name[:_MAX_SHOWN]}") from None
        except _WrongError as error:
            error.path.insert(0, f".{name}")
            raise
        if len(values) < len(readers):
            for name in needed:
                if name not in values:
                    raise _WrongError(" is missing", f".{name}")
        try:
            return kind(**values)
        except SeqclsError as error:
            raise _WrongError(f": {error}") from None

    return read


def _union(kinds: Sequence[Any], bounds: tuple[float, float], entries: int) -> _Reader:
    readers = [_reader(one, bounds, entries) for one in kinds if one is not type(None)]
    optional = type(None) in kinds

    def read(plain: Any) -> Any:
        if plain is None and optional:
            return None
        for reader in readers[:-1]:
            try:
                return reader(plain)
            except _WrongError:
                pass
        return readers[-1](plain)

    return read


def _literal(known: Sequence[Any]) -> _Reader:
    def read(plain: Any) -> Any:
        if plain not in known:
            raise _wrong(plain, f"one of {', '.join(map(str, known))}")
        return plain

    return read


def _tuple(kinds: Sequence[Any], bounds: tuple[float, float], entries: int) -> _Reader:
    several = kinds[-1] is Ellipsis
    readers = [_reader(one, bounds) for one in kinds if one is not Ellipsis]

    def read(plain: Any) -> Any:
        if not isinstance(plain, (list, tuple)):
            raise _wrong(plain, "a list")
        if not several and len(plain) != len(readers):
            raise _WrongError(f" holds {len(plain)} values, not {len(readers)}")
        if len(plain) > entries:
            raise _WrongError(f" holds {len(plain):,} entries, more than {entries:,}")
        made: list[Any] = []
        try:
            if several:
                reader = readers[0]
                for value in plain:
                    made.append(reader(value))
            else:
                for reader, value in zip(readers, plain, strict=True):
                    made.append(reader(value))
        except _WrongError as error:
            error.path.insert(0, f"[{len(made)}]")
            raise
        return tuple(made)

    return read


def _number(kind: type[int] | type[float], bounds: tuple[float, float]) -> _Reader:
    kinds = (int,) if kind is int else (int, float)
    low, high = bounds

    def read(plain: Any) -> Any:
        if type(plain) not in kinds or plain in _INFINITE:
            raise _wrong(plain, _NAMES[kind])
        if plain < low or plain > high:  # not so for NaN
            raise _wrong(plain, f"in {low:g}..{high:g}")
        return kind(plain)

    return read


def _text(plain: Any) -> Any:
    if type(plain) is not str:
        raise _wrong(plain, _NAMES[str])
    if len(plain) > MAX_TEXT:
        raise _WrongError(f" has {len(plain):,} characters, more than the {MAX_TEXT:,} of any text")
    return plain


def _plain(kind: Any) -> _Reader:
    def read(plain: Any) -> Any:
        if type(plain) is not kind:
            raise _wrong(plain, _NAMES[kind])
        return plain

    return read


_INFINITE = (float("inf"), float("-inf"))
_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", dict: "an object"}


def _wrong(plain: Any, wanted: str) -> _WrongError:
    shown = repr(plain[:_MAX_SHOWN]) if isinstance(plain, str) else _REPR.repr(plain)
    shown = shown if len(shown) < _MAX_SHOWN else shown[:_MAX_SHOWN] + "…"
    return _WrongError(f" is {shown}, not {wanted}")


_REPR = reprlib.Repr()
