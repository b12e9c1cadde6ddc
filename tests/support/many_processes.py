"""Processes that train together, played by threads that meet in memory: they start at once, and none can hang in a
library's own code. Two real processes with Gloo between them have a test of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from seqcls.training.process_group import Processes

T = TypeVar("T")


class _Meeting:
    """Where all of them bring a tensor each, time after time."""

    def __init__(self, count: int, timeout_s: float) -> None:
        self.count, self.timeout_s = count, timeout_s
        self._changed = threading.Condition()
        self._brought: list[list[Tensor]] = [[] for _ in range(count)]
        self._gone: set[int] = set()

    def brought_by_all(self, rank: int, value: Tensor) -> list[Tensor]:
        """By rank. Raises RuntimeError where one has gone before, or does not come in time, as Gloo does."""
        with self._changed:
            own = self._brought[rank]
            turn = len(own)
            own.append(value.clone())
            self._changed.notify_all()

            def missing() -> set[int]:
                return {other for other, given in enumerate(self._brought) if len(given) <= turn}

            self._changed.wait_for(lambda: not missing() or missing() & self._gone, self.timeout_s)
            if missing():
                raise RuntimeError(f"{missing()} not there at turn {turn}")
            return [given[turn] for given in self._brought]

    def leave(self, rank: int) -> None:
        with self._changed:
            self._gone.add(rank)
            self._changed.notify_all()


class _Group:
    """As much of a ``torch.distributed.ProcessGroup`` as is used."""

    def __init__(self, meeting: _Meeting, rank: int) -> None:
        self._meeting, self._rank = meeting, rank

    def rank(self) -> int:
        return self._rank

    def size(self) -> int:
        return self._meeting.count

    def allreduce(self, value: Tensor) -> _Group:
        value.copy_(torch.stack(self._meeting.brought_by_all(self._rank, value)).sum(0))
        return self

    def broadcast(self, value: Tensor, rank: int) -> _Group:
        value.copy_(self._meeting.brought_by_all(self._rank, value)[rank])
        return self

    def wait(self) -> None:
        """What is waited for has been done."""


def together(count: int, work: Callable[[Processes], T], timeout_s: float = 30) -> list[T]:
    """What each makes, by rank; what the first of them raises is raised."""
    meeting = _Meeting(count, timeout_s)

    def one(rank: int) -> T:
        try:
            return work(Processes(cast("Any", _Group(meeting, rank))))
        finally:
            meeting.leave(rank)

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one, rank) for rank in range(count)]]
