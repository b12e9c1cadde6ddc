"""The scanner's screen: the beam image put into its sector, and the overlay around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.phantom.beam import BEAMS, ROWS, Gray, Probe

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FAMILY = ("TESTFALL", "MUSTER", "SPECIMEN", "PHANTOM", "NOBODY", "SAMPLE", "EXEMPLO", "FICTION")
_GIVEN = ("ANNA", "BEN", "CARLA", "DAVID", "EVA", "FINN", "GRETA", "HUGO")


class Screen:
    """Layout of one scanner. ``sector`` is (height, width) bool: where the ultrasound is."""

    def __init__(self, probe: Probe, rng: np.random.Generator, width: int, height: int, overlay: bool) -> None:
        scale, centre, top = _layout(probe, rng, width, height)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x, y = (x - centre) / scale, (y - top) / scale  # mm
        if probe.kind == "linear":
            across, along = x / probe.aperture, y
        else:
            y = y + probe.radius * np.cos(probe.half_angle)
            across = np.arctan2(x, y) / (2 * probe.half_angle)
            along = np.hypot(x, y) - probe.radius
        self.sector: NDArray[np.bool_] = (np.abs(across) <= 0.5) & (along >= 0) & (along <= probe.depth)
        rows, columns = np.nonzero(self.sector)
        self._box = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
        self._mask = self.sector[self._box].astype(np.uint8) * 255
        beam_x = ((across + 0.5) * BEAMS - 0.5)[self._box].astype(np.float32)
        beam_y = (along / probe.depth * ROWS - 0.5)[self._box].astype(np.float32)
        self._maps = cv2.convertMaps(beam_x, beam_y, cv2.CV_16SC2)
        self._background: Gray = np.zeros((height, width), np.uint8)
        self._clock: tuple[int, int] | None = None
        self._text = height / 480
        if overlay:
            self._draw_overlay(probe, rng, scale, centre, top)
            self._background[self.sector] = 0

    def show(self, beams: Gray, time_s: float) -> Gray:
        """(height, width) uint8 with the beam image in its sector."""
        image: Gray = self._background.copy()
        sector = cv2.remap(beams, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if self._clock is not None:
            seconds = int(time_s) % 86400 + 36000
            text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            self._write(image, text, *self._clock)
        cv2.copyTo(sector, self._mask, image[self._box])
        return image

    def _write(self, image: Gray, text: str, x: float, y: float, size: float = 0.38, shade: int = 190) -> None:
        cv2.putText(image, text, (round(x), round(y)), _FONT, size * self._text, shade, 1, cv2.LINE_AA)

    def _draw_overlay(self, probe: Probe, rng: np.random.Generator, scale: float, centre: float, top: float) -> None:
        page = self._background
        height, width = page.shape
        k = self._text
        name = f"{rng.choice(_FAMILY)}, {rng.choice(_GIVEN)}"
        birth = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(1930, 2005)}"
        self._write(page, name, 8 * k, 13 * k, 0.42, 230)
        self._write(page, f"ID {rng.integers(10**6, 10**7)}  *{birth}", 0.3 * width, 13 * k)
        self._clock = (round(width - 70 * k), round(13 * k))
        settings = ["L12-4" if probe.kind == "linear" else "C5-1", "Neck", f"{probe.depth / 10:.1f} cm",
                    f"Gn {60 + probe.gain:.0f}", f"DR {probe.range_db:.0f}", "MI 0.9", "TIs 0.3"]  # fmt: skip
        side = 6 * k if rng.random() < 0.7 else width - 62 * k
        for n, text in enumerate(settings):
            self._write(page, text, side, (70 + 17 * n) * k, 0.34, 160)
        half = np.nonzero(self.sector.any(axis=0))[0].max() - centre
        x = min(width - 4 * k, centre + half + 8 * k)
        for tick in range(0, int(probe.depth) + 1, 5):
            y = round(top + tick * scale)
            length = round((7 if tick % 10 == 0 else 4) * k)
            cv2.line(page, (round(x - length), y), (round(x), y), 150, 1)
        bar = np.linspace(255, 0, round(110 * k)).astype(np.uint8)[:, None]
        y0, x0 = round(0.55 * height), round(width - 16 * k)
        page[y0 : y0 + len(bar), x0 : x0 + max(2, round(7 * k))] = bar
        cv2.circle(page, (round(centre - half * 0.9), round(max(top - 5 * k, 18 * k))), max(1, round(3 * k)), 200, -1)


def _layout(probe: Probe, rng: np.random.Generator, width: int, height: int) -> tuple[float, float, float]:
    """Pixels per mm, column of the middle of the face, row of the sector's top."""
    if probe.kind == "linear":
        tall, wide = probe.depth, probe.aperture
    else:
        reach = probe.radius + probe.depth
        tall = reach - probe.radius * np.cos(probe.half_angle)
        wide = 2 * reach * np.sin(probe.half_angle)
    share = rng.uniform(0.82, 0.9)
    scale = min(share * height / tall, (0.76 if probe.kind == "linear" else 0.88) * width / wide)
    centre = width * rng.uniform(0.48, 0.52)
    return float(scale), float(centre), float(max(0.055 * height, rng.uniform(0.055, 0.08) * height))
