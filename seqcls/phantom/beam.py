"""From a painted section to B-mode: what one probe and scanner make of it, in beam coordinates.

The image is computed as (rows, beams): rows run along the beam, columns over the probe's face. A painted section
gives echo level, texture and loss of each place; speckle is a Rayleigh field (complex scatterers through the
point-spread function) fixed to the tissue, so that it moves with it and decorrelates as the probe leaves the plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.phantom.anatomy import Anatomy, Points, Tissue, uneven

Gray = NDArray[np.uint8]
Float = NDArray[np.float32]

ROWS, BEAMS = 384, 256
_SHIFT = 4  # cv2's fixed-point bits for corners between pixels
_ECHO_MIN, _ECHO_STEP = -45.0, 0.4  # dB at byte 0 and per byte of the painted map
_TEXTURE_STEP, _LOSS_STEP = 0.05, 0.05
_SLAB_MM = 90.0  # travel before speckle repeats
_SLAB_ROWS = 12  # spare rows for tissue pressed up and down
_PLANES, _PLANE_MM = 6, 1.1  # elevational correlation of a 5-12 MHz array is about a millimetre
_STREAK_MM = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Shape of the field of view (mm; radians) and what the scanner does with the echoes (dB)."""

    kind: Literal["linear", "convex"]
    depth: float
    aperture: float  # linear: width of the face
    radius: float  # convex: of the face
    half_angle: float
    axial: float  # point-spread function, standard deviation
    lateral: float
    focus: float
    range_db: float
    gain: float
    tgc: tuple[float, float, float]  # at the face, half-way, at full depth
    speckle: float  # contrast left by compounding, 1 = none
    noise: float
    gamma: float

    def half_width(self, depth: float) -> float:
        """Half the width of the view at a depth, mm."""
        if self.kind == "linear":
            return 0.5 * self.aperture
        return (self.radius + depth) * float(np.tan(self.half_angle))

    def to_beam(self, points: Points, columns: int, rows: int) -> Float:
        """(N, 2) mm relative to the middle of the face -> (N, 2) column, row."""
        x, y = points[:, 0], points[:, 1]
        if self.kind == "linear":
            across, along = x / self.aperture, y
        else:
            across = np.arctan2(x, y + self.radius) / (2 * self.half_angle)
            # Skin yields to a curved face: depth bends by only part of what rigid tissue would show.
            along = y + 0.4 * (np.hypot(x, y + self.radius) - self.radius - y)
        beam = np.empty((len(points), 2), np.float32)
        beam[:, 0] = (across + 0.5) * columns - 0.5
        beam[:, 1] = along * (rows / self.depth) - 0.5
        return beam

    def cell_areas(self, columns: int, rows: int) -> Float:
        """(rows, 1) mm2 of one beam cell per row."""
        depth = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * self.depth / rows
        linear = self.kind == "linear"
        width = np.full_like(depth, self.aperture) if linear else 2 * self.half_angle * (self.radius + depth)
        return np.asarray(width * (self.depth / (rows * columns)), np.float32)


def draw_probe(rng: np.random.Generator, geometry: Literal["linear", "convex"] | None) -> Probe:
    """Draw one scanner and its settings."""
    u = rng.uniform
    linear_drawn = rng.random() < 0.6
    kind: Literal["linear", "convex"] = geometry if geometry is not None else ("linear" if linear_drawn else "convex")
    linear = kind == "linear"
    depth = u(42, 56) if linear else u(58, 76)
    return Probe(
        kind=kind, depth=depth, aperture=u(38, 50), radius=u(38, 58), half_angle=np.radians(u(24, 31)),
        axial=u(0.11, 0.17) if linear else u(0.18, 0.26), lateral=u(0.32, 0.5) if linear else u(0.5, 0.75),
        focus=depth * u(0.3, 0.6), range_db=u(54, 72), gain=u(-7, 7), tgc=(u(-3, 3), u(-3, 3), u(-12, 2)),
        speckle=u(0.55, 0.95), noise=u(-34, -24), gamma=u(0.85, 1.2),
    )  # fmt: skip


def _bytes(tissue: Tissue) -> tuple[float, float, float]:
    echo = (tissue.echo - _ECHO_MIN) / _ECHO_STEP
    return min(255.0, max(0.0, echo)), tissue.texture / _TEXTURE_STEP, min(255.0, tissue.loss / _LOSS_STEP)


class _Shape(NamedTuple):
    """A shape that waits to be drawn: its kind, its colour in bytes, a line's width, and which points are its own."""

    kind: Literal["fill", "line", "below"]
    colour: tuple[float, float, float]
    width: int
    start: int
    end: int


class Painting:
    """A section in beam coordinates: three bytes per place for echo, texture and loss.

    The field of view is ``left``..``right`` mm in neck coordinates. Shapes are collected and drawn by ``finish``: to
    change the coordinates of all their points at once takes a tenth of the time.
    """

    def __init__(self, probe: Probe, a: Anatomy, x: float, z: float, tilt: float, press: float) -> None:
        self._probe, self._anatomy, self.z = probe, a, z
        self.origin = np.array([x, press], np.float32)
        self._turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]], np.float32)
        half = 1.1 * probe.half_width(probe.depth) + 6
        self.left, self.right = x - half, x + half

    def clear(self, tissue: Tissue) -> None:
        """Begin a painting on a ground of one tissue."""
        self._ground = _bytes(tissue)
        self._shapes: list[_Shape] = []
        self._points: list[Points] = []

    def corners(self, points: Points, columns: int = BEAMS, rows: int = ROWS) -> Float:
        """Neck coordinates -> beam coordinates of this view."""
        moved = (uneven(self._anatomy, points, self.z) - self.origin) @ self._turn
        return self._probe.to_beam(moved.astype(np.float32), columns, rows)

    def fill(self, points: Points, tissue: Tissue) -> None:
        self._add("fill", points, tissue)

    def line(self, points: Points, tissue: Tissue, width_mm: float = 0.5) -> None:
        self._add("line", points, tissue, max(1, round(width_mm * ROWS / self._probe.depth * 0.6)))

    def below(self, points: Points, tissue: Tissue) -> None:
        """Everything from this line down along the beams, as behind air."""
        self._add("below", points, tissue)

    def _add(self, kind: Literal["fill", "line", "below"], points: Points, tissue: Tissue, width: int = 0) -> None:
        start = self._shapes[-1].end if self._shapes else 0
        self._shapes.append(_Shape(kind, _bytes(tissue), width, start, start + len(points)))
        self._points.append(points)

    def finish(self) -> Gray:
        """(ROWS, BEAMS, 3) uint8 with every shape drawn over those before it."""
        image: Gray = np.empty((ROWS, BEAMS, 3), np.uint8)
        image[:] = np.full((BEAMS, 3), self._ground, np.uint8)  # row by row, thirty times faster than place by place
        corners = self.corners(np.concatenate(self._points).astype(np.float32))
        starts = [shape.start for shape in self._shapes]
        low, high = np.minimum.reduceat(corners, starts), np.maximum.reduceat(corners, starts)
        inside = (high[:, 0] >= -3) & (low[:, 0] <= BEAMS + 3) & (low[:, 1] <= ROWS + 3)
        for shape, shown, bottom in zip(self._shapes, inside.tolist(), high[:, 1].tolist(), strict=True):
            if not shown or (bottom < -3 and shape.kind != "below"):
                continue
            own = corners[shape.start : shape.end]
            if shape.kind == "line":
                cv2.polylines(image, [_fixed(own)], False, shape.colour, shape.width, cv2.LINE_AA, _SHIFT)
                continue
            if shape.kind == "below":
                inset = 0.05 * (own[-1, 0] - own[0, 0])  # beams are wider than a line and see past the edge
                floor = np.array([[own[-1, 0] - inset, ROWS + 5], [own[0, 0] + inset, ROWS + 5]], np.float32)
                own = np.concatenate([own, floor])
            cv2.fillPoly(image, [_fixed(own)], shape.colour, cv2.LINE_AA, _SHIFT)
        return image


class Scanner:
    """One probe's image of painted sections, with the speckle of one sweep."""

    def __init__(self, probe: Probe, rng: np.random.Generator) -> None:
        self._probe = probe
        face = 2 * probe.half_width(0.4 * probe.depth)
        self._columns_per_mm = BEAMS / face
        self._rows_per_mm = ROWS / probe.depth
        columns = BEAMS + int(_SLAB_MM * self._columns_per_mm)
        shape = (ROWS + 2 * _SLAB_ROWS, columns)
        self._speckle = [self._scatterers(rng, shape) for _ in range(_PLANES)]
        self._streaks = [self._streaky(rng, shape) for _ in range(3)]
        self._noise = _noise(rng)
        depth = np.linspace(0, probe.depth, ROWS, dtype=np.float32)[:, None]
        tgc = np.interp(depth, [0, 0.5 * probe.depth, probe.depth], probe.tgc).astype(np.float32)
        # Gain over depth makes up for the usual loss.
        self._level = tgc + 0.115 * depth + np.float32(probe.gain + _ECHO_MIN)
        self._noise_level = np.float32(probe.noise + probe.gain) + np.float32(0.16) * depth
        self._ringing = _ringing(depth, rng) + probe.gain
        self._dimming = np.clip(depth / 6, 0, 1)
        self._tone: Gray = np.round(255 * (np.arange(256) / 255) ** probe.gamma).astype(np.uint8)
        self._offset = rng.integers(0, BEAMS, (4096, 2))

    def _scatterers(self, rng: np.random.Generator, shape: tuple[int, int]) -> Float:
        """Complex scatterers through a point-spread function that is narrowest at the focus; (rows, columns, 2)."""
        probe = self._probe
        raw = rng.standard_normal((*shape, 2), dtype=np.float32)
        axial, lateral = probe.axial * self._rows_per_mm, probe.lateral * self._columns_per_mm
        sharp = cv2.GaussianBlur(raw, (0, 0), sigmaX=lateral, sigmaY=axial)
        broad = cv2.GaussianBlur(sharp, (0, 0), sigmaX=1.3 * lateral, sigmaY=0.6 * axial)
        depth = np.linspace(0, probe.depth, shape[0], dtype=np.float32)[:, None, None]
        away = np.clip(np.abs(depth - probe.focus) / (0.6 * probe.depth), 0, 1)
        field = (1 - away) * sharp / sharp.std() + away * broad / broad.std()
        return np.asarray(field / field.std(axis=(1, 2), keepdims=True), np.float32)

    def _streaky(self, rng: np.random.Generator, shape: tuple[int, int]) -> Float:
        """Fibres and septa, long across and thin along the beam, on uneven ground; unit deviation."""
        raw = rng.standard_normal(shape, dtype=np.float32)
        fibres = cv2.GaussianBlur(raw, (0, 0), sigmaX=1.2 * self._columns_per_mm, sigmaY=0.2 * self._rows_per_mm)
        # Large patches from a small field: a wide blur costs more than a resize.
        small = cv2.GaussianBlur(raw[::16, ::16].copy(), (0, 0), sigmaX=1.5, sigmaY=1.0)
        patches = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        return np.asarray(0.8 * fibres / fibres.std() + 0.6 * patches / patches.std(), np.float32)

    def image(self, painting: Painting, index: int, contact: Float | None, dim: Float) -> Gray:
        """(ROWS, BEAMS) uint8. ``contact`` is (BEAMS,) 0..1, or None for all of the face; ``dim`` is (BEAMS,) dB."""
        probe = self._probe
        echo, texture, loss = cv2.split(_widened(painting.finish()))
        speckle = self._at(self._speckle, painting, _PLANE_MM)
        level = np.asarray(cv2.log(cv2.magnitude(*cv2.split(speckle))), np.float32)
        level *= np.float32(8.686 * probe.speckle)  # 20 log10
        level += self._at(self._streaks, painting, _STREAK_MM) * (texture * np.float32(_TEXTURE_STEP))
        level += echo * np.float32(_ECHO_STEP)
        lost = np.cumsum(loss[::2], axis=0, dtype=np.float32)
        lost *= np.float32(2 * _LOSS_STEP * probe.depth / ROWS)
        level -= np.asarray(cv2.resize(lost, (BEAMS, ROWS)), np.float32)
        level -= dim * self._dimming
        level += self._level
        if contact is not None:
            level = self._ringing + contact * (level - self._ringing)
        row, column = self._offset[index % len(self._offset)]
        noise = self._noise[row : row + ROWS, column : column + BEAMS] + self._noise_level
        np.maximum(level, noise, out=level)
        level += np.float32(0.36 * probe.range_db)
        np.clip(level * np.float32(255 / probe.range_db), 0, 255, out=level)
        return np.asarray(cv2.LUT(level.astype(np.uint8), self._tone), np.uint8)

    def _at(self, planes: list[Float], painting: Painting, spacing_mm: float) -> Float:
        """The field where the probe is: between two planes, with weights that keep its deviation."""
        x, press = painting.origin
        plane = painting.z / spacing_mm
        k = int(np.floor(plane))
        t = 0.5 * np.pi * (plane - k)
        # Whole beams and rows: a grain is several of them wide, and a shift between them costs four times as much.
        row = min(max(round(_SLAB_ROWS + press * self._rows_per_mm), 0), 2 * _SLAB_ROWS)
        column = round((x + 0.5 * _SLAB_MM) * self._columns_per_mm) % (planes[0].shape[1] - BEAMS)
        here = np.s_[row : row + ROWS, column : column + BEAMS]
        one, two = planes[k % len(planes)][here], planes[(k + 1) % len(planes)][here]
        return np.asarray(cv2.addWeighted(one, float(np.cos(t)), two, float(np.sin(t)), 1e-6), np.float32)


def _widened(painted: Gray) -> Gray:
    """The beam blurs across, more so with depth."""
    out = np.empty_like(painted)
    step = ROWS // 4
    for row, width in ((0, 5), (step, 5), (2 * step, 7), (3 * step, 9)):
        out[row : row + step] = cv2.blur(painted[row : row + step], (width, 3))
    return out


def _ringing(depth: Float, rng: np.random.Generator) -> Float:
    """(ROWS, BEAMS) dB of a face in air: bands that repeat and die away."""
    spacing = rng.uniform(1.8, 3.0)
    bands = np.cos(2 * np.pi * depth / spacing) * 7 + 9
    uneven_face = cv2.blur(rng.standard_normal((1, BEAMS), dtype=np.float32), (9, 1)) * 4
    return np.asarray(bands - 3.2 * depth + uneven_face, np.float32)


def _noise(rng: np.random.Generator) -> Float:
    """Electronic noise in dB; larger than an image, so that each takes another part."""
    raw = np.asarray(cv2.blur(rng.standard_normal((ROWS * 2, BEAMS * 2, 2), dtype=np.float32), (2, 1)), np.float32)
    return np.asarray(5.2 * np.log(np.hypot(raw[..., 0], raw[..., 1]) + 1e-6), np.float32)


def _fixed(corners: Float) -> NDArray[np.int32]:
    return np.round(corners * (1 << _SHIFT)).astype(np.int32)
