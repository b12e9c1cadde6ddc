"""Small drawn clips: a speckled sector in which a bright disc is the organ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from support.encoded import write_video

WIDTH, HEIGHT = 96, 80


def picture(present: bool, index: int = 0, seed: int = 0) -> NDArray[np.uint8]:
    """(80, 96) uint8; tissue is speckle in a fan, the organ a bright disc that wanders a little."""
    rng = np.random.default_rng([seed, index])
    speckle = cv2.GaussianBlur(rng.rayleigh(60, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.0)
    if present:
        centre = (48 + int(6 * np.sin(index / 5 + seed)), 46)
        disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.float32), centre, 13, 1.0, -1)
        speckle = speckle * (1 + 1.6 * disc)
    fan = cv2.fillConvexPoly(np.zeros((HEIGHT, WIDTH), np.uint8), np.array([[36, 4], [60, 4], [92, 74], [4, 74]]), 1)
    return (np.clip(speckle, 0, 255) * fan).astype(np.uint8)


def write_clip(path: Path, present: Sequence[bool], rate_hz: int = 10, seed: int = 0) -> Path:
    """One frame per entry, as MPEG-4 at high quality."""
    write_video(path, (picture(here, index, seed) for index, here in enumerate(present)), rate_hz=rate_hz)
    return path


def labelled_folder(folder: Path, clips: int = 3, organ: str = "node") -> tuple[Path, Path]:
    """``clips`` clips of 4 s, each absent, present for 2 s, absent; and their labels."""
    lines = ["file,organ,start_s,end_s,state,patient"]
    for number in range(clips):
        name = f"neck {number}.mp4"
        write_clip(folder / "clips" / name, [10 <= i < 30 for i in range(40)], seed=number)
        for start, end, state in (
            (0, 0.9, "absent"),
            (0.9, 1.1, "ignore"),
            (1.1, 3.0, "present"),
            (3.0, 4.0, "absent"),
        ):
            lines.append(f"{name},{organ},{start},{end},{state},P{number}")
    labels = folder / "labels.csv"
    labels.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "clips", labels
