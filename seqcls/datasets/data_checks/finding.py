"""What a check found: how bad it is, one sentence that names it and says what to do, and the frames it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

#: leak: training stops. look: somebody should look. advice: nothing is wrong, but something should be known.
Level = Literal["leak", "look", "advice"]
#: Names in a sentence.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """``frames``: names, the first ones of many, with a remark each; ``rows`` of the frame set, for their images."""

    level: Level
    kind: str
    text: str
    frames: tuple[tuple[str, str], ...] = ()
    rows: tuple[int, ...] = ()


def first_of(names: Iterable[str], total: int | None = None) -> str:
    """The first names, and how many more there are."""
    names = list(dict.fromkeys(names))
    more = (len(names) if total is None else total) - min(SHOWN, len(names))
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def shared(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Names that stand on both sides, in order."""
    return sorted(set(map(str, one)) & set(map(str, other)))
