"""The page of a data check holds what was found, and nothing that must not be shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.browser import Browser
from support.scenes import pixels, scenes

from seqcls.datasets.data_checks import DataCheck, check_frames
from seqcls.report import data_check as module
from seqcls.report.data_check import data_check_html, write_data_check


def faulty() -> DataCheck:
    frames = scenes(frames=24)
    assert frames.facts is not None
    images, names = frames.images.copy(), frames.facts.name.astype("<U60")
    images[130], names[10] = images[10], "<script>alert(1)</script>.png"
    facts = replace(frames.facts, name=names, ultrasound=np.arange(144) != 60)
    return check_frames(replace(frames, images=images, facts=facts), pixels)


@pytest.fixture(scope="module")
def found() -> DataCheck:
    return faulty()


def data_of(page: str) -> dict:  # type: ignore[type-arg]
    return json.loads(page.split('id="check-data">')[1].split("</script>")[0])


def test_findings_have_pictures_of_the_region_and_names_are_text(found: DataCheck) -> None:
    page = data_check_html(found, "data check")
    assert page == data_check_html(faulty(), "data check")
    assert "<script>alert" not in page
    data = data_of(page)
    leak = next(one for one in data["findings"] if one["level"] == "leak")
    assert {one["name"] for one in leak["pictures"]} == {"c5.mp4, frame 10", "<script>alert(1)</script>.png"}
    assert all(one["url"].startswith("data:image/jpeg;base64,") for one in leak["pictures"])
    assert [row["split"] for row in data["balance"]] == ["train", "validation"]


def test_nothing_of_a_menu_is_shown(found: DataCheck) -> None:
    aside = next(one for one in data_of(data_check_html(found, "t"))["findings"] if one["kind"] == "set aside")
    assert aside["pictures"] == [{"name": "c2.mp4, frame 12", "side": "train", "url": ""}]


def test_pictures_are_few(found: DataCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    findings = data_of(data_check_html(found, "t"))["findings"]
    assert sum(len(one["pictures"]) for one in findings) == 1 and any(one["more"] for one in findings)


def test_both_files_are_written(found: DataCheck, tmp_path: Path) -> None:
    page = write_data_check(found, tmp_path, "data check")
    record = json.loads((tmp_path / "data-check.json").read_text())
    assert page == tmp_path / "data-check.html" and page.is_file()
    assert record["set_aside"] == [
        {"name": "c2.mp4, frame 12", "reason": "not ultrasound: a menu, text, a photograph or a screenshot"}
    ]
    assert {one["level"] for one in record["findings"]} == {"leak", "look", "advice"}


def test_the_page_in_a_browser(found: DataCheck, chromium: Browser, tmp_path: Path) -> None:
    """It complains of nothing, runs no name, and lists other parts on demand."""
    chromium.errors.clear()
    chromium.screen(390, 800, phone=True)
    chromium.open(write_data_check(found, tmp_path, "data check").as_uri())
    chromium.until("document.body?.dataset.ready")
    assert chromium.evaluate("document.getElementById('verdict').textContent").startswith("1 finding that stops")
    assert chromium.evaluate("document.querySelectorAll('.pictures img').length") == 2
    assert chromium.evaluate("document.querySelectorAll('#parts tbody tr').length") == 6
    assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
    choose = "const unit = document.getElementById('unit'); unit.value = 'site'; unit.dispatchEvent(new Event('input'))"
    chromium.evaluate(f"{{ {choose} }}")
    assert chromium.evaluate("document.querySelector('#parts tbody td').textContent") == "640x480"
    assert chromium.errors == []
