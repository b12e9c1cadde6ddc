"""The colours of pictures, terminal and page: told apart under every common colour blindness.

Okabe and Ito 2008, https://jfly.uni-koeln.de/color/. Wherever a colour stands for a state, a word or a shape does too.
"""

from __future__ import annotations

BLUE, SKY, GREEN, ORANGE, VERMILION = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"
GRAY, DARK_GRAY = "#999999", "#6E6E6E"

#: What stands for what.
PRESENT, ABSENT, UNKNOWN = BLUE, DARK_GRAY, ORANGE
RUNNING, LOST = GREEN, VERMILION


def bgr(color: str) -> tuple[int, int, int]:
    """Blue, green and red, 0..255, as OpenCV takes them, of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return blue, green, red
