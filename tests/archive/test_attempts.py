"""Two attempts, the second alone; what fails twice is remembered; what a program died of comes last."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from seqcls.archive.attempts import ATTEMPTS, AttemptLog, Driver, Outcome
from seqcls.archive.manifest import Entry, Unit
from seqcls.errors import OutputError, SeqclsError, SourceError
from seqcls.files.output_lock import OutputBusyError
from seqcls.sources.found import FoundSource


def unit(name: str) -> Unit:
    return Unit(Entry(path=name, folder=name, content=f"content of {name}"), FoundSource(spec=name, path=name))


class Worker:
    """Fails at clips by their names; ``ahead`` clips are taken before the first result comes."""

    def __init__(
        self, fails: dict[str, int] | None = None, ahead: int = 2, error: type[SeqclsError] = SourceError
    ) -> None:
        self.fails, self.ahead, self.error = dict(fails or {}), ahead, error
        self.attempts: list[str] = []

    def __call__(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        waiting: list[Unit] = []
        while True:
            while len(waiting) <= self.ahead and (one := next(units, None)) is not None:
                waiting.append(one)
            if not waiting:
                return
            one = waiting.pop(0)
            self.attempts.append(one.entry.path)
            left = self.fails.get(one.entry.path, 0)
            self.fails[one.entry.path] = left - 1
            yield one, self.error(f"{one.entry.path} is bad") if left > 0 else None


def die(log: AttemptLog) -> None:
    """What a killed program leaves of its log."""
    assert log._file is not None
    log._file.close()


def drive(root: Path, worker: Worker, names: str, last: str = "", **more: object) -> tuple[Outcome, AttemptLog]:
    log = AttemptLog(root)
    driver = Driver(first=worker, second=worker, log=log, run="r", words=lambda _, error: str(error), **more)  # type: ignore[arg-type]
    outcome = driver.drive([unit(name) for name in names], [unit(name) for name in last])
    log.close()
    return outcome, log


def test_a_clip_that_fails_once_is_done_by_the_second_attempt(tmp_path: Path) -> None:
    worker = Worker({"b": 1})
    outcome, log = drive(tmp_path, worker, "abcd")
    assert (outcome.done, outcome.failed, log.failed) == (4, 0, {})
    assert worker.attempts == ["a", "b", "c", "d", "b"], "the second comes when all others are done"
    assert not (tmp_path / ATTEMPTS).exists()


def test_what_fails_twice_is_set_aside_with_its_reason_for_this_content_alone(tmp_path: Path) -> None:
    outcome, _ = drive(tmp_path, Worker({"b": 2}), "abc")
    assert (outcome.done, outcome.failed) == (2, 1)
    log = AttemptLog(tmp_path)
    assert log.failed["b"].reason == "b is bad" and not log.died
    assert log.is_set_aside(unit("b").entry, {"r"}) and not log.is_set_aside(unit("b").entry, {"another model"})
    assert not log.is_set_aside(Entry(path="b", folder="b", content="new content"), {"r"})
    drive(tmp_path, Worker(), "b")
    assert AttemptLog(tmp_path).failed == {}, "asked for again, it was done"


def test_a_clip_that_cannot_be_read_at_all_or_is_busy_is_not_set_aside(tmp_path: Path) -> None:
    worker = Worker({"b": 9}, error=OutputBusyError)
    _, log = drive(tmp_path, worker, "ab")
    assert worker.attempts == ["a", "b"] and not log.is_set_aside(unit("b").entry, {"r"})
    log.fail(Entry(path="x", folder="x"), "r", "no such file", sets_aside=True)
    assert not log.is_set_aside(Entry(path="x", folder="x"), {"r"})
    die(log)


def test_after_so_many_errors_the_rest_is_left_and_nothing_taken_too_early_is_lost(tmp_path: Path) -> None:
    worker = Worker({"b": 1, "c": 2, "d": 2})
    outcome, log = drive(tmp_path, worker, "abcdefgh", max_errors=2)
    assert (outcome.done, outcome.failed, outcome.stopped_by_errors) == (2, 2, True)
    # b and c may be two: tried again at once. b is done, so the run goes on, up to d.
    assert worker.attempts == ["a", "b", "c", "b", "c", "d", "d"]
    assert set(log.failed) == {"c", "d"} and "e" not in worker.attempts


def test_it_stops_where_a_person_stops_it(tmp_path: Path) -> None:
    worker = Worker()
    outcome, log = drive(tmp_path, worker, "abcd", should_stop=lambda: len(worker.attempts) >= 2)
    assert outcome.done == 2 and not outcome.stopped_by_errors and log.died == set()


def test_what_a_program_died_of_is_known_also_behind_half_a_line(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path)
    for name in "abc":
        log.begin(unit(name).entry)
    log.end(unit("a").entry)
    log.fail(unit("c").entry, "r", "a\nreason, \U0001f600", sets_aside=True)
    die(log)
    with (tmp_path / ATTEMPTS).open("a") as file:
        file.write('{"event": "begun", "path": "d')
    log = AttemptLog(tmp_path)
    assert log.died == {"b"} and log.failed["c"].reason == "a\nreason, \U0001f600"
    log.begin(unit("e").entry)
    die(log)
    assert AttemptLog(tmp_path).died == {"b", "e"}
    worker = Worker()
    drive(tmp_path, worker, "x", last="b")
    assert worker.attempts == ["x", "b"]


def test_an_output_that_is_full_ends_the_run(tmp_path: Path) -> None:
    def full(units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        for _ in units:
            raise OutputError("the disk is full")
            yield

    log = AttemptLog(tmp_path)
    driver = Driver(first=full, second=full, log=log, run="r", words=lambda _, error: str(error))
    with pytest.raises(OutputError, match="full"):
        driver.drive([unit("a")])
    log.close()


def test_ten_thousand_empty_clips_cost_little_and_hold_nothing(tmp_path: Path) -> None:
    """What the driver itself takes for a clip, whatever works: 1,000 workers of 1 s a clip end 1,000 clips a second."""
    units = (unit(f"{number:05}") for number in range(10_000))
    log = AttemptLog(tmp_path)
    driver = Driver(first=Quick(), second=Quick(), log=log, run="r", words=lambda _, error: str(error))
    tracemalloc.start()
    outcome = driver.drive(units)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.close()
    assert outcome.done == 10_000 and log.failed == {}
    assert peak - held < 200_000 and held < 200_000, "memory does not grow with the clips"


class Quick:
    def __call__(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        for one in units:
            yield one, None


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ATTEMPTS).write_text(
        '[]\n3\n{"event": "failed"}\n' + json.dumps({"event": "begun", "path": "a"}) + "\n"
    )
    assert AttemptLog(tmp_path).died == {"a"}


def test_a_log_that_cannot_be_read_ends_the_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ATTEMPTS).mkdir()
    with pytest.raises(OutputError, match=r"cannot read .*attempts\.jsonl: it is a folder; move it away"):
        AttemptLog(tmp_path)
