"""The page of an evaluation: whole, without what a name could do, and seen by a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from support import browser
from support.evaluated import GOOD, LATE, evaluated

from seqcls.evaluation.compare import compare
from seqcls.evaluation.curves import curves_of
from seqcls.evaluation.evaluate import Evaluation, Subgroup
from seqcls.evaluation.extras import Extras
from seqcls.evaluation.page import evaluation_html, heated
from seqcls.evaluation.worst import WorstClip, WorstFrame
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader

EVIL = "</script><img src=x onerror=alert(1)>\u2028\"'<script>document.title='pwned'</script>"
HEADER = ModelHeader(organs=("liver",), geometry=Geometry(size=16), version=EVIL, training={"weights": EVIL})


def page(name: str = "organ.safetensors", note: str = "") -> str:
    evaluation: Evaluation = evaluated([GOOD] * 10 + [LATE] * 2)
    group = Subgroup(by="scanner", name=name, origin="labels", organs=evaluation.organs)
    image, inside = np.full((8, 8), 90, np.uint8), np.ones((8, 8), np.bool_)
    frame = WorstFrame(
        organ="liver", row=0, clip=name, index=3, time_s=0.3, present=True, score=0.2, image=image, inside=inside
    )
    extras = Extras(
        against=name, comparison=compare(evaluation, evaluated([LATE] * 12)),
        clips=(WorstClip(file=name, organ="liver", accuracy=0.9, missed=0, false_events=1),),
        frames=(frame, replace(frame, image=None)), heats=(np.eye(8, dtype=np.float32), None), remarks=(note,),
    )  # fmt: skip
    evaluation = replace(evaluation, subgroups=(group,), notes=(note,))
    return evaluation_html(evaluation, curves_of(evaluation.frames), HEADER, name, "ab", extras)


def test_the_page_holds_every_part() -> None:
    text = page()
    for part in (
        "<h2>liver</h2>",
        "Curves",
        "Scanners and sites",
        "paired bootstrap",
        "Worst clips",
        "About the model",
    ):
        assert part in text
    assert text.count('<svg class="chart"') == 3 and text.count("data:image/jpeg") == 2
    assert text == page() and "http" not in re.sub(r"http-equiv", "", text)
    assert "style=" not in text  # the policy would refuse it


def test_heat_stays_inside_the_region() -> None:
    inside = np.zeros((2, 2), np.bool_)
    inside[0, 0] = True
    shown = heated(np.full((2, 2), 100, np.uint8), inside, np.ones((2, 2), np.float32))
    assert shown[0, 0].tolist() == [40, 64, 193] and (shown.reshape(-1, 3)[1:] == 100).all()


def test_names_do_nothing_in_a_browser(chromium: browser.Browser, tmp_path: Path) -> None:
    """It opens from disk without a complaint, in both colours; tables fit a phone."""
    (tmp_path / "e.html").write_text(page(EVIL, EVIL), encoding="utf-8")
    chromium.errors.clear()
    chromium.screen(390, 800)
    chromium.open((tmp_path / "e.html").as_uri())
    chromium.until("document.querySelector('.theme') !== null")
    assert chromium.evaluate("document.title").startswith("Evaluation of </script>")
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 390
    ground = "getComputedStyle(document.body).backgroundColor"
    light = chromium.evaluate("document.documentElement.dataset.theme = 'light', " + ground)
    assert light != chromium.evaluate("document.documentElement.dataset.theme = 'dark', " + ground)
    assert chromium.evaluate("document.querySelectorAll('script').length") == 1 and chromium.errors == []
