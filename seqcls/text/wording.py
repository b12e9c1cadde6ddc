"""Messages: counts ("1 frame", "2 frames", "12,300 files"), sizes, durations, and how much of somebody else's text they
show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S*: ")
#: Characters of a name, an id or a cell from a file, in a message about it.
MAX_SHOWN = 60


def count_of(number: int, noun: str, plural: str = "") -> str:
    """The number and the noun in the form that it asks for; ``plural`` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def unseen(states: Iterable[str]) -> str:
    """Of an organ that is nowhere present, by the states of its stretches: unknown is not absent."""
    own = set(states)
    if "unknown" not in own:
        return "not in view"
    return "unknown" if own == {"unknown"} else "not in view where known"


def size_of(size_bytes: float) -> str:
    """As disks are sold: 999 kB, 12.3 MB, 1.2 GB."""
    unit, length = next(((u, n) for u, n in (("kB", 1e3), ("MB", 1e6)) if size_bytes < 999.5 * n), ("GB", 1e9))
    size = size_bytes / length
    return f"{size:.{0 if size >= 100 or unit == 'kB' else 1}f} {unit}"


def duration_of(seconds: float) -> str:
    """In whole units that a person counts in, rounded down: 28 s, 5 min, 3 h, 2 days."""
    for limit, length, unit in ((100, 1, "s"), (100 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // length)} {unit}"
    return f"{int(min(seconds, 1e9) // 86_400)} days"


def without_name(reason: str, name: str) -> str:
    """A reason without the name, or the address, of the source that it begins with: that stands beside it."""
    reason = reason.removeprefix(f"{name}: ")
    address = _ADDRESS.match(reason)
    return reason if address is None else reason[address.end() :]


def short_reason(reason: str, name: str) -> str:
    """The reason in a few words, for a table: without the name of its source, and without the advice that follows."""
    return without_name(reason, name).partition("; ")[0]


def cut(text: object, most: int = MAX_SHOWN) -> str:
    """The text of a file as a message shows it: at most so many characters, whatever it is."""
    text = text if isinstance(text, str) else str(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def names_of(names: Sequence[str], most: int = 5) -> str:
    """The first of them, each cut, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*map(cut, names[:most]), *more])
