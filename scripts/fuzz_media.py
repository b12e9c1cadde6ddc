"""Damaged clips by the thousand: no crash, no hang, and whatever is lost or spoilt is reported.

    python scripts/fuzz_media.py                     1,000 mutated clips, 50 clean ones, the real clips where they are
    python scripts/fuzz_media.py --count 10000 --by mutation
    python scripts/fuzz_media.py --count 100 --seed 7 --keep bad/
    python scripts/fuzz_media.py --threads 4         whether decoding in threads gives the same as in one
    python scripts/fuzz_media.py --long              resident memory of a 4-hour clip against a 1-minute clip's

Every file is read in a worker process with a bound on its memory, so that a crash inside a decoder is seen as one.
"short, silent": fewer frames than the whole clip has, and the verdict is "complete"; "spoilt, silent": a frame differs
visibly from the whole clip's, is not marked as damaged, and the verdict is "complete". Exit code 1 when a bound that
issue 15 sets is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import media  # noqa: E402 - from tests/

HANG_S = 20.0
MAX_BYTES = 1 << 30  # more resident memory than this is a failure
MAX_SILENT = 0.002
REREADS = 30
FRAMES, WIDTH, HEIGHT = 25, 64, 48

#: Visible: in one square of so many pixels each way, gray levels differ by more than this on average.
SQUARE, VISIBLE = 8, 24

#: The clips that are damaged: every container that is read, with the codecs that matter in it.
BASES = (
    *("mp4 h264", "mp4 h264 fragmented", "mp4 h264 faststart", "mp4 h264 variable rate", "mp4 hevc", "mp4 av1"),
    *("mp4 mpeg4", "mov mjpeg", "mov png", "mov prores"),
    *("mkv h264", "mkv hevc", "mkv ffv1 gray", "mkv vp9 60", "webm vp9", "webm vp8", "webm av1", "webm vp9 live"),
    *("avi mpeg4", "avi mjpeg", "avi ffv1", "avi raw gray", "avi h264"),
    *("mpg mpeg2", "mpeg mpeg2 with B-frames", "mpg mpeg1", "vob mpeg2 29.97"),
    *("ts h264", "ts mpeg2", "ts hevc 50", "m2ts h264"),
    *("gif", "wmv", "bare h264", "bare hevc", "bare mjpeg", "bare mpeg2"),
    *("stack tiff", "stack webp", "stack apng"),
)
BARE = {
    "bare h264": ("mp4 h264", "h264", ".h264"),
    "bare hevc": ("mp4 hevc", "hevc", ".hevc"),
    "bare mjpeg": ("mov mjpeg", "mjpeg", ".mjpeg"),
    "bare mpeg2": ("mpg mpeg2", "mpeg2video", ".m2v"),
}

#: Besides those that need bytes alone.
PACKETS = ("lost packets", "noise in a packet", "zeros in a packet")
MUTATIONS = (*media.MUTATIONS, "one flipped bit", *PACKETS)


@dataclass(frozen=True)
class Outcome:
    """What reading one file gave. ``kind``: complete, unknown, flagged, refused, crash, hang, memory, error (foreign
    exception)."""

    kind: str
    delivered: int = 0
    spoilt: int = 0
    text: str = ""


@dataclass(frozen=True)
class Base:
    """A whole clip, the frames that are read from it, and where its packets lie."""

    name: str
    path: Path
    content: bytes
    packets: tuple[tuple[int, int], ...] = ()
    images: Path | None = None


def read_one(path: str, whole: Any = None) -> Outcome:
    """Read a file to the end, checking the promises of a source. ``whole`` (T, H, W): what it should show."""
    from seqcls.errors import SeqclsError
    from seqcls.sources import open_source
    from seqcls.types import Frame

    delivered, spoilt, last_s = 0, 0, 0.0
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
                if whole is not None and not item.damaged:
                    spoilt += delivered >= len(whole) or differs(item.image, whole[delivered])
                delivered += 1
            report = source.report()
    except SeqclsError as error:
        return Outcome("refused", delivered, text=str(error))
    except MemoryError as error:
        return Outcome("memory", delivered, text=repr(error))
    except Exception as error:
        return Outcome("error", delivered, text=repr(error))
    kind = report.verdict if report.verdict in ("complete", "unknown") else "flagged"
    return Outcome(kind, delivered, spoilt, f"{report.verdict}: {'; '.join(report.reasons)}")


def compare_threads(path: str, whole: Any = None, *, threads: int) -> Outcome:
    """As ``read_one``; an error where decoding in threads gives other frames, gaps or another report.

    Of some clips one thread gives this and that: what could not be decoded is what lay in memory.
    """
    outcome = read_one(path, whole)
    if outcome.kind not in ("refused", *BAD):
        one, several = (everything(path, count) for count in (1, threads))
        if one != several and all(everything(path, 1) == one for _ in range(REREADS)):
            first = next((k for k, (a, b) in enumerate(zip(one, several, strict=False)) if a != b), -1)
            return Outcome("error", outcome.delivered, text=f"threads: {one[first]} is {several[first]}")
    return outcome


def everything(path: str, threads: int) -> list[Any]:
    """What a source gives, its report and what it says of itself. In place of an image stands its checksum, as far as
    the first damage: ProRes and FFV1 fill what they cannot decode with what lay in memory, and go on from there."""
    from seqcls.sources import open_source
    from seqcls.types import Frame

    found: list[Any] = []
    whole = True
    with open_source(path, threads=threads) as source:
        for item in source:
            whole = whole and isinstance(item, Frame) and not item.damaged
            if isinstance(item, Frame):
                image = zlib.crc32(item.image) if whole else item.image.shape
                found.append((item.index, item.time_s, item.duration_s, item.damaged, image))
            else:
                found.append(item)
        return [*found, source.report(), source.info]


def differs(image: NDArray[np.uint8], whole: NDArray[np.uint8]) -> bool:
    """Whether somebody who compares the two would see it: in one square at least they differ by ``VISIBLE``."""
    if image.shape != whole.shape:
        return True
    height, width = (side // SQUARE * SQUARE for side in image.shape)
    distance = np.abs(image[:height, :width].astype(np.int16) - whole[:height, :width])
    squares = distance.reshape(height // SQUARE, SQUARE, width // SQUARE, SQUARE).mean(axis=(1, 3))
    return bool(squares.max() > VISIBLE)


def _work(connection: Connection, threads: int = 1) -> None:
    import cv2

    cv2.setNumThreads(1)
    with contextlib.suppress(ImportError):  # Windows has none
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (4 * MAX_BYTES, 4 * MAX_BYTES))
    wholes: dict[str | None, Any] = {None: None}
    while (order := connection.recv()) is not None:
        path, images = order
        if images not in wholes:
            wholes[images] = np.load(images)
        outcome = (read_one if threads == 1 else partial(compare_threads, threads=threads))(path, wholes[images])
        peak = peak_bytes()
        connection.send(Outcome("memory", outcome.delivered, text=f"{peak >> 20} MB") if peak > MAX_BYTES else outcome)


def peak_bytes() -> int:
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return 0


class Worker:
    """A process that reads files; replaced when it dies, hangs or swells.

    ``target`` runs in it: it receives (path, text or None) and sends an Outcome for each, until it receives None.
    """

    def __init__(self, target: Callable[[Connection], None] = _work) -> None:
        self._target = target
        self._process: Any = None
        self._connection: Any = None

    def read(self, path: Path, what: Path | str | None = None) -> Outcome:
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=self._target, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._connection.send((str(path), None if what is None else str(what)))
            if self._connection.poll(HANG_S):
                outcome: Outcome = self._connection.recv()
                if outcome.kind == "memory":
                    self.close()
                return outcome
            self.close()
            return Outcome("hang")
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            return Outcome("crash", text=f"exit code {code}")

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self._connection.close()
            self._process = None


def make_bases(folder: Path, names: tuple[str, ...] = BASES, frames: int = FRAMES) -> list[Base]:
    """Write them, and what is read of each while it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names:
        path = _write_base(folder / name.replace(" ", "_"), name, frames)
        images = folder / f"{path.name}.npy"
        np.save(images, _frames_of(path))
        made.append(Base(name, path, path.read_bytes(), _packets_of(path), images))
    return made


def _write_base(stem: Path, name: str, frames: int) -> Path:
    if name.startswith("stack"):
        kind = name.split()[1]
        path = stem.with_name(stem.name + {"tiff": ".tif", "webp": ".webp", "apng": ".png"}[kind])
        first, *rest = [Image.fromarray(media.draw(k, WIDTH, HEIGHT)) for k in range(frames)]
        more: dict[str, Any] = {"compression": "tiff_lzw"} if kind == "tiff" else {"duration": 40}
        first.save(path, save_all=True, append_images=rest, **more)
        return path
    like, muxer, suffix = BARE.get(name, (name, "", ""))
    recipe = media.recipe(like, width=WIDTH, height=HEIGHT, frames=frames)
    if recipe.times_ms:
        recipe = media.recipe(like, width=WIDTH, height=HEIGHT, times_ms=recipe.times_ms[:frames])
    if muxer:
        recipe = replace(recipe, muxer=muxer, suffix=suffix)
    return media.write_clip(stem.with_name(stem.name + recipe.suffix), recipe)


def _frames_of(path: Path) -> NDArray[np.uint8]:
    from seqcls.sources import open_source
    from seqcls.types import Frame

    with open_source(path) as source:
        return np.stack([item.image for item in source if isinstance(item, Frame)])


def _packets_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Position and size of each, as far as the container says."""
    import av

    with contextlib.suppress(av.FFmpegError), av.open(str(path)) as container:
        found = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
        return tuple((place, size) for place, size in found if place is not None and size > 16)
    return ()


def mutate(base: Base, mutation: str, seed: int) -> bytes:
    """A damaged copy of a clip's bytes."""
    rng = random.Random(f"{mutation} {seed}")
    if mutation == "one flipped bit":
        changed = bytearray(base.content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if mutation not in PACKETS:
        return media.mutate(base.content, mutation, seed)
    if not base.packets or (base.name == "gif" and mutation == "lost packets"):  # that leaves a whole gif of less
        return media.mutate(base.content, "zeros" if "zeros" in mutation else "bit flips", seed)
    at = rng.randrange(len(base.packets))
    start, size = base.packets[at]
    changed = bytearray(base.content)
    if mutation == "lost packets":
        grain = {".ts": 188, ".m2ts": 192}.get(base.path.suffix, 1)
        del changed[start : start + max(grain, size // grain * grain) * rng.choice((1, 1, 2))]
    else:
        length = min(size - 1, rng.choice((8, 32, size // 2)))
        begin = start + rng.randrange(1, size - length + 1)
        noise = rng.randbytes(length)
        changed[begin : begin + length] = noise if "noise" in mutation else bytes(length)
    return bytes(changed)


def fuzz(
    bases: list[Base], folder: Path, count: int, seed: int, keep: Path | None = None, threads: int = 1
) -> tuple[Counter[tuple[str, str, str]], list[str]]:
    """Damage and read ``count`` files; a tally by (clip, mutation, outcome) and a line per failure."""
    tally: Counter[tuple[str, str, str]] = Counter()
    failures: list[str] = []
    worker = Worker(partial(_work, threads=threads))
    lengths = {base.name: len(np.load(base.images)) for base in bases if base.images is not None}
    for k in range(count):
        base = bases[k % len(bases)]
        mutation = MUTATIONS[k // len(bases) % len(MUTATIONS)]
        target = folder / f"{k:05d} {mutation} {base.path.name}".replace(" ", "_").replace("%", "pc")
        target.write_bytes(mutate(base, mutation, seed + k))
        outcome = worker.read(target, base.images)
        kind, short = outcome.kind, outcome.delivered < lengths[base.name]
        if kind == "complete" and short:
            kind = "short, silent"
        elif kind == "complete" and outcome.spoilt:
            kind = "spoilt, silent"
        tally[base.name, mutation, kind] += 1
        tally[base.name, mutation, "short"] += short
        if kind in FAILURES:
            failures.append(
                f"{target.name}: {kind}, {outcome.delivered} frames, {outcome.spoilt} spoilt, {outcome.text}"
            )
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, keep)
        target.unlink()
    worker.close()
    return tally, failures


BAD = ("crash", "hang", "memory", "error")
FAILURES = (*BAD, "short, silent", "spoilt, silent")


def false_alarms(paths: list[Path]) -> list[str]:
    worker = Worker()
    said = [(path, worker.read(path)) for path in paths]
    worker.close()
    return [f"{path.name}: {outcome.kind} {outcome.text}" for path, outcome in said if outcome.kind != "complete"]


def show(tally: Counter[tuple[str, str, str]], by: str) -> None:
    """A table with a row per clip or mutation."""
    kinds = ("complete", "unknown", "flagged", "refused", "short", *FAILURES)
    column = 0 if by == "clip" else 1
    print(f"{by:26}" + "".join(f"{kind:>16}" for kind in kinds))
    for name in [*sorted({key[column] for key in tally}), "all"]:
        counts = [
            sum(n for key, n in tally.items() if key[2] == kind and name in (key[column], "all")) for kind in kinds
        ]
        print(f"{name:26}" + "".join(f"{count:>16}" for count in counts))


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
    parser.add_argument("--by", choices=("clip", "mutation"), default="clip", help="what the table has a row for")
    parser.add_argument("--only", default="", help="clips whose names hold this")
    parser.add_argument("--threads", type=int, default=1, help="compare decoding in so many threads with one")
    parser.add_argument("--long", action="store_true", help="measure memory on a clip of hours instead")
    parser.add_argument("--hours", type=float, default=4.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seqcls-fuzz-") as name:
        folder = Path(name)
        if options.long:
            return long_clip(folder, options.hours)
        began = time.perf_counter()
        names = tuple(name for name in BASES if options.only in name)
        bases = make_bases(folder / "bases", names)
        tally, failures = fuzz(bases, folder, options.count, options.seed, options.keep, options.threads)
        show(tally, options.by)
        clean = [media.write_clip(folder / f"{k}{r.suffix}", r) for k, r in enumerate(media.RECIPES)]
        alarms = false_alarms([*clean, *real_clips()])
    print("\n".join(failures + alarms))
    total = {kind: sum(n for key, n in tally.items() if key[2] == kind) for kind in ("short", *FAILURES)}
    bad = sum(total[kind] for kind in BAD)
    print(
        f"{options.count} damaged files: {bad} crashes, hangs, errors or too much memory; "
        f"{total['short, silent']} silent of {total['short']} short results; "
        f"{total['spoilt, silent']} silently spoilt; "
        f"{len(alarms)} false alarms on {len(clean)} clean clips and {len(real_clips())} real ones; "
        f"{time.perf_counter() - began:.0f} s"
    )
    return 1 if bad or alarms or total["short, silent"] > MAX_SILENT * options.count else 0


if __name__ == "__main__":
    sys.exit(main())
