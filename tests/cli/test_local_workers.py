"""Clips done by children that are objects of this process: what each ends with, what is printed, and how a run ends."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from weakref import ReferenceType, ref

import numpy as np
import pytest
from support.fakes import SIZE, BrightnessEngine, detector
from support.works import work_of

from seqcls.archive.cluster import worked
from seqcls.archive.manifest import Entry, Unit
from seqcls.cli import local_workers
from seqcls.cli.clip_work import ClipWork
from seqcls.cli.clip_worker import ABOUT, DONE, SCORE, Job
from seqcls.cli.local_workers import LocalWorkers
from seqcls.detector import load
from seqcls.engines.shared import SharedEngine
from seqcls.errors import EngineError, SeqclsError
from seqcls.models.file import write_model
from seqcls.models.untrained import random_model
from seqcls.processes.child_messages import Message
from seqcls.sources.decoder_child import DecoderDiedError
from seqcls.sources.found import FoundSource
from seqcls.sources.remote import Remote


class Child:
    """Has one image scored, then does what the clip is called. ``stopped``: once it was interrupted or killed.
    ``long_begun``: set by the clip "long", which "full" waits for."""

    def __init__(self, long_begun: threading.Event) -> None:
        self.long_begun = long_begun
        self.sent: list[Any] = []
        self.reason = "the process that decodes it died (SIGSEGV)"
        self.stopped = threading.Event()
        self._job: Job | None = None
        self._step = 0

    def send(self, order: object) -> None:
        self.sent.append(order)

    def order(self, order: object) -> None:
        assert isinstance(order, Job)
        self._job, self._step = order, 0

    def receive(self) -> Message:
        assert self._job is not None
        what, self._step = Path(self._job.unit.entry.path).stem.rstrip("0123456789"), self._step + 1
        if self._step == 1:
            return Message(ABOUT)
        if self._step == 2:
            return Message(SCORE, image=np.full((2 * SIZE, SIZE), 51, np.uint8))
        if what == "long":
            self.long_begun.set()
            assert self.stopped.wait(60)
            if self.reason.startswith("is not needed"):
                raise DecoderDiedError
        if what == "die":
            raise DecoderDiedError
        if what == "odd":
            return Message(SCORE, image=np.zeros((SIZE + 1, SIZE), np.uint8))
        if what == "full":
            assert self.long_begun.wait(60)
        kind, text = {"bad": ("clip", "bad: no frame"), "full": ("output", "disk full")}.get(what, ("", ""))
        return Message(DONE, text=json.dumps([kind, text, [f"warning: of {self._job.unit.entry.path}"], ""]))

    def interrupt(self) -> None:
        self.stopped.set()

    def kill(self, reason: str) -> None:
        self.reason = reason
        self.stopped.set()


class Pool:
    def __init__(self) -> None:
        self.children: list[Child] = []
        self.idle: list[Child] = []
        self.long_begun = threading.Event()

    def take(self) -> Child:
        if not self.idle:
            self.idle.append(Child(self.long_begun))
            self.children.append(self.idle[-1])
        return self.idle.pop()

    def release(self, child: Child) -> None:
        self.idle.append(child)


def units(*names: str) -> Iterator[Unit]:
    return iter([Unit(Entry(path=name, folder=f"out/{name}"), FoundSource(spec=name, path=name)) for name in names])


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def work(tmp_path: Path) -> ClipWork:
    return work_of(tmp_path, detector())


def did(work: ClipWork, pool: Pool, names: tuple[str, ...], processes: int = 2) -> dict[str, str]:
    with (
        closing(SharedEngine(work.run.detector.engine)) as engine,
        closing(LocalWorkers(work, work.lean(), engine, pool, processes)) as workers,  # type: ignore[arg-type]
    ):
        return {unit.entry.path: str(error or "") for unit, error in worked(workers, units(*names))}


def test_each_clip_once_with_its_error_and_what_is_printed_in_order(
    work: ClipWork, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    began: list[int] = []
    names = ("a", "bad", "b", "die", "c", "odd", "d")
    ended = did(replace(work, began=lambda: began.append(1)), pool, names)
    assert ended == {
        **dict.fromkeys("abcd", ""),
        "bad": "bad: no frame",
        "die": "die: the process that decodes it died (SIGSEGV)",
        "odd": "odd: sends a message of another kind",
    }
    printed = capsys.readouterr().err.splitlines()
    assert printed == [f"warning: of {name}" for name in names if name not in ("die", "odd")] and began == [1]
    for child in pool.children:  # what is to be done with clips is sent once, before the first
        assert isinstance(child.sent[0], ClipWork) and not any(isinstance(each, ClipWork) for each in child.sent[1:])
        assert child.sent[1] == ("fp32", "brightness") and np.allclose(child.sent[2], [[0.2, 0.8]] * 2)


def test_what_another_process_gets_can_be_sent(tmp_path: Path) -> None:
    """Of a detector that `load` made: its engine, its lock and its features stay here."""
    write_model(tmp_path / "m.safetensors", *random_model(size=SIZE, organs=("node",)))
    loaded = load(tmp_path / "m.safetensors")
    sent = pickle.loads(pickle.dumps(work_of(tmp_path, loaded).lean()))
    assert sent.run.detector.header == loaded.header and sent.run.pool is None


def test_an_engine_that_fails_is_the_answer(work: ClipWork, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, expected in (
        (EngineError("no memory"), "no memory"),
        (KeyError("x"), "the engine failed (KeyError: 'x'); please report this"),
    ):
        monkeypatch.setattr(BrightnessEngine, "scores", Mock(side_effect=error))
        did(work, pool, ("a",), 1)
        assert isinstance(pool.children[0].sent[-1], EngineError) and str(pool.children[0].sent[-1]) == expected


def test_a_full_disk_ends_the_run_and_those_at_work(work: ClipWork, pool: Pool) -> None:
    with pytest.raises(SeqclsError, match="disk full"):
        did(work, pool, ("long", "full", "b"))
    assert any(child.reason == "is not needed any more" for child in pool.children)


def test_who_is_interrupted_lets_clips_be_written_as_far_as_they_were_read(work: ClipWork, pool: Pool) -> None:
    stop = threading.Event()
    interrupted = replace(work, should_stop=stop.is_set, began=stop.set)
    assert did(interrupted, pool, ("long1", "long2")) == {"long1": "", "long2": ""}
    assert not any(child.reason.startswith("is not") for child in pool.children)


def test_a_child_that_has_ended_is_not_held(work: ClipWork, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each does a hundred clips, and there may be a hundred thousand."""
    there: list[ReferenceType[Child]] = []

    def take() -> Child:
        child = Child(pool.long_begun)
        there.append(ref(child))
        return child

    monkeypatch.setattr(pool, "take", take)
    monkeypatch.setattr(pool, "release", lambda child: None)
    with (
        closing(SharedEngine(work.run.detector.engine)) as engine,
        closing(LocalWorkers(work, work.lean(), engine, pool, 2)) as workers,  # type: ignore[arg-type]
    ):
        assert sum(1 for _ in worked(workers, units(*"abcdefghij"))) == len(there) == 10
        assert sum(child() is not None for child in there) <= 2, "those of the last clips at most"


def test_the_next_clips_are_fetched_while_others_are_done(
    work: ClipWork, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched_two = threading.Event()
    fetching: Callable[..., Any] = fetched_copies(asked := [], fetched_two)
    monkeypatch.setattr(local_workers, "fetched", fetching)
    remote = [
        Unit(Entry(path=name, folder=name), FoundSource(spec=f"s3://b/{name}", path=name, remote=Remote(name, 1, "")))
        for name in ("long", "b", "c", "d")
    ]
    with closing(SharedEngine(work.run.detector.engine)) as engine:
        lean = work.lean()
        with closing(LocalWorkers(replace(work, fetches=True), lean, engine, pool, 1)) as workers:  # type: ignore[arg-type]
            assert workers.size == 2
            slots = [workers.start(), workers.start()]
            tickets = [workers.submit(slots[0], remote[0])]
            assert pool.long_begun.wait(60)
            tickets.append(workers.submit(slots[1], remote[1]))
            assert fetched_two.wait(60), "while the only process is taken"
            assert not tickets[1].done()
            pool.children[0].interrupt()
            assert [workers.reply(ticket).kind for ticket in tickets] == ["", ""]
            for slot in slots:
                workers.stop(slot)
    assert len(pool.children) == 1
    jobs = [f"/scratch/{name}" for name in asked]
    assert sorted(jobs) == ["/scratch/b", "/scratch/long"]


def fetched_copies(asked: list[str], two: threading.Event) -> Callable[..., Any]:
    from contextlib import contextmanager

    @contextmanager
    def fetched(remote: Remote) -> Iterator[Path]:
        asked.append(remote.name)
        if len(asked) == 2:
            two.set()
        yield Path("/scratch", remote.name)

    return fetched
