"""What a search compares besides organs: the facts of a clip, and the numbers and words that stand behind a sign."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from seqcls.types import MAX_TIME_S

#: Longer ones first: they are looked for in this order.
SIGNS = ("<=", ">=", "!=", "<", ">", "=")
_SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"(?P<number>\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})\s*(?P<unit>%|[A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Fact:
    """One of a clip. words: all that there are, of a fact of this kind. In a text a star stands for any letters."""

    name: str
    kind: Literal["word", "text", "share", "seconds", "number"]
    words: tuple[str, ...] = ()

    def value(self, sign: str, text: str) -> float | str:
        """What it is compared with. Raises ValueError, which says why, for what it cannot be."""
        if self.kind in ("word", "text") and sign not in ("=", "!="):
            raise ValueError(f"{self.name} is a word: compare it by = or !=, not by {sign}")
        if self.kind == "word":
            return self._word(text)
        return text if self.kind == "text" else _number(text, self.kind)

    def _word(self, text: str) -> str:
        if text.casefold() not in self.words:
            raise ValueError(f"there is no {self.name} {text!r}, choose from {', '.join(self.words)}")
        return text.casefold()


def seconds(text: str) -> float:
    """A length of time, such as ``2 s``, ``500 ms`` or ``1.5 min``. Raises ValueError, which says why."""
    return _number(text, "seconds")


def _number(text: str, kind: str) -> float:
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no number")
    number, unit = float(found["number"]), found["unit"].lower()
    if kind == "seconds":
        if unit not in _SECONDS:
            lacks = f"{text!r} lacks its unit" if not unit else f"there is no unit {found['unit']!r}"
            raise ValueError(f"{lacks}, choose from {', '.join(_SECONDS)}")
        if number * _SECONDS[unit] > MAX_TIME_S:
            raise ValueError(f"{text!r} is more than {MAX_TIME_S:g} s")
        return number * _SECONDS[unit]
    if kind == "share":
        number = number / 100 if unit == "%" else number
        if unit not in ("", "%") or number > 1:
            raise ValueError(f"{text!r} is no share: write it as 0.9 or 90 %")
        return number
    if unit:
        raise ValueError(f"{text!r} is no plain number")
    return number


def by_name(facts: Iterable[Fact]) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}
