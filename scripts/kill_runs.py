"""Commands killed at random moments: is what they left whole or not there, and does the same command go on from it?

    python scripts/kill_runs.py -o /tmp/kills --kills 210            # some seconds for each
    python scripts/kill_runs.py -o /tmp/kills --kills 3 --only live

Each command runs twice undisturbed, for its outputs and for what of them differs from run to run (times of day, seconds
that it took). Then it is killed with SIGKILL, every other time at a random moment, else right before one of the steps
that it takes on the disk (a file opened for writing, moved, removed), or right after a live run has printed an event;
and looked at: a file that a reader would take for a result must be the one of the undisturbed run; of a live run every
event that was printed must be in the journal, and a recording that is not whole must not read as complete. The same
command (with --overwrite, or --resume for a training and a live run; of many clips as it is, and no clip that was
committed is done twice) must then end well, with the outputs of the undisturbed run,
nothing else in its folder or in that of temporaries, and no process of the killed run left. ``decoder`` is a batch
whose decoding process is killed, not the batch: each clip must have its whole result, or none and a reason, and all but
one must have it. ``review`` is killed amid edits that are posted to its page: each that was acknowledged must be among
the edits and the labels, and no more than one besides.

Runs are forked from one process that has loaded the libraries. Linux. Exits with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import importlib
import io
import json
import os
import pkgutil
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import PIL.Image

import seqcls
from seqcls.exports import read_run
from seqcls.journal import JOURNAL_NAME, read_journal
from seqcls.models.file import read_model, write_model
from seqcls.models.untrained import random_model
from seqcls.phantom import SweepOptions, write_sweep
from seqcls.third_party import library
from seqcls.timeline import Timeline
from seqcls.training import checkpoints
from seqcls.training.checkpoint_file import read_checkpoint
from seqcls.training.checkpoints import FOLDER as CHECKPOINTS
from seqcls.training.epoch_logs import TABLE

TIMEOUT_S = 300
LIBRARIES = ("torch", "openvino", "matplotlib.figure", "matplotlib.backends.backend_agg")
#: Steps on the disk, as Python's audit events.
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}


@dataclass(frozen=True, slots=True)
class Command:
    """``again``: what is added when it is run after a kill. ``out``: what it writes, below the working folder."""

    name: str
    line: str
    out: str
    again: tuple[str, ...] = ("--overwrite",)

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(self.line.split())


TRAIN = "train data --weights none --size 32 --epochs 4 --samples-per-epoch 32 --batch-size 16 --set precision=fp32"
COMMANDS = (
    Command("run", "run clips/a.mp4 -m neck.safetensors -o out/run", "out/run"),
    Command("batch", "run clips -m neck.safetensors -o out/batch", "out/batch", ()),
    Command("decoder", "run clips -m neck.safetensors -o out/batch", "out/batch", ()),
    Command("deidentify", "deidentify clips -o out/passed", "out/passed"),
    Command("extract", "extract clips -l labels.csv -o out/data", "out/data"),
    Command("train", f"{TRAIN} -o out/neck.safetensors", "out", ("--resume",)),
    Command("convert", "convert neck.safetensors -o out/neck.xml", "out"),
    Command(
        "live",
        "run clips/a.mp4 --realtime --keep every -m neck.safetensors --clips --record out/live/feed.mp4 -o out/live",
        "out/live",
        ("--resume",),
    ),
    Command("review", "review clips/a.mp4 --organs thyroid --no-browser -o out/review", "out/review", ()),
)


# ---- the runs


@dataclass(frozen=True, slots=True)
class Ended:
    """code: as a shell counts, 137 after SIGKILL; steps: that it took on the disk, where it was not killed."""

    code: int
    out: str
    err: str
    steps: int


class Run:
    """A command in a process of its own. ``dies_at``: the step on the disk before which it kills itself."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], dies_at: int = 0) -> None:
        self._folder = folder
        for name in ("stdout", "stderr", "steps"):  # of the run before
            (folder / name).unlink(missing_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            code = 1
            with contextlib.suppress(BaseException):
                code = _child(folder, arguments, dies_at)
            os._exit(code)

    def wait(self, for_s: float) -> bool:
        """Whether it ended within that time."""
        until_s = time.monotonic() + for_s
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until_s:
                return False
            time.sleep(0.002)
        return True

    def ended(self, for_s: float = TIMEOUT_S) -> Ended:
        if not self.wait(for_s):
            raise SystemExit(f"a run takes more than {for_s} s")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        out, err = (_text(self._folder / name) for name in ("stdout", "stderr"))
        return Ended(code if code >= 0 else 128 - code, out, err, int(_text(self._folder / "steps") or 0))

    def kill(self) -> None:
        """Itself alone, as `kill -9` does; its children have to notice."""
        os.kill(self.pid, signal.SIGKILL)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _child(folder: Path, arguments: tuple[str, ...], dies_at: int) -> int:
    os.setsid()
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w"), "utf-8", write_through=True) for n in (1, 2))
    os.environ["TMPDIR"] = str(folder / "tmp")
    sys.argv = ["seqcls", *arguments]
    steps = _count_steps(folder, dies_at)

    from seqcls.cli import main

    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    taken = steps()
    (folder / "steps").write_text(str(taken))
    return code


def _count_steps(folder: Path, dies_at: int) -> Callable[[], int]:
    """From now on; the process ends right before number ``dies_at``."""
    taken = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        if event not in STEPS or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
        path = arguments[0]
        if isinstance(path, int) or not (folder / os.fsdecode(path)).is_relative_to(folder):
            return
        taken += 1
        if taken == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: taken


def processes_in(folder: Path) -> list[int]:
    """Those that work in there, except for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder and "Z" not in (entry / "stat").read_text().rpartition(")")[2][
                    :3
                ]:
                    found.append(int(entry.name))
    return found


# ---- what is there


def prepare(folder: Path) -> None:
    """Clips of three patients, their labels, frames, and a model that sees something come and go in them."""
    for name in ("clips", "out", "tmp"):
        (folder / name).mkdir(parents=True)
    lines = ["file,organ,start_s,end_s,state,patient"]
    for number, name in enumerate("abc"):
        sweep = SweepOptions(patient=number, width=240, height=180, duration_s=4.0, rate_hz=10.0, contact_loss=False)
        write_sweep(folder / f"clips/{name}.mp4", sweep)
        lines += [f"{name}.mp4,thyroid,0,2,present,{name}", f"{name}.mp4,thyroid,2,4,absent,{name}"]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_model(folder / "neck.safetensors", *random_model(size=32, organs=("thyroid",)))
    for words in ("extract clips -l labels.csv -o data", "run clips -m neck.safetensors -o out"):
        done = Run(folder, tuple(words.split())).ended()
        if done.code:
            raise SystemExit(f"{words}: {done.code}: {done.err}")
    calibrate(folder / "neck.safetensors", [read_run(folder / "out" / name) for name in "abc"])
    _empty(folder)


def calibrate(model: Path, runs: list[Timeline]) -> None:
    """So that half of the scores lie above one half: an untrained network's are all alike."""
    header, tensors = read_model(model)
    scores = np.concatenate([run.scores.raw for run in runs])  # (T, K)
    odds = np.log(scores / (1 - scores))
    slope = 4 / np.maximum(np.nanstd(odds, axis=0), 1e-9)
    was = header.calibration
    pairs = [
        (a * s, s * b - s * m)
        for (a, b), s, m in zip(was, slope.tolist(), np.nanmedian(odds, axis=0).tolist(), strict=True)
    ]
    write_model(model, replace(header, calibration=tuple(pairs)), tensors)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below, temporary ones too, by their path in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def is_ours(path: str) -> bool:
    """Whether a name says that this is something unfinished, which no reader takes for a result."""
    return any(part.startswith(".seqcls-") for part in Path(path).parts)


def _leaves(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        yield place, tree
    else:
        for key, value in items:
            yield from _leaves(value, f"{place}/{key}")


@dataclass(frozen=True, slots=True)
class Whole:
    """The files of two undisturbed runs."""

    one: dict[str, bytes]
    other: dict[str, bytes]

    def fault(self, path: str, data: bytes) -> str:
        """Why this is not the file of an undisturbed run, or ""."""
        if path not in self.one:
            return "is left over"
        if data in (self.one[path], self.other[path]):
            return ""
        if self.one[path] == self.other[path]:
            return "is not whole"
        try:
            return "" if self._alike(path, data) else "is not whole"
        except (ValueError, OSError, SyntaxError) as error:
            return f"cannot be read ({error})"

    def _alike(self, path: str, data: bytes) -> bool:
        """What differs from run to run left out."""
        suffix = Path(path).suffix
        if suffix == ".png":
            with PIL.Image.open(io.BytesIO(data)) as image, PIL.Image.open(io.BytesIO(self.one[path])) as whole:
                image.load()
                return bool(image.size == whole.size)
        if suffix == ".json":
            one, other, new = (dict(_leaves(json.loads(each))) for each in (self.one[path], self.other[path], data))
            return one.keys() == new.keys() and all(new[key] == one[key] for key in one if other[key] == one[key])
        if suffix == ".csv":
            rows, others, found = (_cells(each) for each in (self.one[path], self.other[path], data))
            return rows.keys() == found.keys() and all(found[at] == rows[at] for at in rows if others[at] == rows[at])
        return False


def _cells(table: bytes) -> dict[tuple[int, int], str]:
    lines = [line.split(",") for line in table.decode().splitlines()]
    return {(row, column): cell for row, line in enumerate(lines) for column, cell in enumerate(line)}


def faults_of(folder: Path, command: Command, whole: Whole) -> list[str]:
    """What is wrong with the files of a run that ends with results, of one that was killed or of one that was not."""
    found = contents(folder / command.out)
    faults = [(path, whole.fault(path, data)) for path, data in found.items() if not is_ours(path)]
    return [f"{path} {fault}" for path, fault in faults if fault]


# ---- one kind of trial each


def _events(printed: str) -> list[tuple[str, str, float]]:
    """Those of the lines that have ended."""
    events = [json.loads(line) for line in printed.splitlines()[: printed.count("\n")]]
    return [(e["organ"], e["state"], round(e["start_s"], 3)) for e in events if "state" in e]


def _held(journal: Path) -> set[tuple[str, str, float]]:
    emitted = read_journal(journal).emitted if journal.exists() else ()
    return {(event.organ, event.state, round(event.start_s, 3)) for event in emitted}


def _frames(video: BinaryIO) -> int:
    with av.open(video) as container:
        return sum(1 for _ in container.decode(video=0))


def _complete(path: Path) -> int:
    """Frames of a video that reads as complete; -1 where it does not."""
    from seqcls.errors import SeqclsError
    from seqcls.sources import open_source

    try:
        with open_source(path) as source:
            frames = sum(1 for _ in source)
            return frames if source.report().verdict == "complete" else -1
    except SeqclsError:
        return -1


@dataclass
class Trial:
    """A command whose files appear as a whole, each, killed once.

    usual, took_s: how the undisturbed run ended, and when. told: how much was acknowledged before the kill.
    """

    folder: Path
    command: Command
    whole: Whole
    usual: Ended
    took_s: float
    told: int = 0
    committed: dict[str, int] = field(default_factory=dict)

    @classmethod
    def run(cls, folder: Path, arguments: tuple[str, ...]) -> Ended:
        """Undisturbed."""
        return Run(folder, arguments).ended()

    def kill(self, rng: random.Random) -> Ended:
        """Run it and kill it, every other time at a step on the disk."""
        if rng.random() < 0.5 and self.usual.steps:
            return Run(self.folder, self.command.arguments, rng.randint(1, self.usual.steps)).ended()
        run = Run(self.folder, self.command.arguments)
        if not run.wait(rng.uniform(0.02, 1.02) * self.took_s):
            run.kill()
        return run.ended()

    def after_kill(self, ended: Ended) -> list[str]:
        """What is wrong with what it left."""
        return faults_of(self.folder, self.command, self.whole)

    def again(self) -> tuple[str, ...]:
        """Arguments that are added for the next run."""
        return self.command.again

    def next_run(self) -> Ended:
        """The same command again."""
        return self.run(self.folder, (*self.command.arguments, *self.again()))

    def after_next(self) -> list[str]:
        """What is wrong after the next run."""
        there = contents(self.folder / self.command.out)
        missing = [f"{path} is missing after the next run" for path in self.whole.one if path not in there]
        return missing + [f"{fault} after the next run" for fault in faults_of(self.folder, self.command, self.whole)]


class Batch(Trial):
    """The same command goes on: what is committed is whole, and is not done again."""

    def after_kill(self, ended: Ended) -> list[str]:
        out = self.folder / self.command.out
        commits = (path for path in out.rglob("clip.json") if not is_ours(str(path.relative_to(out))))
        self.committed = {str(path.parent): path.parent.stat().st_ino for path in commits}
        self.told = len(self.committed)
        return [fault for fault in super().after_kill(ended) if not fault.startswith("attempts.jsonl ")]

    def after_next(self) -> list[str]:
        again = [name for name, number in self.committed.items() if Path(name).stat().st_ino != number]
        return super().after_next() + [f"{Path(name).name} was done twice" for name in again]


class Training(Trial):
    """It goes on from a checkpoint, each of which is whole, to the very same model."""

    def after_kill(self, ended: Ended) -> list[str]:
        folder = self.folder / self.command.out / "neck-training"
        faults = []
        for path in folder.glob(f"{CHECKPOINTS}/model-*.safetensors"):
            self.told += 1
            try:
                read_checkpoint(path)
            except ValueError as error:
                faults.append(f"a checkpoint is damaged ({error})")
        ours = (f"neck-training/{CHECKPOINTS}/", f"neck-training/{TABLE}")
        return faults + [fault for fault in super().after_kill(ended) if not fault.startswith(ours)]


class Decoder(Trial):
    """The batch lives on: at most one clip has no result, which the messages name with a reason."""

    def kill(self, rng: random.Random) -> Ended:
        run = Run(self.folder, self.command.arguments)
        began_s, moment_s = time.monotonic(), rng.uniform(0.0, 0.8) * self.took_s
        while not run.wait(0.0):
            children = [process for process in processes_in(self.folder) if process != run.pid]
            if children and time.monotonic() - began_s > moment_s:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(children), signal.SIGKILL)
                break
            time.sleep(0.005)
        return run.ended()

    def after_kill(self, ended: Ended) -> list[str]:
        there = contents(self.folder / self.command.out)
        missing = {Path(path).parts[0] for path in self.whole.one if path not in there and "/" in path}
        faults = [f for f in super().after_kill(ended) if not (missing and f.startswith("intervals.csv"))]
        if len(missing) > 1:
            faults.append(f"{len(missing)} clips have no result")
        if ended.code != (1 if missing else 0):
            faults.append(f"it ended with {ended.code} and {len(missing)} clips without a result")
        if missing and "the process that decodes it died (SIGKILL)" not in ended.err:
            faults.append("no reason is given")
        return faults


class Live(Trial):
    """What it has told is kept, what it recorded says whether it is whole, and it goes on."""

    def kill(self, rng: random.Random) -> Ended:
        """Every other time as soon as it has told something."""
        if rng.random() < 0.5 or not self.usual.out:
            return super().kill(rng)
        run, lines = Run(self.folder, self.command.arguments), rng.randint(1, self.usual.out.count("\n"))
        while not run.wait(0.002):
            if _text(self.folder / "stdout").count("\n") >= lines:
                run.kill()
                break
        return run.ended()

    def after_kill(self, ended: Ended) -> list[str]:
        out = self.folder / self.command.out
        self.journal = out / JOURNAL_NAME
        self.events, held = _events(ended.out), _held(self.journal)
        self.told = len(self.events)
        self.videos = {path: path.read_bytes() for path in out.rglob("*.mp4")}
        faults = [f"{event} was printed and is not in the journal" for event in self.events if event not in held]
        for path in self.videos:
            usual = self.whole.one.get(str(path.relative_to(out)))
            if (shown := _complete(path)) == 0 or (shown > 0 and usual and shown < _frames(io.BytesIO(usual)) - 1):
                faults.append(f"{path.name} reads as complete with {shown} frames")
        return faults

    def again(self) -> tuple[str, ...]:
        """Where it had not begun there is nothing to resume."""
        return self.command.again if self.journal.exists() else ()

    def after_next(self) -> list[str]:
        held = _held(self.journal)
        faults = [f"{event} is not in the journal any more" for event in self.events if event not in held]
        changed = [path for path, data in self.videos.items() if not path.exists() or path.read_bytes() != data]
        faults += [f"{path.name}, recorded before the kill, was changed by the next run" for path in changed]
        if not (self.journal.parent / "timeline.json").exists():
            faults.append("there is no timeline after the next run")
        return faults


class Page:
    """What the page of a review posts: edits of one organ each, one after the other."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._folder, self._address = run, folder, None
        self.acknowledged = list[str]()

    def post(self, count: int) -> None:
        """Edits that mark the first frames of an organ, until so many are acknowledged or nobody answers."""
        if self._address is None:
            self._address = self._opened()
        while self._address is not None and len(self.acknowledged) < count:
            organ = f"organ {len(self.acknowledged)}"
            spans = [{"first": 0, "behind": 9, "mark": "present"}]
            edit = {
                "clip": 0, "organ": organ, "session": "page-of-this-trial", "turn": len(self.acknowledged), "base": 0,
                "action": "add", "prediction": "none", "track": {"spans": spans},
            }  # fmt: skip
            try:
                status = self._ask(*self._address, json.dumps(edit).encode())
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                self.acknowledged.append(organ)
            else:
                time.sleep(0.01)  # the clip is still being read

    def _opened(self) -> tuple[int, str] | None:
        """Port and token, once they are printed; None where it ended before."""
        while True:
            if found := re.search(r"open http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)\n", _text(self._folder / "stderr")):
                return int(found[1]), found[2]
            if self._run.wait(0.0):
                return None
            time.sleep(0.005)

    @staticmethod
    def _ask(port: int, token: str, body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        headers = {"Cookie": f"seqcls_{port}={token}", "Origin": f"http://127.0.0.1:{port}"}
        with contextlib.closing(connection):
            connection.request("POST", "/edit", body, headers | {"Content-Type": "application/json"})
            return connection.getresponse().status


class Review(Trial):
    """What was acknowledged is kept."""

    EDITS = 40

    @classmethod
    def run(cls, folder: Path, arguments: tuple[str, ...]) -> Ended:
        run = Run(folder, arguments)
        Page(run, folder).post(cls.EDITS)
        os.kill(run.pid, signal.SIGINT)
        return run.ended()

    def kill(self, rng: random.Random) -> Ended:
        """At a step on the disk, or at a moment while edits are sent."""
        by_step = rng.random() < 0.5
        run = Run(self.folder, self.command.arguments, rng.randint(1, self.usual.steps) if by_step else 0)
        page = Page(run, self.folder)
        page.post(1)
        if not by_step:
            share_s = rng.uniform(0.0, 0.5) * self.took_s
            killer = threading.Timer(share_s, lambda: None if run.wait(0.0) else run.kill())
            killer.start()
            page.post(10_000)
            killer.join()
        else:
            page.post(self.EDITS)
            if not run.wait(0.0):
                os.kill(run.pid, signal.SIGINT)
        self.acknowledged, self.told = page.acknowledged, len(page.acknowledged)
        return run.ended()

    def next_run(self) -> Ended:
        """Nothing is edited any more."""
        run = Run(self.folder, self.command.arguments)
        Page(run, self.folder).post(0)
        os.kill(run.pid, signal.SIGINT)
        return run.ended()

    def after_kill(self, ended: Ended) -> list[str]:
        """The labels are written anew after each edit: whole, and at most one edit behind what was acknowledged."""
        rows = self._labelled()
        if rows is None:
            return ["there are no labels"] if self.acknowledged else []
        return self._faults(rows)

    def after_next(self) -> list[str]:
        rows = self._labelled()
        faults = ["there are no labels after the next run"] if rows is None else self._faults(rows)
        left = {path for path in contents(self.folder / self.command.out)} - {"reader1.edits", "reader1-labels.csv"}
        return faults + [f"{path} is left over" for path in sorted(left)]

    def _labelled(self) -> list[str] | None:
        path = self.folder / self.command.out / "reader1-labels.csv"
        if not path.exists():
            return None
        return [line.split(",")[1] for line in path.read_text(encoding="utf-8").splitlines()[1:]]

    def _faults(self, rows: list[str]) -> list[str]:
        lost = set(self.acknowledged) - set(rows)
        faults = [f"{len(lost)} acknowledged edits are not among the labels"] if lost else []
        return faults + ["there are labels that nobody sent"] * (len(rows) > len(self.acknowledged) + 1)


#: Of commands that are killed, or looked at, in a way of their own.
TRIALS: dict[str, type[Trial]] = {"batch": Batch, "live": Live, "decoder": Decoder, "train": Training, "review": Review}


def check(folder: Path, command: Command, kills: int, rng: random.Random) -> Counter[str]:
    """Kill it so many times; the faults, each with its number."""
    kind = TRIALS.get(command.name, Trial)
    usual, took_s, files = Ended(0, "", "", 0), 0.0, []
    for _ in range(2):
        began_s = time.monotonic()
        usual = kind.run(folder, command.arguments)
        took_s = time.monotonic() - began_s
        if usual.code:
            raise SystemExit(f"seqcls {' '.join(command.arguments)} ended with {usual.code}: {usual.err}{usual.out}")
        files.append(contents(folder / command.out))
        _empty(folder)
    found, early, told = Counter[str](), 0, 0
    for number in range(kills):
        trial = kind(folder, command, Whole(*files), usual, took_s)
        ended = trial.kill(rng)
        early += ended.code == 128 + signal.SIGKILL
        faults = trial.after_kill(ended)
        told += trial.told
        again = trial.next_run()
        if again.code and "is complete" not in again.err:
            faults.append(f"run again it ends with {again.code}: {(again.err.strip().splitlines() or [''])[-1]}")
        faults += trial.after_next()
        faults += [f"{path} is left over" for path in contents(folder / "out") if is_ours(path)]
        faults += [f"tmp/{path} is left over" for path in contents(folder / "tmp")]
        faults += ["a process is left over"] * _lingering(folder)
        found.update(faults)
        if faults:
            shutil.copytree(folder / "out", folder / f"bad-{command.name}-{number}", dirs_exist_ok=True)
            (folder / f"bad-{command.name}-{number}.txt").write_text(
                "\n".join([*faults, ended.out, ended.err, again.err])
            )
        print(f"{command.name}: kill {number + 1} of {kills}, {len(faults)} faults", file=sys.stderr, flush=True)
        _empty(folder)
    more = f", {told} acknowledged" if told else ""
    print(
        f"{command.name:<10} {kills:>4} kills ({early} of the command, {usual.steps} steps, {took_s:.1f} s{more})",
        end="",
    )
    return found


def _lingering(folder: Path) -> bool:
    """Whether a process of a killed run does not end by itself."""
    until_s = time.monotonic() + 10
    while processes_in(folder):
        if time.monotonic() > until_s:
            return True
        time.sleep(0.05)
    return False


def _empty(folder: Path) -> None:
    for name in ("out", "tmp"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()


def load_all() -> None:
    """What takes longest to load. Nothing of it is used before the fork: its threads would be missing after it."""
    for name in LIBRARIES:
        library(name)
    for module in pkgutil.walk_packages(seqcls.__path__, "seqcls."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    checkpoints.MAX_SHARE = float("inf")  # one after every epoch, however short
    gc.freeze()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to work in, made anew")
    parser.add_argument("--kills", type=int, default=210, help="over all commands")
    parser.add_argument("--only", choices=[command.name for command in COMMANDS])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    load_all()
    folder = arguments.output.resolve()
    prepare(folder)
    commands = [command for command in COMMANDS if arguments.only in (None, command.name)]
    wrong = 0
    for command in commands:
        kills = max(1, round(arguments.kills / len(commands)))
        found = check(folder, command, kills, random.Random(f"{command.name} {arguments.seed}"))
        wrong += found.total()
        print(f"  {found.total():>4} faults", flush=True)
        for fault, count in found.most_common():
            print(f"         {count:>4} x {fault}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
