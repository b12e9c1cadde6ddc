"""What many workers cost: the figures of docs/many-clips.md.

    python scripts/worker_figures.py                                             # workers that sleep, half a minute
    python scripts/worker_figures.py -m neck.safetensors --clips clips -o /tmp/curve   # and real ones, some minutes

With workers that sleep instead of reading a clip, the driver's own share is seen: its seconds of processor for each
clip, its memory after few and after many clips, and how many of its workers' seconds are lost. The real curve is that
of `seqcls run` with 1, 2 and 4 processes (OMP_NUM_THREADS).
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from seqcls.archive.attempts import AttemptLog, Driver
from seqcls.archive.cluster import Reply, worked
from seqcls.archive.manifest import Entry, Unit
from seqcls.sources.found import FoundSource


class Sleepers:
    """Workers that take ``clip_s`` seconds for a clip, and no processor."""

    def __init__(self, size: int, clip_s: float) -> None:
        self.size, self._clip_s = size, clip_s
        self._threads = ThreadPoolExecutor(size)
        self._done = queue.SimpleQueue[int]()
        self._numbers = iter(range(1 << 40))

    def start(self) -> None:
        pass

    def begun(self, worker: None) -> None:
        pass

    def has_begun(self, ticket: object) -> None:
        pass

    def submit(self, worker: None, unit: Unit) -> int:
        ticket = next(self._numbers)
        self._threads.submit(self._sleep, ticket)
        return ticket

    def _sleep(self, ticket: int) -> None:
        time.sleep(self._clip_s)
        self._done.put(ticket)

    def wait(self, tickets: list[int]) -> int:
        return self._done.get()

    def reply(self, ticket: int) -> Reply:
        return Reply()

    def stop(self, worker: None) -> None:
        pass


def units(count: int) -> Iterator[Unit]:
    for number in range(count):
        name = f"patient {number // 10}/sweep {number % 10}.mp4"
        yield Unit(Entry(path=name, folder=name, content=f"{number:064}"), FoundSource(spec=name, path=name))


def driven(workers: Sleepers, count: int) -> tuple[float, float]:
    """Seconds by the clock, and of the processor for the thread that drives."""
    with tempfile.TemporaryDirectory() as folder:
        log = AttemptLog(Path(folder))
        many = partial(worked, workers)
        driver = Driver(first=many, second=many, log=log, run="r", words=lambda _, error: str(error))
        began_s, used_s = time.perf_counter(), time.thread_time()
        outcome = driver.drive(units(count))
        took_s = time.perf_counter() - began_s, time.thread_time() - used_s
        log.close()
    assert outcome.done == count
    return took_s


def simulated() -> None:
    print("workers that sleep | clips | seconds | lost | driver, each clip")
    for size, clip_s in ((1, 0.01), (2, 0.01), (4, 0.01), (100, 0.1), (1000, 1.0)):
        count = 10_000 if size >= 100 else 200 * size
        threading.stack_size(1 << 18)
        took_s, used_s = driven(Sleepers(size, clip_s), count)
        ideal_s = count / size * clip_s
        print(
            f"{size:6,} of {clip_s:g} s | {count:6,} | {took_s:5.2f} s of at least {ideal_s:.2f} |"
            f" {took_s / ideal_s - 1:4.0%} | {used_s / count * 1e6:.0f} us"
        )
    tracemalloc.start()
    held = []
    for count in (1_000, 10_000):
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        driven(Sleepers(100, 0.0), count)
        held.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    print(f"the driver's memory at most: {held[0] / 1e3:.0f} kB in 1,000 clips, {held[1] / 1e3:.0f} kB in 10,000")


def curve(model: Path, clips: Path, folder: Path) -> None:
    one_s = 0.0
    for size in (1, 2, 4):
        best = (float("inf"), float("inf"))
        for _ in range(2):
            shutil.rmtree(folder, ignore_errors=True)
            began_s, before = time.perf_counter(), os.times()
            command = [
                sys.executable,
                "-m",
                "seqcls",
                "run",
                str(clips),
                "-m",
                str(model),
                "-o",
                str(folder),
                "--quiet",
            ]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": str(size)})
            after = os.times()
            took = time.perf_counter() - began_s, sum(after[2:4]) - sum(before[2:4])
            best = min(best[0], took[0]), min(best[1], took[1])
        one_s = best[0] if size == 1 else one_s
        print(f"{size} processes: {best[0]:.1f} s, {one_s / best[0]:.2f} times as fast, {best[1]:.1f} s of processors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="made anew each time")
    arguments = parser.parse_args()
    simulated()
    if arguments.model and arguments.clips and arguments.output:
        curve(arguments.model, arguments.clips, arguments.output)


if __name__ == "__main__":
    main()
