"""Organs made of others: "thyroid and not trachea", "liver before spleen", as strips of the timeline like any other.

An expression is made of names, parentheses, and, in the order in which they bind: `not`, then `before` and `during`,
then `and`, then `or`. A name of several words needs no quotes unless one of the words is one of these.

`and`, `or` and `not` are decided at every moment by Kleene's three-valued logic (S. C. Kleene, Introduction to
Metamathematics, 1952, § 64): unknown wherever the answer depends on what is unknown, so `thyroid and trachea` is
absent where one of them is absent, whatever the other. `before` and `during` choose among the presences of the left
side, as in Allen's interval algebra (J. F. Allen, Communications of the ACM 26, 1983): `A during B` keeps those that
lie wholly in a presence of B, `A before B` those that have ended when some presence of B begins. A presence is unknown
as a whole where what is unknown could change the choice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.files import same_name
from seqcls.timeline import Timeline
from seqcls.types import MAX_ORGANS, TIME_TOLERANCE_S, Interval, State, require_organs

#: Letters of one expression, and parentheses and nots inside each other.
MAX_LETTERS, MAX_DEPTH = 1000, 50
_STATES: tuple[State, ...] = ("absent", "unknown", "present")
_ABSENT, _UNKNOWN, _PRESENT = range(3)
_WORDS = ("and", "or", "not", "before", "during")
_TOKEN = re.compile(r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<mark>[()])|(?P<word>[^\s()"']+))""")

#: (N,) int8, the state in each of N stretches that follow each other.
_Codes = NDArray[np.int8]


def where(timeline: Timeline, *expressions: str) -> Timeline:
    """The timeline with one more organ for each expression, such as ``thyroid and not trachea``.

    Args:
        timeline: of ``Detector.analyze``, ``read_run`` or ``replay``; it stays as it is.
        expressions: each is the new organ's name, too, unless it begins with another: ``both = thyroid and trachea``.
            Later ones may name earlier ones.

    The new organs have no scores: mean and peak of their intervals are NaN. Raises UsageError for what is no
    expression, for organs that the timeline does not know, and for a name that is taken.
    """
    for text in expressions:
        timeline = _with_one(timeline, text)
    return timeline


def again(timeline: Timeline) -> Timeline:
    """The timeline with its expressions decided anew, where the intervals of the model's organs have changed."""
    own = timeline.scored_organs
    plain = replace(timeline, organs=own, where=(), intervals=tuple(i for i in timeline.intervals if i.organ in own))
    return where(plain, *timeline.where)


def require_expressions(expressions: Sequence[str], organs: Sequence[str]) -> None:
    """Raises UsageError where ``where`` would, before there is a timeline; ``organs`` are those it will know."""
    known = list(organs)
    for text in expressions:
        name, expression = _named(text)
        _Parser(expression, known).parse()
        _require_free(name, known)
        known.append(name)


def _with_one(timeline: Timeline, text: str) -> Timeline:
    name, expression = _named(text)
    evaluate = _Parser(expression, timeline.organs).parse()
    _require_free(name, timeline.organs)
    grid = _Grid.of(timeline)
    intervals = grid.intervals(name, evaluate(grid), timeline)
    return replace(
        timeline,
        organs=(*timeline.organs, name),
        intervals=(*timeline.intervals, *intervals),
        where=(*timeline.where, f"{name} = {expression}"),
    )


def _named(text: str) -> tuple[str, str]:
    """The name and the expression of ``NAME = EXPRESSION`` or of an expression alone."""
    if len(text) > MAX_LETTERS:
        raise UsageError(f"an expression of {len(text):,} letters: {MAX_LETTERS} are the most")
    named = re.fullmatch(r"""\s*([^="'()]+?|"[^"]*"|'[^']*')\s*=\s*(.*)""", text, re.DOTALL)
    name, expression = (named[1].strip("\"'"), named[2]) if named else (text, text)
    name, expression = " ".join(name.split()), " ".join(expression.split())
    if not name or not expression:
        raise UsageError(f"{text!r} is no expression: write it as 'thyroid and not trachea'")
    return name, expression


def _require_free(name: str, known: Sequence[str]) -> None:
    if any(same_name(name, organ) for organ in known):
        raise UsageError(f"there is an organ {name!r} already: name this one, as in 'NAME = EXPRESSION'")
    require_organs((name,))
    if len(known) >= MAX_ORGANS:
        raise UsageError(f"more than {MAX_ORGANS} organs, those made of others included; leave some out")


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """All organs' states over common stretches, [edges[k], edges[k + 1])."""

    edges_s: NDArray[np.float64]
    codes: dict[str, _Codes]
    reasons: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, timeline: Timeline) -> _Grid:
        """Edges nearer to each other than TIME_TOLERANCE_S are one: the same frame's, padded or not."""
        ends_s = [timeline.start_s, timeline.end_s]
        edges_s = np.unique([*ends_s, *(i.start_s for i in timeline.intervals)])
        edges_s = edges_s[np.append(True, np.diff(edges_s) > TIME_TOLERANCE_S)]
        if edges_s[-1] < timeline.end_s or len(edges_s) < 2:  # a clip without duration is one stretch all the same
            edges_s = np.append(edges_s, timeline.end_s)
        codes, reasons = {}, {}
        for organ in timeline.organs:
            own = timeline.of(organ)
            starts_s = np.array([i.start_s for i in own])
            # Of intervals without length the last one holds, as in a timeline of one frame.
            rows = np.searchsorted(starts_s, edges_s[:-1] + TIME_TOLERANCE_S, side="right") - 1
            rows = np.maximum(rows, 0)
            codes[organ] = np.array([_STATES.index(i.state) for i in own], np.int8)[rows]
            reasons[organ] = tuple(own[row].reason for row in rows.tolist())
        return cls(edges_s, codes, reasons)

    def intervals(self, name: str, made: _Made, timeline: Timeline) -> list[Interval]:
        """Equal neighbours become one interval of the new organ."""
        index, times_s = timeline.scores.index, np.maximum.accumulate(timeline.scores.time_s)
        found: list[Interval] = []
        stretches = range(len(made.codes))
        for (code, reason), group in groupby(stretches, lambda k: (int(made.codes[k]), self._why(made, k))):
            own = list(group)
            start_s, end_s = float(self.edges_s[own[0]]), float(self.edges_s[own[-1] + 1])
            first, last = np.searchsorted(times_s, np.array([start_s, end_s]) - TIME_TOLERANCE_S)
            if own[-1] == stretches[-1]:
                last, end_s = len(times_s), timeline.end_s
            inside = last > first
            found.append(
                Interval(
                    organ=name,
                    state=_STATES[code],
                    start_s=start_s,
                    end_s=end_s,
                    start_index=int(index[first]) if inside else -1,
                    end_index=int(index[last - 1]) if inside else -1,
                    mean_score=math.nan,
                    peak_score=math.nan,
                    reason=reason,
                )
            )
        return found

    def _why(self, made: _Made, stretch: int) -> str:
        """Why the answer is unknown there: the reasons of the organs that it is made of."""
        if made.codes[stretch] != _UNKNOWN:
            return ""
        own = dict.fromkeys(self.reasons[organ][stretch] for organ in made.organs)
        return "; ".join(reason for reason in own if reason) or "undecided: another stretch is unknown"


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """The states of an expression, and the organs that it names."""

    codes: _Codes
    organs: tuple[str, ...]


_Evaluate = Callable[[_Grid], _Made]


class _Parser:
    """Recursive descent; one function a level of binding."""

    def __init__(self, text: str, organs: Sequence[str]) -> None:
        self._text, self._organs, self._depth = text, organs, 0
        self._tokens = self._split()
        self._at = 0

    def parse(self) -> _Evaluate:
        made = self._binary(0)
        if self._at < len(self._tokens):
            self._fail(f"{self._tokens[self._at][1]!r} is one too many")
        return made

    def _split(self) -> list[tuple[str, str]]:
        """Tokens as (kind, text); kind is the word itself for operators and parentheses, else "name" or "quoted"."""
        tokens: list[tuple[str, str]] = []
        at, text = 0, self._text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                self._fail("a quote is not closed")
            at = found.end()
            if found["mark"]:
                tokens.append((found["mark"], found["mark"]))
            elif found["word"] is None:
                tokens.append(("quoted", found["double"] if found["single"] is None else found["single"]))
            elif found["word"].lower() in _WORDS:
                tokens.append((found["word"].lower(), found["word"]))
            elif tokens and tokens[-1][0] == "name":
                tokens[-1] = ("name", f"{tokens[-1][1]} {found['word']}")
            else:
                tokens.append(("name", found["word"]))
        return tokens

    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _binary(self, level: int) -> _Evaluate:
        """`or`, `and`, and `before` and `during`, each from left to right."""
        if level == len(_LEVELS):
            return self._unary()
        made = self._binary(level + 1)
        while (word := self._next()) in _LEVELS[level]:
            self._at += 1
            made = _joined(_LEVELS[level][word], made, self._binary(level + 1))
        return made

    def _unary(self) -> _Evaluate:
        kind = self._next()
        if not kind:
            self._fail("an organ is missing at the end")
        text = self._tokens[self._at][1]
        self._at += 1
        if kind in ("name", "quoted"):
            return self._organ(text)
        if kind not in ("not", "("):
            self._fail(f"an organ is missing before {text!r}")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} parentheses and nots inside each other")
        if kind == "not":
            inner = self._unary()
            self._depth -= 1
            return lambda grid: _not(inner(grid))
        inner = self._binary(0)
        if self._next() != ")":
            self._fail("a parenthesis is not closed")
        self._at += 1
        self._depth -= 1
        return inner

    def _organ(self, text: str) -> _Evaluate:
        own = next((organ for organ in self._organs if same_name(organ, text)), None)
        own = own or next((organ for organ in self._organs if same_name(organ.casefold(), text.casefold())), None)
        if own is None:
            self._fail(f"there is no organ {text!r}, choose from {', '.join(self._organs)}")
        return lambda grid: _Made(grid.codes[own], (own,))

    def _fail(self, why: str) -> NoReturn:
        raise UsageError(f"{self._text!r}: {why}; write it as 'thyroid and not (trachea or carotid)'")


def _not(made: _Made) -> _Made:
    return _Made((_PRESENT - made.codes).astype(np.int8), made.organs)


def _joined(join: Callable[[_Codes, _Codes], _Codes], left: _Evaluate, right: _Evaluate) -> _Evaluate:
    def evaluate(grid: _Grid) -> _Made:
        a, b = left(grid), right(grid)
        return _Made(join(a.codes, b.codes), tuple(dict.fromkeys((*a.organs, *b.organs))))

    return evaluate


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[begin, end) of each run of True."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True))


def _during(left: _Codes, right: _Codes) -> _Codes:
    """The presences of the left that lie in a presence of the right.

    What is unknown beside a presence may belong to it: then it is certain only if that lies in a presence, too.
    """
    made = np.full_like(left, _ABSENT)
    for begin, end in _runs(left >= _UNKNOWN):
        certain = bool((right[begin:end] == _PRESENT).all())
        for first, last in _runs(left[begin:end] == _PRESENT):
            inside = slice(begin + first, begin + last)
            possible = bool((right[inside] >= _UNKNOWN).all())
            made[inside] = _PRESENT if certain else _UNKNOWN if possible else _ABSENT
        unknown = np.flatnonzero(left[begin:end] == _UNKNOWN) + begin
        made[unknown] = np.where(right[unknown] == _ABSENT, _ABSENT, _UNKNOWN)
    return made


def _before(left: _Codes, right: _Codes) -> _Codes:
    """The presences of the left that have ended when some presence of the right begins.

    Unknown stretches beside a presence may belong to it, and any unknown stretch of the right may hold a beginning.
    """
    made = np.full_like(left, _ABSENT)
    possible_runs = _runs(right >= _UNKNOWN)
    # The last beginning of the right that is certain, at its earliest.
    certain = max((begin for begin, end in possible_runs if (right[begin:end] == _PRESENT).any()), default=-1)
    starts = [begin for begin, _ in _runs(right == _PRESENT)]
    unknown_ends = [end for _, end in _runs(right == _UNKNOWN)]
    for begin, end in _runs(left >= _UNKNOWN):
        for first, last in _runs(left[begin:end] == _PRESENT):
            done = begin + last
            if certain >= end:
                state = _PRESENT
            elif any(start >= done for start in starts[-1:]) or any(stop > done for stop in unknown_ends[-1:]):
                state = _UNKNOWN
            else:
                state = _ABSENT
            made[begin + first : done] = state
        unknown = np.flatnonzero(left[begin:end] == _UNKNOWN) + begin
        latest = max([*starts[-1:], *unknown_ends[-1:]], default=-1)
        made[unknown] = np.where(unknown < latest, _UNKNOWN, _ABSENT)
    return made


#: From the loosest to the tightest.
_LEVELS: tuple[dict[str, Callable[[_Codes, _Codes], _Codes]], ...] = (
    {"or": np.maximum},
    {"and": np.minimum},
    {"before": _before, "during": _during},
)
