"""What a notebook makes of a timeline: tables, a figure, and the cell's own view."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from support.timelines import timeline

from seqcls import notebook
from seqcls.algebra.where import where
from seqcls.errors import UsageError
from seqcls.timeline import Timeline
from seqcls.types import Gap


@pytest.fixture(scope="module")
def two() -> Timeline:
    return where(timeline(liver="PPPP??PPP...", vein="....PPPPPPPP"), "liver and vein")


def test_intervals_as_a_table(two: Timeline) -> None:
    table = two.to_pandas()
    assert list(table[table.organ == "liver"].state) == ["present", "unknown", "present", "absent"]
    assert list(table.start_frame[:2]) == [0, 4] and list(table.end_frame[:2]) == [3, 5]
    assert table.start_s[1] == pytest.approx(0.4) and table.reason[1] == "black"
    assert table.mean_score[0] == pytest.approx(0.9) and table.mean_score.isna().any()
    gap = timeline(gaps=(Gap(0.4, 2.0, "lost"),), liver="PPPPPPPP").to_pandas()
    assert gap.start_frame.isna().sum() == 1 and str(gap.start_frame.dtype) == "Int64"


def test_frames_as_a_table(two: Timeline) -> None:
    table = two.to_pandas("frames")
    assert len(table) == 12 and list(table.frame) == list(range(12))
    assert table.liver.fillna(False).tolist() == [c == "P" for c in "PPPP??PPP..."]
    assert table.liver.isna().tolist() == [c == "?" for c in "PPPP??PPP..."]
    assert table["liver score"][0] == pytest.approx(0.9) and "liver and vein score" not in table
    assert table["liver and vein"].sum() == 3
    with pytest.raises(UsageError, match="'intervals' or 'frames'"):
        two.to_pandas("rows")  # type: ignore[arg-type]


def test_without_pandas_the_extra_is_named(two: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(notebook, "library", missing)
    with pytest.raises(UsageError, match=r"pip install 'seqcls\[tables\]'"):
        two.to_pandas()


def test_a_figure(two: Timeline) -> None:
    figure = two.plot()
    assert [ax.get_title(loc="left").split(":")[0] for ax in figure.axes] == ["liver", "vein", "liver and vein"]
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_what_a_cell_shows(two: Timeline) -> None:
    name = "<script>alert(1)</script>&\u2028\x1b[31m.mp4"
    shown = replace(two, source=replace(two.source, name=name))._repr_html_()
    whole = ElementTree.fromstring(shown)  # well-formed
    assert "script" not in {element.tag.rsplit("}", 1)[-1] for element in whole.iter()} and "\x1b" not in shown
    bars = [e for e in whole.iter("rect") if e.find("title") is not None]
    words = [bar.find("title").text for bar in bars]  # type: ignore[union-attr]
    assert words[:2] == ["liver present, 0.00 to 0.40 s", "liver unknown (black), 0.40 to 0.60 s"]
    # 1000 units stand for 1.2 s
    assert float(bars[1].attrib["x"]) == pytest.approx(1000 * 0.4 / 1.2, abs=0.01)
    assert float(bars[1].attrib["width"]) == pytest.approx(1000 * 0.2 / 1.2, abs=0.01)
    assert len(whole.findall(".//tbody/tr")) == len(bars) and "not a medical device" in shown


def test_much_is_cut_with_words(monkeypatch: pytest.MonkeyPatch, two: Timeline) -> None:
    monkeypatch.setattr(notebook, "MAX_ROWS", 1)
    monkeypatch.setattr(notebook, "MAX_STRIPS", 1)
    shown = two._repr_html_()
    assert "and 2 more organs" in shown and re.search(r"and \d+ more: to_pandas\(\) has them all", shown)
    assert "no organ in view" in timeline(liver="....")._repr_html_()
