"""The wide table and the text of temporal action segmentation: a row, or a line, per frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import OutputError
from seqcls.exports.formats import of_organ
from seqcls.exports.frames_csv import write_mstcn, write_wide
from seqcls.types import Gap

TWO = timeline(**{"left lobe": "..PPPP??", "node": "PPP....."})


def test_a_wide_table_has_a_row_per_frame_and_a_column_per_organ(tmp_path: Path) -> None:
    write_wide(TWO, tmp_path / "w.csv")
    assert (tmp_path / "w.csv").read_text(encoding="utf-8") == (
        "frame,time_s,left lobe,node\n"
        "0,0.000000,0,1\n1,0.100000,0,1\n2,0.200000,1,1\n3,0.300000,1,0\n4,0.400000,1,0\n5,0.500000,1,0\n"
        "6,0.600000,,\n7,0.700000,,\n"
    )


def test_ms_tcn_text_has_a_label_per_line(tmp_path: Path) -> None:
    write_mstcn(of_organ(TWO, "left lobe"), tmp_path / "l.txt")
    lines = ["background"] * 2 + ["left_lobe"] * 4 + ["unknown"] * 2
    assert (tmp_path / "l.txt").read_text(encoding="utf-8") == "\n".join(lines) + "\n"
    write_mstcn(timeline(background="PP"), tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == "background_\n" * 2


def test_line_k_is_frame_k_where_frames_are_missing(tmp_path: Path) -> None:
    made = timeline(node="PPPP.P..", gaps=(Gap(0.4, 0.9, "lost"),))
    missing = {4: 9, 5: 10, 6: 11, 7: 12}  # frames 4 to 8 are lost, and frame 10 is in view for too short
    places = {k: missing.get(k, k) for k in range(8)}
    intervals = [
        replace(i, start_index=places.get(i.start_index, -1), end_index=places.get(i.end_index, -1))
        for i in made.intervals
    ]
    index = np.array(list(places.values()))
    made = replace(made, scores=replace(made.scores, index=index), intervals=tuple(intervals))
    write_mstcn(made, tmp_path / "m.txt")
    found = (tmp_path / "m.txt").read_text(encoding="utf-8").split()
    assert found == ["node"] * 4 + ["unknown"] * 5 + ["background"] * 4
    far = replace(made, scores=replace(made.scores, index=index + 10**9))
    with pytest.raises(OutputError, match="export --to wide"):
        write_mstcn(far, tmp_path / "f.txt")
