"""Cells that a spreadsheet takes for what they are."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.exports import read_run, write_run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", ["=1+1.mp4", "+x", "-2+3", "@cmd", "\tx", "e\x1b[31m\nx"])
def test_csv_cells_are_no_formulas(tmp_path: Path, name: str) -> None:
    write_run(timeline(name=name, **{"=organ": "PPPP"}), tmp_path)
    for file in ("intervals.csv", "scores.csv"):
        for row in rows(tmp_path / file):
            cells = [c for key, c in row.items() if key not in ("start_frame", "end_frame")]
            assert not any(c.startswith(("=", "+", "-", "@", "\t")) for c in [*cells, *row])
            assert all(c.isprintable() for c in cells)
    assert read_run(tmp_path).source.name == name.replace("\t", "\\t").replace("\x1b", "\\x1b").replace("\n", "\\n")
