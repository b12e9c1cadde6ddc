"""One person's neck as functions of the craniocaudal position.

Neck coordinates in mm: ``x`` lateral from the midline (positive: image right), ``y`` depth below the skin, ``z``
craniocaudal with the hyoid at 0 and positive towards the chest. The neck is unrolled: a probe that slides sideways
shifts the section and does not turn it. Sizes are those of adult sonographic anatomy, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]  # (N, 2) x, y in mm

ORGANS = ("thyroid", "trachea")


class Tissue(NamedTuple):
    """Echo level in dB against soft tissue, size of its streaky texture in dB, two-way attenuation in dB/mm."""

    echo: float
    texture: float = 1.0
    loss: float = 0.12


_NODULE_DB = (-30.0, -9.0, -6.0, 5.0)  # against the lobe; the first is a cyst
_BENDS = ((16.0, 0.9), (8.0, 0.35), (3.6, 0.08))  # wavelength and size of the unevenness of everything, mm

_ANGLE = np.linspace(0, 2 * np.pi, 36, endpoint=False, dtype=np.float32)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)
_HALF = np.linspace(np.pi, 2 * np.pi, 19, dtype=np.float32)
_ARCH = np.stack([np.cos(_HALF), np.sin(_HALF)], axis=1)  # upper half, from image left to right


class Bends(NamedTuple):
    """Waves that displace everything: (2, n) 1/mm in the section, (n,) 1/mm along z, (n,) phases, (n, 2) mm."""

    across: NDArray[np.float32]
    along: NDArray[np.float32]
    phase: NDArray[np.float32]
    shift: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """One person. ``*_z`` are levels, all lengths mm; pairs are (image left, image right)."""

    skin: float
    fat: float
    strap: float
    hyoid_half: float
    larynx_z: tuple[float, float]
    cricoid_z: tuple[float, float]
    trachea_z: tuple[float, float]
    trachea_rx: float
    trachea_ry: float
    trachea_front: float
    trachea_slope: float
    lobe_z: tuple[tuple[float, float], tuple[float, float]]
    lobe_rx: tuple[float, float]
    lobe_ry: tuple[float, float]
    isthmus: float
    isthmus_z: tuple[float, float]
    thyroid: Tissue
    nodules: tuple[tuple[int, float, float, float, float, float], ...]
    nodes: tuple[tuple[float, float, float, float], ...]
    carotid_r: float
    jugular_r: float
    muscle: float
    gland: Tissue
    phases: tuple[float, ...]
    bends: Bends
    rings: float

    @property
    def top(self) -> float:
        """Depth at which the muscles begin."""
        return self.skin + self.fat

    def front(self, z: float) -> float:
        """Depth of the airway's front wall; it sinks towards the chest."""
        return self.trachea_front + self.trachea_slope * max(0.0, z - self.larynx_z[0])

    def lobe_centre(self, side: int, z: float) -> tuple[float, float]:
        sign = (-1, 1)[side]
        return sign * (self.trachea_rx + 0.78 * self.lobe_rx[side]), self.front(z) + 0.62 * self.lobe_ry[side]

    @property
    def lobe_reach(self) -> float:
        """The farthest that a lobe lies from the midline."""
        return self.trachea_rx + 1.78 * max(self.lobe_rx)

    def typical_area(self, organ: str) -> float:
        """mm2 of one average lobe at its widest, or of the trachea."""
        if organ == "trachea":
            return np.pi * self.trachea_rx * self.trachea_ry
        return np.pi * float(np.mean(self.lobe_rx)) * float(np.mean(self.lobe_ry))


def person(rng: np.random.Generator) -> Anatomy:
    """Draw one person's neck."""
    u = rng.uniform
    s = u(0.88, 1.12)
    cricoid_end = 43 * s
    trachea = (cricoid_end + 2.5, u(104, 114) * s)
    upper = cricoid_end + u(-7, 9)
    lower = upper + u(33, 42) * s
    size = u(0.85, 1.3)
    strap, skin, fat = u(2.5, 4.5), u(1.2, 2.0), u(2.0, 7.5)
    echo = u(2.5, 6.5)
    return Anatomy(
        skin=skin, fat=fat, strap=strap, hyoid_half=u(11, 15) * s,
        larynx_z=(10 * s, 31 * s), cricoid_z=(35.5 * s, cricoid_end), trachea_z=trachea,
        trachea_rx=u(8.0, 10.5) * s, trachea_ry=u(7.0, 9.0) * s,
        trachea_front=skin + fat + strap + u(0.5, 2.0), trachea_slope=u(0.05, 0.11),
        lobe_z=((upper + u(-2, 2), lower + u(-2, 2)), (upper + u(-2, 2), lower + u(-2, 2))),
        lobe_rx=(u(6.5, 8.5) * size, u(6.5, 8.5) * size), lobe_ry=(u(7.0, 9.0) * size, u(7.0, 9.0) * size),
        isthmus=u(2.2, 4.5) * size, isthmus_z=(upper + 9, lower - 7),
        thyroid=Tissue(echo, u(0.6, 2.2), u(0.10, 0.16)),
        nodules=tuple(
            (int(rng.integers(2)), u(0.25, 0.75), *u(-0.4, 0.4, 2), u(0.16, 0.4), echo + rng.choice(_NODULE_DB))
            for _ in range(rng.integers(0, 4))
        ),
        nodes=tuple(
            (u(26, 60) * rng.choice([-1, 1]), u(14, 24), u(-30, 110), u(2.0, 4.5)) for _ in range(rng.integers(4, 10))
        ),
        carotid_r=u(2.7, 3.6) * s, jugular_r=u(3.0, 6.0) * s, muscle=u(-2.5, 2.5),
        gland=Tissue(echo + u(-2, 2), u(1.5, 3.0)), phases=tuple(u(0, 2 * np.pi, 12)),
        bends=_bends(rng),
        rings=u(2.2, 3.6),
    )  # fmt: skip


def _bends(rng: np.random.Generator) -> Bends:
    way = rng.uniform(0, 2 * np.pi, len(_BENDS))
    length, size = np.array(_BENDS).T
    k = 2 * np.pi / (length * rng.uniform(0.8, 1.25, len(_BENDS)))
    return Bends(
        across=np.stack([k * np.cos(way), k * np.sin(way)]).astype(np.float32),
        along=rng.uniform(0.04, 0.12, len(_BENDS)).astype(np.float32),
        phase=rng.uniform(0, 2 * np.pi, len(_BENDS)).astype(np.float32),
        shift=np.stack([size, -0.7 * size], axis=1).astype(np.float32),
    )


def uneven(a: Anatomy, points: Points, z: float) -> Points:
    """No outline of a body is an ellipse: shift every place a little, smoothly over the section and along the neck."""
    b = a.bends
    waves = np.sin(points @ b.across + (b.along * np.float32(z) + b.phase))
    return np.asarray(points + waves @ b.shift, np.float32)


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0, drop: float = 0.0) -> Points:
    """Outline; ``drop`` > 0 narrows the upper end (a lobe is a rounded triangle)."""
    px, py = _CIRCLE[:, 0] * rx, _CIRCLE[:, 1] * ry
    if drop:
        px = px * (1 + drop * _CIRCLE[:, 1])
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([x + c * px - s * py, y + s * px + c * py], axis=1).astype(np.float32)


def arch(x: float, y: float, rx: float, ry: float) -> Points:
    """Upper half of an ellipse about (x, y), from left to right."""
    return np.stack([_ARCH[:, 0] * rx + x, _ARCH[:, 1] * ry + y], axis=1).astype(np.float32)


def organ_outlines(a: Anatomy, organ: str, z: float) -> list[Points]:
    """Outlines of the organ in the section at ``z``; empty where it does not reach."""
    if organ == "trachea":
        size = ramp(z - a.trachea_z[0], 5.0)
        if size <= 0 or z > a.trachea_z[1] + 20:
            return []
        return [ellipse(0.0, a.front(z) + a.trachea_ry, a.trachea_rx * size, a.trachea_ry * size)]
    outlines = []
    for side in (0, 1):
        size = lobe_size(a, side, z)
        if size > 0.02:
            x, y = a.lobe_centre(side, z)
            turn = (0.22, -0.22)[side]
            outlines.append(ellipse(x, y, a.lobe_rx[side] * size, a.lobe_ry[side] * size, turn, 0.18))
    return outlines


def notch(a: Anatomy, z: float) -> float:
    """Half the width in mm that collar bones and breast bone leave open at this level; 0 where they have closed."""
    return float(np.interp(z - a.trachea_z[1], (-12, -5, 4), (70, 14, 0)))


def ramp(value: float, over: float) -> float:
    return float(min(1.0, max(0.0, value / over)))


def lobe_size(a: Anatomy, side: int, z: float) -> float:
    start, end = a.lobe_z[side]
    t = abs(2 * (z - start) / (end - start) - 1)
    return float(np.sqrt(max(0.0, 1 - t**2.2)))
