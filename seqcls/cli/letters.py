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


def large(word: str, width: int, height: int, cell: str) -> list[str]:
    """The word in lines of ``cell`` and blanks, as large as ``width`` x ``height`` allow; empty where it does not fit.

    Terminal cells are about twice as tall as wide, so that letters are stretched sideways first.
    """
    lines = [" ".join(_LETTERS[letter][row] for letter in word) for row in range(ROWS)]
    tall = height // ROWS
    wide = min(2 * tall, width // len(lines[0]))
    if min(tall, wide) < 1:
        return []
    tall = min(tall, wide)
    stretched = ["".join(c * wide for c in line).replace("#", cell) for line in lines]
    return [line for line in stretched for _ in range(tall)]
