"""The index of many runs: a strip each per organ, to sort, to filter and to search, with links to their reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import seqcls
from seqcls.files import write_text
from seqcls.pauses import LONG_S
from seqcls.report.bundle import html_page, page_file
from seqcls.report.page import filled
from seqcls.report.thumbnails import THUMBNAIL
from seqcls.timeline import Timeline

#: A smoothed score this near to the thresholds, or between them, is uncertain.
UNCERTAIN = 0.1
_CODES = {"absent": 0, "present": 1, "unknown": 2}


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """One run in the index. ``link``: its report, relative to the index, with slashes; empty where there is none.
    ``failed``: why there is no timeline; ``facts`` is empty then. ``picture``: whether THUMBNAIL lies beside its
    report."""

    title: str
    link: str
    failed: str
    facts: dict[str, Any]
    picture: bool = False


def summary_of(timeline: Timeline, link: str, *, picture: bool = False) -> ClipSummary:
    """What the index shows of one run."""
    notes = timeline.notes
    facts = {
        "start_s": timeline.start_s,
        "end_s": timeline.end_s,
        "verdict": timeline.report.verdict,
        "coverage": timeline.coverage,
        "note": notes[0] if notes else "",
        "organs": {organ: _organ(timeline, organ) for organ in timeline.organs},
    }
    return ClipSummary(timeline.source.title, link, "", facts, picture)


def _organ(timeline: Timeline, organ: str) -> dict[str, Any]:
    own = timeline.of(organ)
    lengths_s = {state: sum(i.duration_s for i in own if i.state == state) for state in _CODES}
    return {
        "present_s": round(lengths_s["present"], 3),
        "unknown_s": round(lengths_s["unknown"], 3),
        "uncertain_s": round(lengths_s["unknown"] + near_thresholds_s(timeline, organ), 3),
        "times": sum(i.state == "present" for i in own),
        "spans": [[_CODES[i.state], round(i.start_s, 3)] for i in own],
    }


def near_thresholds_s(timeline: Timeline, organ: str) -> float:
    """For how many seconds the organ's smoothed score lies between its thresholds, or within UNCERTAIN of one."""
    table = timeline.scores
    if organ not in table.organs:
        return 0.0
    column = table.organs.index(organ)
    options, smooth = timeline.provenance.intervals[column], table.smooth[:, column]
    near = (smooth >= options.offset - UNCERTAIN) & (smooth <= options.onset + UNCERTAIN)  # not NaN
    time_s = np.maximum.accumulate(table.time_s)
    shown_s = np.minimum(np.append(np.diff(time_s), table.duration_s[-1:]), LONG_S)
    return float(shown_s[near].sum())


def index_html(title: str, clips: Sequence[ClipSummary]) -> str:
    """The page as one text; the same for the same runs."""
    rows = [
        {"title": one.title, "link": one.link, "failed": one.failed, "picture": _beside(one), **one.facts}
        for one in clips
    ]
    body = filled(page_file("index.html"), title=title, disclaimer=seqcls.DISCLAIMER)
    return html_page(
        title,
        body,
        "index.js",
        ["page.css", "index.css"],
        {"clips-data": {"clips": rows}},
        plots=False,
        images="'self' file:",
    )


def _beside(clip: ClipSummary) -> str:
    return f"{clip.link.rpartition('/')[0] or '.'}/{THUMBNAIL}" if clip.picture else ""


def write_index(title: str, clips: Sequence[ClipSummary], path: str | Path) -> None:
    """Write the index of many runs. Raises OutputError."""
    write_text(path, index_html(title, clips))
