"""A live run for hours: does memory grow, do descriptors leak, is every frame accounted for?

    python scripts/soak.py -o /tmp/soak --hours 24                        # accelerated clock, about 10 minutes
    python scripts/soak.py -o /tmp/soak --realtime --hours 0.5 -m MODEL   # a clip again and again, as fast as a probe

Accelerated: frames carry the times of a day, and are handed over as fast as the run takes them; every ten minutes of
them the feed stalls for five seconds. A trivial engine stands in for the network, everything else is the real thing,
with its journal. Figures after a warm-up of a tenth of the time; exits with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.journal import create_journal, read_journal
from seqcls.live.session import LiveOptions, LiveSession
from seqcls.live.view import LiveView
from seqcls.modelfile import ModelHeader
from seqcls.phantom import SweepOptions, sweep
from seqcls.runner import Detector, load
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

MOST_MIB_PER_HOUR = 1.0
STALL_EVERY_S, STALL_S = 600.0, 5.0


class Brightness:
    """Mean brightness as the score of the only organ."""

    description = "brightness"

    def __init__(self) -> None:
        self.header = ModelHeader(organs=("organ",), geometry=Geometry(size=64), version="soak")

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (images.reshape(len(images), -1).mean(axis=1) / 80).clip(0, 1).astype(np.float32)[:, None]


class Loop:
    """A sweep again and again for so many seconds, with stalls; in real time where asked."""

    def __init__(self, seconds: float, rate_hz: float, *, realtime: bool) -> None:
        size = {"width": 640, "height": 480} if realtime else {"width": 160, "height": 120}
        options = SweepOptions(patient=1, duration_s=20.0, rate_hz=rate_hz, **size)
        self._images = [frame.image for frame in sweep(options)]
        self._seconds, self._rate_hz, self._realtime = seconds, rate_hz, realtime
        self.info = SourceInfo(name="soak", kind="stream", rate_hz=rate_hz)
        self.time_s = 0.0
        self.sent = 0

    def __iter__(self) -> Iterator[Frame | Gap]:
        began_s, stalled_s = time.monotonic(), 0.0
        while self.time_s < self._seconds:
            if self._realtime:
                time.sleep(max(0.0, began_s + self.time_s - time.monotonic()))
            elif self.time_s - stalled_s >= STALL_EVERY_S:
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


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main(arguments: argparse.Namespace) -> int:
    out: Path = arguments.output
    out.mkdir(parents=True, exist_ok=True)
    journal_path = out / "soak.journal"
    journal_path.unlink(missing_ok=True)
    seconds = arguments.hours * 3600
    source = Loop(seconds, arguments.rate, realtime=arguments.realtime)
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
    journal = create_journal(
        journal_path,
        organs=detector.organs,
        smoothing=detector.smoothing,
        intervals=detector.intervals,
        source=source.info,
    )
    samples: list[tuple[float, float, int]] = []  # hours, MiB, descriptors

    def on_view(view: LiveView) -> None:
        hours = source.time_s / 3600
        if not samples or hours - samples[-1][0] >= arguments.hours / 200:
            samples.append((hours, resident_mib(), len(list(Path("/proc/self/fd").iterdir()))))
            if len(samples) % 20 == 0:
                print(f"{hours:6.2f} h  {samples[-1][1]:.1f} MiB  {samples[-1][2]} descriptors", flush=True)

    keep = "latest" if arguments.realtime else "every"
    session = LiveSession(
        detector, source, options=LiveOptions(keep=keep, with_picture=True), journal=journal, on_view=on_view
    )
    began_s = time.monotonic()
    summary = session.run()
    steady = np.array([s for s in samples if s[0] >= 0.1 * arguments.hours])
    slope = float(np.polyfit(steady[:, 0], steady[:, 1], 1)[0])
    written = sum(1 for record in read_journal(journal_path) if type(record).__name__ == "FrameScore")
    accounted = summary.ledger.balanced and summary.ledger.received == source.sent
    figures = {
        "hours of feed": round(source.time_s / 3600, 3),
        "minutes taken": round((time.monotonic() - began_s) / 60, 2),
        "frames": source.sent,
        "unaccounted": source.sent - summary.ledger.received,
        "dropped": summary.ledger.dropped,
        "in the journal": written,
        "memory slope, MiB per hour": round(slope, 3),
        "memory, MiB": [round(float(steady[:, 1].min()), 1), round(float(steady[:, 1].max()), 1)],
        "descriptors": [int(steady[:, 2].min()), int(steady[:, 2].max())],
        "latency, ms (p50, p95, p99)": [round(ms, 1) for ms in summary.latency_ms],
    }
    print(json.dumps(figures, indent=1))
    (out / "soak.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    fine = accounted and slope < MOST_MIB_PER_HOUR and written == summary.ledger.classified + summary.ledger.rejected
    return 0 if fine else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second of the feed")
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("-m", "--model", type=Path)
    sys.exit(main(parser.parse_args()))
