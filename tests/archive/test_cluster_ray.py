"""The pool of workers on Ray itself, on this machine; where that is not installed the fakes of test_cluster.py stand in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from seqcls.archive.cluster import RayWorkers, Reply, worked
from seqcls.archive.manifest import Entry, Unit
from seqcls.errors import EngineError
from seqcls.sources.found import FoundSource

pytest.importorskip("ray", reason="ray is not installed: pip install 'seqcls[cluster]'")
pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]


def units(*names: str) -> Iterator[Unit]:
    return iter([Unit(Entry(path=name, folder=name), FoundSource(spec=name, path=name)) for name in names])


def builds(harm: str = "") -> Callable[[], Callable[[Unit], Reply]]:
    """What a worker does: inside of a function, so that it is sent whole; a worker cannot import this module."""

    def build() -> Callable[[Unit], Reply]:
        if harm:
            raise EngineError(harm)

        def do(unit: Unit) -> Reply:
            if unit.entry.path == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            Path(os.environ["SEQCLS_TEST_OUT"], f"{unit.entry.path}-{os.getpid()}").touch()
            return Reply("clip", "bad: no frame") if unit.entry.path == "bad" else Reply()

        return do

    return build


def test_clips_are_done_once_by_workers_of_ray_and_one_that_dies_costs_its_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQCLS_TEST_OUT", str(tmp_path))
    names = [*"abcdef", "die", "bad"]
    with closing(RayWorkers(builds())) as workers:
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0" and workers.size >= 1
        done = {unit.entry.path: str(error or "") for unit, error in worked(workers, units(*names))}
    assert done == {
        **dict.fromkeys("abcdef", ""),
        "die": "die: the worker that read it has died",
        "bad": "bad: no frame",
    }
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["a", "b", "bad", *"cdef"]
    with (
        closing(RayWorkers(builds("there is no model here"))) as workers,
        pytest.raises(EngineError, match="there is no model here"),
    ):
        list(worked(workers, units("a"), size=1))
