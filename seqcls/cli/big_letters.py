"""Letters made of cells, for signs that are read from across a table."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

ROWS = 5
_LETTERS = {
    "A": (" ## ", "#  #", "####", "#  #", "#  #"),
    "B": ("### ", "#  #", "### ", "#  #", "### "),
    "C": (" ###", "#   ", "#   ", "#   ", " ###"),
    "D": ("### ", "#  #", "#  #", "#  #", "### "),
    "E": ("####", "#   ", "### ", "#   ", "####"),
    "F": ("####", "#   ", "### ", "#   ", "#   "),
    "G": (" ###", "#   ", "# ##", "#  #", " ###"),
    "H": ("#  #", "#  #", "####", "#  #", "#  #"),
    "I": ("###", " # ", " # ", " # ", "###"),
    "J": ("  ##", "   #", "   #", "#  #", " ## "),
    "K": ("#  #", "# # ", "##  ", "# # ", "#  #"),
    "L": ("#   ", "#   ", "#   ", "#   ", "####"),
    "M": ("#   #", "## ##", "# # #", "#   #", "#   #"),
    "N": ("#  #", "## #", "# ##", "#  #", "#  #"),
    "O": (" ## ", "#  #", "#  #", "#  #", " ## "),
    "P": ("### ", "#  #", "### ", "#   ", "#   "),
    "Q": (" ## ", "#  #", "#  #", "# ##", " ###"),
    "R": ("### ", "#  #", "### ", "# # ", "#  #"),
    "S": (" ###", "#   ", " ## ", "   #", "### "),
    "T": ("#####", "  #  ", "  #  ", "  #  ", "  #  "),
    "U": ("#  #", "#  #", "#  #", "#  #", " ## "),
    "V": ("#   #", "#   #", "#   #", " # # ", "  #  "),
    "W": ("#   #", "#   #", "# # #", "## ##", "#   #"),
    "X": ("#   #", " # # ", "  #  ", " # # ", "#   #"),
    "Y": ("#   #", " # # ", "  #  ", "  #  ", "  #  "),
    "Z": ("####", "   #", " ## ", "#   ", "####"),
    "0": (" ## ", "#  #", "#  #", "#  #", " ## "),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("### ", "   #", " ## ", "#   ", "####"),
    "3": ("### ", "   #", " ## ", "   #", "### "),
    "4": ("#  #", "#  #", "####", "   #", "   #"),
    "5": ("####", "#   ", "### ", "   #", "### "),
    "6": (" ## ", "#   ", "### ", "#  #", " ## "),
    "7": ("####", "   #", "  # ", " #  ", " #  "),
    "8": (" ## ", "#  #", " ## ", "#  #", " ## "),
    "9": (" ## ", "#  #", " ###", "   #", " ## "),
    "-": ("   ", "   ", "###", "   ", "   "),
    ",": ("  ", "  ", "  ", " #", "# "),
    ".": (" ", " ", " ", " ", "#"),
    "(": (" #", "# ", "# ", "# ", " #"),
    ")": ("# ", " #", " #", " #", "# "),
    " ": ("  ", "  ", "  ", "  ", "  "),
}


_HALVES = {(" ", " "): " ", ("#", " "): "▀", (" ", "#"): "▄", ("#", "#"): "█"}


def drawable(text: str) -> str:
    """The text in the letters that there are, without accents; empty where one is missing."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.upper()) if not unicodedata.combining(c))
    plain = plain.replace("_", " ")
    return plain if plain.strip() and all(c in _LETTERS for c in plain) else ""


def large(lines: Sequence[str], width: int, height: int, *, plain: bool = False) -> list[str]:
    """Lines of words in lines of blocks, as large as ``width`` x ``height`` cells allow; empty where they do not fit.

    A cell is about twice as tall as wide: a dot is half a cell, and letters grow to twice their width in height where
    there is room upwards alone. plain: whole cells of "#".
    """
    wide, high = dot_size(lines, width, height, plain=plain)
    if min(wide, high) < 1:
        return []
    dots = ["".join(dot * wide for dot in row) for row in _dots(lines) for _ in range(high)]
    if plain:
        return dots
    dots += [" " * len(dots[0])] * (len(dots) % 2)
    return ["".join(_HALVES[pair] for pair in zip(*dots[i : i + 2], strict=True)) for i in range(0, len(dots), 2)]


def dot_size(lines: Sequence[str], width: int, height: int, *, plain: bool = False) -> tuple[int, int]:
    """How many cells a dot of ``large`` is wide, and how many half cells (plain: cells) it is high; 0 for no room."""
    dots = _dots(lines)
    high = height // len(dots) if plain else 2 * height // len(dots)
    wide = width // len(dots[0])
    return min(wide, 2 * high if plain else high), min(high, wide if plain else 2 * wide)


def _dots(lines: Sequence[str]) -> list[str]:
    """The dots of the lines, each in the middle, one row of dots apart."""
    drawn = [[" ".join(_LETTERS[letter][row] for letter in line) for row in range(ROWS)] for line in lines]
    width = max(len(rows[0]) for rows in drawn)
    apart: list[str] = []
    for rows in drawn:
        apart += [*([" " * width] if apart else []), *(row.center(width) for row in rows)]
    return apart
