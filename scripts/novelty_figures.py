"""How many frames a model calls unlike its training, by kind of clip: same patients' kind, and kinds of strangers.

    python scripts/novelty_figures.py organ.safetensors --same "new patients=clips/pat4*" --stranger "heart=echo/*"
    python scripts/novelty_figures.py organ.safetensors --refit data --patients "(pat[0-9])" ...

For each kind, whose patterns may be several, it prints how many frames of its clips are unknown as unlike the
training, and how many would show an organ without that. --every N looks at every Nth frame of a clip; --keep FOLDER
keeps what the network makes of each clip, so that a second call takes seconds. --refit
fits the reference anew on the frames of a folder that `seqcls extract` wrote, in place of the model's own; without it,
the model must have one.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.bench import measure, scoring
from seqcls.datasets.dataset import load_frames
from seqcls.engines import open_engine
from seqcls.engines.base import Forward
from seqcls.engines.openvino_engine import forward_of
from seqcls.engines.openvino_graph import build
from seqcls.errors import SeqclsError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader, Tensors, read_model
from seqcls.models.folded import behind, network
from seqcls.novelty import STAGES, Novelty, unlike_rows
from seqcls.preprocess import PreprocessedFrame, Preprocessor
from seqcls.sources import open_source
from seqcls.training.novelty_fit import fit_novelty
from seqcls.types import Frame

Floats = NDArray[np.float32]


def clips_by_kind(stated: Sequence[str]) -> dict[str, list[Path]]:
    """The clips of each kind, of KIND=PATTERN where a kind may come again."""
    found: dict[str, list[Path]] = {}
    for one in stated:
        kind, _, pattern = one.partition("=")
        place = Path(pattern)
        found.setdefault(kind, []).extend(sorted(place.parent.glob(place.name)))
    return found


def frames_of(clip: Path, geometry: Geometry, every: int) -> Iterator[PreprocessedFrame]:
    """Every Nth frame that passes the gate."""
    with open_source(clip) as source:
        stage = Preprocessor(geometry, GateOptions(), source.info.region)
        prepared = stage.prepare(item for item in source if isinstance(item, Frame))
        scorable = (item for item in prepared if isinstance(item, PreprocessedFrame) and item.image is not None)
        yield from islice(scorable, 0, None, every)


def seen_by(
    forward: Forward, clip: Path, geometry: Geometry, every: int, keep: Path | None
) -> tuple[NDArray[np.float64], Floats]:
    """(T,) times and (T, K + D) logits and features, from ``keep`` where they are there."""
    kept = None if keep is None else keep / f"{hashlib.sha256(str(clip).encode()).hexdigest()[:16]}-{every}.npz"
    if kept is not None and kept.is_file():
        found = np.load(kept)
        return found["time_s"], found["outputs"]
    times_s, outputs = [], []
    for frame in frames_of(clip, geometry, every):
        assert frame.image is not None
        times_s.append(frame.time_s)
        outputs.append(forward(frame.image[None])[0])
    made = np.array(times_s, np.float64), np.array(outputs, np.float32)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, time_s=made[0], outputs=made[1])
    return made


def refitted(header: ModelHeader, forward: Forward, data: Path, patients: str, most: int | None) -> Novelty:
    """The reference of the frames in a folder, of which ``patients`` finds the patient in the name of a clip."""
    frames = load_frames(data, header.geometry).of_organs(header.organs)
    if patients:
        named = [re.search(patients, clip) for clip in frames.clip.tolist()]
        names = [found[1] if found else clip for found, clip in zip(named, frames.clip.tolist(), strict=True)]
        frames = replace(frames, patient=np.array(names))
    rows = np.arange(len(frames.images))
    rows = rows if most is None else rows[:: -(-len(rows) // most)]
    organs = len(header.organs)

    def features_of(chosen: NDArray[np.int64]) -> Floats:
        return np.stack([forward(frames.images[row][None])[0, organs:] for row in chosen.tolist()])

    novelty, message = fit_novelty(frames, rows, rows[:0], features_of)
    print(message)
    if novelty is None:
        sys.exit(1)
    return novelty


def show_cost(header: ModelHeader, tensors: Tensors, novelty: Novelty, images: int = 60) -> None:
    """Frames per second one at a time, as a live run scores them, with the novelty and without it, in turns."""
    size = header.geometry.size
    drawn = np.random.default_rng(0).integers(0, 256, (images, size, size), np.uint8)
    engines = {
        name: open_engine((replace(header, novelty=known), tensors), engine="openvino")
        for name, known in (("without novelty", None), ("with novelty", novelty))
    }
    results = measure([scoring(name, engine, drawn, batch_size=1) for name, engine in engines.items()], repeats=9)
    for result in results:
        print(f"{result.name:<24}{result.median:>8.1f} frames/s")
    ratios = [with_it / without for without, with_it in zip(*(result.rates for result in results), strict=True)]
    print(f"{'speed with / without':<24}{np.median(ratios):>8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--same", action="append", default=[], metavar="KIND=PATTERN")
    parser.add_argument("--stranger", action="append", default=[], metavar="KIND=PATTERN")
    parser.add_argument("--cost", action="store_true", help="how much slower it makes a frame")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--refit", type=Path, metavar="DATA")
    parser.add_argument("--patients", default="", metavar="REGEX")
    parser.add_argument("--most", type=int, help="frames to refit on")
    asked = parser.parse_args()
    header, tensors = read_model(asked.model)
    forward = forward_of(build(replace(network(header, tensors), pooled=behind(STAGES))), "fp32")
    novelty = header.novelty
    if asked.refit is not None:
        novelty = refitted(header, forward, asked.refit, asked.patients, asked.most)
    if novelty is None:
        sys.exit(f"{asked.model} knows nothing of its training frames; add --refit DATA")
    if asked.cost:
        show_cost(header, tensors, novelty)
    organs, onset = len(header.organs), np.array([one.onset for one in header.intervals])
    print(f"limit {novelty.limit:.3f}, by {novelty.held_out}: {novelty.false_alarms:.2%} of them beyond it")
    print(f"{'kind':<24}{'clips':>6}{'frames':>8}{'unlike':>9}{'worst clip':>12}{'median':>8}{'present without':>17}")
    for title, stated in (("same", asked.same), ("stranger", asked.stranger)):
        for kind, clips in clips_by_kind(stated).items():
            unlike, present, medians = [], [], []
            for clip in clips:
                try:
                    time_s, outputs = seen_by(forward, clip, header.geometry, asked.every, asked.keep)
                except SeqclsError as error:
                    print(f"{clip.name}: {error}", file=sys.stderr)
                    continue
                if not len(outputs):
                    continue
                found = novelty.scores(outputs[:, organs:])
                unlike.append(unlike_rows(np.asarray(time_s, np.float64), found))
                medians.append(float(np.median(found)))
                present.append((header.probabilities(outputs[:, :organs]) >= onset).any(axis=1))
            if not unlike:
                print(f"{kind:<24}{'no frames':>14}")
                continue
            share = [float(one.mean()) for one in unlike]
            worst = max(share) if title == "same" else min(share)
            print(
                f"{kind:<24}{len(unlike):>6}{sum(map(len, unlike)):>8}{np.concatenate(unlike).mean():>9.1%}"
                f"{worst:>12.1%}{np.median(medians):>8.2f}{np.concatenate(present).mean():>17.1%}"
            )


if __name__ == "__main__":
    main()
