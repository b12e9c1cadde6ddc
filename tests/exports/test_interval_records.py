"""JSON Lines and Parquet: the columns of intervals.csv with numbers, nulls and names as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

import seqcls
from seqcls.exports.interval_records import write_jsonl, write_parquet
from seqcls.exports.intervals_csv import COLUMNS
from seqcls.types import Gap

MADE = timeline(liver="PPPP..", gaps=(Gap(0.4, 0.9, "lost"),))
MADE = replace(MADE, warnings=("=1+1; a\u2028b \udcff",))


def test_a_line_holds_an_interval_with_its_clip(tmp_path: Path) -> None:
    write_jsonl(MADE, tmp_path / "i.jsonl")
    lines = (tmp_path / "i.jsonl").read_text(encoding="utf-8").splitlines()  # which parts lines at U+2028, too
    records = [json.loads(line) for line in lines]
    assert [tuple(record) for record in records] == [COLUMNS] * 3
    assert [(r["state"], r["start_s"], r["end_s"], r["start_frame"], r["end_frame"]) for r in records] == [
        ("present", 0.0, 0.4, 0, 3), ("unknown", 0.4, 0.9, None, None), ("absent", 0.9, 1.1, 4, 5)
    ]  # fmt: skip
    assert records[1]["mean_score"] is None and records[1]["reason"] == "lost"
    assert records[0]["warnings"][0].startswith("=1+1; a\u2028b ") and records[0]["mean_score"] == pytest.approx(0.9)


def test_parquet_has_types_and_states_what_it_is_for(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(MADE, tmp_path / "i.parquet")
    table = parquet.read_table(tmp_path / "i.parquet")
    assert table.column_names == list(COLUMNS) and table.num_rows == 3
    assert str(table.schema.field("start_frame").type) == "int64" and table["start_frame"].to_pylist() == [0, None, 4]
    assert table["warnings"].to_pylist()[0] == ["=1+1; a\u2028b \\xff"]
    assert table.schema.metadata[b"note"].decode() == seqcls.DISCLAIMER
