"""Scanner screens of many kinds, drawn by chance from a seed, each with the exact place of its ultrasound picture.

``KINDS`` holds them by name: what makes a region hard to find is in each name. ``draw`` gives one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from support.encoded import recorded
from support.screens import FONT, Screen, speckle

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
Random = np.random.Generator

SIZES = {"4:3": (640, 480), "16:9": (640, 360), "16:10": (640, 400), "21:9": (840, 360)}
WORDS = ("MUSTER, ANNA", "ID 4711", "C5-1 Abd", "Gn 62", "DR 55 dB", "MI 0.9", "TIs 0.3", "12.0 cm", "FPS 24", "Zoom 100 %",
         "Frq 8.0 MHz", "Per 3", "Map E/0", "P 90 %", "General", "Hospital Clinic", "8/20/2018", "XRes 2", "Freeze", "Save")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """``page``: all but the ultrasound, (h, w) uint8. ``sector``: where that is, (h, w) bool. ``printed``: text on the
    page. ``motion``: 1 as in a living body, 0 none. ``dark``: 0 to 1, how much of the depth has hardly an echo. ``side``:
    "left" or "right" lies in the dark. ``top``: where the probe is. ``clock``: place of a running clock. ``codec``: None is
    one by chance. ``noise``: of a frame grabber, in levels. ``scale``: of the screen shown.
    ``marks``: what is drawn over the ultrasound."""

    page: Image
    sector: Mask
    printed: Mask
    motion: float = 1.0
    dark: float = 0.3
    side: str = ""
    top: str = "up"
    clock: tuple[int, int] | None = None
    codec: str | None = None
    noise: float = 0.0
    scale: float = 1.0
    marks: tuple[Callable[[Image], None], ...] = ()


def draw(kind: str, seed: int = 0, frames: int = 24) -> Screen:
    """``frames`` images of one screen of this kind."""
    rng = np.random.default_rng([seed, [*sorted(FIRST_KINDS), *LATER_KINDS].index(kind)])
    plan = KINDS[kind](rng)
    images = []
    for index, tissue in enumerate(_tissue(rng, plan, frames)):
        image = plan.page.copy()
        if plan.clock is not None:
            _write(image, f"10:41:{index // 12:02d}.{index * 83 % 100:02d}", *plan.clock, 220)
        image[plan.sector] = tissue[plan.sector]
        for mark in plan.marks:
            mark(image)
        images.append(_captured(rng, image, plan))
    codec = str(rng.choice(["", "", "libx264", "libx264", "mpeg2video"])) if plan.codec is None else plan.codec
    if codec:
        images = recorded(images, codec, int(rng.choice([250_000, 600_000, 1_500_000])))
    height, width = images[0].shape
    sector, printed = (
        cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        for mask in (plan.sector, plan.printed & ~plan.sector)
    )
    return Screen(images, sector, printed)


def _captured(rng: Random, image: Image, plan: Plan) -> Image:
    height, width = image.shape
    if plan.scale != 1:
        size = round(width * plan.scale) // 2 * 2, round(height * plan.scale) // 2 * 2
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    if plan.noise:
        image = np.clip(image + rng.normal(0, plan.noise, image.shape), 0, 255).astype(np.uint8)
    return image


# --- the ultrasound


def box_sector(width: int, height: int, box: Box) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def fan_sector(width: int, height: int, box: Box, half: float, inner: float) -> Mask:
    """As large as the box allows, in its middle. ``half``: of the opening, in degrees. ``inner``: radius of the probe's
    face as a part of the outer radius."""
    x0, y0, x1, y1 = box
    angle = np.radians(half)
    tall, wide = 1 - inner * np.cos(angle), 2 * np.sin(angle)
    outer = min((y1 - y0) / tall, (x1 - x0) / wide)
    apex_x, apex_y = (x0 + x1) / 2, y0 - outer * inner * np.cos(angle)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    radius, turn = np.hypot(x - apex_x, y - apex_y), np.arctan2(x - apex_x, y - apex_y)
    return (np.abs(turn) <= angle) & (radius >= inner * outer) & (radius <= outer)


def any_fan(rng: Random, width: int, height: int, box: Box) -> Mask:
    if rng.random() < 0.4:
        return fan_sector(width, height, box, rng.uniform(35, 46), rng.uniform(0.01, 0.04))
    return fan_sector(width, height, box, rng.uniform(24, 36), rng.uniform(0.2, 0.45))


def _tissue(rng: Random, plan: Plan, frames: int) -> list[Image]:
    height, width = plan.sector.shape
    rows, columns = np.flatnonzero(plan.sector.any(axis=1)), np.flatnonzero(plan.sector.any(axis=0))
    depth = np.clip((np.arange(height) - rows[0]) / len(rows), 0, 1)
    depth = 1 - depth if plan.top == "down" else depth
    bright, contrast = rng.uniform(40, 170), rng.uniform(1.2, 3.0)
    gain = (bright * np.exp(-(0.6 + 3.4 * plan.dark) * depth))[:, None] + 12 * rng.random() * (1 - plan.dark)
    gain = gain * np.ones((1, width)) * _structure(rng, width, height)
    middle = int(columns.mean())
    for _ in range(3):  # bright layers, and vessels without an echo
        y, slope = rng.uniform(rows[0], rows[-1]), rng.uniform(-0.15, 0.15)
        x = np.array([columns[0], columns[-1]])
        ends = np.stack([x, y + slope * (x - middle)], axis=1).round().astype(np.int32)
        bright = np.zeros((height, width), np.uint8)
        cv2.line(bright, ends[0].tolist(), ends[1].tolist(), 1, max(2, height // 90))
        gain[bright > 0] *= 2.2
        centre = int(rng.integers(columns[0], columns[-1])), int(rng.integers(rows[0], rows[-1]))
        cv2.ellipse(gain, centre, (width // 16, height // 22), float(rng.uniform(0, 180)), 0, 360, 2.0, -1)
    if plan.dark > 0.5:  # the shadow of a rib
        x = int(rng.integers(columns[0] + len(columns) // 4, columns[-1] - len(columns) // 4))
        gain[:, x : x + len(columns) // 8] *= np.where(depth > 0.2, 0.15, 1)[:, None]
    gain = np.where((depth < 0.05)[:, None], np.maximum(gain, 170), gain)
    if plan.side:
        half = slice(0, middle) if plan.side == "left" else slice(middle, width)
        gain[:, half] *= np.where(depth > 0.1, 0.02, 1)[:, None]
    still = speckle(rng, width, height, rng.uniform(0.8, 1.8))
    motion = plan.motion * rng.uniform(0.3, 1.0)
    images = []
    for index in range(frames):
        shift = round(0.5 * index * motion)
        base = np.roll(still, -shift if plan.top == "down" else shift, axis=0)
        fresh = 0.35 * motion * (speckle(rng, width, height) - 1) if motion else 0
        noise = rng.normal(0, 1.2 * min(1.0, 4 * motion), (height, width)) if motion else 0
        images.append(np.clip(np.maximum(base + fresh, 0) ** contrast * gain + noise, 0, 255).astype(np.uint8))
    return images


def _structure(rng: Random, width: int, height: int) -> NDArray[np.float64]:
    """Organs of different brightness: 0.2 to 2 in large patches."""
    coarse = rng.uniform(-1.6, 0.7, (7, 9)).astype(np.float32)
    return np.asarray(np.exp(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)), np.float64)


# --- what stands around it


def _write(page: Image, text: str, x: float, y: float, shade: int, size: float = 0.36) -> None:
    cv2.putText(page, text, (round(x), round(y)), FONT, size, shade, 1, cv2.LINE_AA)


class Page:
    """A screen without its ultrasound, and the mask of what is written on it."""

    def __init__(self, rng: Random, width: int, height: int, level: int = 0) -> None:
        self.rng, self.width, self.height = rng, width, height
        self.image = np.full((height, width), level, np.uint8)
        self.printed = np.zeros((height, width), bool)

    def text(self, x: float, y: float, lines: int, shade: int = 190, step: float = 14) -> None:
        for n in range(lines):
            text = str(self.rng.choice(WORDS))
            _write(self.image, text, x, y + step * n, shade)
            drawn = np.zeros_like(self.image)
            _write(drawn, text, x, y + step * n, 255)
            self.printed |= drawn > 80

    def fill(self, box: Box, level: int, slope: float = 0.0) -> None:
        """A panel, darker or brighter by ``slope`` levels from its top to its bottom."""
        x0, y0, x1, y1 = box
        shade = level + slope * np.linspace(0, 1, max(1, y1 - y0))[:, None]
        self.image[y0:y1, x0:x1] = np.clip(shade, 0, 255).astype(np.uint8)

    def scale_bar(self, x: int, y0: int, y1: int, wide: int = 9) -> None:
        self.image[y0:y1, x : x + wide] = np.linspace(255, 0, y1 - y0).astype(np.uint8)[:, None]

    def ticks(self, x: int, y0: int, y1: int, shade: int = 170) -> None:
        for n, y in enumerate(np.linspace(y0, y1 - 1, 13).round().astype(int)):
            cv2.line(self.image, (x - (6 if n % 4 == 0 else 3), int(y)), (x, int(y)), shade, 1)
            if n % 4 == 0:
                _write(self.image, str(n), x + 3, y + 4, shade, 0.3)

    def buttons(self, box: Box, count: int, level: int) -> None:
        x0, y0, x1, y1 = box
        wide = (x1 - x0) // count
        for n in range(count):
            x = x0 + n * wide
            self.fill((x + 2, y0 + 2, x + wide - 2, y1 - 2), level, 24)
            _write(self.image, str(self.rng.choice(WORDS))[:8], x + 5, y1 - 7, 220, 0.32)

    def thumbnails(self, box: Box, count: int) -> None:
        """Small pictures of earlier scans, which stand still."""
        x0, y0, x1, y1 = box
        wide = (x1 - x0) // count
        still = np.clip(speckle(self.rng, self.width, self.height) ** 2 * 70, 0, 255).astype(np.uint8)
        for n in range(count):
            x = x0 + n * wide
            self.image[y0 + 3 : y1 - 3, x + 3 : x + wide - 3] = still[y0 + 3 : y1 - 3, x + 3 : x + wide - 3]


def _middle(rng: Random, width: int, height: int) -> Box:
    """A place for the picture with room on all sides."""
    x0, x1 = rng.uniform(0.12, 0.25), rng.uniform(0.74, 0.88)
    y0, y1 = rng.uniform(0.08, 0.14), rng.uniform(0.86, 0.96)
    return round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height)


def _size(rng: Random, name: str = "") -> tuple[int, int]:
    return SIZES[name or str(rng.choice(sorted(SIZES)))]


def _sector(rng: Random, width: int, height: int, box: Box) -> Mask:
    return box_sector(width, height, box) if rng.random() < 0.5 else any_fan(rng, width, height, box)


def _plan(page: Page, sector: Mask, **more: object) -> Plan:
    plan = Plan(page.image, sector, page.printed, dark=float(page.rng.uniform(0.1, 0.6)))
    return replace(plan, **more)  # type: ignore[arg-type]


def _black(rng: Random, size: str = "", fan: bool | None = None) -> tuple[Page, Mask]:
    """A black screen with text, ticks and a gray scale."""
    width, height = _size(rng, size)
    page, box = Page(rng, width, height), _middle(rng, width, height)
    sector = _sector(rng, width, height, box) if fan is None else (
        any_fan(rng, width, height, box) if fan else box_sector(width, height, box))  # fmt: skip
    columns = np.flatnonzero(sector.any(axis=0))
    page.text(4, 12, 1, 230)
    page.text(4, 60, int(rng.integers(4, 9)), 170)
    page.ticks(min(width - 14, int(columns[-1]) + 12), box[1], box[3])
    page.scale_bar(width - 14, height // 4, height // 2)
    return page, sector


def _gray(rng: Random, level: int, box: Box, width: int, height: int, shade: int) -> Page:
    """A screen whose ground is not black: a banner, lines of text on both sides, a gray scale."""
    page = Page(rng, width, height, level)
    page.fill((0, 0, width, box[1]), level, float(rng.choice([0, -12])))
    page.text(6, 11, 1, shade)
    page.text(width * 0.4, 11, 1, shade)
    page.text(width * 0.8, 11, 2, shade, 12)
    page.text(4, box[1] + 40, int(rng.integers(3, 9)), shade)
    if width - box[2] > 70:
        page.text(box[2] + 14, box[1] + 20, int(rng.integers(4, 10)), shade)
    page.scale_bar(5, box[1] + 4, box[1] + 34)
    return page


def _panels(rng: Random) -> Plan:
    """A gray screen in which the picture lies without a rim."""
    width, height = _size(rng)
    box = _middle(rng, width, height)
    page = _gray(rng, int(rng.integers(25, 110)), box, width, height, 190)
    return _plan(page, box_sector(width, height, box))


def _touching(rng: Random) -> Plan:
    """The same, and the picture touches an edge of the screen, or two."""
    width, height = _size(rng)
    x0, y0, x1, y1 = _middle(rng, width, height)
    box = [(x0, y0, x1, height), (0, y0, x1, y1), (x0, y0, width, y1), (0, y0, x1, height), (x0, y0, width, height)]
    chosen = box[int(rng.integers(len(box)))]
    page = _gray(rng, int(rng.choice([0, 40, 60, 90])), chosen, width, height, 190)
    return _plan(page, box_sector(width, height, chosen))


def _black_box(rng: Random) -> Plan:
    """A fan in a black box on a gray screen."""
    width, height = _size(rng)
    box = _middle(rng, width, height)
    page = _gray(rng, int(rng.integers(30, 120)), box, width, height, 200)
    page.fill(box, 0)
    x0, y0, x1, y1 = box
    return _plan(page, any_fan(rng, width, height, (x0 + 6, y0 + 6, x1 - 6, y1 - 6)), clock=(width - 90, height - 6))


def _light(rng: Random) -> Plan:
    """A light user interface with dark text."""
    width, height = _size(rng)
    box = _middle(rng, width, height)
    page = _gray(rng, int(rng.integers(170, 245)), box, width, height, 30)
    if rng.random() < 0.5:
        return _plan(page, box_sector(width, height, box))
    page.fill(box, 0)
    x0, y0, x1, y1 = box
    return _plan(page, any_fan(rng, width, height, (x0 + 5, y0 + 5, x1 - 5, y1 - 5)))


def _banner(rng: Random) -> Plan:
    """A black screen with a banner and a bar of buttons, whose clock runs."""
    page, sector = _black(rng)
    width, height = page.width, page.height
    rows = np.flatnonzero(sector.any(axis=1))
    top = max(14, int(rows[0]) - int(rng.integers(0, 6)))
    page.printed[:top] = False
    page.fill((0, 0, width, top), int(rng.integers(60, 200)), float(rng.choice([0, -30])))
    page.text(6, 11, 1, 250)
    page.text(width * 0.4, 11, 1, 250)
    bottom = min(height - 12, int(rows[-1]) + 8)
    page.buttons((0, bottom, width, height), int(rng.integers(5, 9)), int(rng.integers(50, 120)))
    return _plan(page, sector, clock=(width - 96, 11))


def _scales(rng: Random) -> Plan:
    """Gray scale and rulers close to the picture."""
    width, height = _size(rng)
    page, box = Page(rng, width, height), _middle(rng, width, height)
    sector = _sector(rng, width, height, box)
    columns, rows = np.flatnonzero(sector.any(axis=0)), np.flatnonzero(sector.any(axis=1))
    page.scale_bar(int(columns[0]) - 16, int(rows[0]), int(rows[-1]), 11)
    page.ticks(min(width - 12, int(columns[-1]) + 9), int(rows[0]), int(rows[-1]))
    page.text(4, 12, 1, 230)
    return _plan(page, sector)


def _barred(plan: Plan, level: int, upright: bool, wide: int = 0) -> Plan:
    """The screen with bars above and below, or left and right."""
    height, width = plan.page.shape
    wide = wide or round(0.12 * (width if upright else height)) // 2 * 2
    pad = ((0, 0), (wide, wide)) if upright else ((wide, wide), (0, 0))

    def padded(array: NDArray, value: int) -> NDArray:
        return np.ascontiguousarray(np.pad(array, pad, constant_values=value))

    clock = plan.clock if plan.clock is None else (plan.clock[0] + pad[1][0], plan.clock[1] + pad[0][0])
    page, sector, printed = padded(plan.page, level), padded(plan.sector, False), padded(plan.printed, False)
    return replace(plan, page=page, sector=sector, printed=printed, clock=clock)


def _letterbox(rng: Random) -> Plan:
    return _barred(_panels(rng) if rng.random() < 0.5 else _plan(*_black(rng)), 0, rng.random() < 0.5)


def _white_bars(rng: Random) -> Plan:
    plan = _panels(rng) if rng.random() < 0.3 else _plan(*_black(rng))
    return _barred(plan, 255, rng.random() < 0.5)


def _flipped(rng: Random) -> Plan:
    """The probe is below."""
    page, sector = _black(rng, fan=True)
    rows = np.flatnonzero(sector.any(axis=1))
    turned = np.zeros_like(sector)
    turned[rows[0] : rows[-1] + 1] = sector[rows[0] : rows[-1] + 1][::-1]
    return _plan(page, turned, top="down")


def _deep(rng: Random) -> Plan:
    """A fan of which the lower half has hardly an echo."""
    page, sector = _black(rng, fan=True)
    return _plan(page, sector, dark=0.95)


def _shallow(rng: Random) -> Plan:
    """A linear picture four times as wide as tall."""
    width, height = _size(rng)
    x0, y0, x1, _ = _middle(rng, width, height)
    box = (x0, y0 + 10, x1, y0 + 10 + (x1 - x0) // 4)
    page = _gray(rng, int(rng.choice([0, 50])), box, width, height, 190)
    page.text(x0, box[3] + 30, 4, 170)
    return _plan(page, box_sector(width, height, box))


def _narrow(rng: Random) -> Plan:
    """A deep linear picture, three times as tall as wide."""
    width, height = _size(rng)
    wide = height // 3
    x0 = round(width * rng.uniform(0.3, 0.5))
    box = (x0, height // 12, x0 + wide, height - 12)
    page = _gray(rng, int(rng.choice([0, 50])), box, width, height, 190)
    return _plan(page, box_sector(width, height, box))


def _slow(rng: Random) -> Plan:
    """Hardly anything moves, and a codec has taken the rest."""
    page, sector = _black(rng)
    return _plan(page, sector, motion=0.12, codec="libx264")


def _slow_on_gray(rng: Random) -> Plan:
    return replace(_panels(rng), motion=0.12, codec="libx264")


def _frozen(rng: Random) -> Plan:
    """Nothing moves at all."""
    page, sector = _black(rng)
    return _plan(page, sector, motion=0.0)


def _frozen_on_gray(rng: Random) -> Plan:
    return replace(_panels(rng), motion=0.0)


def _compressed(rng: Random) -> Plan:
    plan = [_panels, _banner, _touching, _scales][int(rng.integers(4))](rng)
    return replace(plan, codec=str(rng.choice(["libx264", "mpeg2video"])), motion=0.5)


def _one_sided(rng: Random) -> Plan:
    """Half of the picture lies in the dark, as where the probe has no contact."""
    page, sector = _black(rng, fan=rng.random() < 0.7)
    return _plan(page, sector, side=str(rng.choice(["left", "right"])))


def _strip(rng: Random) -> Plan:
    """Small pictures of earlier scans below or beside it."""
    width, height = _size(rng)
    upright = bool(rng.random() < 0.5)
    box = (width // 5, height // 12, width - 30, height - 20) if upright else (70, height // 12, width - 70, 3 * height // 4)  # fmt: skip
    page = _gray(rng, int(rng.choice([0, 30, 60])), box, width, height, 190) if rng.random() < 0.7 else Page(rng, width, height)  # fmt: skip
    if upright:
        for n in range(3):
            page.thumbnails((4, 60 + n * 80, width // 5 - 12, 130 + n * 80), 1)
    else:
        page.thumbnails((70, 3 * height // 4 + 12, width - 70, height - 4), 5)
    return _plan(page, _sector(rng, width, height, box))


def _wide(name: str) -> Callable[[Random], Plan]:
    return lambda rng: _plan(*_black(rng, name), clock=(4, SIZES[name][1] - 6))


def _cropped_fan(rng: Random) -> Plan:
    """Cut down to a fan, nothing printed: black corners are all there is beside it."""
    width, height = int(rng.integers(280, 480)), int(rng.integers(260, 420))
    page = Page(rng, width, height)
    wide = round(width * rng.uniform(1.0, 1.35))
    x0 = (width - wide) // 2
    sector = any_fan(rng, width, height, (x0, 0, x0 + wide, round(height * rng.uniform(1.0, 1.1))))
    x0, y0, x1, y1 = _bounds(sector)
    crop = np.s_[y0 : y0 + (y1 - y0) // 2 * 2, x0 : x0 + (x1 - x0) // 2 * 2]
    page.image, page.printed = np.ascontiguousarray(page.image[crop]), np.ascontiguousarray(page.printed[crop])
    return _plan(page, np.ascontiguousarray(sector[crop]), dark=float(rng.uniform(0.1, 0.9)))


def _cropped_linear(rng: Random) -> Plan:
    """Cut down to a linear picture, which is all there is."""
    width, height = int(rng.integers(140, 240)) * 2, int(rng.integers(100, 210)) * 2
    side = str(rng.choice(["", "", "left", "right"]))
    return _plan(Page(rng, width, height), np.ones((height, width), bool), dark=float(rng.uniform(0.1, 0.9)), side=side)


def _cropped_marked(rng: Random) -> Plan:
    """Cut down to a fan with a narrow rim of black, in which ticks or a small mark stand."""
    plan = replace(_cropped_fan(rng), dark=0.4)
    rim = int(rng.integers(2, 7))
    plan = _barred(_barred(plan, 0, True, rim), 0, False, rim)
    height, width = plan.page.shape
    page = plan.page.copy()
    for y in range(10, height - 10, height // 9):
        page[y, width - 4 : width - 1] = 180
    return replace(plan, page=page, sector=plan.sector)


def _dim(rng: Random) -> Plan:
    """Panels that are nearly black."""
    width, height = _size(rng)
    box = _middle(rng, width, height)
    page = _gray(rng, int(rng.integers(6, 18)), box, width, height, 150)
    return _plan(page, _sector(rng, width, height, box))


def _noisy(rng: Random) -> Plan:
    """By an analogue frame grabber: nothing stands quite still."""
    plan = [_panels, _touching, _black_box, lambda rng: _plan(*_black(rng))][int(rng.integers(4))](rng)
    return replace(plan, noise=float(rng.uniform(1.0, 3.0)))


def _framed(rng: Random) -> Plan:
    """A thin bright frame around the picture, and lines and a curve beside it."""
    width, height = _size(rng)
    x0, y0, x1, y1 = box = _middle(rng, width, height)
    page = _gray(rng, int(rng.choice([0, 40, 70])), box, width, height, 190)
    page.fill(box, 0)
    cv2.rectangle(page.image, (x0, y0), (x1 - 1, y1 - 1), 170, 1)
    cv2.line(page.image, (x0 - 20, y0), (x0 - 20, height - 1), 130, 1)
    curve = np.stack([x1 + 12 + 6 * np.sin(np.arange(y0, y1) / 30), np.arange(y0, y1)], axis=1)
    cv2.polylines(page.image, [curve.astype(np.int32)], False, 120, 1, cv2.LINE_AA)
    return _plan(page, _sector(rng, width, height, (x0 + 1, y0 + 1, x1 - 1, y1 - 1)))


def _written_on(rng: Random) -> Plan:
    """A depth scale, a body mark and callipers lie over the ultrasound."""
    plan = [_panels, _touching, lambda rng: _plan(*_black(rng))][int(rng.integers(3))](rng)
    x0, y0, x1, y1 = _bounds(plan.sector)

    def marks(image: Image) -> None:
        cv2.drawMarker(image, ((x0 + 2 * x1) // 3, (y0 + y1) // 2), 230, cv2.MARKER_CROSS, 9, 1)
        cv2.drawMarker(image, ((x0 + x1) // 2, (y0 + 3 * y1) // 4), 230, cv2.MARKER_CROSS, 9, 1)
        _write(image, "D1 23 mm", (x0 + x1) // 2, (y0 + y1) // 2, 230)

    return replace(plan, marks=(marks,))


def _bounds(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _sharp(rng: Random) -> Plan:
    """A screen of many pixels: text and ticks are large too."""
    plan = [_panels, _touching, _banner, _strip][int(rng.integers(4))](rng)
    return replace(plan, scale=1.8)


def _phone(rng: Random) -> Plan:
    """A hand-held device, upright: buttons below, a bar above."""
    width, height = 360, 640
    page = Page(rng, width, height, int(rng.choice([0, 0, 30])))
    y0, y1 = int(rng.integers(60, 110)), int(rng.integers(430, 500))
    page.fill((0, 0, width, y1), 0)
    page.text(8, 24, 2, 220)
    page.buttons((0, height - 60, width, height), 4, 70)
    page.text(20, y1 + 30, 3, 200)
    return _plan(page, any_fan(rng, width, height, (4, y0, width - 4, y1)), clock=(260, 20))


def _shaded(rng: Random) -> Plan:
    """Panels that grow brighter to one side."""
    width, height = _size(rng)
    x0, y0, x1, y1 = box = _middle(rng, width, height)
    page = Page(rng, width, height)
    level = int(rng.integers(30, 120))
    page.fill((0, 0, width, height), level, float(rng.uniform(-25, 60)))
    page.text(6, 11, 1, 220)
    page.text(6, y0 + 30, 7, 220)
    page.text(x1 + 8, y0 + 30, 5, 220)
    if rng.random() < 0.5:
        return _plan(page, box_sector(width, height, box))
    page.fill(box, 0)
    return _plan(page, any_fan(rng, width, height, (x0 + 4, y0 + 4, x1 - 4, y1 - 4)))


def _two(rng: Random) -> Plan:
    """Two live pictures side by side."""
    width, height = _size(rng)
    page = Page(rng, width, height)
    x0, y0, x1, y1 = round(0.1 * width), round(0.12 * height), round(0.92 * width), round(0.9 * height)
    middle, gap = (x0 + x1) // 2, int(rng.integers(2, 14))
    boxes = (x0, y0, middle - gap, y1), (middle + gap, y0, x1, y1)
    fan = rng.random() < 0.5
    half, inner = rng.uniform(26, 40), rng.uniform(0.02, 0.4)
    sector = np.zeros((height, width), bool)
    for box in boxes:
        sector |= fan_sector(width, height, box, half, inner) if fan else box_sector(width, height, box)
    page.text(4, 12, 1, 230)
    page.text(2, y0 + 40, 5, 170)
    page.ticks(width - 14, y0, y1)
    return _plan(page, sector)


def _doppler(rng: Random) -> Plan:
    """A box with colour in it, framed, and its scale."""
    plan = [_panels, lambda rng: _plan(*_black(rng))][int(rng.integers(2))](rng)
    x0, y0, x1, y1 = _bounds(plan.sector)
    wide, tall = x1 - x0, y1 - y0
    box = x0 + round(wide * 0.35), y0 + round(tall * 0.3), x0 + round(wide * 0.65), y0 + round(tall * 0.7)
    height, width = plan.sector.shape
    plan.page[height // 5 : height // 2, width - 26 : width - 16] = np.linspace(200, 40, height // 2 - height // 5)[
        :, None
    ]

    def flow(image: Image) -> None:
        level = int(rng.integers(40, 200))
        cv2.circle(image, ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2), max(4, tall // 9), level, -1)
        cv2.rectangle(image, box[:2], box[2:], 210, 1)

    return replace(plan, marks=(flow,))


def _ecg(rng: Random) -> Plan:
    """A phased sector above an ECG, whose cursor runs."""
    width, height = _size(rng)
    page = Page(rng, width, height)
    box = round(0.15 * width), round(0.06 * height), round(0.88 * width), round(0.8 * height)
    sector = fan_sector(width, height, box, rng.uniform(35, 45), rng.uniform(0.01, 0.04))
    page.text(4, 14, 4, 190)
    page.ticks(width - 16, box[1], box[3])
    x = np.arange(30, width - 20)
    beat = (x % 90 == 40) * -28.0 + (x % 90 == 43) * 12.0
    base = round(0.91 * height)
    trace = np.stack([x, base + beat + 2 * np.sin(x / 15)], axis=1).round().astype(np.int32)
    count = [0]

    def run(image: Image) -> None:
        cv2.polylines(image, [trace], False, 190, 1, cv2.LINE_AA)
        at = 30 + (count[0] * 7) % (width - 60)
        count[0] += 1
        image[base - 34 : base + 16, at : at + 8] = 0
        cv2.line(image, (at, base - 34), (at, base + 15), 230, 1)

    return _plan(page, sector, marks=(run,))


def _tiny(rng: Random) -> Plan:
    """320 x 240 and less."""
    plan = [_panels, _touching, _banner, lambda rng: _plan(*_black(rng))][int(rng.integers(4))](rng)
    return replace(plan, scale=0.5)


def _uhd(rng: Random) -> Plan:
    plan = [_panels, _banner, lambda rng: _plan(*_black(rng))][int(rng.integers(3))](rng)
    return replace(plan, scale=6.0, codec="")


def _inverted(rng: Random) -> Plan:
    """Black echoes on white, all of the screen."""
    plan = [_panels, lambda rng: _plan(*_black(rng))][int(rng.integers(2))](rng)

    def invert(image: Image) -> None:
        np.subtract(255, image, out=image)

    return replace(plan, marks=(invert,))


def _clipped(rng: Random) -> Plan:
    """A fan too wide for its place: cut off left, right and below."""
    width, height = _size(rng)
    page, (x0, y0, x1, y1) = Page(rng, width, height), _middle(rng, width, height)
    more = round((x1 - x0) * rng.uniform(0.1, 0.2))
    wide = fan_sector(
        width, height, (x0 - more, y0, x1 + more, y1 + 2 * more), rng.uniform(28, 36), rng.uniform(0.2, 0.4)
    )
    sector = wide & box_sector(width, height, (x0, y0, x1, y1))
    page.text(4, 12, 1, 230)
    page.text(2, 60, 6, 170)
    page.ticks(min(width - 14, x1 + 10), y0, y1)
    return _plan(page, sector)


def _raised(rng: Random) -> Plan:
    """Video of limited range: its black is gray."""
    plan = [_panels, _deep, lambda rng: _plan(*_black(rng)), _scales][int(rng.integers(4))](rng)
    black = int(rng.integers(10, 26))

    def lift(image: Image) -> None:
        image[:] = (black + image * ((235 - black) / 255)).astype(np.uint8)

    return replace(plan, marks=(lift,))


def _empty_middle(rng: Random) -> Plan:
    """A linear picture whose middle has no echo: an eye, a cyst, a full bladder."""
    width, height = _size(rng)
    box = _middle(rng, width, height)
    page = _gray(rng, int(rng.choice([0, 0, 45])), box, width, height, 190)
    sector = box_sector(width, height, box)
    x0, y0, x1, y1 = box
    top, bottom = y0 + round((y1 - y0) * rng.uniform(0.2, 0.3)), y0 + round((y1 - y0) * rng.uniform(0.45, 0.6))

    def empty(image: Image) -> None:
        image[top:bottom, x0:x1] = image[top:bottom, x0:x1] // 60

    return _plan(page, sector, motion=float(rng.choice([0.0, 1.0])), marks=(empty,))


def _below(rng: Random) -> Plan:
    """The probe is below and its fan opens wide, as under the chin."""
    width, height = _size(rng)
    page = Page(rng, width, height)
    y0, y1 = round(0.1 * height), round(0.9 * height)
    sector = fan_sector(
        width, height, (round(0.04 * width), y0, round(0.96 * width), y1), rng.uniform(48, 65), rng.uniform(0.12, 0.3)
    )
    rows = np.flatnonzero(sector.any(axis=1))
    turned = np.zeros_like(sector)
    turned[rows[0] : rows[-1] + 1] = sector[rows[0] : rows[-1] + 1][::-1]
    page.text(4, 12, 1, 230)
    return _plan(page, turned, top="down")


FIRST_KINDS: dict[str, Callable[[Random], Plan]] = {
    "black screen, 4:3": _wide("4:3"),
    "black screen, 16:9": _wide("16:9"),
    "black screen, 16:10": _wide("16:10"),
    "black screen, 21:9": _wide("21:9"),
    "gray panels, no rim": _panels,
    "touches an edge": _touching,
    "black box on gray": _black_box,
    "light screen": _light,
    "banner and buttons": _banner,
    "scales close by": _scales,
    "letterbox": _letterbox,
    "white bars": _white_bars,
    "apex below": _flipped,
    "deep and dark": _deep,
    "shallow": _shallow,
    "narrow": _narrow,
    "low motion": _slow,
    "low motion on gray": _slow_on_gray,
    "frozen": _frozen,
    "frozen on gray": _frozen_on_gray,
    "compressed": _compressed,
    "one side dark": _one_sided,
    "small pictures beside": _strip,
    "cropped fan": _cropped_fan,
    "cropped linear": _cropped_linear,
    "cropped, with marks": _cropped_marked,
    "nearly black panels": _dim,
    "frame grabber": _noisy,
    "thin frame": _framed,
    "marks on the picture": _written_on,
    "many pixels": _sharp,
    "upright phone": _phone,
    "shaded panels": _shaded,
}  # fmt: skip
#: Apart, so that the screens of the first ones stay what they are.
LATER_KINDS: dict[str, Callable[[Random], Plan]] = {
    "two pictures": _two,
    "colour box": _doppler,
    "ECG below": _ecg,
    "tiny": _tiny,
    "4K": _uhd,
    "inverted": _inverted,
    "fan cut off": _clipped,
    "black is gray": _raised,
    "empty middle": _empty_middle,
    "wide fan, apex below": _below,
}
KINDS = {**FIRST_KINDS, **LATER_KINDS}
