"""Work beside a run: in order, counted, and never in the run's way."""

from __future__ import annotations

import threading

from seqcls.live.background import BackgroundWorker


def test_a_worker_keeps_the_order_and_counts_what_it_leaves_out() -> None:
    seen: list[int] = []
    errors: list[Exception] = []

    def work(item: int) -> None:
        seen.append(item)
        if item == 1:
            raise ValueError("one")

    worker = BackgroundWorker("test", work, limit=100, failed=errors.append)
    assert all(worker.put(k) for k in range(5))
    assert worker.close(60) and not worker.put(9)
    assert seen == [0, 1, 2, 3, 4] and [str(e) for e in errors] == ["one"] and worker.dropped == 1


def test_a_worker_that_hangs_is_interrupted_and_what_waits_is_left_out() -> None:
    busy, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def work(item: int) -> None:
        seen.append(item)
        busy.set()
        go.wait(20)

    worker = BackgroundWorker("test", work, limit=100, interrupt=go.set)
    assert worker.put(0) and busy.wait(20) and worker.put(1) and worker.put(2)
    assert worker.close(0.02) or worker.close(20)
    assert seen == [0] and worker.dropped == 2


def test_the_newest_only() -> None:
    busy, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def work(item: int) -> None:
        busy.set()
        go.wait(20)
        seen.append(item)

    worker = BackgroundWorker("test", work, limit=1, newest_only=True)
    assert worker.put(0) and busy.wait(20)
    assert all(worker.put(number) for number in range(1, 6))
    go.set()
    assert worker.close(60) and seen == [0, 5] and worker.dropped == 4


def test_finish_runs_last_and_its_error_is_reported() -> None:
    errors: list[Exception] = []
    seen: list[str] = []

    def finish() -> None:
        seen.append("finished")
        raise OSError("broken disk")

    worker = BackgroundWorker("test", seen.append, limit=9, failed=errors.append, finish=finish)
    worker.put("item")
    assert worker.close(60) and seen == ["item", "finished"] and [str(e) for e in errors] == ["broken disk"]
