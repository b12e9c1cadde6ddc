"""Make samples/: a short synthetic neck sweep, its truth, and the timeline that a demo model finds in it.

    python scripts/make_samples.py            # about 4 minutes on 2 cores
    python scripts/make_samples.py --model seqcls-demo/neck.safetensors

Run it after a change that shows in the pictures, look at samples/timeline.png, and commit what changed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from seqcls.datasets.labels import read_labels
from seqcls.demo import MODEL, UNSEEN, DemoOptions, demo
from seqcls.detector import load
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import pooled_metrics
from seqcls.exports import write_intervals_csv, write_timeline_json
from seqcls.exports.timeline_png import write_picture
from seqcls.phantom import SweepOptions, write_labels, write_sweep

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
MAX_BYTES = 1_000_000
#: A patient whom the demo's model never saw.
SWEEP = SweepOptions(patient=UNSEEN + 1, width=400, height=300, rate_hz=20.0, duration_s=14.0)


@contextlib.contextmanager
def stage(label: str, total: int) -> Iterator[Callable[[int], None]]:
    print(label, flush=True)
    yield lambda done: None


def make(model: Path | None) -> int:
    SAMPLES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if model is None:
            demo(Path(scratch) / "demo", DemoOptions(), stage)
            model = Path(scratch) / "demo" / MODEL
        clip = SAMPLES / "neck.mp4"
        write_labels(SAMPLES / "neck-truth.csv", [write_sweep(clip, SWEEP, crf=30)])
        timeline = load(model).analyze(clip)
    write_timeline_json(timeline, SAMPLES / "neck-timeline.json")
    write_intervals_csv(timeline, SAMPLES / "neck-intervals.csv")
    write_picture(timeline, SAMPLES / "timeline.png")
    (truth,) = read_labels(SAMPLES / "neck-truth.csv")
    for organ in pooled_metrics([align_labels(timeline, truth)]).organs:
        assert organ.intervals is not None, "a clip was evaluated"
        print(f"{organ.organ}: AUROC {organ.frames.auroc:.4f}, F1@50 {organ.intervals.f1_at[2]:.3f}")
    size = sum(path.stat().st_size for path in SAMPLES.iterdir())
    print(f"{SAMPLES}: {size:,} bytes, the clip {clip.stat().st_size:,}")
    return 0 if clip.stat().st_size < MAX_BYTES else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="use this model instead of training one")
    sys.exit(make(parser.parse_args().model))
