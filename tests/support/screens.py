"""Drawn scanner screens with exact truth: a sector of speckle and whatever else scanners show around it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry import Region, outline_mask

Image = NDArray[np.uint8]
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """``images`` of (h, w) uint8; ``sector`` (h, w) bool: where the ultrasound is; ``printed``: bright overlay."""

    images: list[Image]
    sector: NDArray[np.bool_]
    printed: NDArray[np.bool_]


def sector_of(kind: str, width: int, height: int) -> NDArray[np.bool_]:
    """(height, width) bool: linear, trapezoid, convex, phased, cropped (a convex one that fills the picture), full."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    if kind == "full":
        return np.ones((height, width), bool)
    if kind == "linear":
        return (x >= 0.25 * width) & (x < 0.72 * width) & (y >= 0.1 * height) & (y < 0.9 * height)
    # apex x and y, inner and outer radius in heights, half angle in degrees
    apex, top, inner, outer, half = {
        "convex": (0.5, -0.12, 0.22, 1.02, 33),
        "phased": (0.48, 0.06, 0.02, 0.86, 42),
        "cropped": (0.5, -0.4, 0.4, 1.38, 32),
        "trapezoid": (0.5, -0.9, 0.0, 9.0, 13),
    }[kind]
    away, down = x - apex * width, y - top * height
    radius = np.hypot(away, down)
    inside = (
        (np.abs(np.arctan2(away, down)) <= np.radians(half)) & (radius >= inner * height) & (radius <= outer * height)
    )
    return inside & (y >= 0.1 * height) & (y < 0.9 * height) if kind == "trapezoid" else inside


def speckle(rng: np.random.Generator, width: int, height: int, fine: float = 1.3) -> NDArray[np.float32]:
    """(height, width) float32 of mean 1: Rayleigh noise, wider than tall, as a beam leaves it."""
    noise = rng.rayleigh(1.0, (height, width)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), sigmaX=1.6 * fine, sigmaY=0.7 * fine) / np.float32(np.sqrt(np.pi / 2))


def screen(
    kind: str,
    overlay: Collection[str] = (),
    *,
    width: int = 480,
    height: int = 360,
    frames: int = 24,
    black: int = 0,
    dark_side: str = "",
    moving: bool = True,
    seed: int = 0,
) -> Screen:
    """``black`` black frames, then ``frames`` with the sector. ``dark_side``: left or right has no echo but near the
    probe. ``overlay``: text, ticks, bar, logo, clock, ecg, cursor, menu, panel, box."""
    rng = np.random.default_rng(seed)
    sector = sector_of(kind, width, height)
    rows = np.flatnonzero(sector.any(axis=1))
    depth = (np.arange(height) - rows[0]) / len(rows)
    gain = (150 * np.exp(-1.6 * np.clip(depth, 0, 1)))[:, None] + 25
    gain = np.where(depth[:, None] < 0.06, 190, gain) * np.ones((1, width))
    middle = int(np.flatnonzero(sector.any(axis=0)).mean())
    if dark_side:
        dark = slice(0, middle) if dark_side == "left" else slice(middle, width)
        gain[rows[0] + len(rows) // 12 :, dark] = 0
    cv2.circle(gain, (middle + width // 12, int(rows.mean())), height // 14, 4.0, -1)  # a vessel
    still, page = speckle(rng, width, height), _page(kind, overlay, width, height, sector)
    images = [np.zeros((height, width), np.uint8)] * black
    for index in range(frames):
        change = speckle(rng, width, height) if moving else still
        tissue = np.clip((0.6 * np.roll(still, index // 3 if moving else 0, axis=0) + 0.4 * change) ** 2 * gain, 0, 255)
        image = _moving(page.copy(), overlay, index, sector)
        image[sector] = tissue.astype(np.uint8)[sector]
        images.append(image)
    return Screen(images, sector, (page > 100) & ~sector)


def _page(kind: str, overlay: Collection[str], width: int, height: int, sector: NDArray[np.bool_]) -> Image:
    page = np.zeros((height, width), np.uint8)
    columns = np.flatnonzero(sector.any(axis=0))
    if "panel" in overlay:
        page[:] = 70
        if "box" in overlay:
            page[height // 14 : -height // 14, max(0, columns[0] - 8) : columns[-1] + 8] = 0
    if "text" in overlay:
        cv2.putText(page, "MUSTER, ANNA  1.1.1970", (6, 16), FONT, 0.45, 230, 1, cv2.LINE_AA)
        for row, text in enumerate(("C5-1 Abd", "Gn 62", "DR 55", "MI 0.9", "TIs 0.3", "12.0 cm")):
            cv2.putText(page, text, (6, 60 + 18 * row), FONT, 0.4, 190, 1, cv2.LINE_AA)
    if "ticks" in overlay:
        for tick in range(17):
            y = int((0.1 + 0.05 * tick) * height)
            x = min(width - 2, columns[-1] + 10)
            cv2.line(page, (x - (6 if tick % 5 == 0 else 3), y), (x, y), 170, 1)
    if "bar" in overlay:
        page[height // 5 : height // 2, width - 18 : width - 6] = np.linspace(255, 0, height // 2 - height // 5)[
            :, None
        ]
    if "logo" in overlay:
        cv2.circle(page, (width - 60, 24), 15, 210, -1)
        cv2.putText(page, "us", (width - 70, 28), FONT, 0.5, 20, 2, cv2.LINE_AA)
    if "menu" in overlay:
        page[height - 24 :, :] = 110
        for x in range(10, width - 40, 70):
            page[height - 20 : height - 5, x : x + 50] = 160
    return page


def _moving(page: Image, overlay: Collection[str], index: int, sector: NDArray[np.bool_]) -> Image:
    height, width = page.shape
    if "clock" in overlay:
        cv2.putText(
            page, f"10:41:{index // 2:02d}.{index * 37 % 100:02d}", (width - 120, 14), FONT, 0.42, 220, 1, cv2.LINE_AA
        )
    if "ecg" in overlay:  # a still trace that a moving gap redraws
        x = np.arange(width)
        beat = height - 40 - 14 * np.exp(-((((x + 10) % 90 - 45) / 3.0) ** 2)) + 3 * np.sin(x / 9)
        line = np.stack([x, beat], axis=1).round().astype(np.int32)
        cut = 23 * index % width
        for part in (line[:cut], line[cut + 16 :]):
            cv2.polylines(page, [part], False, 200, 1, cv2.LINE_AA)
    if "cursor" in overlay:
        x, y = 20 + 7 * index, height - 40 - 3 * index
        cv2.fillPoly(page, [np.array([[x, y], [x, y + 14], [x + 10, y + 10]])], 240)
    return page


def shown(region: Region) -> NDArray[np.bool_]:
    """(height, width) bool: what of the picture may be seen."""
    inside = np.zeros((region.height, region.width), bool)
    mask = outline_mask(region)
    inside[region.y0 : region.y1, region.x0 : region.x1] = True if mask is None else mask > 0
    return inside
