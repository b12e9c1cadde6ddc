"""Two attempts for a clip, the second alone; what fails twice is set aside with its reason, and costs nothing again.

A line each, appended to a file in the folder of the run: a clip that was begun, and one that has failed. A program that
dies leaves the first kind: whatever it died of, those clips come last next time, each alone.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from seqcls.archive.manifest import Entry, Unit
from seqcls.errors import OutputError, SeqclsError, one_line
from seqcls.files import write_text
from seqcls.files.json_text import json_line
from seqcls.files.named_files import open_regular
from seqcls.files.output_lock import OutputBusyError

ATTEMPTS = "attempts.jsonl"
#: A line has some hundred characters; a longer one is none of ours.
_MAX_LINE = 1 << 16

#: One attempt at each of the clips, in any order: each with the error that it ended with.
Pass = Callable[[Iterator[Unit]], Generator[tuple[Unit, SeqclsError | None], None, None]]


@dataclass(frozen=True, slots=True)
class Failed:
    """A clip that cannot be done. ``content``, ``run``: as in the manifest; with other ones it is tried again, as it is
    with no content: then the clip is not to blame."""

    content: str
    run: str
    reason: str


class AttemptLog:
    """What was begun and what has failed, in this run and those before it. Close it in any case.

    Raises OutputError where it cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / ATTEMPTS
        self.failed: dict[str, Failed] = {}
        """By the clip's path."""
        self.died: set[str] = set()
        """Clips that a program had begun when it died."""
        self._file: IO[str] | None = None
        self._read()

    def _read(self) -> None:
        try:
            with open_regular(self._path) as lines:
                while line := lines.readline(_MAX_LINE):
                    with suppress(ValueError, KeyError, TypeError, AttributeError):  # half a line, where a program died
                        self._take(json.loads(line))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(f"cannot read {self._path}: {one_line(error)}; move it away") from error

    def _take(self, line: dict[str, str]) -> None:
        path, event = str(line["path"]), line["event"]
        self.died.discard(path)
        self.failed.pop(path, None)
        if event == "begun":
            self.died.add(path)
        elif event == "failed":
            self.failed[path] = Failed(str(line["content"]), str(line["run"]), str(line["reason"]))

    def is_set_aside(self, entry: Entry, runs: Iterable[str]) -> bool:
        """Whether this very content has failed twice already, with this model and these options."""
        known = self.failed.get(entry.path)
        return known is not None and known.content == entry.key != "" and known.run in runs

    def begin(self, entry: Entry) -> None:
        self._write({"event": "begun", "path": entry.path})

    def end(self, entry: Entry) -> None:
        """Its results are there, or it was left alone."""
        self.failed.pop(entry.path, None)
        self._write({"event": "done", "path": entry.path})

    def fail(self, entry: Entry, run: str, reason: str, *, sets_aside: bool) -> None:
        self.failed[entry.path] = Failed(entry.key if sets_aside else "", run, reason)
        self._write(_failure(entry.path, self.failed[entry.path]))

    def _write(self, line: dict[str, str]) -> None:
        # Not synced: a program that dies leaves what it wrote, and after a power cut a clip is tried once more.
        try:
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
                self._file.write("\n")  # behind half a line
            self._file.write(json_line(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {one_line(error)}; choose another place") from error

    def close(self) -> None:
        """Only what has failed stays. Raises OutputError."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        lines = [json_line(_failure(path, one)) for path, one in self.failed.items()]
        if lines:
            write_text(self._path, "\n".join(lines) + "\n")
        else:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def _failure(path: str, failed: Failed) -> dict[str, str]:
    """A line of the log."""
    return {"event": "failed", "path": path, **asdict(failed)}


@dataclass
class Outcome:
    """How a run over many clips went."""

    done: int = 0
    failed: int = 0
    stopped_by_errors: bool = False
    """Whether the rest was left for there were too many."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Works through clips; one that fails costs itself."""

    first: Pass
    """Many at a time."""
    second: Pass
    """One at a time, alone, in a process with limits."""
    log: AttemptLog
    run: str
    """The key of the results."""
    words: Callable[[Unit, SeqclsError], str]
    """The reason to keep of an error: it names no folder."""
    is_to_blame: Callable[[Unit, SeqclsError], bool] = field(default=lambda unit, error: not _is_final(error))
    """Whether the clip itself is why it failed: then it is not tried again by the next run."""
    on_end: Callable[[Unit, SeqclsError | None], None] = field(default=lambda unit, error: None)
    """Called once for each clip, when no further attempt follows."""
    should_stop: Callable[[], bool] = field(default=lambda: False)
    max_errors: int | None = None
    """Of these many that fail the rest is left; None for no bound."""

    def drive(self, units: Iterable[Unit], last: Iterable[Unit] = (), *, failed: int = 0) -> Outcome:
        """Each of ``units``, then ``last``: these one by one, alone. ``failed``: how many have failed already.

        What fails is tried again once all others are done, or as soon as there may be too many. Raises OutputError
        where nothing more can be written: the next clip would meet the same.
        """
        outcome = Outcome(failed=failed)
        waiting = _Waiting(units, self.log)
        while not (waiting.is_empty or self._is_over(outcome)):
            again = self._first(waiting, outcome)
            self._second(again, outcome)
        self._second(last, outcome)
        return outcome

    def _is_over(self, outcome: Outcome, may_fail: int = 0) -> bool:
        too_many = self.max_errors is not None and outcome.failed + may_fail >= self.max_errors
        if too_many and not may_fail:
            outcome.stopped_by_errors = True
        return too_many or self.should_stop()

    def _first(self, waiting: _Waiting, outcome: Outcome) -> list[Unit]:
        """Those that have to be tried again."""
        again: list[Unit] = []
        with closing(self.first(waiting)) as results:
            for unit, error in results:
                waiting.begun.pop(unit.entry.path, None)
                if error is None or _is_final(error):
                    self._end(unit, error, outcome)
                else:
                    again.append(unit)
                if self._is_over(outcome, len(again)):
                    break
        waiting.take_back()
        return again

    def _second(self, units: Iterable[Unit], outcome: Outcome) -> None:
        waiting = _Waiting(units, self.log)
        while not (waiting.is_empty or self._is_over(outcome)):
            with closing(self.second(itertools.islice(waiting, 1))) as results:
                for unit, error in results:
                    self._end(unit, error, outcome)

    def _end(self, unit: Unit, error: SeqclsError | None, outcome: Outcome) -> None:
        if error is None:
            outcome.done += 1
            self.log.end(unit.entry)
        else:
            outcome.failed += 1
            self.log.fail(unit.entry, self.run, self.words(unit, error), sets_aside=self.is_to_blame(unit, error))
        self.on_end(unit, error)


class _Waiting(Iterator[Unit]):
    """Clips that are still to be begun; each that is taken is noted. What was taken too early comes back."""

    def __init__(self, units: Iterable[Unit], log: AttemptLog) -> None:
        self._units, self._log = iter(units), log
        self._next: Unit | None = next(self._units, None)
        self.begun: dict[str, Unit] = {}

    @property
    def is_empty(self) -> bool:
        return self._next is None

    def __next__(self) -> Unit:
        unit = self._next
        if unit is None:
            raise StopIteration
        self._next = next(self._units, None)
        self.begun[unit.entry.path] = unit
        self._log.begin(unit.entry)
        return unit

    def take_back(self) -> None:
        """Those whose result did not come."""
        left, self.begun = list(self.begun.values()), {}
        self._units = itertools.chain(left, () if self._next is None else (self._next,), self._units)
        self._next = next(self._units, None)


def _is_final(error: SeqclsError) -> bool:
    """Whether a second attempt would end in the same way: somebody else is at work on this clip."""
    return isinstance(error, OutputBusyError)
