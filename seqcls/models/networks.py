"""Several networks in one model, which gives the mean of their logits: how many there may be, and the names of their
tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
#: Of one model: each of them costs as much memory and time as a model of one.
MAX_NETWORKS = 8


def joined(networks: list[Mapping[str, T]]) -> dict[str, T]:
    """What belongs to each network by its tensors' names, in one: of a single network these names, of several ones
    with ``network0.`` and so on in front of them."""
    if len(networks) == 1:
        return dict(networks[0])
    return {f"{_prefix(number)}{name}": one for number, own in enumerate(networks) for name, one in own.items()}


def apart(tensors: Mapping[str, T], count: int) -> list[dict[str, T]]:
    """The inverse of ``joined`` for so many networks."""
    if count == 1:
        return [dict(tensors)]
    prefixes = [_prefix(number) for number in range(count)]
    return [
        {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
        for prefix in prefixes
    ]


def are_several(tensors: Mapping[str, object]) -> bool:
    """Whether these are the tensors of several networks."""
    return any(name.startswith(_prefix(0)) for name in tensors)


def _prefix(number: int) -> str:
    return f"network{number}."
