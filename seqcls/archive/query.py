"""Searching an archive: which clips fulfil an expression, decided by DuckDB in SQL's three-valued logic.

A clip fulfils it surely, perhaps or not, as whatever is unknown of it turns out: `thyroid > 2 s` is true where the
thyroid is in view for longer, and open where it would be if all that is unknown were in view; an organ that a clip's
model does not know is unknown all the time. SQL's null, which is Kleene's third value, stands for open.

No text of a user becomes SQL: names, words and numbers are its parameters, all else is written here. DuckDB reads the
two tables from memory; it is allowed neither files nor extensions nor the network, and it reports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seqcls.algebra.conditions import Fact, by_name
from seqcls.algebra.expression import Tree, parsed_search, spelt
from seqcls.algebra.many import Clips, in_view
from seqcls.archive.index import ArchiveIndex
from seqcls.files import nfc
from seqcls.third_party import library
from seqcls.types import TIME_TOLERANCE_S, Verdict

FACTS = by_name(
    (
        Fact("verdict", "word", get_args(Verdict)),
        Fact("coverage", "share"),
        Fact("duration", "seconds"),
        Fact("frames", "number"),
        Fact("width", "number"),
        Fact("height", "number"),
        Fact("rate", "number"),
        Fact("scanner", "text"),
        Fact("codec", "text"),
        Fact("path", "text"),
        Fact("run", "text"),
        Fact("model", "text"),
    )
)
#: What they are in the table of clips.
_COLUMNS = {
    **{name: f"clips.{name}" for name in FACTS},
    "duration": "(clips.end_s - clips.start_s)",
    "rate": "clips.rate_hz",
    "path": "coalesce(nullif(clips.path, ''), clips.file)",
}
_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "1",  # of an index of 100,000 rows more would wait for each other
    "lock_configuration": "true",
}
#: By state, for the logic of ``algebra``.
_CODE = "CASE state WHEN 'present' THEN 2 WHEN 'unknown' THEN 1 ELSE 0 END"


@dataclass(frozen=True, slots=True)
class FoundClip:
    """One that fulfils the expression, or may. in_view_s: in seconds, by what the expression names, None where the
    clip's model does not know it. intervals: presences [start_s, end_s) of each organ that it names."""

    run: str
    path: str
    surely: bool
    verdict: str
    coverage: float | None
    duration_s: float
    scanner: str
    in_view_s: dict[str, float | None]
    intervals: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Findings:
    """clips: by the names of their runs, those first that fulfil it surely. named: what stands in ``in_view_s``."""

    clips: tuple[FoundClip, ...]
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    """SQL that grows: joins are the columns of what the expression names, values its parameters."""

    values: dict[str, Any] = field(default_factory=dict)
    trees: list[Tree] = field(default_factory=list)

    def value(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def place(self, tree: Tree) -> int:
        """Which column is of this organ, or of this expression of organs."""
        if tree not in self.trees:
            self.trees.append(tree)
        return self.trees.index(tree)


def organs_of(index: ArchiveIndex) -> tuple[str, ...]:
    """All that its clips know, by name."""
    compute = library("pyarrow.compute")
    return tuple(sorted(compute.unique(compute.list_flatten(index.clips["organs"])).to_pylist()))


def find(index: ArchiveIndex, expression: str = "", *, intervals: bool = True) -> Findings:
    """The clips that fulfil an expression, surely or perhaps; without one all of them.

    ``expression``: as ``thyroid > 2 s and not trachea``. A name alone is true where the organ is in view at any time;
    `and`, `or` and `not` join what is true of a clip, in parentheses before a sign what is true at a moment.
    ``intervals``: whether presences of the organs that it names are looked up, too. Raises UsageError, with its place,
    for what cannot be read, and for names that no clip knows.
    """
    tree = parsed_search(expression, organs_of(index), FACTS) if expression.strip() else None
    statement = _Statement()
    holds = "true" if tree is None else _holds(tree, statement)
    with _database(index) as database:
        _add_made(database, statement.trees)
        rows = database.execute(_sql(holds, statement), statement.values).fetchall()
        organs = _organs_in(statement.trees) if intervals else []
        presences = _presences(database, [row[0] for row in rows], organs)
    named = tuple(map(spelt, statement.trees))
    clips = [_found(row, named, presences.get(row[0], {})) for row in rows]
    return Findings(tuple(sorted(clips, key=lambda clip: not clip.surely)), named)


@contextmanager
def _database(index: ArchiveIndex) -> Iterator[Any]:
    """An empty one in memory that sees the two tables and nothing else."""
    numbers = _column(np.arange(index.clips.num_rows, dtype=np.int32))
    database = library("duckdb").connect(":memory:", config=_SETTINGS)
    try:
        database.register("clips", index.clips.append_column("clip", numbers))
        database.register("intervals", index.intervals)
        yield database
    finally:
        database.close()


def _holds(tree: Tree, statement: _Statement) -> str:
    """SQL that is true, false or null of a clip."""
    word, *parts = tree
    if word == "not":
        return f"(NOT {_holds(parts[0], statement)})"
    if word in ("and", "or"):
        return f"({_holds(parts[0], statement)} {word.upper()} {_holds(parts[1], statement)})"
    if word == "fact":
        return _fact(parts[0], parts[1], parts[2], statement)
    if word == "lasts":
        return _lasts(parts[0], parts[1], parts[2], statement)
    place = statement.place(tree)
    return f"(CASE WHEN present{place} THEN true WHEN unknown{place} = false THEN false END)"


def _lasts(tree: Tree, sign: str, length_s: float, statement: _Statement) -> str:
    """How long it is in view lies between what is present, and that with all that is unknown."""
    place = statement.place(tree)
    low, high = f"present{place}_s", f"(present{place}_s + unknown{place}_s)"
    if sign in ("=", "!="):
        above, below = statement.value(length_s + TIME_TOLERANCE_S), statement.value(length_s - TIME_TOLERANCE_S)
        equal = f"CASE WHEN {high} < {below} OR {low} > {above} THEN false WHEN {low} >= {below} AND {high} <= {above}"
        return f"({'NOT ' * (sign == '!=')}({equal} THEN true END))"
    beyond = 1 if sign in (">", "<=") else -1  # what is equal is not longer, or is
    longer = f"> {statement.value(length_s + beyond * TIME_TOLERANCE_S)}"
    is_longer = f"CASE WHEN {low} {longer} THEN true WHEN NOT {high} {longer} THEN false END"
    return f"({'NOT ' * (sign in ('<', '<='))}({is_longer}))"


def _fact(name: str, sign: str, value: float | str, statement: _Statement) -> str:
    column, kind = _COLUMNS[name], FACTS[name].kind
    if kind == "text":
        pattern = nfc(str(value)).translate({ord(one): f"^{one}" for one in "^%_"} | {ord("*"): "%"})
        column = column if pattern.isascii() else f"nfc_normalize({column})"  # a disk may hold é as e and an accent
        return f"({'NOT ' * (sign == '!=')}({column} ILIKE {statement.value(pattern)} ESCAPE '^'))"
    if kind == "seconds" and sign in ("=", "!="):
        near = f"abs({column} - {statement.value(value)}) <= {statement.value(TIME_TOLERANCE_S)}"
        return f"({'NOT ' * (sign == '!=')}({near}))"
    return f"({column} {sign} {statement.value(value)})"


def _sql(holds: str, statement: _Statement) -> str:
    """One pass over the intervals for all organs; what is made of several lies in a table for each."""
    sums, joins, lengths = [], [], ""
    nearly_all = ""
    if statement.trees:
        nearly_all = f">= {_COLUMNS['duration']} - {statement.value(TIME_TOLERANCE_S)}"
    for place, tree in enumerate(statement.trees):
        unknown = f"NOT present{place} AND unknown{place} AND unknown{place}_s {nearly_all}"
        lengths += f", CASE WHEN {unknown} THEN NULL ELSE present{place}_s END"
        if tree[0] != "organ":
            joins.append(f"JOIN made{place} USING (clip)")
            continue
        of_organ = f"FILTER (organ = {statement.value(tree[1])})"
        for state in ("present", "unknown"):
            length = f"CASE WHEN state = '{state}' THEN end_s - start_s ELSE 0 END"
            sums.append(
                f"sum({length}) {of_organ} AS {state}{place}_s, bool_or(state = '{state}') {of_organ} AS {state}{place}"
            )
    if sums:
        joins.append(f"LEFT JOIN (SELECT clip, {', '.join(sums)} FROM intervals GROUP BY clip) USING (clip)")
    shown = ", ".join(
        f"{_COLUMNS[name]} AS {name}" for name in ("run", "path", "verdict", "coverage", "duration", "scanner")
    )
    inner = f"SELECT clip, {shown}{lengths}, {holds} AS surely FROM clips {' '.join(joins)}"
    return f"SELECT * FROM ({inner}) WHERE surely IS DISTINCT FROM false ORDER BY run"


def _organs_in(trees: Sequence[Tree]) -> list[str]:
    """Each once, as they come."""
    found: dict[str, None] = {}
    left = list(reversed(trees))
    while left:
        word, *parts = left.pop()
        if word == "organ":
            found[parts[0]] = None
        else:
            left += reversed(parts)
    return list(found)


def _add_made(database: Any, trees: Sequence[Tree]) -> None:
    """A table for each that is made of several organs, with the columns that an organ has."""
    made = {place: tree for place, tree in enumerate(trees) if tree[0] != "organ"}
    if not made:
        return
    organs = _organs_in(list(made.values()))
    ends = database.execute("SELECT start_s, end_s FROM clips ORDER BY clip").fetchnumpy()
    rows = database.execute(
        f"SELECT clip, list_position($organs, organ) - 1 AS organ, {_CODE} AS code, start_s FROM intervals"
        " WHERE list_contains($organs, organ)",
        {"organs": organs},
    ).fetchnumpy()
    clips = Clips(
        start_s=np.asarray(ends["start_s"]),
        end_s=np.asarray(ends["end_s"]),
        organs=organs,
        clip=np.asarray(rows["clip"], np.int64),
        organ=np.asarray(rows["organ"], np.int64),
        code=np.asarray(rows["code"], np.int8),
        begin_s=np.asarray(rows["start_s"]),
    )
    numbers = np.arange(len(clips.start_s), dtype=np.int32)
    for place, found in zip(made, in_view(clips, list(made.values())), strict=True):
        columns: dict[str, NDArray[Any]] = {
            "clip": numbers,
            f"present{place}_s": found.present_s,
            f"unknown{place}_s": found.unknown_s,
            f"present{place}": found.present,
            f"unknown{place}": found.unknown,
        }
        table = library("pyarrow").Table.from_arrays(list(map(_column, columns.values())), list(columns))
        database.register(f"made{place}", table)


def _column(values: NDArray[Any]) -> Any:
    """As ``pyarrow.array``, which would load pandas where that is installed: that takes longer than a search."""
    arrow = library("pyarrow")
    plain = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    kind = arrow.from_numpy_dtype(values.dtype)
    return arrow.Array.from_buffers(kind, len(values), [None, arrow.py_buffer(plain)])


def _presences(database: Any, clips: list[int], organs: list[str]) -> dict[int, dict[str, list[tuple[float, float]]]]:
    """By clip and organ."""
    found: dict[int, dict[str, list[tuple[float, float]]]] = {}
    if clips and organs:
        rows = database.execute(
            "SELECT clip, organ, start_s, end_s FROM intervals SEMI JOIN (SELECT unnest($clips) AS clip) USING (clip)"
            " WHERE state = 'present' AND list_contains($organs, organ) ORDER BY clip, start_s",
            {"clips": clips, "organs": organs},
        ).fetchall()
        for clip, organ, start_s, end_s in rows:
            found.setdefault(clip, {}).setdefault(organ, []).append((start_s, end_s))
    return found


def _found(row: Sequence[Any], named: Sequence[str], intervals: dict[str, list[tuple[float, float]]]) -> FoundClip:
    _, run, path, verdict, coverage, duration_s, scanner, *lengths_s, surely = row
    return FoundClip(
        run=run,
        path=path,
        surely=surely is True,
        verdict=verdict,
        coverage=coverage,
        duration_s=duration_s,
        scanner=scanner,
        in_view_s=dict(zip(named, lengths_s, strict=True)),
        intervals=intervals,
    )
