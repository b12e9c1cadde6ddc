"""`--show`: the picture with what is in view, in a window of its own."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.live.view import LiveView, OrganView

Image = NDArray[np.uint8]
#: Okabe and Ito's blue, a gray and orange, as BGR: told apart by everyone, and each state has its word besides.
COLORS = {"present": (178, 114, 0), "absent": (110, 110, 110), "unknown": (0, 159, 230)}
_HEIGHT, _SIDE = 640, 420
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(view: LiveView) -> Image:
    """(640, W, 3) uint8 BGR: the region's picture at the left, a sign per organ at the right, the feed below."""
    picture = _picture(view)
    side = np.full((_HEIGHT, _SIDE, 3), 24, np.uint8)
    rows = max(1, len(view.organs))
    height = min(180, (_HEIGHT - 90) // rows)
    for place, organ in enumerate(view.organs):
        _sign(side[place * height + 6 : (place + 1) * height - 2], organ)
    feed = f"feed {view.feed}" + (f": {view.feed_reason}" if view.feed_reason else "")
    p95 = view.latency_ms[1]
    _text(side, feed, 12, _HEIGHT - 56, 0.6, (230, 230, 230) if view.feed == "running" else COLORS["unknown"])
    late = "" if p95 != p95 else f"  p95 {p95:.0f} ms"
    _text(side, f"{view.rate_hz:.0f} frames/s{late}  {view.ledger.dropped} dropped", 12, _HEIGHT - 34, 0.5)
    _text(side, "Research software, not a medical device.", 12, _HEIGHT - 12, 0.45)
    return np.concatenate([picture, side], axis=1)


class Window:
    """A window that follows the snapshots; ``closed`` once somebody pressed q or Escape. Raises UsageError where no
    screen is to be had."""

    TITLE = "seqcls"

    def __init__(self) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UsageError("--show needs a screen, and none is set (DISPLAY); use --serve to look from a browser")
        try:
            cv2.namedWindow(self.TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise UsageError(
                "--show needs an OpenCV that can open windows, not opencv-python-headless; use --serve instead"
            ) from error
        self.closed = False

    def show(self, view: LiveView) -> None:
        cv2.imshow(self.TITLE, draw(view))
        self.closed |= cv2.pollKey() & 0xFF in (ord("q"), 27)

    def close(self) -> None:
        cv2.destroyWindow(self.TITLE)


def _picture(view: LiveView) -> Image:
    if view.picture is None:
        empty = np.full((_HEIGHT, _HEIGHT, 3), 12, np.uint8)
        _text(empty, "no picture yet", 40, _HEIGHT // 2, 0.9)
        return empty
    scale = min(_HEIGHT / view.picture.shape[0], 2 * _HEIGHT / view.picture.shape[1])
    size = max(1, round(view.picture.shape[1] * scale)), max(1, round(view.picture.shape[0] * scale))
    shown = cv2.cvtColor(cv2.resize(view.picture, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    framed = np.zeros((_HEIGHT, shown.shape[1], 3), np.uint8)
    top = (_HEIGHT - shown.shape[0]) // 2
    framed[top : top + shown.shape[0]] = shown
    if view.feed != "running":  # a picture that stands still must not look alive
        framed //= 3
        _text(framed, view.feed.upper(), 20, _HEIGHT // 2, 1.4, COLORS["unknown"], 3)
    return framed


def _sign(area: Image, organ: OrganView) -> None:
    """The organ's state as a filled box with its word, hatched where unknown."""
    height, width = area.shape[:2]
    box = area[:, 10 : width - 10]
    box[:] = COLORS[organ.state]
    if organ.state == "unknown":
        for start in range(-height, width, 24):
            cv2.line(box, (start, 0), (start + height, height), (0, 200, 255), 3)
    ink = (0, 0, 0) if organ.state == "unknown" else (255, 255, 255)
    # OpenCV's letters are ASCII; others become question marks rather than garbage.
    name = organ.organ.encode("ascii", "replace").decode()
    score = "" if organ.score is None else f"  {organ.score:.2f}"
    scale = min(1.0, height / 90)
    _text(area, (name + score)[:34], 22, round(26 * scale) + 2, 0.7 * scale, ink, 2)
    word = organ.state.upper()
    fit = min(2.2, (width - 50) / cv2.getTextSize(word, _FONT, 1.0, 4)[0][0], (height - 36) / 26)
    _text(area, word, 22, height - 12, max(0.4, fit), ink, 4)


def _text(
    area: Image, text: str, x: int, y: int, scale: float, color: tuple[int, int, int] = (230, 230, 230), width: int = 1
) -> None:
    cv2.putText(area, text.encode("ascii", "replace").decode(), (x, y), _FONT, scale, color, width, cv2.LINE_AA)
