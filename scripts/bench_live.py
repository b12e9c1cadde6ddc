"""A live run as an operator has it: from the arrival of a frame to the decision, and what more of everything costs.

    python scripts/bench_live.py -o /tmp/bench-live -m MODEL                               # six cases of 3 minutes each
    python scripts/bench_live.py -o /tmp/bench-live -m MODEL --seconds 600 --only usual    # ten minutes; Linux

A simulated probe of this machine sends 640x480 at 30 frames/s by OpenIGTLink. The usual case has the page, open in a
headless Chromium on the same cores, the recording and the journal. A slow disk is one whose every write takes 5 ms and
1 ms for each 10 kB besides, and every fsync 100 ms, as a cheap memory card's: seqcls is started by a program that waits
so long around the calls for journal and recording; the disk itself is that of this machine.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from live_soak import RATE_HZ, Tree, browser_at, free_port, packets, reachable, started, until
from soak import Probe

from seqcls.files.json_text import write_json
from seqcls.models.file import ModelHeader, read_model, write_model

#: A frame is decided before the next one comes, but for the 24 that wait for the ultrasound region: of three minutes
#: these are fewer than 1 in 100.
MOST_P99_MS = 33.0

#: As `seqcls`, with a slow disk.
SLOW_DISK = """
import os, stat, sys, time
from seqcls.live.recording import fragmented_video
write, fsync, FileIO = os.write, os.fsync, fragmented_video.FileIO

def slow_write(descriptor, data):
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        time.sleep(0.005 + len(data) / 1e7)
    return write(descriptor, data)

def slow_fsync(descriptor):
    time.sleep(0.1)
    fsync(descriptor)

class SlowFile(FileIO):
    def write(self, data):
        time.sleep(0.005 + len(data) / 1e7)
        return super().write(data)

os.write, os.fsync = slow_write, slow_fsync
fragmented_video.open_new = lambda path: SlowFile(path, "xb")
from seqcls.cli import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """browsers: how many look at the page; record: whether the feed is recorded."""

    name: str
    browsers: int = 1
    record: bool = True
    organs: int = 0
    slow_disk: bool = False


USUAL = Case(name="usual")
CASES = (
    USUAL,
    Case(name="journal alone", browsers=0, record=False),
    replace(USUAL, name="one more organ", organs=1),
    replace(USUAL, name="one more browser", browsers=2),
    replace(USUAL, name="slow disk", slow_disk=True),
    replace(USUAL, name="usual again"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds from arrival to decision; frames; cores in use, of seqcls and of the browsers."""

    latency_ms: tuple[float, float, float]
    received: int
    dropped: int
    recorded: int
    cores: float
    browser_cores: float

    @property
    def text(self) -> str:
        latency = " / ".join(f"{ms:.1f}" for ms in self.latency_ms)
        recorded = f", {self.recorded} recorded" if self.recorded else ""
        return (
            f"{latency} ms (p50 / p95 / p99), {self.dropped} of {self.received} frames dropped{recorded},"
            f" {self.cores:.2f} cores, browsers {self.browser_cores:.2f}"
        )


def measure(case: Case, model: Path, folder: Path, seconds: float) -> Measured:
    """One run of the case, in a folder of its own."""
    out = folder / case.name.replace(" ", "-")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("feed*.mkv"):
        old.unlink()
    if case.organs:
        model = with_one_more_organ(model, out / f"one-more{model.suffix}")
    with ExitStack() as stack:
        probe = stack.enter_context(closing(Probe(folder, RATE_HZ, silent_every_s=math.inf)))
        probe.start()
        probe.kill()
        pages = [stack.enter_context(closing(browser_at(out / f"browser{k}"))) for k in range(case.browsers)]
        port = free_port()
        program = ["-c", SLOW_DISK] if case.slow_disk else ["-m", "seqcls"]
        command = [sys.executable, *program, "run", f"igtl://127.0.0.1:{probe.port}", "-m", str(model)]
        command += ["-o", str(out / "run"), "--overwrite", "--serve", str(port), "--token", str(out / "page.token")]
        command += ["--record", str(out / "feed.mkv")] if case.record else []
        log = stack.enter_context((out / "stderr.log").open("wb"))
        run = stack.enter_context(started(command, stdout=subprocess.DEVNULL, stderr=log))
        until(lambda: reachable(port), "seqcls")
        token = (out / "page.token").read_text(encoding="ascii").strip()
        for page in pages:
            page.open(f"http://127.0.0.1:{port}/?token={token}")
            page.until("typeof hear === 'function' && document.readyState === 'complete'")
        time.sleep(3.0)  # the first drawing of a page takes a core for a moment
        probe.start()
        until(lambda: probe.connections > 0, "the feed")
        tree, browsers = Tree(run.pid), [Tree(page.pid) for page in pages]
        began_s, cpu_s, browser_s = time.monotonic(), tree.cpu_s(), sum(each.cpu_s() for each in browsers)
        time.sleep(seconds)
        lasted_s = time.monotonic() - began_s
        cores = (tree.cpu_s() - cpu_s) / lasted_s
        browser_cores = (sum(each.cpu_s() for each in browsers) - browser_s) / lasted_s
        run.send_signal(signal.SIGINT)
        assert run.wait(120) == 0, (out / "stderr.log").read_text(encoding="utf-8")
    timeline = json.loads((out / "run" / "timeline.json").read_text(encoding="utf-8"))
    found, counts = timeline["provenance"]["latency_ms"], timeline["frame_counts"]
    return Measured(
        tuple(found[name] for name in ("p50", "p95", "p99")),
        counts["received"],
        counts["dropped"],
        packets(sorted(out.glob("feed*.mkv"))),
        cores,
        browser_cores,
    )


def live(folder: Path, model: Path, seconds: float = 180.0, only: Sequence[str] = ()) -> dict[str, str]:
    """Facts for the report, by case."""
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, str] = {}
    for case in CASES:
        if not only or case.name in only:
            measured = measure(case, model, folder, seconds)
            facts[f"live, {model.name}, {case.name}"] = measured.text
            print(f"{case.name:16}  {measured.text}", flush=True)
            if case == USUAL:
                kept = measured.latency_ms[2] < MOST_P99_MS and not measured.dropped
                facts[f"live, {model.name}, p99 under {MOST_P99_MS:.0f} ms and no frame dropped"] = (
                    "yes" if kept else "no"
                )
    write_json(folder / "live.json", facts)
    return facts


def with_one_more_organ(model: Path, target: Path) -> Path:
    """The same model, whose first organ is there twice: the second time under another name."""
    if model.suffix == ".safetensors":
        header, tensors = read_model(model)
        more = {name: np.concatenate([tensors[name], tensors[name][:1]]) for name in ("fc.weight", "fc.bias")}
        write_model(target, _one_more(header), {**tensors, **more})
        return target
    from openvino import opset13 as ops

    from seqcls.engines.openvino_graph import read, write

    graph, header, notes = read(model)
    add = graph.outputs[0].get_node().input_value(0).get_node()
    product = add.input_value(0).get_node()
    for node, axis in ((product, 0), (add, 1)):
        values = node.input_value(1).get_node().data
        first = np.take(values, [0], axis)
        node.input(1).replace_source_output(ops.constant(np.concatenate([values, first], axis)).output(0))
    graph.validate_nodes_and_infer_types()
    write(target, graph, _one_more(header), notes["precision"])
    return target


def _one_more(header: ModelHeader) -> ModelHeader:
    return replace(
        header,
        organs=(*header.organs, "one more"),
        calibration=(*header.calibration, header.calibration[0]),
        intervals=(*header.intervals, header.intervals[0]),
        operating_curve=(),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=180.0, help="of each case")
    parser.add_argument("--only", nargs="*", choices=[case.name for case in CASES], default=())
    arguments = parser.parse_args()
    live(arguments.output, arguments.model, arguments.seconds, arguments.only)
