"""`run --workers ray[:ADDRESS]`: the clips of a run on the machines of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.errors import UsageError

if TYPE_CHECKING:
    from seqcls.archive.attempts import Pass
    from seqcls.archive.cluster import Reply
    from seqcls.archive.manifest import Unit
    from seqcls.cli.clip_work import ClipWork
    from seqcls.engines.base import Engine

_RAY = "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Where the work on clips is done. address: of a Ray cluster; "" starts one on this machine alone."""

    address: str
    opening: Callable[[], Engine]
    """Opens the engine, in a worker."""
    gpus: float
    """That each worker gets."""


def cluster_options(text: str | None, opening: Callable[[], Engine], device: str) -> ClusterOptions | None:
    """Of ``--workers``. Raises UsageError."""
    if text is None:
        return None
    kind, _, address = text.partition(":")
    if kind != _RAY:
        raise UsageError(f"--workers takes ray, or ray:ADDRESS as ray:10.0.0.5:6379 or ray:auto, not {text!r}")
    return ClusterOptions(address=address, opening=opening, gpus=float(device == "cuda"))


@contextmanager
def passes(options: ClusterOptions, work: ClipWork) -> Iterator[tuple[Pass, Pass]]:
    """Both attempts at a clip: many at a time, and alone, by a worker of its own.

    ``work``: as ``ClipWork.lean`` gives it.
    """
    from seqcls.archive.cluster import RayWorkers, worked

    build = partial(_build, work, options.opening, str(Path.cwd()))
    with closing(RayWorkers(build, options.address, options.gpus)) as workers:
        yield partial(worked, workers), partial(worked, workers, size=1)


def _build(work: ClipWork, opening: Callable[[], Engine], folder: str) -> Callable[[Unit], Reply]:
    """In a worker: what does one clip there as ``clip_work`` does here."""
    from seqcls.sources.isolated import DecoderPool

    with suppress(OSError):  # on another machine, where paths have to be whole ones
        os.chdir(folder)
    run = replace(work.run, detector=replace(work.run.detector, engine=opening()), pool=DecoderPool())
    return replace(work, run=run).reply
