"""Commands killed at random moments: is what they left whole or not there, and does the same command go on from it?

    python scripts/kill_runs.py -o /tmp/kills --kills 200            # some seconds for each
    python scripts/kill_runs.py -o /tmp/kills --kills 3 --only live

Each command runs once undisturbed, for its outputs and its duration. Then it is killed with SIGKILL at a random moment
of that, together with its children, and looked at: a file that a reader would take for a result must be the one of the
undisturbed run; of a live run every event that was printed must be in the journal. The same command (with --overwrite,
or --resume for a live run) must then end well, with the outputs of the undisturbed run and nothing else in its folder.
Exits with 1 where something is wrong; each line of the table names the kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seqcls.journal import JOURNAL_NAME, read_journal

SAMPLES = Path(__file__).parents[1] / "samples"
#: Written anew in every run, with what differs: times of day, seconds that it took.
VARIES = {"timeline.png", "history.png", "neck.png", "history.json", "timeline.json", "dataset.json", JOURNAL_NAME}
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Command:
    """``again``: what is added when it is run after a kill. ``out``: what it writes, below the working folder."""

    name: str
    arguments: tuple[str, ...]
    out: str
    again: tuple[str, ...] = ("--overwrite",)


TRAIN = ("train", "data", "--weights", "none", "--size", "32", "--epochs", "1", "--samples-per-epoch", "64")
EXTRACT = ("extract", "clips", "-l", "labels.csv", "--every", "20")
RUN = ("-m", "neck.safetensors")
COMMANDS = (
    Command("run", ("run", "clips/a.mp4", *RUN, "-o", "out/run"), "out/run"),
    Command("batch", ("run", "clips", *RUN, "-o", "out/batch"), "out/batch"),
    Command("extract", (*EXTRACT, "-o", "out/data"), "out/data"),
    Command("train", (*TRAIN, "-o", "out/neck.safetensors"), "out"),
    Command("convert", ("convert", "neck.safetensors", "-o", "out/neck.xml"), "out"),
    Command("live", ("run", "clips/a.mp4", "--realtime", *RUN, "-o", "out/live"), "out/live", ("--resume",)),
)


def prepare(folder: Path) -> None:
    """Clips of three patients, their labels, frames and a small model."""
    (folder / "clips").mkdir(parents=True)
    rows = (SAMPLES / "neck-truth.csv").read_text(encoding="utf-8").splitlines()
    lines = [rows[0]]
    for name in "abc":
        shutil.copy(SAMPLES / "neck.mp4", folder / "clips" / f"{name}.mp4")
        lines += [row.replace("neck.mp4", f"{name}.mp4").replace("phantom-1001", name) for row in rows[1:]]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    call(folder, [*EXTRACT, "-o", "data"])
    call(
        folder,
        [
            "train",
            "data",
            "--weights",
            "none",
            "--size",
            "32",
            "--epochs",
            "1",
            "--samples-per-epoch",
            "64",
            "-o",
            "neck.safetensors",
        ],
    )


def call(folder: Path, arguments: list[str]) -> None:
    done = start(folder, arguments)
    out, errors = done.communicate(timeout=TIMEOUT_S)
    if done.returncode:
        raise SystemExit(f"seqcls {' '.join(arguments)} ended with {done.returncode}: {errors}{out}")


def start(folder: Path, arguments: list[str]) -> subprocess.Popen[str]:
    """In a process group of its own, so that it can be killed with its children."""
    return subprocess.Popen(
        [sys.executable, "-m", "seqcls", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files below, temporary ones too, by their path in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def is_ours(path: str) -> bool:
    """Whether a name says that this is something unfinished, which no reader takes for a result."""
    return any(part.startswith(".seqcls-") for part in Path(path).parts)


def killed_at(folder: Path, command: Command, after_s: float) -> str:
    """Run and kill; what was printed until then."""
    process = start(folder, list(command.arguments))
    try:
        printed, _ = process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
    return printed


def faults_of(folder: Path, command: Command, printed: str, whole: dict[str, bytes]) -> list[str]:
    """What is wrong with what a killed command left."""
    faults = []
    out = folder / command.out
    for path, data in contents(out).items() if out.is_dir() else ():
        if is_ours(path) or path == ".seqcls.lock" or command.name == "live":
            continue
        if path not in whole:
            faults.append(f"{path} is left over")
        elif Path(path).name not in VARIES and data != whole[path]:
            faults.append(f"{path} is there and not whole")
        elif path.endswith(".json"):
            json.loads(data)
    if command.name == "live" and (out / JOURNAL_NAME).exists():
        emitted = read_journal(out / JOURNAL_NAME).emitted
        held = {(event.organ, event.state, round(event.start_s, 3)) for event in emitted}
        for line in printed.splitlines()[: printed.count("\n")]:
            event = json.loads(line)
            if "state" in event and (event["organ"], event["state"], round(event["start_s"], 3)) not in held:
                faults.append(f"{line} was printed and is not in the journal")
    return faults


def check(folder: Path, command: Command, kills: int, rng: random.Random) -> Counter[str]:
    """Kill it so many times; the faults, each with its number."""
    out = folder / command.out
    began_s = time.monotonic()
    call(folder, list(command.arguments))
    took_s = time.monotonic() - began_s
    whole, found = contents(out), Counter[str]()
    for number in range(kills):
        shutil.rmtree(folder / "out")
        printed = killed_at(folder, command, rng.uniform(0.2, 1.05 * took_s))
        found.update(faults_of(folder, command, printed, whole))
        journal = out / JOURNAL_NAME
        more = command.again if command.name != "live" or journal.exists() else ()
        again = start(folder, [*command.arguments, *more])
        _, errors = again.communicate(timeout=TIMEOUT_S)
        if again.returncode and "is complete" not in errors:
            found[
                f"run again it ends with {again.returncode}: {errors.strip().splitlines()[-1] if errors else ''}"
            ] += 1
        after = contents(out)
        found.update(f"{path} is left over after the next run" for path in after if path not in whole)
        if command.name != "live":  # which has a gap now
            wrong = [p for p in whole if Path(p).name not in VARIES and after.get(p) != whole[p]]
            found.update(f"{path} differs after the next run" for path in wrong)
        print(f"{command.name}: kill {number + 1} of {kills}, {sum(found.values())} faults", file=sys.stderr)
    shutil.rmtree(folder / "out")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to work in, made anew")
    parser.add_argument("--kills", type=int, default=200, help="over all commands")
    parser.add_argument("--only", choices=[command.name for command in COMMANDS])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prepare(arguments.output)
    commands = [command for command in COMMANDS if arguments.only in (None, command.name)]
    rng, wrong = random.Random(arguments.seed), 0
    for command in commands:
        kills = max(1, arguments.kills // len(commands))
        found = check(arguments.output, command, kills, rng)
        wrong += sum(found.values())
        print(f"{command.name:<8} {kills:>4} kills  {sum(found.values()):>4} faults", flush=True)
        for fault, count in found.most_common():
            print(f"         {count:>4} x {fault}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
