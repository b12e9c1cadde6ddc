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
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.files import nfc, same_name
from seqcls.timeline import MAX_INTERVALS, Timeline
from seqcls.types import MAX_ORGANS, TIME_TOLERANCE_S, UNFIT_IN_ORGANS, Interval, State, require_organs

#: Letters of one expression, and parentheses and nots inside each other.
MAX_LETTERS, MAX_DEPTH = 1000, 50
_STATES: tuple[State, ...] = ("absent", "unknown", "present")
_ABSENT, _UNKNOWN, _PRESENT = range(3)
_WORDS = ("and", "or", "not", "before", "during")
#: What needs no quotes in front of an equals sign.
_PLAIN_NAME = re.compile("[^=()]+")
_TOKEN = re.compile(r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<mark>[()])|(?P<word>[^\s()"']+))""")

#: (N,) int8, the state in each of N stretches that follow each other.
_Codes = NDArray[np.int8]
#: (R, 2) begin and end of runs of stretches, half-open.
_Runs = NDArray[np.int64]
#: Where the stretch itself is known of every organ.
_UNDECIDED = "undecided: another stretch is unknown"


def where(timeline: Timeline, *expressions: str) -> Timeline:
    """The timeline with one more organ for each expression, such as ``thyroid and not trachea``.

    Args:
        timeline: of ``Detector.analyze``, ``read_run`` or ``replay``; it stays as it is.
        expressions: each is the new organ's name, too, unless it begins with another: ``both = thyroid and trachea``.
            Later ones may name earlier ones.

    The new organs have no scores: mean and peak of their intervals are NaN. Raises UsageError for what is no
    expression, for organs that the timeline does not know, and for a name that is taken.
    """
    if not expressions:
        return timeline
    grid, organs, intervals, kept = _Grid.of(timeline), list(timeline.organs), list(timeline.intervals), []
    for text in expressions:
        name, expression = _named(text)
        evaluate = _Parser(expression, organs).parse()
        _require_free(name, organs)
        made = evaluate(grid)
        intervals += grid.add(name, made, timeline)
        if len(intervals) > MAX_INTERVALS:
            raise UsageError(f"{text!r} makes more than {MAX_INTERVALS:,} intervals in all; leave it out")
        organs.append(name)
        kept.append(f"{name} = {expression}" if _PLAIN_NAME.fullmatch(name) else f'"{name}" = {expression}')
    return replace(timeline, organs=tuple(organs), intervals=tuple(intervals), where=(*timeline.where, *kept))


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


def _named(text: str) -> tuple[str, str]:
    """The name and the expression of ``NAME = EXPRESSION`` or of an expression alone.

    Quotes are no part of a name, so that it can be written down in quotes.
    """
    if len(text) > MAX_LETTERS:
        raise UsageError(f"an expression of {len(text):,} letters: {MAX_LETTERS} are the most")
    named = re.fullmatch(r"""\s*([^="'()]+?|"[^"]*"|'[^']*')\s*=\s*(.*)""", text, re.DOTALL)
    name, expression = (named[1], named[2]) if named else (text, text)
    name, expression = " ".join(re.sub("[\"']", " ", name).split()), " ".join(expression.split())
    if not name or not expression:
        raise UsageError(f"{text!r} is no expression: write it as 'thyroid and not trachea'")
    return name, expression


def _spelt(name: str) -> str:
    """Equal for names that labels would refuse side by side."""
    return re.sub(r"[_\s-]+", " ", nfc(name)).strip().casefold()


def _require_free(name: str, known: Sequence[str]) -> None:
    if unfit := UNFIT_IN_ORGANS.search(name):
        raise UsageError(f"an organ cannot be called {name!r}, with {unfit[0]!r}: folders are named after organs")
    if any(_spelt(name) == _spelt(organ) for organ in known):
        raise UsageError(f"there is an organ {name!r} already: name this one, as in 'NAME = EXPRESSION'")
    require_organs((name,))
    if len(known) >= MAX_ORGANS:
        raise UsageError(f"more than {MAX_ORGANS} organs, those made of others included; leave some out")


class _Grid:
    """All organs' states over common stretches, [edges_s[k], edges_s[k + 1]).

    codes: (N,) of each organ. reasons: (N,) int, places in ``words`` of why it is unknown; 0 where it is not.
    """

    def __init__(self, edges_s: NDArray[np.float64]) -> None:
        self.edges_s = edges_s
        self.codes: dict[str, _Codes] = {}
        self.reasons: dict[str, NDArray[np.int64]] = {}
        self.words = {"": 0}

    @classmethod
    def of(cls, timeline: Timeline) -> _Grid:
        """Edges nearer to each other than TIME_TOLERANCE_S are one: the same frame's, padded or not."""
        ends_s = [timeline.start_s, timeline.end_s]
        edges_s = np.unique([*ends_s, *(i.start_s for i in timeline.intervals)])
        edges_s = edges_s[np.append(True, np.diff(edges_s) > TIME_TOLERANCE_S)]
        if edges_s[-1] < timeline.end_s or len(edges_s) < 2:  # a clip without duration is one stretch all the same
            edges_s = np.append(edges_s, timeline.end_s)
        grid = cls(edges_s)
        own: dict[str, list[Interval]] = {organ: [] for organ in timeline.organs}
        for interval in timeline.intervals:
            own[interval.organ].append(interval)
        for organ, intervals in own.items():
            starts_s = np.array([i.start_s for i in intervals])
            # Of intervals without length the last one holds, as in a timeline of one frame.
            rows = np.searchsorted(starts_s, edges_s[:-1] + TIME_TOLERANCE_S, side="right") - 1
            rows = np.maximum(rows, 0)
            grid.codes[organ] = np.array([_STATES.index(i.state) for i in intervals], np.int8)[rows]
            grid.reasons[organ] = np.array([grid._place(i.reason) for i in intervals], np.int64)[rows]
        return grid

    def _place(self, words: str) -> int:
        return self.words.setdefault(words, len(self.words))

    def add(self, name: str, made: _Made, timeline: Timeline) -> list[Interval]:
        """Take in a new organ. Equal neighbours become one of its intervals, which are returned."""
        index, times_s = timeline.scores.index, np.maximum.accumulate(timeline.scores.time_s)
        self.codes[name], self.reasons[name] = made.codes, self._why(made)
        words, count = list(self.words), len(made.codes)
        turns = np.diff(made.codes).astype(bool) | np.diff(self.reasons[name]).astype(bool)
        begins = np.append(0, np.flatnonzero(turns) + 1)
        ends = np.append(begins[1:], count)
        edges_s = self.edges_s[np.stack([begins, ends])]
        edges_s[1, -1] = timeline.end_s
        first, last = np.searchsorted(times_s, edges_s - TIME_TOLERANCE_S)
        last[-1] = len(times_s)
        return [
            Interval(
                organ=name,
                state=_STATES[made.codes[begin]],
                start_s=start_s,
                end_s=end_s,
                start_index=int(index[a]) if b > a else -1,
                end_index=int(index[b - 1]) if b > a else -1,
                mean_score=math.nan,
                peak_score=math.nan,
                reason=words[self.reasons[name][begin]],
            )
            for begin, start_s, end_s, a, b in zip(begins, *edges_s.tolist(), first, last, strict=True)
        ]

    def _why(self, made: _Made) -> NDArray[np.int64]:
        """Why the answer is unknown, stretch by stretch: the reasons of the organs that it is made of."""
        why, unknown = np.zeros(len(made.codes), np.int64), made.codes == _UNKNOWN
        if not unknown.any():
            return why
        together = np.stack([self.reasons[organ][unknown] for organ in made.organs], axis=1)
        different, place = np.unique(together, axis=0, return_inverse=True)
        words = list(self.words)
        joined = ["; ".join(dict.fromkeys(words[one] for one in row if one)) for row in different.tolist()]
        why[unknown] = np.array([self._place(one or _UNDECIDED) for one in joined])[place.reshape(-1)]
        return why


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


def _runs(flags: NDArray[np.bool_]) -> _Runs:
    """[begin, end) of each run of True."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return np.asarray(turns.reshape(-1, 2), np.int64)


def _among(flags: NDArray[np.bool_], runs: _Runs) -> NDArray[np.int64]:
    """(R,) in how many stretches of each run the flag is set."""
    count = np.append(0, np.cumsum(flags))
    return np.asarray(count[runs[:, 1]] - count[runs[:, 0]])


def _chosen(left: _Codes, states: NDArray[np.int8], present: _Runs) -> _Codes:
    """The presences of the left, each with its state; absent elsewhere."""
    made = np.full_like(left, _ABSENT)
    made[left == _PRESENT] = np.repeat(states, present[:, 1] - present[:, 0])
    return made


def _during(left: _Codes, right: _Codes) -> _Codes:
    """The presences of the left that lie in a presence of the right.

    What is unknown beside a presence may belong to it: then it is certain only if that lies in a presence, too.
    """
    present, possible = _runs(left == _PRESENT), _runs(left >= _UNKNOWN)
    around = possible[np.searchsorted(possible[:, 0], present[:, 0], side="right") - 1]
    inside = _among(right != _PRESENT, around) == 0
    perhaps = _among(right == _ABSENT, present) == 0
    made = _chosen(left, np.where(inside, _PRESENT, np.where(perhaps, _UNKNOWN, _ABSENT)).astype(np.int8), present)
    made[(left == _UNKNOWN) & (right != _ABSENT)] = _UNKNOWN
    return made


def _before(left: _Codes, right: _Codes) -> _Codes:
    """The presences of the left that have ended when some presence of the right begins.

    Unknown stretches beside a presence may belong to it, and any unknown stretch of the right may hold a beginning.
    """
    present, possible = _runs(left == _PRESENT), _runs(left >= _UNKNOWN)
    around = possible[np.searchsorted(possible[:, 0], present[:, 0], side="right") - 1]
    right_possible = _runs(right >= _UNKNOWN)
    # The last beginning of the right that is certain, at its earliest; and the last that there may be.
    certain = right_possible[_among(right == _PRESENT, right_possible) > 0, 0].max(initial=-1)
    start = _runs(right == _PRESENT)[:, 0].max(initial=-1)
    unknown_end = _runs(right == _UNKNOWN)[:, 1].max(initial=-1)
    perhaps = (start >= present[:, 1]) | (unknown_end > present[:, 1])
    states = np.where(certain >= around[:, 1], _PRESENT, np.where(perhaps, _UNKNOWN, _ABSENT)).astype(np.int8)
    made = _chosen(left, states, present)
    made[(left == _UNKNOWN) & (np.arange(len(left)) < max(start, unknown_end))] = _UNKNOWN
    return made


#: From the loosest to the tightest.
_LEVELS: tuple[dict[str, Callable[[_Codes, _Codes], _Codes]], ...] = (
    {"or": np.maximum},
    {"and": np.minimum},
    {"before": _before, "during": _during},
)
