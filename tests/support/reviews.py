"""Clips whose frames carry their number, runs of them, and a review in a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from support.drawn import HEIGHT, WIDTH, picture
from support.encoded import write_video
from support.timelines import timeline

from seqcls.exports import write_run
from seqcls.geometry import Region
from seqcls.sources.clip_digest import clip_digest
from seqcls.types import SourceInfo

TOKEN = "a-token-of-this-test_0123456789"
BITS = 10
#: Where a number stands in a frame: a row of bright and dark squares, inside of the region.
_ROW, _LEFT, _SIDE = 34, 18, 6


def numbered(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """(height, width) uint8: speckle, and the number in bits."""
    image = picture(False, number).copy()
    for bit in range(BITS):
        left = _LEFT + _SIDE * bit
        image[_ROW : _ROW + _SIDE, left : left + _SIDE] = 235 if number >> bit & 1 else 20
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def number_of(image: NDArray[np.uint8], region: Region | None = None) -> int:
    """The number in a frame, or in what is shown of its region."""
    x0, y0 = (region.x0, region.y0) if region is not None else (0, 0)
    middles = [_LEFT + _SIDE * bit + _SIDE // 2 - x0 for bit in range(BITS)]
    return sum(int(image[_ROW + _SIDE // 2 - y0, x] > 128) << bit for bit, x in enumerate(middles))


def write_numbered(
    path: Path, count: int, *, codec: str = "libx264", pixels: str = "yuv420p", rate_hz: int = 10, **options: str
) -> Path:
    """A clip of such frames."""
    write_video(path, map(numbered, range(count)), codec=codec, pixels=pixels, rate_hz=rate_hz, options=options)
    return path


def write_review_run(folder: Path, path: str, /, of: Path | None = None, **organs: str) -> Path:
    """What `seqcls run` leaves of a clip, ``of`` where it is there, drawn from strings as ``support.timelines`` has
    it."""
    drawn = timeline("clip", **organs)
    source = SourceInfo(name=path.rsplit("/", 1)[-1], kind="file", path=path, width=WIDTH, height=HEIGHT)
    whole = Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT)
    digest = "" if of is None else clip_digest(str(of))
    known = replace(drawn.provenance, regions=(whole,), source_digest=digest)
    write_run(replace(drawn, source=source, provenance=known), folder)
    return folder


def page_ready(chromium: Any, url: str) -> None:
    """Open the page, and wait until it shows a clip."""
    chromium.open(url)
    chromium.until("document.body?.dataset.ready === 'yes'")


def press(chromium: Any, *keys: str) -> None:
    """Real key strokes, such as ``s``, ``ArrowRight``, ``Enter``, ``ctrl+z``; nothing else is touched."""
    for stroke in keys:
        *held, key = stroke.split("+") if len(stroke) > 1 else [stroke]
        modifiers = sum({"alt": 1, "ctrl": 2, "shift": 8}[one] for one in held)
        code = _CODES.get(key, f"Digit{key}" if key.isdigit() else f"Key{key.upper()}")
        shown = {"Space": " "}.get(key, key.upper() if "shift" in held and len(key) == 1 else key)
        more: dict[str, Any] = {"modifiers": modifiers, "key": shown, "code": code}
        more |= {"windowsVirtualKeyCode": number} if (number := {"Escape": 27, "Enter": 13}.get(key)) else {}
        text = {"Enter": "\r"}.get(key, shown if len(shown) == 1 and "ctrl" not in held else "")
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        chromium.call("Input.dispatchKeyEvent", **down, **more)
        chromium.call("Input.dispatchKeyEvent", type="keyUp", **more)


_CODES = {",": "Comma", ".": "Period", "?": "Slash", "Space": "Space"}
_CODES |= {name: name for name in ("Enter", "Escape", "Delete", "Home", "End", "Tab")}
_CODES |= {f"Arrow{way}": f"Arrow{way}" for way in ("Left", "Right", "Up", "Down")}


def type_text(chromium: Any, text: str) -> None:
    chromium.call("Input.insertText", text=text)


def mouse(chromium: Any, *places: tuple[str, float, float]) -> None:
    """Real events of a mouse: ``pressed``, ``moved`` and ``released`` at a place of the page."""
    for kind, x, y in places:
        held = {"buttons": 1, "button": "left", "clickCount": 1} if kind != "moved" else {"buttons": 1}
        chromium.call("Input.dispatchMouseEvent", type=f"mouse{kind.capitalize()}", x=x, y=y, **held)
