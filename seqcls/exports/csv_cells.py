"""Figures as cells of a CSV file; for text see ``foreign_text``."""

from __future__ import annotations

import math


def seconds_cell(seconds: float) -> str:
    """Microseconds, fixed point: no exponent, no trailing noise."""
    return f"{seconds:.6f}"


def score_cell(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.4f}"


def index_cell(index: int) -> str:
    return "" if index < 0 else str(index)
