"""Cells of a CSV file that a spreadsheet will not take for something else."""

from __future__ import annotations

import math

from seqcls.files import printable


def text_cell(text: str) -> str:
    """Without control characters: ``cat`` would pass them to the terminal.

    A spreadsheet runs cells that begin with one of these as formulas; an apostrophe makes them text (OWASP).
    """
    text = printable(text)
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def seconds_cell(seconds: float) -> str:
    """Microseconds, fixed point: no exponent, no trailing noise."""
    return f"{seconds:.6f}"


def score_cell(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.4f}"


def index_cell(index: int) -> str:
    return "" if index < 0 else str(index)
