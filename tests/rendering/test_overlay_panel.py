"""The panel fits every screen: nothing of it overlaps, it leaves the ultrasound alone where it can, and says the state."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from support.timelines import timeline

from seqcls.algebra.where import where
from seqcls.palette import PRESENT, UNKNOWN, bgr
from seqcls.rendering import overlay_panel as module
from seqcls.rendering.overlay_panel import Panel, find_layout

NAMES = ("thyroid", "carotid artery left", "carotid artery right", "trachea", "a", "muscle", "oesophagus", "lymph node")
#: Width, height, and the box of the ultrasound.
SCREENS = {
    "64": (64, 64, (0, 0, 64, 64)),
    "160": (160, 128, (0, 0, 160, 128)),
    "320": (320, 240, (20, 10, 300, 220)),
    "640, full": (640, 480, (0, 0, 640, 480)),
    "640, margins": (640, 480, (130, 20, 510, 440)),
    "800, wide margins": (800, 652, (210, 110, 580, 480)),
    "1920": (1920, 1080, (400, 40, 1500, 1000)),
    "upright": (360, 640, (0, 40, 360, 500)),
}


@pytest.mark.parametrize("count", [1, 2, 8, 20])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overlaps_and_nothing_leaves_the_screen(
    screen: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    width, height, region = SCREENS[screen]
    organs = {f"{NAMES[k % 8]}{k // 8 or ''}": "P.P." for k in range(count)}
    boxes: list[tuple[int, int, int, int]] = []

    def write(image: np.ndarray, text: str, x: int, y: int, cap: int, color: tuple[int, int, int]) -> None:
        (wide, high), below = cv2.getTextSize(text, module._FONT, cap / module._CAP_PIXELS, module._thickness(cap))
        boxes.append((x, y - high, x + wide, y))
        assert min(x, y - high) >= 0 and x + wide <= image.shape[1] and y <= image.shape[0], below

    monkeypatch.setattr(module, "_write", write)
    panel = Panel(timeline(**organs), width, height, region)
    panel.draw(np.zeros((height, width, 3), np.uint8), 1)
    x0, y0, x1, y1 = panel.layout.box
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    for row in panel._rows:
        boxes += [row.bar, row.strip]
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other, panel.layout)
    assert len(panel._rows) == count or panel.layout.cap == 0


def test_margins_are_taken_before_the_ultrasound_is_covered() -> None:
    for screen in ("640, margins", "800, wide margins", "1920"):
        width, height, (x0, y0, x1, y1) = SCREENS[screen]
        box = find_layout(NAMES[:3], width, height, (x0, y0, x1, y1)).box
        assert box[0] >= x1 or box[2] <= x0 or box[1] >= y1 or box[3] <= y0
    full = find_layout(NAMES[:1], 640, 480, (0, 0, 640, 480))
    assert full.box == (0, 414, 640, 480) and full.word and full.number


def test_letters_grow_with_the_screen_and_are_never_too_small_to_read() -> None:
    caps = [find_layout(NAMES[:2], width, height, region).cap for width, height, region in SCREENS.values()]
    assert all(cap == 0 or cap >= 7 for cap in caps)
    assert find_layout(NAMES[:2], *SCREENS["1920"][:2], SCREENS["1920"][2]).cap == 26


def test_names_of_two_sides_stay_two() -> None:
    assert module._fitted("carotid artery left", 16) == "carotid..ry left"
    assert module._fitted("carotid artery right", 16) == "carotid..y right"
    assert module._fitted("thyroid", 8) == "thyroid"


def test_the_panel_shows_state_score_and_time() -> None:
    made = timeline(liver="..PPPPPP??????")
    drawn = []
    panel = Panel(made, 640, 480, (0, 0, 640, 480))
    for row in (0, 4, 10):
        screen = np.zeros((480, 640, 3), np.uint8)
        panel.draw(screen, row)
        drawn.append(screen)
        assert not screen[:400].any()
    (row_,) = panel._rows
    top = panel.layout.box[1]
    marks = [screen[top + row_.y - 7, row_.x + 2] for screen in drawn]
    assert marks[1].tolist() == list(bgr(PRESENT)) and marks[2].tolist() == list(bgr(UNKNOWN)) and not marks[0].any()
    x0, y0, x1, _ = row_.bar
    filled = [int((screen[top + y0 + 2, x0 + 1 : x1 - 1] == bgr(PRESENT)).all(axis=1).sum()) for screen in drawn]
    assert filled[1] == pytest.approx(0.9 * (x1 - x0 - 3), abs=3) and filled[0] == filled[2] == 0
    at = [int(np.argmax(screen[top + row_.strip[1] - 1, row_.strip[0] : row_.strip[2], 0])) for screen in drawn]
    assert at == sorted(at) and at[0] == 0
    assert at[1] == pytest.approx((row_.strip[2] - row_.strip[0]) * 4 / 14, abs=2)


def test_ultrasound_under_the_panel_shines_through_a_little() -> None:
    panel = Panel(timeline(liver="PPPP"), 640, 480, (0, 0, 640, 480))
    screen = np.full((480, 640, 3), 200, np.uint8)
    panel.draw(screen, 0)
    assert (screen[:414] == 200).all() and (screen[470:] == 60).all()


def test_organs_made_of_others_have_no_score() -> None:
    made = where(timeline(liver="PPPPPP......", kidney="PPPPPPPPPPPP"), "liver and kidney")
    panel = Panel(made, 640, 480, (0, 0, 640, 480))
    screen = np.zeros((480, 640, 3), np.uint8)
    panel.draw(screen, 0)
    x0, y0, x1, y1 = panel._rows[2].bar
    assert not screen[panel.layout.box[1] + (y0 + y1) // 2, x0 + 1 : x1 - 1].any()
