"""A live run for hours: does memory grow, do descriptors leak, is every frame accounted for?

    python scripts/soak.py -o /tmp/soak --hours 24                        # accelerated clock, about 10 minutes
    python scripts/soak.py -o /tmp/soak --realtime --hours 0.5 -m MODEL   # by OpenIGTLink, as fast as a probe

Accelerated: frames carry the times of a day, and are handed over as fast as the run takes them; every ten minutes of
them the feed stalls for five seconds. A trivial engine stands in for the network, everything else is the real thing,
with its journal. Real time: a simulated probe on this machine sends 640x480 pictures by OpenIGTLink and falls silent
for four seconds every minute, long enough to be given up and found again; page and recording run along. Figures after a
warm-up of a quarter of the time; exits with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.detector import Detector, load
from seqcls.files.json_text import json_text, write_json
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.journal import create_journal, read_journal
from seqcls.live.background import nothing
from seqcls.live.malloc import share_one_pool
from seqcls.live.options import LiveOptions
from seqcls.live.session import LiveSession
from seqcls.live.snapshot import LiveView
from seqcls.models.file import ModelHeader
from seqcls.phantom import SweepOptions, sweep
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

MAX_MIB_PER_HOUR = 1.0
STALL_EVERY_S, STALL_S = 600.0, 5.0
SILENT_EVERY_S, SILENT_S = 60.0, 4.0
TESTS = Path(__file__).resolve().parent.parent / "tests"


class Brightness:
    """Mean brightness as the score of the only organ."""

    description = "brightness"

    def __init__(self) -> None:
        self.header = ModelHeader(organs=("organ",), geometry=Geometry(size=64), version="soak")

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (images.reshape(len(images), -1).mean(axis=1) / 80).clip(0, 1).astype(np.float32)[:, None]


class Loop:
    """A sweep again and again for so many seconds, with stalls, as fast as it is taken."""

    def __init__(self, seconds: float, rate_hz: float) -> None:
        options = SweepOptions(patient=1, duration_s=20.0, rate_hz=rate_hz, width=160, height=120)
        self._images = [frame.image for frame in sweep(options)]
        self._seconds, self._rate_hz = seconds, rate_hz
        self.info = SourceInfo(name="soak", kind="stream", rate_hz=rate_hz)
        self.time_s = 0.0
        self.sent = 0

    def __iter__(self) -> Iterator[Frame | Gap]:
        stalled_s = 0.0
        while self.time_s < self._seconds:
            if self.time_s - stalled_s >= STALL_EVERY_S:
                stalled_s = self.time_s + STALL_S
                yield Gap(self.time_s, stalled_s, "stalled")
                self.time_s = stalled_s
            image = self._images[self.sent % len(self._images)]
            yield Frame(self.sent, self.time_s, 1 / self._rate_hz, image)
            self.sent += 1
            self.time_s += 1 / self._rate_hz

    def report(self) -> SourceReport:
        return SourceReport("complete", (), self.sent)

    def close(self) -> None:
        pass

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Probe:
    """Sends a sweep of 640x480 again and again by OpenIGTLink to whoever connects; every ``silent_every_s`` it falls
    silent for ``SILENT_S``.

    In a process of its own: its pictures and sockets are none of the run's. ``kill`` ends that as a power cut does,
    ``start`` brings it back at the same port. ``sent`` counts the pictures of all its lives, ``begun`` also those that
    were cut off; ``end`` stops between two pictures and leaves the connection open. Pictures are kept in ``folder``.
    """

    def __init__(self, folder: Path, rate_hz: float, silent_every_s: float = SILENT_EVERY_S, port: int = 0) -> None:
        self.port, self._folder = port, folder
        self._rate_hz, self._silent_every_s = rate_hz, silent_every_s
        self._spawn = multiprocessing.get_context("spawn")
        # Without locks: a process that is killed would leave them locked.
        self._begun, self._sent, self._connections, self._end = (
            self._spawn.Value("q", 0, lock=False) for _ in range(4)
        )
        self._process: Any = None

    @property
    def begun(self) -> int:
        return int(self._begun.value)

    @property
    def sent(self) -> int:
        return int(self._sent.value)

    @property
    def connections(self) -> int:
        return int(self._connections.value)

    def start(self) -> None:
        """Returns once it listens at ``port``."""
        ours, theirs = self._spawn.Pipe()
        self._process = self._spawn.Process(target=self._serve, args=(theirs,), daemon=True)
        self._process.start()
        self.port = ours.recv()

    def end(self) -> None:
        self._end.value = 1

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()

    close = kill

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_spawn", "_process")}

    def _serve(self, told: Any) -> None:
        messages = self._messages()
        with socket.create_server(("127.0.0.1", self.port)) as server:
            told.send(server.getsockname()[1])
            while True:
                client, _ = server.accept()
                self._connections.value += 1
                began_s, first = time.monotonic(), self.sent
                with client, suppress(OSError):  # the other side hung up
                    while time.monotonic() - began_s < self._silent_every_s:
                        if self._end.value:
                            time.sleep(60.0)
                            continue
                        message = messages(self.sent)
                        self._begun.value += 1
                        client.sendall(message)
                        self._sent.value += 1
                        time.sleep(max(0.0, began_s + (self.sent - first) / self._rate_hz - time.monotonic()))
                    time.sleep(SILENT_S)

    def _messages(self) -> Callable[[int], bytes]:
        """What is sent as the k-th picture; made once, since a probe that is killed has to be back soon."""
        sys.path.insert(0, str(TESTS))
        from support.igtlserver import image_body, packed

        from seqcls.feeds.openigtlink_wire import crc64

        kept = self._folder / "probe.npz"
        if not kept.exists():
            options = SweepOptions(patient=1, duration_s=10.0, rate_hz=self._rate_hz, width=640, height=480)
            made = [image_body(frame.image) for frame in sweep(options)]
            images = np.stack([np.frombuffer(body, np.uint8) for body in made])
            np.savez(kept, bodies=images, crcs=np.array([crc64(body) for body in made], np.uint64))
        with np.load(kept) as known:
            bodies, crcs = [body.tobytes() for body in known["bodies"]], [int(crc) for crc in known["crcs"]]
        return lambda k: packed(b"IMAGE", bodies[k % len(bodies)], seconds=time.time(), crc=crcs[k % len(bodies)])


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main(arguments: argparse.Namespace) -> int:
    share_one_pool()  # as `seqcls run` does
    out: Path = arguments.output
    out.mkdir(parents=True, exist_ok=True)
    journal_path = out / "soak.journal"
    journal_path.unlink(missing_ok=True)
    (out / "soak.csv").write_text("hours,MiB,descriptors\n", encoding="ascii")
    seconds = arguments.hours * 3600
    if arguments.model is not None:
        detector = load(arguments.model)
    else:
        engine = Brightness()
        detector = Detector(
            header=engine.header,
            engine=engine,
            smoothing=SmoothingOptions(),
            intervals=(IntervalOptions(),),
            gate=GateOptions(),
        )
    samples: list[tuple[float, float, int]] = []  # hours, MiB, descriptors
    shows: list[Callable[[LiveView], None]] = []

    def on_view(view: LiveView) -> None:
        hours = view.now_s / 3600 if arguments.realtime else source.time_s / 3600
        for show in shows:
            show(view)
        if view.feed != "running":
            return  # between two connections there are descriptors fewer
        if not samples or hours - samples[-1][0] >= arguments.hours / 200:
            samples.append((hours, resident_mib(), len(list(Path("/proc/self/fd").iterdir()))))
            with (out / "soak.csv").open("a", encoding="ascii") as table:
                table.write("{:.5f},{:.3f},{}\n".format(*samples[-1]))
            if len(samples) % 20 == 0:
                print(f"{hours:6.2f} h  {samples[-1][1]:.1f} MiB  {samples[-1][2]} descriptors", flush=True)

    began_s = time.monotonic()
    with ExitStack() as stack:
        probe, recorder, later = None, None, []
        if arguments.realtime:
            from seqcls.feeds.open import open_live
            from seqcls.live.display.server import PageServer
            from seqcls.live.recording.recorder import Recorder

            probe = stack.enter_context(closing(Probe(out, arguments.rate)))
            probe.start()
            source: Any = stack.enter_context(
                closing(
                    open_live(
                        f"igtl://127.0.0.1:{probe.port}",
                        on_state=lambda state, reason: [one.feed_state(state, reason) for one in later],
                    )
                )
            )
            shows.append(stack.enter_context(closing(PageServer())).publish)
            (out / "soak.mkv").unlink(missing_ok=True)
            recorder = stack.enter_context(closing(Recorder(out / "soak.mkv")))
            options = LiveOptions(duration_s=seconds, with_image=True)
        else:
            source = Loop(seconds, arguments.rate)
            options = LiveOptions(keep="every", with_image=True)
        journal = create_journal(
            journal_path,
            organs=detector.organs,
            provenance=detector.provenance,
            source=source.info,
        )
        session = LiveSession(
            detector,
            source,
            options=options,
            journal=journal,
            on_view=on_view,
            on_frame=nothing if recorder is None else lambda frame: recorder.frame(frame, session.region),
        )
        later.append(session)
        summary = session.run()
    steady = np.array([s for s in samples if s[0] >= 0.25 * arguments.hours])
    slope = float(np.polyfit(steady[:, 0], steady[:, 1], 1)[0])
    written = len(read_journal(journal_path).raw.scored)
    counts, sent = summary.frame_counts, source.sent if probe is None else probe.sent
    figures = {
        "hours of feed": round(summary.end_s / 3600, 3),
        "minutes taken": round((time.monotonic() - began_s) / 60, 2),
        "frames sent": sent,
        "frames received": counts.received,
        "unaccounted": counts.received - counts.classified - counts.dropped - counts.rejected - counts.skipped,
        "dropped": counts.dropped,
        "in the journal": written,
        "memory slope, MiB per hour": round(slope, 3),
        "memory, MiB": [round(float(steady[:, 1].min()), 1), round(float(steady[:, 1].max()), 1)],
        "descriptors": [int(steady[:, 2].min()), int(steady[:, 2].max())],
        "latency, ms (p50, p95, p99)": [round(ms, 1) for ms in summary.latency_ms or ()],
    }
    if probe is not None and recorder is not None:
        figures |= {"connections": probe.connections, "recorded": recorder.recorded}
    print(json_text(figures))
    write_json(out / "soak.json", figures)
    # What is on its way when the run stops was sent and not received: at most a few of a probe's pictures.
    fine = counts.balanced and 0 <= sent - counts.received <= (0 if probe is None else arguments.rate)
    fine = fine and slope < MAX_MIB_PER_HOUR and written == counts.classified + counts.rejected
    return 0 if fine else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second of the feed")
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("-m", "--model", type=Path)
    sys.exit(main(parser.parse_args()))
