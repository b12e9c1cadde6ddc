"""Processes that train together, played by threads with a real Gloo group between them: they start at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from seqcls.training.process_group import Processes

T = TypeVar("T")


def together(count: int, work: Callable[[Processes], T], timeout_s: float = 30) -> list[T]:
    """What each makes, by rank; what the first of them raises is raised."""
    store = distributed.HashStore()

    def one(rank: int) -> T:
        gloo = distributed.ProcessGroupGloo(store, rank, count, timedelta(seconds=timeout_s))
        group = distributed.ProcessGroup(store, rank, count)
        kind = distributed.ProcessGroup.BackendType.GLOO
        group._set_default_backend(kind)
        group._register_backend(torch.device("cpu"), kind, gloo)
        return work(Processes(group))

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one, rank) for rank in range(count)]]
