"""The program with brightness for a model: the ``main`` of a process of its own."""

from __future__ import annotations

import io
import resource
import sys
import time
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support import fakes
from support.timelines import timeline

import seqcls.detector
from seqcls.cli import app, dashboard, live
from seqcls.cli import main as run_program
from seqcls.datasets import labels
from seqcls.exports.timeline_png import draw
from seqcls.live.display import server

#: What a run imports late.
LATE = (dashboard, labels, live, server)


def rehearse() -> None:
    """Let libraries make what they make once: in a process that others are forked from."""
    draw(timeline(liver="..PP"))
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        app(["run", "--help"])


def main(folder: str, limit: str, *arguments: str) -> None:
    """`seqcls` with ``arguments``; while the file "stuck" is in ``folder``, its engine hangs. No file grows beyond
    ``limit`` bytes, unless that is 0."""
    made = fakes.detector(organs=("liver",))
    scores = made.engine.scores

    def perhaps(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if Path(folder, "stuck").exists() and made.engine.batches[20:]:
            Path(folder, "hangs").touch()
            time.sleep(1000)
        return scores(images)

    made.engine.scores = perhaps  # type: ignore[method-assign]
    seqcls.detector.load = lambda *_, **__: made
    if int(limit):
        sys.dont_write_bytecode = True  # Python would keep a module whose file was cut short
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    sys.argv = ["seqcls", *arguments]
    run_program()


if __name__ == "__main__":
    main(*sys.argv[1:])
