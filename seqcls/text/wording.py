"""Counts in messages: "1 frame", "2 frames", "12,300 files"."""

from __future__ import annotations


def count_of(number: int, noun: str, plural: str = "") -> str:
    """The number and the noun in the form that it asks for; ``plural`` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
