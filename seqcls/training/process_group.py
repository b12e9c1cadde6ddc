"""Several processes that train one model together, as ``torchrun`` starts them: each learns from its part of every
batch, and the gradients are added up.

What they tell one another is not encrypted, and objects travel as pickles: this is for machines that trust each other.
torch is imported where it is needed: the command line asks for this module before anything else.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from seqcls.errors import EngineError, SeqclsError, UsageError, one_line

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed import ProcessGroup

T = TypeVar("T")

#: The others wait so long for the first process, which alone checks the frames, validates and writes.
TIMEOUT = timedelta(hours=2)
_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
#: Where in its own source PyTorch was when something failed; it says nothing to who trains.
_PLACE = re.compile(r"\[[^]\s]*\.(?:cc|cpp|h|hpp):\d+\] ")


class Processes:
    """Those that train together; of ``Processes()`` there is one, which waits for nobody.

    rank: which of them this is, from 0; count: how many they are. What is said of all of them must be called by all, in
    the same order. Raises EngineError where another one has ended.
    """

    def __init__(self, group: ProcessGroup | None = None) -> None:
        self._group = group
        self.rank, self.count = (0, 1) if group is None else (group.rank(), group.size())

    @property
    def is_first(self) -> bool:
        """Whether this is the one that validates and writes."""
        return self.rank == 0

    def part_of(self, batch_size: int) -> slice:
        """The images of a batch that this one learns from: neighbours, because classes alternate in a balanced batch.

        Raises UsageError where the batch cannot be shared out evenly.
        """
        own, left = divmod(batch_size, self.count)
        if left or own < 2:
            raise UsageError(
                f"a batch of {batch_size} images cannot be shared out among {self.count} processes: choose a batch size"
                f" that {self.count} divides, with two images or more for each"
            )
        return slice(self.rank * own, (self.rank + 1) * own)

    def seed(self, seed: int) -> int:
        """One for each of them; of the first the same."""
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1)[0]) if self.rank else seed

    def any(self, value: bool) -> bool:
        """Whether it is true for any of them."""
        if self._group is None:
            return value
        import torch

        counted = torch.tensor([float(value)])
        self._add_up(counted)
        return bool(counted.item())

    def gathered(self, value: T) -> list[T]:
        """What each of them gives, by rank."""
        return [value] if self._group is None else [self._from(rank, value) for rank in range(self.count)]

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first one makes; it alone makes it."""
        if self._group is None:
            return make()
        found: T = self._from(0, make() if self.is_first else None)
        return found

    def wait(self) -> None:
        """Until all of them are here."""
        self.any(False)

    def share_step(self, model: nn.Module, labelled: Tensor, *losses: Tensor) -> Sequence[Tensor]:
        """Make the gradients of ``model`` those of the whole batch, its batch norms' running statistics the mean of
        all, and return the losses of the whole batch.

        labelled: how many entries this one's part has; gradients and losses are means over them.
        """
        if self._group is None:
            return losses
        import torch
        from torch import nn

        gradients = [value.grad for value in model.parameters() if value.grad is not None]
        norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d) and part.training]
        running = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
        weighted = [value * labelled for value in (*gradients, *losses)]
        parts = [*weighted, *(value / self.count for value in running), labelled]
        whole = torch.cat([part.float().reshape(-1) for part in parts])
        self._add_up(whole)
        sums = torch.split(whole, [part.numel() for part in parts])
        total = sums[-1].clamp_min(1)
        shared = sums[: len(weighted)]
        for gradient, value in zip(gradients, shared, strict=False):
            gradient.copy_((value / total).view_as(gradient))
        for mean, value in zip(running, sums[len(weighted) : -1], strict=True):
            mean.copy_(value.view_as(mean))
        return [(value / total).reshape(()) for value in shared[len(gradients) :]]

    def _add_up(self, value: Tensor) -> None:
        assert self._group is not None
        with _told():
            self._group.allreduce(value).wait()

    def _from(self, rank: int, value: object) -> Any:
        """What the process of this rank gives."""
        assert self._group is not None
        import torch

        data = torch.frombuffer(bytearray(pickle.dumps(value)), dtype=torch.uint8) if rank == self.rank else None
        size = torch.tensor([0 if data is None else len(data)])
        with _told():
            self._group.broadcast(size, rank).wait()
            data = torch.empty(int(size), dtype=torch.uint8) if data is None else data
            self._group.broadcast(data, rank).wait()
        return pickle.loads(data.numpy().tobytes())


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that ``torchrun`` started with this one; of another start it is alone.

    device: as in the options. Where that is not the CPU, this process sees one GPU from now on, its own. Errors say
    which process they come from. Raises UsageError, and EngineError where the others do not come.
    """
    if any(name not in os.environ for name in _NAMES) or int(os.environ["WORLD_SIZE"]) < 2:
        yield Processes()
        return
    import torch
    from torch import distributed

    try:
        if device == "mps" or not distributed.is_available():
            raise UsageError("several processes train on the CPU or on CUDA GPUs alone, with device=cpu or device=cuda")
        if device != "cpu":
            _see_one_gpu(int(os.environ.get("LOCAL_RANK", "0")))
        nccl = device != "cpu" and torch.cuda.is_available() and distributed.is_nccl_available()
        with _told():
            distributed.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=TIMEOUT)
        group = distributed.group.WORLD
        assert group is not None
        yield Processes(group)
    except SeqclsError as error:
        where = f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']}"
        error.args = (f"{where}: {' '.join(map(str, error.args))}",)
        raise
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def _see_one_gpu(place: int) -> None:
    """Then ``cuda`` is this one in every thread. Raises UsageError where there are not so many."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = None if given is None else [name for name in given.split(",") if name]
    if names and place >= len(names):
        raise UsageError(f"this machine shows {len(names)} GPUs (CUDA_VISIBLE_DEVICES): start as many processes on it")
    os.environ["CUDA_VISIBLE_DEVICES"] = str(place) if names is None else ",".join(names[place : place + 1])


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        because = _PLACE.sub("", one_line(error, max_chars=400))
        raise EngineError(
            f"the other processes cannot be reached, or one has ended (its own message says why): {because}"
        ) from error
