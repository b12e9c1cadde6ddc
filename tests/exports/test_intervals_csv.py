"""intervals.csv: complete, and to the microsecond."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.exports import write_intervals_csv
from seqcls.types import Gap, SourceReport

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_intervals_csv_covers_the_clip_without_holes(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    table = rows(tmp_path / "i.csv")
    assert list(table[0]) == [
        "file",
        "organ",
        "state",
        "start_s",
        "end_s",
        "start_frame",
        "end_frame",
        "mean_score",
        "peak_score",
        "reason",
        "path",
        "verdict",
        "coverage",
        "warnings",
    ]
    for organ in TWO.organs:
        own = [r for r in table if r["organ"] == organ]
        assert own[0]["start_s"] == "0.000000" and float(own[-1]["end_s"]) == pytest.approx(TWO.end_s)
        assert all(a["end_s"] == b["start_s"] for a, b in itertools.pairwise(own))
        frames = [f for r in own if r["start_frame"] for f in range(int(r["start_frame"]), int(r["end_frame"]) + 1)]
        assert frames == list(range(20))
    assert {r["state"] for r in table} == {"present", "absent", "unknown"}
    lost = next(r for r in table if r["reason"] == "lost")
    assert (lost["start_frame"], lost["mean_score"], lost["start_s"], lost["end_s"]) == ("", "", "1.200000", "2.000000")


def test_every_row_says_what_a_reader_must_know_of_its_clip(tmp_path: Path) -> None:
    """Two clips of one name; 0.2 of 0.6 s of the second are unknown."""
    whole, cut = timeline(liver="PPP..."), timeline(liver="PPP.??")
    whole = replace(whole, source=replace(whole.source, path="P01/clip.mp4"))
    cut = replace(
        cut,
        source=replace(cut.source, path="P02/clip.mp4"),
        report=SourceReport("truncated", ("60 frames of 90",)),
        warnings=("=an odd region",),
    )
    write_intervals_csv([whole, cut, replace(cut, report=SourceReport("interrupted"))], tmp_path / "i.csv")
    table = [(r["file"], r["path"], r["verdict"], r["coverage"], r["warnings"]) for r in rows(tmp_path / "i.csv")]
    assert table == [
        *[("clip.mp4", "P01/clip.mp4", "complete", "1.0000", "")] * 2,
        *[("clip.mp4", "P02/clip.mp4", "truncated", "0.6667", "60 frames of 90;' =an odd region")] * 3,
        *[("clip.mp4", "P02/clip.mp4", "interrupted", "0.6667", "'=an odd region")] * 3,
    ]


def test_times_keep_a_microsecond(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    written = [float(r["start_s"]) for r in rows(tmp_path / "i.csv")]
    assert written == pytest.approx([i.start_s for i in TWO.intervals], abs=1e-6)
    assert all(math.isfinite(w) for w in written)
