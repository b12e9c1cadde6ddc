"""A program: one of several processes that train together, and then err."""

from __future__ import annotations

import sys

from support import tiny_network
from support.frame_sets import QUICK, frame_set

from seqcls.errors import DataError
from seqcls.training import train as training
from seqcls.training.process_group import joined

if __name__ == "__main__":
    training.build = tiny_network.build  # type: ignore[assignment]
    try:
        with joined("cpu") as processes:
            if processes.is_first:
                result = training.train(frame_set(), QUICK, processes=processes)
                sys.stdout.write("\n".join(f"{epoch.loss:.6f}" for epoch in result.history) + "\n")
            else:
                training.train_along(frame_set(), QUICK, processes)
            raise DataError("wrong on purpose")
    except DataError as error:
        sys.stdout.write(f"{error}\n")
