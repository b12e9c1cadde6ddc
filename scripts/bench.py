"""What seqcls costs against the plain loop, in one run on one machine: the rates that the README quotes.

    python scripts/bench.py -o /tmp/bench                  # about 10 minutes on 2 cores
    python scripts/bench.py -o /tmp/bench --only reading   # or: running, training, live, shell, batch, growth
    python scripts/bench.py -o /tmp/bench --only batch --device cuda   # on a machine with a GPU

The plain loop is what everybody writes first; it stands in plain_loop.py in full. Rates are medians of cases measured
in turns; only their ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcls.cores import LIBRARIES

# Before any is loaded, as the command line does; the plain loop does not.
os.environ.update({**LIBRARIES, **os.environ})

from seqcls import bench
from seqcls.adaptive import SamplingOptions
from seqcls.analysis import DECODED_AHEAD
from seqcls.detector import load
from seqcls.errors import EngineError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.models.file import read_header, write_model
from seqcls.models.untrained import random_model
from seqcls.phantom import SweepOptions, write_sweep
from seqcls.prefetch import prefetched
from seqcls.preprocess import PreprocessedFrame, Preprocessor
from seqcls.sources.found import FoundSource
from seqcls.sources.isolated import DecoderPool
from seqcls.types import Frame

SIZE = 224
Facts = dict[str, Any]


class Plain:
    """The plain loops (plain_loop.py) in a process of their own, with the environment that such programs have."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in LIBRARIES}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("plain_loop.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def case(self, name: str, *order: object) -> bench.Case:
        def work() -> int:
            assert self._process.stdin is not None and self._process.stdout is not None
            print(json.dumps([str(word) for word in order]), file=self._process.stdin, flush=True)
            return int(self._process.stdout.readline())

        return bench.Case(name, work)

    def close(self) -> None:
        self._process.communicate()


def show(text: str) -> None:
    print(text, flush=True)


def reading(plain: Plain, clip: Path, repeats: int) -> list[bench.Result]:
    cases = [
        plain.case("plain reading", "reading", clip),
        bench.reading(clip),
        bench.preprocessing(clip, Geometry(size=SIZE)),
    ]
    return bench.measure(cases, repeats)


def running(
    plain: Plain, clip: Path, steady: Path, models: dict[str, Path], repeats: int, facts: Facts
) -> list[bench.Result]:
    """End to end and engines alone. steady: a clip whose organs stay in view for seconds. models: ``fp32`` and where
    made ``int8``, for OpenVINO."""
    cases = [plain.case("plain loop", "loop", clip)]
    images = bench.images_of(clip, read_header(models["fp32"]).geometry, 64)
    for engine, precision in (
        ("torch", "fp32"),
        ("torch", "bf16"),
        ("openvino", "fp32"),
        ("openvino", "bf16"),
        ("openvino", "int8"),
        ("onnx", "fp32"),
    ):
        if precision == "int8" and "int8" not in models:
            continue
        name = f"{engine} {precision}"
        try:
            detector = load(models["int8" if precision == "int8" else "fp32"], engine=engine, precision=precision)
        except EngineError as error:
            show(f"left out: {name}: {error}")
            continue
        cases.append(bench.scoring(f"{name}, engine alone", detector.engine, images))
        if engine == "openvino":
            cases.append(bare_openvino(f"{name}, bare", detector.engine, images))
        cases.append(bench.running(name, detector, clip))
        if (engine, precision) in (("openvino", "fp32"), ("openvino", "int8")):
            few = replace(detector, sampling=SamplingOptions(kind="adaptive"))
            for shown, kind in ((clip, "adaptive"), (steady, "adaptive, steady clip")):
                cases.append(bench.running(f"{name}, {kind}", few, shown))
                frame_counts = few.analyze(shown).frame_counts
                facts[f"{name}, {kind}"] = f"{frame_counts.classified} of {frame_counts.received} frames measured"
            single = bench.latency(detector, clip)
            facts[f"{name}, one frame at a time"] = " / ".join(f"{ms:.1f}" for ms in single) + " ms"
    return bench.measure([*cases, *on_gpu(clip, models["fp32"], images, facts)], repeats)


def bare_openvino(name: str, engine: Any, images: Any) -> bench.Case:
    """The same graph by OpenVINO's own throughput mode, with nothing of seqcls around it."""
    from seqcls.engines.openvino_graph import core, ov

    hints = {"PERFORMANCE_HINT": "THROUGHPUT"}
    if engine.precision in ("fp32", "bf16"):
        hints["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[engine.precision]
    queue = ov.AsyncInferQueue(core().compile_model(engine._model, "CPU", hints))

    def work() -> int:
        for row in range(len(images)):
            queue.start_async({0: images[row : row + 1]})
        queue.wait_all()
        return len(images)

    return bench.Case(name, work)


def isolated(clip: Path, model: Path, repeats: int) -> list[bench.Result]:
    """What it costs to decode in a child: reading alone, with everything but the engine, and the whole way."""
    detector, found, geometry = load(model, engine="openvino"), FoundSource(spec=str(clip)), Geometry(size=SIZE)
    with closing(DecoderPool()) as pool:

        def read() -> int:
            with pool.open(found) as source:
                return sum(1 for item in source if isinstance(item, Frame))

        def preprocess() -> int:
            with pool.open(found) as source, prefetched((item for item in source), DECODED_AHEAD) as decoded:
                items = Preprocessor(geometry, GateOptions()).prepare(decoded)
                return sum(isinstance(item, PreprocessedFrame) for item in items)

        def run() -> int:
            with pool.open(found) as source:
                return detector.analyze(source).frame_counts.received

        cases = [
            bench.reading(clip),
            bench.Case("read, in a child", read),
            bench.preprocessing(clip, geometry),
            bench.Case("read + preprocess, in a child", preprocess),
            bench.running("run", detector, clip),
            bench.Case("run, decoded in a child", run),
        ]
        return bench.measure(cases, repeats)


def on_gpu(clip: Path, model: Path, images: Any, facts: Facts) -> list[bench.Case]:
    import torch

    if not torch.cuda.is_available():
        facts["GPU"] = "none here; unmeasured"
        return []
    facts["GPU"] = torch.cuda.get_device_name()
    detector = load(model, engine="torch", device="cuda")
    many = images[[row % len(images) for row in range(1024)]]
    alone = [bench.scoring(f"GPU, batch {size}", detector.engine, many, size) for size in (1, 64, 256)]
    return [*alone, bench.running("GPU, end to end", detector, clip)]


def shell(folder: Path, model: Path, facts: Facts) -> None:
    """From the shell, in processor time, which other programs disturb less: start-up, and a 10 s clip against importing
    what it cannot do without, the engine's own time on its frames, and decoding them."""
    from bench_steady import decode, inside

    clip = folder / "ten-seconds.mp4"
    if not clip.exists():
        write_sweep(clip, SweepOptions(patient=3, width=1024, height=768, rate_hz=30.0, duration_s=10.0))

    def timed(*arguments: str) -> float:
        took_s = []
        for _ in range(3):
            began = os.times()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            ended = os.times()
            took_s.append(ended.children_user - began.children_user + ended.children_system - began.children_system)
        return sorted(took_s)[1]

    for command in ("--help", "run --help", "--version"):
        facts[f"seqcls {command}"] = f"{timed('-m', 'seqcls', *command.split()):.2f} s of processor time"
    imports_s = timed("-c", "import numpy, cv2, av, openvino")
    facts["import numpy, cv2, av, openvino"] = f"{imports_s:.2f} s"
    detector = load(model)
    images = bench.images_of(clip, detector.header.geometry, 300)
    began_s = time.process_time()
    for start in range(0, len(images), 16):
        detector.engine.scores(images[start : start + 16])
    engine_s = time.process_time() - began_s
    facts[f"{detector.engine.description}, {len(images)} frames"] = f"{engine_s:.2f} s"
    decoding_s = inside(lambda: decode(clip)).cpu_s
    facts[f"decoding, {len(images)} frames"] = f"{decoding_s:.2f} s"
    out = str(folder / "shell")
    for sampling in ("every", "adaptive"):
        run = ("-m", "seqcls", "run", str(clip), "-m", str(model), "-o", out, "--overwrite", "--sampling", sampling)
        took_s = timed(*run)
        times, with_decoding = took_s / (imports_s + engine_s), took_s / (imports_s + engine_s + decoding_s)
        facts[f"a 10 s clip, {model.name}, {sampling}"] = (
            f"{took_s:.2f} s, {times:.2f} times imports and engine, {with_decoding:.2f} times these and decoding"
        )


MEMORY = """
import resource, sys, threading, time
from pathlib import Path
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
from support.fakes import detector
most = [0.0]
def watch():
    while True:
        most[0] = max(most[0], resident())
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
began = time.perf_counter()
frames = detector().analyze(sys.argv[1]).frame_counts.received
print(frames, time.perf_counter() - began, most[0])
"""


def growth(folder: Path, facts: Facts) -> None:
    """Time and memory of ever longer clips: reading, region, gate, smoothing and intervals, with a trivial engine."""
    tests = Path(__file__).resolve().parent.parent / "tests"
    sweep = folder / "one-minute.mp4"
    if not sweep.exists():
        write_sweep(sweep, SweepOptions(patient=2, duration_s=60.0, rate_hz=25.0, width=320, height=240))
    for minutes in (1, 10, 100):
        clip = repeated(sweep, folder / f"{minutes}-minutes.mp4", minutes)
        environment = {**os.environ, "PYTHONPATH": str(tests)}
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(clip)], check=True, capture_output=True, text=True, env=environment
        )
        frames, seconds, mebibytes = (float(word) for word in done.stdout.split())
        each_us = 1e6 * seconds / frames
        facts[f"{minutes} min of clip"] = f"{frames:.0f} frames, {each_us:.0f} us each, {mebibytes:.0f} MiB at most"


def repeated(clip: Path, target: Path, times: int) -> Path:
    """The clip's packets, again and again, with times that go on."""
    if target.exists():
        return target
    import av

    with av.open(str(target), "w") as out:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                end = 0
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)
                shift += end
    return target


def main(arguments: argparse.Namespace) -> int:
    with closing(Plain()) as plain:
        return measured(plain, arguments)


def measured(plain: Plain, arguments: argparse.Namespace) -> int:
    out: Path = arguments.output
    out.mkdir(parents=True, exist_ok=True)
    clip = out / "sweep-1024x768.mp4"
    if not clip.exists():
        write_sweep(clip, SweepOptions(patient=1, width=1024, height=768, rate_hz=30.0, duration_s=arguments.seconds))
    models = {"fp32": arguments.model or out / "random.safetensors"}
    if arguments.model is None:
        write_model(models["fp32"], *random_model(SIZE))
    if arguments.int8 is not None:
        models["int8"] = arguments.int8
    facts: Facts = {"clip": f"1024x768 H.264, 30 frames/s, {arguments.seconds:g} s; ResNet-18 at {SIZE} pixels"}
    wanted = arguments.only or ["reading", "isolated", "running", "training", "shell", "batch", "growth", "live"]
    if "reading" in wanted:
        report(out / "reading", reading(plain, clip, arguments.repeats), facts, "plain reading")
    if "isolated" in wanted:
        report(out / "isolated", isolated(clip, models.get("int8", models["fp32"]), arguments.repeats), facts, "run")
    if "training" in wanted:
        import bench_training

        report(out / "training", bench_training.rates(out, plain, arguments.repeats), facts, "plain training")
        if arguments.seeds:
            facts |= bench_training.facts_of(bench_training.areas(out, arguments.seeds))
    if "batch" in wanted:
        import bench_batch

        def loop(path: Path) -> int:
            return plain.case("plain loop", "loop", path).work()

        model = models.get("int8", models["fp32"])
        facts |= bench_batch.facts_of(out, model, arguments.clips, arguments.device, loop)
    if "shell" in wanted:
        shell(out, models.get("int8", models["fp32"]), facts)
        import bench_steady

        facts |= bench_steady.steady(out, models.get("int8", models["fp32"]))
    if "live" in wanted:
        import bench_live

        for precision, each in models.items():
            only = () if precision == "int8" or len(models) == 1 else ("usual",)
            facts |= bench_live.live(out / f"live-{precision}", each, arguments.live_seconds, only)
    if "growth" in wanted:
        growth(out, facts)
    if "running" in wanted:
        steady = out / "steady-1024x768.mp4"
        if not steady.exists():
            options = SweepOptions(
                patient=1, width=1024, height=768, rate_hz=30.0, duration_s=1.5 * arguments.seconds, station_s=7.0
            )
            write_sweep(steady, options)
        report(out, running(plain, clip, steady, models, arguments.repeats, facts), facts, "plain loop")
    for key, value in facts.items():
        show(f"{key}: {value}")
    return 0


def report(folder: Path, results: list[bench.Result], facts: Facts, reference: str) -> None:
    base = next(result.median for result in results if result.name == reference)
    for result, (name, rate) in zip(results, bench.table(results), strict=True):
        ratio = f"{result.median / base:.2f}" if result.rates else ""
        show(f"{name:32}  {rate:>14}  {ratio:>14}")
        facts[f"{name}, times the {reference}"] = ratio
    bench.write_report(folder, results, facts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="trained at 224 pixels; random weights without")
    parser.add_argument("--int8", type=Path, help="the same, converted by `seqcls convert --precision int8`")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clips", type=int, default=50, help="how many short ones make a batch")
    parser.add_argument("--device", default="auto", help="what scores a batch: auto, cpu, cuda or mps")
    parser.add_argument("--live-seconds", type=float, default=180.0, help="of each live case; 600 for ten minutes")
    parser.add_argument("--seeds", type=int, default=0, help="compare validation AUROC too: 4 minutes per seed")
    parser.add_argument(
        "--only", nargs="*", choices=["reading", "isolated", "running", "training", "shell", "batch", "growth", "live"]
    )
    sys.exit(main(parser.parse_args()))
