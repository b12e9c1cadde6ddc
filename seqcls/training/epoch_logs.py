"""Epochs written down as they end, for whoever watches a training that takes hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seqcls.errors import OutputError
from seqcls.files import write_csv
from seqcls.training.epoch import Epoch

#: Beside the checkpoints; history.csv takes its place once the training has ended.
TABLE = "training.csv"


def each_of(*logs: Callable[[Epoch], None]) -> Callable[[Epoch], None]:
    """One that hands every epoch to all of them."""

    def write(epoch: Epoch) -> None:
        for log in logs:
            log(epoch)

    return write


class EpochTable:
    """A row for each epoch in a CSV file, whole at any time. Where it cannot be written, the training goes on."""

    def __init__(self, path: Path, on_message: Callable[[str], None]) -> None:
        self._path, self._on_message = path, on_message
        self._epochs: list[Epoch] = []

    def __call__(self, epoch: Epoch) -> None:
        """Add one that has ended."""
        self._epochs.append(epoch)
        records = [each.row() for each in self._epochs]
        try:
            write_csv(self._path, [records[0], *(record.values() for record in records)])
        except OutputError as error:
            self._on_message(str(error))
