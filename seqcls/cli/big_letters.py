"""Letters made of cells, for signs that are read from across a table."""

from __future__ import annotations

ROWS = 5
_LETTERS = {
    "A": (" ## ", "#  #", "####", "#  #", "#  #"),
    "B": ("### ", "#  #", "### ", "#  #", "### "),
    "E": ("####", "#   ", "### ", "#   ", "####"),
    "K": ("#  #", "# # ", "##  ", "# # ", "#  #"),
    "N": ("#  #", "## #", "# ##", "#  #", "#  #"),
    "O": (" ## ", "#  #", "#  #", "#  #", " ## "),
    "P": ("### ", "#  #", "### ", "#   ", "#   "),
    "R": ("### ", "#  #", "### ", "# # ", "#  #"),
    "S": (" ###", "#   ", " ## ", "   #", "### "),
    "T": ("#####", "  #  ", "  #  ", "  #  ", "  #  "),
    "U": ("#  #", "#  #", "#  #", "#  #", " ## "),
    "W": ("#   #", "#   #", "# # #", "## ##", "#   #"),
}


_HALVES = {(" ", " "): " ", ("#", " "): "▀", (" ", "#"): "▄", ("#", "#"): "█"}


def large(word: str, width: int, height: int, *, plain: bool = False) -> list[str]:
    """The word in lines of blocks, as large as ``width`` x ``height`` cells allow; empty where it does not fit.

    A cell is about twice as tall as wide: a dot is half a cell, and letters grow to twice their width in height where
    there is room upwards alone. plain: whole cells of "#".
    """
    lines = [" ".join(_LETTERS[letter][row] for letter in word) for row in range(ROWS)]
    high = height // ROWS if plain else 2 * height // ROWS  # dots of half a cell, or cells
    wide = width // len(lines[0])
    wide, high = min(wide, 2 * high if plain else high), min(high, wide if plain else 2 * wide)
    if min(wide, high) < 1:
        return []
    dots = ["".join(dot * wide for dot in line) for line in lines for _ in range(high)]
    if plain:
        return dots
    dots += [" " * len(dots[0])] * (len(dots) % 2)
    return ["".join(_HALVES[pair] for pair in zip(*dots[i : i + 2], strict=True)) for i in range(0, len(dots), 2)]
