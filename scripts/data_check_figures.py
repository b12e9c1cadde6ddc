"""What the data checks find and what they call wrong by mistake, on labelled clips: the figures of docs/data-checks.md.

    python scripts/data_check_figures.py CLIPS LABELS [--patients REGEX]

Prints how alike frames of different patients and clips, neighbours, and copies are; how many pairs count as twins with
each patient held out; and how many labels are named as likely wrong with none, 2 % and 10 % of them flipped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.data_checks.leakage import twins_of
from seqcls.datasets.data_checks.near_duplicates import details
from seqcls.datasets.data_checks.wrong_labels import likely_wrong
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.labels import read_labels, with_patients
from seqcls.geometry import Geometry
from seqcls.training.embedding import embed

Image = NDArray[np.uint8]
COPIES = 150


def jpeg(quality: int) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)

    return change


def half(image: Image) -> Image:
    side = image.shape[0]
    small = cv2.resize(image, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side)), np.uint8)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "JPEG at quality 30": jpeg(30),
    "JPEG at quality 10": jpeg(10),
    "gain 1.3": lambda image: np.clip(image * 1.3, 0, 255).astype(np.uint8),
    "gamma 0.7": lambda image: (255 * (image / 255.0) ** 0.7).astype(np.uint8),
    "half the size": half,
}


def likenesses(frames: FrameSet) -> None:
    """Correlations of detail: what must be told apart, and what must be found."""
    detail = details(frames.images)
    alike = detail @ detail.T
    patients = frames.patient[:, None] != frames.patient[None]
    clips = (frames.clip[:, None] != frames.clip[None]) & ~patients
    for name, pairs in (("other patients", patients), ("other clips of one patient", clips)):
        if pairs.any():
            print(f"{name}: at most {alike[pairs].max():.3f}")
    rows = np.flatnonzero(frames.clip[1:] == frames.clip[:-1])
    print(f"neighbours: {np.percentile(alike[rows, rows + 1], 1):.3f} or more in 99 of 100")
    chosen = np.random.default_rng(0).choice(len(detail), min(COPIES, len(detail)), replace=False)
    for name, change in CHANGES.items():
        copies = details(np.stack([change(frames.images[row]) for row in chosen]))
        found = np.einsum("nd,nd->n", copies, detail[chosen])
        print(f"copies, {name}: {found.min():.3f} or more, median {np.median(found):.3f}")


def false_twins(frames: FrameSet, features: NDArray[np.float32]) -> None:
    for patient in np.unique(frames.patient).tolist():
        sides = replace(frames, split=np.where(frames.patient == patient, "validation", "train"))
        print(f"twins with {patient} held out: {len(twins_of(sides, features))}")


def flipped(frames: FrameSet, features: NDArray[np.float32]) -> None:
    random = np.random.default_rng(3)
    for share in (0.0, 0.02, 0.1):
        wrong = (random.random(frames.targets.shape) < share) & frames.mask
        spoilt = replace(frames, targets=np.where(wrong, 1 - frames.targets, frames.targets))
        found = list(likely_wrong(spoilt, features))
        named = ", ".join(one.text.split(",")[0] for one in found) if found else "none named"
        print(f"{share:.0%} flipped ({wrong.sum()}): {named}")
        for one in found:  # the surest 200 of each organ
            organ = next(organ for organ in frames.organs if f" of {organ} " in one.text)
            right = int(wrong[list(one.rows), frames.organs.index(organ)].sum())
            print(f"  {organ}: {right} of the {len(one.rows)} listed are right")


def main(arguments: argparse.Namespace) -> int:
    labels = with_patients(read_labels(arguments.labels), arguments.patients)
    frames = frames_from_clips(match_clips(labels, arguments.clips, arguments.labels), Geometry(size=112))
    print(f"{len(frames.images)} frames of {len(np.unique(frames.clip))} clips")
    features = embed(frames.images)
    likenesses(frames)
    false_twins(frames, features)
    flipped(frames, features)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--patients")
    sys.exit(main(parser.parse_args()))
