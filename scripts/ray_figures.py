"""`seqcls run --workers ray` held against a run of this machine alone: what it costs, and what it survives.

    python scripts/ray_figures.py -o /tmp/ray -m neck.safetensors                 # all; some minutes on two cores
    python scripts/ray_figures.py -o /tmp/ray -m neck.safetensors --only cost

cost    the same clips with and without Ray, few and many of them: the seconds until the first, and those of each
kills   a worker is killed with SIGKILL at random moments; the same command then does what is missing
drivers the command itself is killed with SIGKILL at random moments, and given again; what is left of it is counted
node    a cluster of two nodes on this machine, one of which is killed in the middle of a run
store   what is in Ray's object store during a run, and how large the largest answer is
rows    the same clips through Ray Data with a row for each frame, which seqcls does not use

What is there after each is compared with an undisturbed run of this machine alone, byte for byte, and so are the two
files of the index. Needs seqcls[cluster,archive]; Linux. Exits with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqcls.archive.cluster import MAX_BYTES
from seqcls.archive.index import CLIPS, INDEX, archive_index
from seqcls.phantom import SweepOptions, write_sweep

MARK = "SEQCLS_RAY_FIGURES"
#: Clips of the short and of the long run: what differs between the two is what clips cost.
FEW, MANY = 8, 40
FRAMES, RATE_HZ = 45, 30.0
TIMEOUT_S = 600
#: So long processes of a command that was killed may still be there.
LEFT_S = 60
#: Of Ray's own; nothing is done in them.
HELPERS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}


# ---- processes


class Took(NamedTuple):
    """Seconds by the clock and of processors."""

    clock_s: float
    work_s: float


class Command:
    """A command, and all processes that it starts, wherever they hang: they inherit a mark in their environment."""

    def __init__(self, arguments: list[str], **more: str) -> None:
        self._mark = f"{MARK}={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        self._used: dict[int, float] = {}
        self._over = threading.Event()
        self._began_s = time.perf_counter()
        environment = os.environ | {name: value} | more
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seqcls", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        )  # fmt: skip
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def processes(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if self._mark.encode() in (entry / "environ").read_bytes():
                        yield int(entry.name)

    def workers(self) -> list[int]:
        """The processes of Ray in which clips are done."""
        found = []
        for process in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::_Actor"):
                    found.append(process)
        return found

    def _look(self) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        while not self._over.wait(0.1):
            for process in self.processes():
                with contextlib.suppress(OSError, ValueError):
                    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
                    self._used[process] = (int(fields[11]) + int(fields[12])) / ticks

    def ended(self) -> tuple[int, str, Took]:
        """Exit code, what was printed, and what it took."""
        printed, _ = self.process.communicate(timeout=TIMEOUT_S)
        clock_s = time.perf_counter() - self._began_s
        time.sleep(0.2)
        self._over.set()
        self._watch.join()
        return self.process.returncode, printed, Took(clock_s, sum(self._used.values()))


def run(clips: Path, model: Path, out: Path, *more: str) -> Command:
    return Command(["run", str(clips), "-m", str(model), "-o", str(out), *more])


def done(command: Command, code: int = 0) -> Took:
    ended, printed, took = command.ended()
    if ended != code:
        raise SystemExit(f"a run ended with {ended}, not {code}:\n{printed}")
    return took


# ---- what is there


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the manifest, which holds the times of the clips' files, and the log of attempts."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: data for name, data in kept.items() if name not in ("manifest.json", "attempts.jsonl")}


def indexed(folder: Path) -> dict[str, bytes]:
    archive_index(folder)
    made = {name: (folder / name).read_bytes() for name in (INDEX, CLIPS)}
    for name in made:
        (folder / name).unlink()
    return made


def committed(folder: Path) -> dict[Path, int]:
    """Each clip's folder, and its number on the disk: another one was made anew."""
    return {path.parent: path.parent.stat().st_ino for path in folder.glob("*/clip.json") if path.parent.name[0] != "."}


def faults(out: Path, whole: Path, before: dict[Path, int]) -> list[str]:
    """What is wrong in ``out``, where ``before`` was committed at the time of the kill."""
    found = [f"{folder.name} was done twice" for folder, number in before.items() if folder.stat().st_ino != number]
    there, expected = contents(out), contents(whole)
    found += [f"{name} differs" for name in sorted(there.keys() | expected) if there.get(name) != expected.get(name)]
    if not found and indexed(out) != indexed(whole):
        found.append("the index differs")
    return found


def make_clips(folder: Path, count: int) -> Path:
    """Parts of a sweep, no two of one length: about 1.5 s each."""
    import av

    folder.mkdir(parents=True, exist_ok=True)
    sweep = folder.with_name("sweep.mp4")
    if not sweep.exists():
        seconds = (FRAMES + MANY) / RATE_HZ + 1
        write_sweep(sweep, SweepOptions(patient=3, width=640, height=480, rate_hz=RATE_HZ, duration_s=seconds))
    for number in range(count):
        target = folder / f"clip{number:02}.mp4"
        if target.exists():
            continue
        with av.open(str(sweep)) as source, av.open(str(target), "w") as made:
            stream = made.add_stream_from_template(source.streams.video[0])
            for taken, packet in enumerate(source.demux(source.streams.video[0])):
                if packet.dts is None or taken >= FRAMES + number:
                    break
                packet.stream = stream
                made.mux(packet)
    return folder


# ---- the figures


def cost(folder: Path, model: Path, repeats: int) -> list[str]:
    took: dict[tuple[str, int], list[Took]] = {}
    for _ in range(repeats):
        for count in (FEW, MANY):
            clips = make_clips(folder / f"clips{count}", count)
            for kind, more in (("local", ()), ("ray", ("--workers", "ray"))):
                out = folder / "out"
                shutil.rmtree(out, ignore_errors=True)
                took.setdefault((kind, count), []).append(done(run(clips, model, out, "--quiet", *more)))
    print(
        f"seconds of {FEW} and of {MANY} clips of {FRAMES} to {FRAMES + MANY} frames of 640x480,"
        f" the best of {repeats} runs"
    )
    each: dict[str, Took] = {}
    for kind in ("local", "ray"):
        few, many = (Took(*map(min, zip(*took[kind, count], strict=True))) for count in (FEW, MANY))
        each[kind] = Took(*((after - before) / (MANY - FEW) for before, after in zip(few, many, strict=True)))
        start = Took(*(before - FEW * one for before, one in zip(few, each[kind], strict=True)))
        print(
            f"  {kind:<5} {few.clock_s:5.1f} {many.clock_s:5.1f} by the clock, {few.work_s:5.1f} {many.work_s:5.1f} of"
            f" processors; each clip {each[kind].clock_s:.3f} and {each[kind].work_s:.3f}, the start"
            f" {start.clock_s:.1f} and {start.work_s:.1f}"
        )
        took[kind, 0] = [many]
    for what, ray, local in (
        ("start excluded", each["ray"], each["local"]),
        (f"start included, {MANY} clips", took["ray", 0][0], took["local", 0][0]),
    ):
        print(
            f"  {what}: {ray.clock_s / local.clock_s:.2f} times by the clock, {ray.work_s / local.work_s:.2f} of work"
        )
    return []


def undisturbed(folder: Path, model: Path, count: int) -> tuple[Path, Path]:
    clips = make_clips(folder / f"clips{count}", count)
    whole = folder / f"whole{count}"
    if not whole.exists():
        done(run(clips, model, whole, "--quiet"))
    return clips, whole


def kills(folder: Path, model: Path, count: int) -> list[str]:
    clips, whole = undisturbed(folder, model, FEW)
    chance, found, hit = random.Random(), list[str](), 0
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    took = done(run(clips, model, out, "--quiet", "--workers", "ray"))
    wrong = faults(out, whole, {})
    print(f"undisturbed: {took.clock_s:.1f} s; {wrong or 'the same as without Ray'}")
    found += wrong
    for number in range(count):
        shutil.rmtree(out, ignore_errors=True)
        command = run(clips, model, out, "--quiet", "--workers", "ray")
        reached, more_s, there = chance.randrange(FEW - 1), chance.uniform(0, 0.5), list[int]()
        while command.process.poll() is None and not (there and len(committed(out)) >= reached):
            there = command.workers()
            time.sleep(0.02)
        time.sleep(more_s)
        before, there = committed(out), command.workers()
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(there), signal.SIGKILL)
            hit += 1
        code, printed, _ = command.ended()
        wrong = [] if code == 0 else [f"it ended with {code}: {printed.strip()[-300:]}"]
        done(run(clips, model, out, "--quiet"))
        wrong += faults(out, whole, before)
        print(
            f"kill {number + 1} of {count}: {len(before)} of {FEW} clips were done; {wrong if wrong else 'no fault'}",
            flush=True,
        )
        found += wrong
    print(f"{hit} workers killed, {len(found)} faults")
    return found


def drivers(folder: Path, model: Path, count: int) -> list[str]:
    clips, whole = undisturbed(folder, model, FEW)
    chance, found, hit = random.Random(), list[str](), 0
    out = folder / "out"
    for number in range(count):
        shutil.rmtree(out, ignore_errors=True)
        command = run(clips, model, out, "--quiet", "--workers", "ray")
        reached, there = chance.randrange(FEW - 1), list[int]()
        while command.process.poll() is None and not (there and len(committed(out)) >= reached):
            there = command.workers()
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.5))
        hit += command.process.poll() is None
        command.process.kill()
        began_s = time.perf_counter()
        while (left := named(command.processes())) and time.perf_counter() - began_s < LEFT_S:
            if set(left.values()) <= HELPERS and time.perf_counter() - began_s > 10:
                break
            time.sleep(0.1)
        gone_s, before = time.perf_counter() - began_s, committed(out)  # a worker may have ended its clip meanwhile
        ours = sorted(set(left.values()) - HELPERS)
        wrong = [f"left after {LEFT_S} s: {', '.join(ours)}"] if ours else []
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        command.ended()
        done(run(clips, model, out, "--quiet", "--workers", "ray"))
        wrong += faults(out, whole, before)
        print(
            f"kill {number + 1} of {count}: {len(before)} of {FEW} clips were done; after {gone_s:.1f} s there were"
            f" {sorted(left.values()) or 'no processes'}; {wrong or 'no fault'}",
            flush=True,
        )
        found += wrong
    print(f"{hit} commands killed, {len(found)} faults")
    return found


def named(processes: Iterator[int]) -> dict[int, str]:
    """What each is, in short."""
    names = {}
    for process in processes:
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            names[process] = line.strip()[:100]
    return names


def node(folder: Path, model: Path) -> list[str]:
    from ray.cluster_utils import Cluster

    clips, whole = undisturbed(folder, model, FEW)
    out, found = folder / "out", list[str]()
    for share in (0.2, 0.5):
        shutil.rmtree(out, ignore_errors=True)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        other = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        command = run(clips, model, out, "--workers", f"ray:{cluster.address}")
        while len(committed(out)) < share * FEW and command.process.poll() is None:
            time.sleep(0.02)
        before = committed(out)
        cluster.remove_node(other, allow_graceful=False)
        code, printed, took = command.ended()
        again = run(clips, model, out, "--quiet").ended()[0]
        wrong = [] if code == again == 0 else [f"it ended with {code}, then {again}: {printed.strip()[-300:]}"]
        wrong += faults(out, whole, before)
        print(f"a node killed when {len(before)} of {FEW} clips were done: {took.clock_s:.1f} s; {wrong or 'no fault'}")
        cluster.shutdown()
        found += wrong
    return found


def store(folder: Path, model: Path) -> list[str]:
    from ray._private.internal_api import memory_summary
    from ray.cluster_utils import Cluster

    clips, _ = undisturbed(folder, model, FEW)
    out, most, lines = folder / "out", 0.0, list[str]()
    objects = 0
    shutil.rmtree(out, ignore_errors=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    command = run(clips, model, out, "--quiet", "--workers", f"ray:{cluster.address}")
    while command.process.poll() is None:
        summary = memory_summary(cluster.address, stats_only=True)
        for line in summary.splitlines():
            if "Plasma memory usage" in line:
                used, count = float(line.split()[3]), int(line.split(",")[1].split()[0])
                if (used, count) >= (most, objects):
                    most, objects, lines = used, count, [line.strip()]
        time.sleep(0.3)
    done(command)
    cluster.shutdown()
    answer = len(pickle.dumps(("clip", "x" * MAX_BYTES)))
    raw = FEW * (FRAMES + FEW / 2) * 640 * 480 / 1e6
    print(f"in the object store at most: {lines[0] if lines else 'nothing'}; the frames would be {raw:.0f} MB")
    print(f"the largest answer has {answer} bytes, that of a clip that is done {len(pickle.dumps(('', '')))}")
    return [] if most < 1.0 and answer < 1000 else ["frames, or answers that are too long, go through Ray"]


def rows(folder: Path, model: Path) -> list[str]:
    """Ray Data: a row for each frame, scored by a pool of one actor; nothing is smoothed or written."""
    import ray

    clips, _ = undisturbed(folder, model, FEW)
    command = run(clips, model, folder / "rows-local", "--quiet", "--overwrite")
    local = done(command)

    class Scores:
        def __init__(self) -> None:
            from seqcls.detector import load

            self._detector = load(model)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            import cv2
            import numpy as np

            size = self._detector.header.geometry.size
            images = np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA) for one in batch["image"]])
            return {"score": self._detector.engine.scores(images)}

    def frames(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from seqcls.sources import open_source
        from seqcls.types import Frame

        with open_source(row["item"]) as source:
            for item in source:
                if isinstance(item, Frame):
                    yield {"clip": row["item"], "time_s": item.time_s, "image": item.image}

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", include_dashboard=False, log_to_driver=False, num_cpus=2)
    began_s = time.perf_counter()
    paths = [str(path) for path in sorted(clips.iterdir())]
    table = ray.data.from_items(paths, override_num_blocks=FEW).flat_map(frames)
    scored = table.map_batches(Scores, batch_size=16, compute=ray.data.ActorPoolStrategy(size=1)).materialize()
    took_s = time.perf_counter() - began_s
    print(scored.stats()[-1500:])
    print(f"Ray Data, without its start: {took_s:.1f} s for {scored.count()} frames; seqcls run: {local.clock_s:.1f} s")
    ray.shutdown()
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to work in")
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--only", choices=("cost", "kills", "drivers", "node", "store", "rows"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="of the runs that are timed")
    arguments = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    folder, model = arguments.output.resolve(), arguments.model.resolve()
    parts = {
        "cost": lambda: cost(folder, model, arguments.repeats),
        "kills": lambda: kills(folder, model, arguments.kills),
        "drivers": lambda: drivers(folder, model, arguments.kills),
        "node": lambda: node(folder, model),
        "store": lambda: store(folder, model),
        "rows": lambda: rows(folder, model),
    }
    found = [fault for name, part in parts.items() if arguments.only in (None, name) for fault in part()]
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
