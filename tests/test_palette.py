"""One palette for all: the page's style sheet cannot import it, so it is compared."""

from __future__ import annotations

import re
from importlib.resources import files

from seqcls.palette import ABSENT, BLUE, LOST, ORANGE, PRESENT, RUNNING, SKY, UNKNOWN, VERMILION, bgr


def test_hex_colours_become_opencv_colours() -> None:
    assert bgr(BLUE) == (178, 114, 0) and bgr(ORANGE) == (0, 159, 230)


def test_the_page_has_the_colours_of_the_palette() -> None:
    css = (files("seqcls.live.display") / "page" / "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in css.split("@media", 1))
    wanted = {"present": PRESENT, "absent": ABSENT, "unknown": UNKNOWN, "running": RUNNING, "lost": LOST, "trace": BLUE}
    assert {name: light[name].upper() for name in wanted} == wanted
    assert dark["trace"].upper() == SKY


def test_the_report_has_the_colours_of_the_palette() -> None:
    css = (files("seqcls.report") / "page" / "page.css").read_text(encoding="utf-8").split("@media", 1)[0]
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))
    wanted = {"present": PRESENT, "absent": ABSENT, "unknown": UNKNOWN, "smooth": VERMILION}
    assert {name: light[name].upper() for name in wanted} == wanted
