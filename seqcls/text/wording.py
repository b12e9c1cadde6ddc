"""Messages: counts ("1 frame", "2 frames", "12,300 files"), and how much of somebody else's text they show."""

from __future__ import annotations

from collections.abc import Sequence

#: Characters of a name, an id or a cell from a file, in a message about it.
MAX_SHOWN = 60


def count_of(number: int, noun: str, plural: str = "") -> str:
    """The number and the noun in the form that it asks for; ``plural`` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def cut(text: object, most: int = MAX_SHOWN) -> str:
    """The text of a file as a message shows it: at most so many characters, whatever it is."""
    text = text if isinstance(text, str) else str(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def names_of(names: Sequence[str], most: int = 5) -> str:
    """The first of them, each cut, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*map(cut, names[:most]), *more])
