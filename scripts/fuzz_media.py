"""Damaged clips by the thousand: no crash, no hang, and whatever is lost is told.

    python scripts/fuzz_media.py                     1,000 mutated clips, 50 clean ones, the real clips where they are
    python scripts/fuzz_media.py --count 100 --seed 7 --keep bad/
    python scripts/fuzz_media.py --long              resident memory of a 4-hour clip against a 1-minute clip's

Every file is read in a worker process, so that a crash inside a decoder is seen as one. Exit code 1 when a bound that
issue 3 sets is broken.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import media  # noqa: E402 - from tests/

HANG_S = 20.0
MAX_UNFLAGGED = 0.005
FRAMES = 100

#: The clips that are damaged, one per container and the codecs that matter in it.
BASES = (
    "mp4 h264",
    "mp4 h264 fragmented",
    "mp4 hevc",
    "mp4 av1",
    "mov mjpeg",
    "mkv h264",
    "mkv ffv1 gray",
    "webm vp9",
    "avi mpeg4",
    "avi mjpeg",
    "mpg mpeg2",
    "mpeg mpeg2 with B-frames",
    "ts h264",
    "ts mpeg2",
    "gif",
)


@dataclass(frozen=True)
class Outcome:
    """What reading one file gave. ``kind``: complete, flagged, refused, crash, hang, error (foreign exception)."""

    kind: str
    delivered: int = 0
    readable: int = 0
    text: str = ""


def read_one(path: str) -> Outcome:
    """Read a file to the end, checking the promises of a source on the way."""
    from seqcls.errors import SeqclsError
    from seqcls.sources import open_source
    from seqcls.types import Frame

    delivered, numbers, last_s = 0, set(), 0.0
    try:
        with open_source(path) as source:
            for item in source:
                if not isinstance(item, Frame):
                    if not item.end_s > item.start_s:
                        return Outcome("error", delivered, text=f"gap {item}")
                    continue
                if item.index != delivered or not last_s <= item.time_s < float("inf") or item.duration_s < 0:
                    return Outcome("error", delivered, text=f"frame {item.index} at {item.time_s} after {last_s}")
                last_s = item.time_s
                delivered += 1
                numbers.add(media.read_number(item.image))
            report = source.report()
    except SeqclsError as error:
        return Outcome("refused", delivered, text=str(error))
    except Exception as error:
        return Outcome("error", delivered, text=repr(error))
    kind = "complete" if report.verdict == "complete" else "flagged"
    return Outcome(kind, delivered, len(numbers - {None}), f"{report.verdict}: {'; '.join(report.reasons)}")


def _work(connection: Connection) -> None:
    import cv2

    cv2.setNumThreads(1)
    while (path := connection.recv()) is not None:
        connection.send(read_one(path))


class Worker:
    """A process that reads files; replaced when it dies or hangs."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Any = None

    def read(self, path: Path) -> Outcome:
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._connection.send(str(path))
            if self._connection.poll(HANG_S):
                return self._connection.recv()  # type: ignore[no-any-return]
            self.close()
            return Outcome("hang")
        except (EOFError, OSError):
            code = self._process.exitcode
            self.close()
            return Outcome("crash", text=f"exit code {code}")

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self._connection.close()
            self._process = None


def make_bases(folder: Path, names: tuple[str, ...] = BASES, frames: int = FRAMES) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name in names:
        recipe = media.recipe(name, frames=frames)
        made[name] = media.write_clip(folder / f"{name.replace(' ', '_')}{recipe.suffix}", recipe)
    return made


def fuzz(
    bases: dict[str, Path], folder: Path, count: int, seed: int, keep: Path | None = None, frames: int = FRAMES
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Damage and read ``count`` files; returns a tally by (clip, outcome) and a line per failure."""
    tally: Counter[tuple[str, str]] = Counter()
    failures: list[str] = []
    worker = Worker()
    contents = {name: path.read_bytes() for name, path in bases.items()}
    names = sorted(bases)
    for k in range(count):
        name = names[k % len(names)]
        mutation = media.MUTATIONS[k // len(names) % len(media.MUTATIONS)]
        target = folder / f"{k:05d} {mutation} {bases[name].name}".replace(" ", "_").replace("%", "pc")
        target.write_bytes(media.mutate(contents[name], mutation, seed + k))
        outcome = worker.read(target)
        kind = outcome.kind
        if kind == "complete" and outcome.delivered < frames:
            kind = "short, unflagged"
        elif kind == "complete" and outcome.readable < frames:
            kind = "spoilt, unflagged"
        tally[name, kind] += 1
        tally[name, "short"] += outcome.delivered < frames
        if kind in ("crash", "hang", "error", "short, unflagged"):
            failures.append(f"{target.name}: {kind}, {outcome.delivered} frames, {outcome.text}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, keep)
        target.unlink()
    worker.close()
    return tally, failures


def false_alarms(paths: list[Path]) -> list[str]:
    worker = Worker()
    said = [(path, worker.read(path)) for path in paths]
    worker.close()
    return [f"{path.name}: {outcome.kind} {outcome.text}" for path, outcome in said if outcome.kind != "complete"]


def show(tally: Counter[tuple[str, str]]) -> None:
    kinds = (
        "complete",
        "flagged",
        "refused",
        "short",
        "short, unflagged",
        "spoilt, unflagged",
        "error",
        "hang",
        "crash",
    )
    print(f"{'clip':26}" + "".join(f"{kind:>19}" for kind in kinds))
    for name in sorted({name for name, _ in tally}):
        print(f"{name:26}" + "".join(f"{tally[name, kind]:>19}" for kind in kinds))
    print(f"{'all':26}" + "".join(f"{sum(n for (_, k), n in tally.items() if k == kind):>19}" for kind in kinds))


def peak_memory(path: str, queue: Any) -> None:
    """Peak resident MB of a process that reads the clip, and the number of frames."""
    import resource

    from seqcls.sources import open_source

    with open_source(path) as source:
        frames = sum(1 for _ in source)
        verdict = source.report().verdict
    queue.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, frames, verdict))


def long_clip(folder: Path, hours: float) -> int:
    """Peak memory on the packets of a minute, and on the same over and over for hours; 1 when it grew."""
    from fractions import Fraction

    import av

    options = (*media.X264, ("bf", "0"))
    minute = media.recipe("mkv h264", frames=600, rate=Fraction(10), width=96, height=80, options=options)
    short = media.write_clip(folder / "minute.mkv", minute)
    long = folder / "hours.mkv"
    with av.open(str(short)) as source, av.open(str(long), "w") as target:
        stream = source.streams.video[0]
        packets = [p for p in source.demux(stream) if p.size]
        copy = target.add_stream_from_template(stream)
        for turn in range(round(hours * 60)):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts = again.dts = packet.pts + turn * 60_000  # Matroska counts milliseconds
                again.duration, again.time_base = packet.duration, packet.time_base
                again.is_keyframe, again.stream = packet.is_keyframe, copy
                target.mux(again)
    context, peaks = multiprocessing.get_context("spawn"), []
    for path in (short, long):
        queue = context.Queue()
        process = context.Process(target=peak_memory, args=(str(path), queue))
        began = time.perf_counter()
        process.start()
        peak, frames, verdict = queue.get()
        process.join()
        peaks.append(peak)
        print(f"{path.name}: {frames} frames, {verdict}, peak {peak:.0f} MB, {time.perf_counter() - began:.0f} s")
    print(f"ratio {peaks[1] / peaks[0]:.3f} (bound 1.2)")
    return 0 if peaks[1] <= 1.2 * peaks[0] else 1


def real_clips() -> list[Path]:
    from conftest import real_clips_folder

    return sorted((real_clips_folder() / "clips").glob("*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for copies of the files that failed")
    parser.add_argument("--long", action="store_true", help="measure memory on a clip of hours instead")
    parser.add_argument("--hours", type=float, default=4.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seqcls-fuzz-") as name:
        folder = Path(name)
        if options.long:
            return long_clip(folder, options.hours)
        began = time.perf_counter()
        tally, failures = fuzz(make_bases(folder / "bases"), folder, options.count, options.seed, options.keep)
        show(tally)
        clean = [media.write_clip(folder / f"{k}{r.suffix}", r) for k, r in enumerate(media.RECIPES)]
        alarms = false_alarms([*clean, *real_clips()])
    print("\n".join(failures + alarms))
    short = sum(n for (_, kind), n in tally.items() if kind == "short")
    unflagged = sum(n for (_, kind), n in tally.items() if kind == "short, unflagged")
    bad = sum(n for (_, kind), n in tally.items() if kind in ("crash", "hang", "error"))
    print(
        f"{options.count} damaged files: {bad} crashes, hangs or errors; "
        f"{unflagged} of {short} short results unflagged; "
        f"{len(alarms)} false alarms on {len(clean)} clean clips and {len(real_clips())} real ones; "
        f"{time.perf_counter() - began:.0f} s"
    )
    return 1 if bad or alarms or unflagged > MAX_UNFLAGGED * max(short, 1) else 0


if __name__ == "__main__":
    sys.exit(main())
