"""What the index says of a run, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.timelines import timeline

from seqcls.report.index import ClipSummary, index_html, near_thresholds_s, summary_of
from seqcls.types import SourceReport


def test_uncertain_is_what_is_unknown_or_near_the_thresholds() -> None:
    # m is 0.45: between offset 0.35 and onset 0.5; P and . are 0.9 and 0.1: far from both
    run = timeline(liver="PPPPmm..??", kidney="........??")
    assert near_thresholds_s(run, "liver") == pytest.approx(0.2)
    assert near_thresholds_s(run, "kidney") == 0
    organs = summary_of(run, "a/report.html").facts["organs"]
    assert (organs["liver"]["present_s"], organs["liver"]["unknown_s"], organs["liver"]["uncertain_s"]) == (
        pytest.approx(0.6), pytest.approx(0.2), pytest.approx(0.4),
    )  # fmt: skip
    assert organs["liver"]["spans"] == [[1, 0.0], [0, 0.6], [2, 0.8]] and organs["liver"]["times"] == 1


def test_the_same_runs_give_the_same_page_without_paths() -> None:
    run = replace(timeline(name="a.mp4", liver="PP.."), report=SourceReport("truncated", ("the file ends early",), 4))
    clips = [summary_of(run, "a/report.html"), ClipSummary("b.mp4", "", "b.mp4: holds no frame", {})]
    page = index_html("2 clips", clips)
    assert page == index_html("2 clips", clips)
    assert '"note":"the file ends early"' in page and '"failed":"b.mp4: holds no frame"' in page
    assert "uPlot" not in page and len(page) < 60_000
