"""From the text of an expression to a tree, and from that to its states, stretch by stretch.

``seqcls find`` has the same grammar, and comparisons besides: ``thyroid > 2 s and coverage >= 90 %``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from seqcls.algebra.conditions import SIGNS, Fact, seconds
from seqcls.algebra.logic import Begins, Codes, before, during, negated
from seqcls.algebra.stretches import Made, Stretches
from seqcls.errors import UsageError
from seqcls.files import same_name

#: Parentheses and nots inside each other.
MAX_DEPTH = 50
#: Words between organs: the tree grows deeper by one with each, and is walked by recursion.
MAX_JOINS = 300
_WORDS = ("and", "or", "not", "before", "during")
_QUOTED = r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|"""
_TOKEN = re.compile(_QUOTED + r"""(?P<mark>[()])|(?P<word>[^\s()"']+))""")
_TOKEN_OF_SEARCH = re.compile(_QUOTED + rf"""(?P<mark>[()]|{"|".join(SIGNS)})|(?P<word>(?:[^\s()"'<>=!]|!(?!=))+))""")
#: Characters of a whole expression, and of a word in it, in a message about it.
_MOST, _MOST_OF_WORD = 200, 60
#: From the loosest to the tightest.
_LEVELS: tuple[dict[str, Callable[[Codes, Codes, Begins], Codes]], ...] = (
    {"or": lambda left, right, begins: np.maximum(left, right)},
    {"and": lambda left, right, begins: np.minimum(left, right)},
    {"before": before, "during": lambda left, right, begins: during(left, right)},
)

#: ("organ", NAME), ("not", TREE), or one of the other words and two trees; of a search also ("lasts", TREE, SIGN,
#: SECONDS) and ("fact", NAME, SIGN, VALUE).
Tree = tuple[Any, ...]


def parsed(text: str, organs: Sequence[str]) -> Tree:
    """The expression, over a timeline with these organs. Raises UsageError."""
    return _Parser(text, organs).parse()


def parsed_search(text: str, organs: Sequence[str], facts: Mapping[str, Fact]) -> Tree:
    """The expression with comparisons, over clips with these organs and facts. Raises UsageError.

    A comparison is of how long an organ, or what stands in parentheses, is in view, or of a fact; a name in quotes is
    an organ's.
    """
    return _Parser(text, organs, facts).parse()


def is_condition(tree: Tree) -> bool:
    """Whether it compares, so that it is true or false of a clip as a whole."""
    return tree[0] in ("lasts", "fact") or any(is_condition(part) for part in tree[1:] if isinstance(part, tuple))


def spelt(tree: Tree) -> str:
    """A tree without comparisons as text, with parentheses around all that is made of several."""
    word, *parts = tree
    if word == "organ":
        return str(parts[0])
    inner = [spelt(part) if part[0] == "organ" else f"({spelt(part)})" for part in parts]
    return f"not {inner[0]}" if word == "not" else f"{inner[0]} {word} {inner[1]}"


def evaluated(tree: Tree, stretches: Stretches) -> Made:
    """What it gives over the stretches of a timeline with its organs."""
    word, *parts = tree
    if word == "organ":
        return Made(stretches.codes[parts[0]], (parts[0],))
    made = [evaluated(part, stretches) for part in parts]
    if word == "not":
        return Made(stretches.inside(negated(made[0].codes)), made[0].organs)
    left, right = made
    join = next(joins[word] for joins in _LEVELS if word in joins)
    organs = tuple(dict.fromkeys((*left.organs, *right.organs)))
    return Made(join(left.codes, right.codes, stretches.begins), organs)


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: the text itself for operators, signs and parentheses, else "name" or "quoted". at: its first letter."""

    kind: str
    text: str
    at: int


class _Parser:
    """Recursive descent; one function a level of binding."""

    def __init__(self, text: str, organs: Sequence[str], facts: Mapping[str, Fact] | None = None) -> None:
        self._text, self._organs, self._facts, self._depth = text, organs, facts, 0
        self._tokens = self._split(_TOKEN if facts is None else _TOKEN_OF_SEARCH)
        self._at = self._joins = 0

    def parse(self) -> Tree:
        made = self._binary(0)
        if (token := self._peek()) is not None:
            self._fail(f"{_short(token.text)!r} is one too many", token)
        return made

    def _split(self, pattern: re.Pattern[str]) -> list[_Token]:
        tokens: list[_Token] = []
        at, text = 0, self._text.rstrip()
        while at < len(text):
            found = pattern.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                why = "a quote is not closed" if text[at] in "\"'" else f"{text[at]!r} is no sign"
                self._fail(why, _Token("", text[at], at))
            at = found.end()
            kind = str(found.lastgroup)
            word, begin = found[kind], found.start(kind)
            if kind == "mark":
                tokens.append(_Token(word, word, begin))
            elif kind in ("double", "single"):
                tokens.append(_Token("quoted", word, begin - 1))
            elif word.lower() in _WORDS:
                tokens.append(_Token(word.lower(), word, begin))
            elif tokens and tokens[-1].kind == "name":
                tokens[-1] = _Token("name", f"{tokens[-1].text} {word}", tokens[-1].at)
            else:
                tokens.append(_Token("name", word, begin))
        return tokens

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, missing: str) -> _Token:
        """The next one; ``missing``: what was expected."""
        token = self._peek()
        if token is None:
            self._fail(f"{missing} is missing at the end")
        self._at += 1
        return token

    def _next_is(self, *kinds: str) -> bool:
        token = self._peek()
        return token is not None and token.kind in kinds

    def _binary(self, level: int) -> Tree:
        """`or`, `and`, and `before` and `during`, each from left to right."""
        if level == len(_LEVELS):
            return self._unary()
        made = self._binary(level + 1)
        while self._next_is(*_LEVELS[level]):
            token = self._take("")
            self._joins += 1
            if self._joins > MAX_JOINS:
                self._fail(f"more than {MAX_JOINS} organs or conditions are joined", token)
            made = (token.kind, made, self._binary(level + 1))
            if token.kind in ("before", "during") and is_condition(made):
                self._fail(f"{_short(token.text)!r} stands between organs, not between comparisons", token)
        return made

    def _unary(self) -> Tree:
        token = self._take("an organ")
        if token.kind in ("name", "quoted"):
            return self._named(token)
        if token.kind not in ("not", "("):
            self._fail(f"an organ is missing before {_short(token.text)!r}", token)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} parentheses and nots inside each other", token)
        if token.kind == "not":
            inner = self._unary()
            self._depth -= 1
            return ("not", inner)
        inner = self._binary(0)
        if not self._next_is(")"):
            self._fail("a parenthesis is not closed", token)
        self._at += 1
        self._depth -= 1
        return self._compared(inner, token)

    def _named(self, token: _Token) -> Tree:
        fact = None if self._facts is None or token.kind == "quoted" else self._facts.get(token.text.casefold())
        if fact is None or not self._next_is(*SIGNS):
            return self._compared(("organ", self._organ(token)), token)
        sign = self._take("")
        return ("fact", fact.name, sign.kind, self._value(lambda text: fact.value(sign.kind, text)))

    def _compared(self, inner: Tree, token: _Token) -> Tree:
        """With how long it is in view, where a sign follows."""
        if self._facts is None or not self._next_is(*SIGNS):
            return inner
        sign = self._take("")
        if is_condition(inner):
            self._fail("what is compared holds a comparison itself", token)
        return ("lasts", inner, sign.kind, self._value(seconds))

    def _value(self, read: Callable[[str], float | str]) -> float | str:
        token = self._take("what to compare with")
        if token.kind not in ("name", "quoted"):
            self._fail(f"what to compare with is missing before {_short(token.text)!r}", token)
        try:
            return read(token.text)
        except ValueError as error:
            self._fail(str(error), token)

    def _organ(self, token: _Token) -> str:
        text = token.text
        own = next((organ for organ in self._organs if same_name(organ, text)), None)
        own = own or next((organ for organ in self._organs if same_name(organ.casefold(), text.casefold())), None)
        if own is None:
            self._fail(self._why_unknown(text), token)
        return own

    def _why_unknown(self, text: str) -> str:
        if self._facts is None and re.search("[<>]", text):
            return "lengths of time are compared by `seqcls find`, not here"
        if self._facts is not None and text.casefold() in self._facts:
            return f"{text} is to be compared, as in 'coverage < 0.9'"
        facts = f"; besides organs there are {', '.join(self._facts)}" if self._facts else ""
        return f"there is no organ {_short(text)!r}, choose from {', '.join(self._organs)}{facts}"

    def _fail(self, why: str, token: _Token | None = None) -> NoReturn:
        place = "" if token is None else f" (at letter {token.at + 1})"
        example = "thyroid and not (trachea or carotid)" if self._facts is None else "thyroid > 2 s and not trachea"
        raise UsageError(f"{_short(self._text, _MOST)!r}: {why}{place}; write it as '{example}'")


def _short(text: str, most: int = _MOST_OF_WORD) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
