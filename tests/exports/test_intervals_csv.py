"""intervals.csv: complete, and to the microsecond."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.exports import write_intervals_csv
from seqcls.types import Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_intervals_csv_covers_the_clip_without_holes(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    table = rows(tmp_path / "i.csv")
    assert list(table[0])[:9] == [
        "file",
        "organ",
        "state",
        "start_s",
        "end_s",
        "start_frame",
        "end_frame",
        "mean_score",
        "peak_score",
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


def test_times_keep_a_microsecond(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    written = [float(r["start_s"]) for r in rows(tmp_path / "i.csv")]
    assert written == pytest.approx([i.start_s for i in TWO.intervals], abs=1e-6)
    assert all(math.isfinite(w) for w in written)
