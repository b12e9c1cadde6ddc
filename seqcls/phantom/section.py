"""A transverse section of a neck, painted from deep to superficial as shapes of tissue.

Echo levels are chosen by eye after clinical images: they keep the order that an examiner relies on (air and bone
over fascia over thyroid over soft tissue over muscle over blood), and leave enough overlap that brightness alone says
little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.phantom.anatomy import (
    Anatomy,
    Points,
    Tissue,
    arch,
    ellipse,
    lobe_size,
    notch,
    organ_outlines,
    ramp,
)
from seqcls.phantom.beam import Painting

SKIN = Tissue(10, 2.5)
FAT = Tissue(-2, 5.0)
MUSCLE = Tissue(-9, 5.0)
DEEP = Tissue(-4.5, 4.5, 0.15)
BLOOD = Tissue(-34, 0.0, 0.02)
CARTILAGE = Tissue(-13, 1.5, 0.35)
BONE = Tissue(22, 5.0, 3.0)
SHADOW = Tissue(-19, 4.0, 0.35)
AIR = Tissue(-13, 4.0, 0.5)
FASCIA = Tissue(9, 7.0)
WALL = Tissue(7, 4.0)


def paint(canvas: Painting, a: Anatomy, z: float, pulse: float, breath: float, without: frozenset[str]) -> None:
    """Paint the section at ``z``, deep to superficial; ``pulse`` and ``breath`` are phases in 0..1.

    ``without`` names organs that are left out.
    """
    canvas.clear(DEEP)
    _deep(canvas, a, z)
    _nodes(canvas, a, z)
    _vessels(canvas, a, z, pulse, breath)
    if "thyroid" not in without:
        _lobes(canvas, a, z)
    _upper_neck(canvas, a, z)
    _larynx(canvas, a, z)
    if "trachea" not in without:
        _trachea(canvas, a, z)
    if "thyroid" not in without:
        _isthmus(canvas, a, z)
    _muscles(canvas, a, z)
    _bones(canvas, a, z)
    _surface(canvas, a, z)


def _wave(a: Anatomy, x: NDArray[np.float32], z: float, k: int, size: float) -> NDArray[np.float32]:
    p = a.phases
    wave = np.sin(x / 13 + z / 17 + p[k]) + 0.6 * np.sin(x / 5.1 - z / 9 + p[k + 1])
    return np.asarray(size * wave, np.float32)


def _band(canvas: Painting, a: Anatomy, z: float, y0: float, y1: float, tissue: Tissue, k: int) -> Points:
    """A layer over the whole view; returns its lower border."""
    x = np.linspace(canvas.left, canvas.right, 20, dtype=np.float32)
    lower = np.stack([x, y1 + _wave(a, x, z, k, 0.09 * (y1 - y0) + 0.1)], axis=1)
    upper = np.stack([x[::-1], np.full_like(x, y0)], axis=1)
    canvas.fill(np.concatenate([lower, upper]), tissue)
    return lower


def _deep(canvas: Painting, a: Anatomy, z: float) -> None:
    spine = a.front(z) + 2 * a.trachea_ry + 9
    for sign in (-1, 1):
        colli = ellipse(sign * 11, spine - 3.5, 8, 4.0, sign * 0.15)
        canvas.fill(colli, Tissue(MUSCLE.echo + a.muscle - 2, 4.0))
        canvas.line(colli[18:], FASCIA._replace(echo=4), 0.4)
        scalene = ellipse(sign * 44, a.top + 21, 10, 6.5, sign * 0.25)
        canvas.fill(scalene, Tissue(MUSCLE.echo + a.muscle, 5.5))
        canvas.line(scalene[18:], FASCIA._replace(echo=6), 0.4)
        for n in range(3):  # roots of the brachial plexus between the scalenes
            root = ellipse(sign * (36 + 1.5 * n), a.top + 16 + 4.2 * n + 2 * np.sin(z / 14 + n), 1.6, 1.4)
            canvas.fill(root, Tissue(-13, 1.0))
            canvas.line(root[18:], WALL, 0.4)
        bump = np.cos(2 * np.pi * z / 16 + a.phases[0])
        if bump > 0.1:
            process = arch(sign * 27, spine + 3, 7 * bump + 1, 4 * bump)
            _bone(canvas, process[2:-2], BONE.echo - 6, 0.9)
    for sign in (-1, 1):  # planes between the deep muscles of the nape
        for n in range(3):
            x = np.linspace(sign * 34, sign * 92, 12, dtype=np.float32)
            y = a.top + 9 + 10 * n + 0.16 * np.abs(x - sign * 40) + _wave(a, x, z, 2 + n, 1.6)
            canvas.line(np.stack([x, y], axis=1), FASCIA._replace(echo=5), 0.4)
    body = 0.5 + 0.5 * np.cos(2 * np.pi * z / 16 + a.phases[1])
    front = arch(0, spine + 4, 13, 4)
    canvas.below(front, SHADOW._replace(echo=-10 - 9 * body))
    canvas.line(front[2:-2], Tissue(7 + 10 * body, 6.0), 0.9)


def _nodes(canvas: Painting, a: Anatomy, z: float) -> None:
    for x, y, node_z, radius in a.nodes:
        size = 1 - ((z - node_z) / (1.6 * radius)) ** 2
        if size > 0.1:
            node = ellipse(x, y, 1.7 * radius * size, 0.8 * radius * size, 0.3 * np.sign(x))
            canvas.fill(node, Tissue(-9, 1.0))
            canvas.fill(ellipse(x, y, 0.8 * radius * size, 0.3 * radius * size), Tissue(5, 2.0))


def _vessels(canvas: Painting, a: Anatomy, z: float, pulse: float, breath: float) -> None:
    beat = 1 + 0.06 * np.exp(-4 * pulse)
    for side, sign in enumerate((-1, 1)):
        reach = a.trachea_rx + 1.56 * a.lobe_rx[side] * (0.75 + 0.25 * lobe_size(a, side, z))
        x = sign * (reach + a.carotid_r + 1.5)
        y = a.front(max(z, 30.0)) + 1.0 * a.lobe_ry[side]
        if z < a.larynx_z[0] + 6:  # above the bifurcation
            for dx, dy, r in ((-3.2, -1, 0.7), (4.2, 2.0, 0.85)):
                _vessel(canvas, x + sign * dx, y + dy, r * a.carotid_r * beat, r * a.carotid_r * beat)
        else:
            _vessel(canvas, x, y, a.carotid_r * beat, a.carotid_r * beat)
        squeeze = 0.45 + 0.4 * breath
        width = a.jugular_r * (0.8 + 0.25 * np.sin(z / 21 + a.phases[2 + side]))
        _vessel(canvas, x + sign * (a.carotid_r + width + 0.6), y - 3.0, width, width * squeeze)


def _vessel(canvas: Painting, x: float, y: float, rx: float, ry: float) -> None:
    outline = ellipse(x, y, rx, ry)
    canvas.fill(outline, BLOOD)
    # A wall reflects where it faces the probe: top and bottom, not the sides.
    canvas.line(outline[4:15], WALL._replace(echo=11), 0.5)
    canvas.line(outline[22:33], WALL, 0.4)


def _lobes(canvas: Painting, a: Anatomy, z: float) -> None:
    for outline in organ_outlines(a, "thyroid", z):
        canvas.fill(outline, a.thyroid)
        canvas.line(outline[21:34], FASCIA._replace(echo=8), 0.4)
        canvas.line(outline[5:14], FASCIA._replace(echo=5), 0.4)
    for side, at, dx, dy, radius, echo in a.nodules:
        start, end = a.lobe_z[side]
        reach = radius * a.lobe_rx[side]
        size = 1 - ((z - start - at * (end - start)) / (1.5 * reach)) ** 2
        if size > 0.1 and lobe_size(a, side, z) > 0.8:
            x, y = a.lobe_centre(side, z)
            nodule = ellipse(x + dx * a.lobe_rx[side], y + dy * a.lobe_ry[side], reach * size, 0.8 * reach * size)
            canvas.fill(nodule, Tissue(echo, 1.5, 0.02 if echo < -15 else 0.12))


def _isthmus(canvas: Painting, a: Anatomy, z: float) -> None:
    start, end = a.isthmus_z
    t = abs(2 * (z - start) / (end - start) - 1)
    thick = a.isthmus * np.sqrt(max(0.0, 1 - t**3))
    if thick < 0.4:
        return
    centre = a.front(z) + a.trachea_ry
    outer = arch(0, centre, a.trachea_rx + thick, a.trachea_ry + thick)[1:-1]
    inner = arch(0, centre, a.trachea_rx + 0.4, a.trachea_ry + 0.4)[1:-1]
    canvas.fill(np.concatenate([outer, inner[::-1]]), a.thyroid)


def _trachea(canvas: Painting, a: Anatomy, z: float) -> None:
    outlines = organ_outlines(a, "trachea", z)
    if not outlines:
        return
    size = ramp(z - a.trachea_z[0], 5.0)
    rx, ry = a.trachea_rx * size, a.trachea_ry * size
    centre = a.front(z) + a.trachea_ry
    ring = 0.5 + 0.5 * np.cos(2 * np.pi * z / 5.5)  # cartilage rings and the ligaments between them
    canvas.fill(outlines[0], Tissue(-11 + 2 * ring, 1.0))
    wall = arch(0, centre, rx * 0.86, ry * 0.82)
    canvas.below(wall, AIR)
    canvas.line(wall[3:-3], Tissue(17 + 3 * ring, 5.0), 0.8)
    for n in range(1, 6):  # the wall again and again, as sound runs to and fro before the air
        echo = arch(0, centre + n * a.rings * (1.2 + 0.2 * ring), rx * (0.80 - 0.08 * n), ry * 0.8)
        canvas.line(echo[4:-4], Tissue(10.5 - 4.0 * n, 6.0, 0.3), 0.8)


def _larynx(canvas: Painting, a: Anatomy, z: float) -> None:
    front = a.front(z)
    if a.larynx_z[0] < z < a.larynx_z[1]:
        t = (z - a.larynx_z[0]) / (a.larynx_z[1] - a.larynx_z[0])
        half, height = 13 + 4 * t, 17 - 3 * t
        inside = np.array([[0, front], [half, front + height], [-half, front + height]], np.float32)
        canvas.fill(inside, Tissue(-4, 3.0, 0.3))
        folds = np.array([[0, front + 6], [0.55 * half, front + height], [-0.55 * half, front + height]], np.float32)
        canvas.below(folds[[2, 0, 1]], Tissue(-13, 3.0, 0.5))
        canvas.line(folds[[2, 0, 1]], Tissue(12, 4.0), 0.8)
        for sign in (-1, 1):
            plate = np.array([[0, front], [sign * half, front + height]], np.float32)
            canvas.line(plate, CARTILAGE, 2.6)
            shifted = plate + np.array([sign * 0.5, -1.4], np.float32)
            canvas.line(shifted, FASCIA._replace(echo=13), 0.5)
    elif a.cricoid_z[0] < z < a.cricoid_z[1]:
        size = min(ramp(z - a.cricoid_z[0], 1.5), ramp(a.cricoid_z[1] - z, 1.5))
        rx, ry = a.trachea_rx * 1.25 * size, a.trachea_ry * 1.1 * size
        canvas.fill(ellipse(0, front + a.trachea_ry, rx, ry), CARTILAGE)
        inner = arch(0, front + a.trachea_ry + 0.5, 0.62 * rx, 0.55 * ry)
        canvas.below(inner, Tissue(-12, 4.0, 0.45))
        canvas.line(inner[2:-2], Tissue(13, 4.0), 0.7)


def _upper_neck(canvas: Painting, a: Anatomy, z: float) -> None:
    gland = 1 - ((z + 22) / 16) ** 2
    if gland > 0.05:
        size = np.sqrt(gland)
        for sign in (-1, 1):
            outline = ellipse(sign * 27, a.top + 9, 11 * size, 7.5 * size, sign * 0.3, -0.15)
            canvas.fill(outline, a.gland)
            canvas.line(outline[20:35], FASCIA, 0.5)
            canvas.fill(ellipse(sign * 15, a.top + 5, 5.5, 3.2, sign * 0.3), MUSCLE)  # digastric
    if z < -4:
        for sign in (-1, 1):  # geniohyoid
            floor = ellipse(sign * 5.5, a.top + 11, 5.5, 6.5, sign * 0.2)
            canvas.fill(floor, Tissue(MUSCLE.echo + a.muscle - 1, 5.0))
            canvas.line(floor[1:18], FASCIA, 0.4)
        sling = arch(0, a.top + 10, 24, -6)
        canvas.line(sling, FASCIA._replace(echo=6), 0.5)
        tongue = arch(0, a.top + 31, 19, 7)
        canvas.below(tongue, Tissue(-12, 4.0, 0.5))
        canvas.line(tongue[2:-2], Tissue(17, 5.0), 1.0)
    elif 4 < z < a.larynx_z[0]:
        fat = np.array([[0, a.top + 5], [11, a.top + 16], [-11, a.top + 16]], np.float32)
        canvas.fill(fat, Tissue(6, 2.5))  # in front of the epiglottis
        epiglottis = arch(0, a.top + 22, 12, 6)
        canvas.below(epiglottis, Tissue(-11, 3.0, 0.6))
        canvas.line(epiglottis, Tissue(14, 5.0), 0.8)


def _muscles(canvas: Painting, a: Anatomy, z: float) -> None:
    muscle = MUSCLE._replace(echo=MUSCLE.echo + a.muscle)
    for sign in (-1, 1):
        if z > 2:
            strap = ellipse(sign * 12.5, a.top + 0.5 * a.strap, 11.5, 0.55 * a.strap + 0.5, sign * 0.04)
            canvas.fill(strap, muscle)
            canvas.line(strap[1:18], FASCIA, 0.4)
        x = sign * max(17.0, 45 - 0.24 * (z + 10))
        mastoid = ellipse(x, a.top + 4.6, 15, 4.6 + 0.4 * np.sin(z / 23 + a.phases[4]), sign * 0.1)
        canvas.fill(mastoid, muscle._replace(texture=6.0))
        canvas.line(mastoid[2:17], FASCIA._replace(echo=10), 0.45)
        canvas.line(mastoid[20:35], FASCIA, 0.4)


def _bone(canvas: Painting, points: Points, echo: float, width_mm: float) -> None:
    canvas.below(points, SHADOW)
    canvas.line(points, BONE._replace(echo=echo), width_mm)


def _bones(canvas: Painting, a: Anatomy, z: float) -> None:
    if abs(z) < 4:
        size = np.sqrt(1 - (z / 4) ** 2)
        _bone(canvas, arch(0, a.top + 9, a.hyoid_half * size, 5 * size + 0.5), BONE.echo, 1.2)
    gap = notch(a, z)
    for sign in (-1, 1):
        x = np.linspace(sign * gap, sign * 90, 30, dtype=np.float32)[::sign]  # from left to right
        y = a.top + 2.5 + 0.0012 * x**2
        if gap < 70:
            _bone(canvas, np.stack([x, y.astype(np.float32)], axis=1), BONE.echo, 1.2)


def _surface(canvas: Painting, a: Anatomy, z: float) -> None:
    lower = _band(canvas, a, z, -1.0, a.top, FAT, 5)
    canvas.line(lower, FASCIA._replace(echo=12), 0.5)
    x = lower[:, 0]
    for n, part in enumerate((0.45, 0.75)):  # septa in the fat
        y = a.skin + part * a.fat + _wave(a, x, z, 7 + n, 0.12 * a.fat)
        canvas.line(np.stack([x, y], axis=1), Tissue(7, 5.0), 0.35)
    _band(canvas, a, z, -1.0, a.skin, SKIN, 10)
