"""From the text of an expression to a tree, and from that to its states, stretch by stretch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from seqcls.algebra.logic import Codes, before, during, negated
from seqcls.algebra.stretches import Made, Stretches
from seqcls.errors import UsageError
from seqcls.files import same_name

#: Parentheses and nots inside each other.
MAX_DEPTH = 50
_WORDS = ("and", "or", "not", "before", "during")
_TOKEN = re.compile(r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<mark>[()])|(?P<word>[^\s()"']+))""")
#: From the loosest to the tightest.
_LEVELS: tuple[dict[str, Callable[[Codes, Codes], Codes]], ...] = (
    {"or": np.maximum},
    {"and": np.minimum},
    {"before": before, "during": during},
)

#: ("organ", NAME), ("not", TREE), or one of the other words and two trees.
Tree = tuple[Any, ...]


def parsed(text: str, organs: Sequence[str]) -> Tree:
    """The expression, over a timeline with these organs. Raises UsageError."""
    return _Parser(text, organs).parse()


def evaluated(tree: Tree, stretches: Stretches) -> Made:
    """What it gives over the stretches of a timeline with its organs."""
    word, *parts = tree
    if word == "organ":
        return Made(stretches.codes[parts[0]], (parts[0],))
    made = [evaluated(part, stretches) for part in parts]
    if word == "not":
        return Made(negated(made[0].codes), made[0].organs)
    left, right = made
    join = next(joins[word] for joins in _LEVELS if word in joins)
    return Made(join(left.codes, right.codes), tuple(dict.fromkeys((*left.organs, *right.organs))))


class _Parser:
    """Recursive descent; one function a level of binding."""

    def __init__(self, text: str, organs: Sequence[str]) -> None:
        self._text, self._organs, self._depth = text, organs, 0
        self._tokens = self._split()
        self._at = 0

    def parse(self) -> Tree:
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

    def _binary(self, level: int) -> Tree:
        """`or`, `and`, and `before` and `during`, each from left to right."""
        if level == len(_LEVELS):
            return self._unary()
        made = self._binary(level + 1)
        while (word := self._next()) in _LEVELS[level]:
            self._at += 1
            made = (word, made, self._binary(level + 1))
        return made

    def _unary(self) -> Tree:
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
            return ("not", inner)
        inner = self._binary(0)
        if self._next() != ")":
            self._fail("a parenthesis is not closed")
        self._at += 1
        self._depth -= 1
        return inner

    def _organ(self, text: str) -> Tree:
        own = next((organ for organ in self._organs if same_name(organ, text)), None)
        own = own or next((organ for organ in self._organs if same_name(organ.casefold(), text.casefold())), None)
        if own is None:
            self._fail(f"there is no organ {text!r}, choose from {', '.join(self._organs)}")
        return ("organ", own)

    def _fail(self, why: str) -> NoReturn:
        raise UsageError(f"{self._text!r}: {why}; write it as 'thyroid and not (trachea or carotid)'")
