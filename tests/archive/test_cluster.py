"""The pool of workers, with workers that are objects of this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seqcls.archive.cluster import MAX_BYTES, RayWorkers, Reply, WorkerDiedError, worked
from seqcls.archive.manifest import Entry, Unit
from seqcls.errors import EngineError, OutputError, SeqclsError, SourceError, UsageError
from seqcls.files.output_lock import OutputBusyError
from seqcls.sources.found import FoundSource
from seqcls.sources.remote import NotFetchedError


def units(*names: str) -> Iterator[Unit]:
    return iter([Unit(Entry(path=name, folder=name), FoundSource(spec=name, path=name)) for name in names])


@dataclass
class Fakes:
    """A clip called "die" takes its worker with it, one called "full" meets a full disk, "bad" cannot be read. The clip
    that was given last is done first. ``late``: workers, by their number, that never begin; ``broken``: those that
    cannot."""

    size: int = 2
    late: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    started: int = 0
    running: set[int] = field(default_factory=set)
    most: int = 0
    asked: list[tuple[int, str]] = field(default_factory=list)

    def start(self) -> int:
        self.started += 1
        self.running.add(self.started)
        return self.started

    def begun(self, worker: int) -> tuple[int, str] | None:
        return (worker, "") if worker in self.late + self.broken else None

    def has_begun(self, ticket: tuple[int, str]) -> None:
        raise WorkerDiedError("there is no model")

    def submit(self, worker: int, unit: Unit) -> tuple[int, str]:
        assert worker in self.running and worker not in self.late + self.broken
        self.asked.append((worker, unit.entry.path))
        return worker, unit.entry.path

    def wait(self, tickets: list[Any]) -> Any:
        self.most = max(self.most, len(tickets))
        return [ticket for ticket in tickets if ticket[0] not in self.late][-1]

    def reply(self, ticket: tuple[int, str]) -> Reply:
        worker, path = ticket
        if path == "die":
            self.running.discard(worker)
            raise WorkerDiedError
        kinds = {"full": OutputError("disk full"), "bad": SourceError("bad: no frame")}
        return Reply.of(kinds.get(path))

    def stop(self, worker: int) -> None:
        self.running.remove(worker)


def test_each_clip_once_and_as_many_at_a_time_as_there_are_workers() -> None:
    fakes = Fakes(size=3)
    names = [str(number) for number in range(20)]
    done = list(worked(fakes, units(*names)))
    assert sorted(unit.entry.path for unit, error in done if error is None) == sorted(names)
    assert (fakes.started, fakes.most, fakes.running) == (3, 3, set()) and len(fakes.asked) == 20


def test_a_worker_that_dies_costs_its_clip_one_attempt_and_is_replaced() -> None:
    fakes = Fakes(size=1)
    done = {unit.entry.path: error for unit, error in worked(fakes, units("a", "die", "bad", "b"))}
    assert [str(done[name] or "") for name in ("a", "die", "bad", "b")] == [
        "", "die: the worker that read it has died", "bad: no frame", "",
    ]  # fmt: skip
    assert isinstance(done["die"], SourceError) and fakes.started == 2 and fakes.running == set()
    assert [path for _, path in fakes.asked] == ["a", "die", "bad", "b"], "nothing is repeated here"


def test_a_worker_that_never_begins_holds_no_clip() -> None:
    """As on a cluster that has lost the machine that it was meant for."""
    fakes = Fakes(size=2, late=(1,))
    done = [unit.entry.path for unit, error in worked(fakes, units("a", "b", "c")) if error is None]
    assert sorted(done) == ["a", "b", "c"] and fakes.running == set()


def test_workers_that_cannot_begin_cost_no_clip_and_end_it_only_where_none_can() -> None:
    fakes = Fakes(size=1, broken=(1, 2))
    assert [error for _, error in worked(fakes, units("a", "b"))] == [None, None]
    assert fakes.started == 3 and fakes.running == set()
    fakes = Fakes(size=1, broken=tuple(range(1, 100)))
    with pytest.raises(EngineError, match=r"8 workers in a row did not come to work \(there is no model\)"):
        list(worked(fakes, units("a", "b")))
    assert fakes.started == 8 and fakes.running == set() and fakes.asked == []


def test_machines_that_join_are_used() -> None:
    fakes = Fakes(size=1)
    results = worked(fakes, units(*map(str, range(9))))
    next(results)
    fakes.size = 4
    assert len(list(results)) == 8 and (fakes.started, fakes.most) == (4, 4)


def test_a_full_disk_ends_it_and_so_does_who_takes_no_more() -> None:
    fakes = Fakes()
    with pytest.raises(OutputError, match="disk full"):
        list(worked(fakes, units("a", "full", "b")))
    assert fakes.running == set()
    fakes = Fakes()
    results = worked(fakes, units("a", "b", "c"))
    next(results)
    results.close()
    assert fakes.running == set() and len(fakes.asked) == 2


def test_ten_thousand_empty_clips_need_no_list_of_them() -> None:
    fakes = Fakes(size=1000)
    taken = 0

    def many() -> Iterator[Unit]:
        nonlocal taken
        for taken in range(1, 10_001):
            yield Unit(Entry(path=str(taken), folder="x"), FoundSource(spec="x", path="x"))

    for count, _ in enumerate(worked(fakes, many()), 1):
        assert taken - count < 1000
    assert count == 10_000 and fakes.started == 1000


@pytest.mark.parametrize("kind", [SourceError, OutputBusyError, NotFetchedError])
def test_errors_come_back_in_short(kind: type[SeqclsError]) -> None:
    reply = Reply.of(kind("x" * 5000))
    assert len(reply.message) == MAX_BYTES and type(reply.error()) is kind
    accents = Reply.of(kind("é" * 5000)).message
    assert len(accents.encode()) == MAX_BYTES and set(accents) == {"é"}, "two bytes each"
    assert Reply.of(None).error() is None


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.archive.cluster.find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"pip install 'seqcls\[cluster\]'"):
        RayWorkers(lambda: lambda unit: Reply())


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nobody_listens_nothing_is_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.archive.cluster.find_spec", lambda name: object())
    with socket.socket() as held:  # a port that nobody else takes, and nobody listens to
        held.bind(("127.0.0.1", 0))
        place = address.format(held.getsockname()[1])
        with pytest.raises(UsageError, match=rf"no cluster answers at {place} \(.*refused.*\); name the address"):
            RayWorkers(lambda: lambda unit: Reply(), place)


def test_an_address_is_asked_for_a_bounded_time_and_left_to_ray_where_it_is_no_host_and_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, float]] = []

    class Answer:
        def close(self) -> None:
            pass

    def connect(place: object, timeout_s: float) -> Answer:
        asked.append((place, timeout_s))
        if len(asked) == 1:
            raise TimeoutError("timed out")
        return Answer()

    def opened(name: str) -> None:
        raise ConnectionError("Ray is asked")

    monkeypatch.setattr("socket.create_connection", connect)
    monkeypatch.setattr("seqcls.archive.cluster.find_spec", lambda name: object())
    monkeypatch.setattr("seqcls.archive.cluster.library", opened)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(UsageError, match=r"no answer within 10 s\)"):
        RayWorkers(lambda: lambda unit: Reply(), "10.0.0.5:6379")
    for address in ("10.0.0.5:6379", "[fd00::5]:6379", "auto", "local", "", "ray://head"):
        with pytest.raises(ConnectionError, match="Ray is asked"):
            RayWorkers(lambda: lambda unit: Reply(), address)
    assert asked == [(("10.0.0.5", 6379), 10.0)] * 2 + [(("fd00::5", 6379), 10.0)]


def test_what_workers_takes() -> None:
    from seqcls.cli.workers import cluster_options

    assert cluster_options(None, Path, "auto") is None  # type: ignore[arg-type]
    found = cluster_options("ray:10.0.0.5:6379", Path, "cuda")  # type: ignore[arg-type]
    assert found is not None and (found.address, found.gpus) == ("10.0.0.5:6379", 1.0)
    with pytest.raises(UsageError, match="--workers takes ray"):
        cluster_options("dask", Path, "auto")  # type: ignore[arg-type]
