"""The table of extracted frames, written and read."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from seqcls.datasets.frame_table import Row, dataset_hash, read_table, read_tree, write_tables
from seqcls.errors import DataError
from seqcls.geometry import Geometry


def test_names_that_a_spreadsheet_would_run_come_back(tmp_path: Path) -> None:
    path = tmp_path / "train/=liver present/a_000000.png"
    row = Row(path, "=1+1.mp4", "@p", 0.5, "train", (("=liver", True),))
    write_tables(tmp_path, [row], Geometry(), [])
    with (tmp_path / "frames.csv").open(encoding="utf-8", newline="") as stream:
        assert not any(cell.startswith(("=", "@")) for cells in csv.reader(stream) for cell in cells)
    assert read_table(tmp_path) == [row]


def test_scanner_and_site_are_columns_only_where_they_are_known(tmp_path: Path) -> None:
    rows = [
        Row(
            tmp_path / f"train/liver present/{n}.png",
            "c",
            "p",
            0.0,
            "train",
            (("liver", True),),
            scanner=scanner,
            site=site,
        )
        for n, (scanner, site) in enumerate([("=ACME", ""), ("", "north")])
    ]
    write_tables(tmp_path, rows, Geometry(), [])
    assert read_table(tmp_path) == rows
    assert (
        (tmp_path / "frames.csv")
        .read_text(encoding="utf-8")
        .startswith("path,clip,patient,time_s,split,scanner,site,liver")
    )
    write_tables(tmp_path, [Row(tmp_path / "train/a.png", "c", "p", 0.0, "train", ())], Geometry(), [])
    assert "site" not in (tmp_path / "frames.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x", r"organ '../x' must not hold '/': folders are named after it"),
        ("a\x1b[31m", r"must not hold '\\x1b'"),
        ("a\u202eb", r"must not hold what nobody sees, or what steers a terminal"),
        ("é" * 101, r"has 101 characters, more than 100; shorten it"),
        (" - ", r"organ ' - ' is no name"),
    ],
    ids=["path", "escape", "direction", "long", "dash"],
)
def test_a_name_that_cannot_be_an_organs_is_refused_before_a_frame_is_read(
    name: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "frames.csv").write_text(f"path,clip,patient,time_s,split,{name}\nx.png,c,p,0,train,1\n", "utf-8")
    with pytest.raises(DataError, match=reason):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\x1b[31m", r"must not hold '\\x1b'"),
        ("b" * 101, "has 101 characters"),
        ("_", "organ '' is no name"),
    ],
    ids=["escape", "long", "nothing"],
)
def test_folders_of_such_names_are_refused_too(name: str, reason: str, tmp_path: Path) -> None:
    for state in ("present", "absent"):
        (tmp_path / f"train/{name} {state}").mkdir(parents=True)
        (tmp_path / f"train/{name} {state}/a_1.png").write_bytes(b"")
    with pytest.raises(DataError, match=reason):
        read_tree(tmp_path)


@pytest.mark.parametrize("name", ["🫀 left", "-x", "schilddrüse"])
def test_odd_names_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / f"train/{name} present").mkdir(parents=True)
    (tmp_path / f"train/{name} present/a_1.png").write_bytes(b"")
    ((row,), _) = read_tree(tmp_path)
    assert row.states == ((name.lstrip("-"), True),)
    write_tables(tmp_path, [replace(row, time_s=0.0)], Geometry(), [])
    assert [again.states for again in read_table(tmp_path)] == [row.states]


@pytest.mark.parametrize("time_s", ["nan", "1e300", "-4.1e9", "soon"])
def test_a_time_that_no_clip_has_is_refused(time_s: str, tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text(f"path,clip,patient,time_s,split,a\nx.png,c,p,{time_s},train,1\n")
    with pytest.raises(DataError, match=f"line 2: time_s is '{time_s}', not a number of seconds within 4e"):
        read_table(tmp_path)


def test_a_name_that_is_no_utf8_has_a_hash(tmp_path: Path) -> None:
    rows = [Row(tmp_path / f"train/{name}.png", "c", "p", 0.0, "train", ()) for name in ("\udce4", "\udcf6")]
    assert dataset_hash(rows[:1], tmp_path) != dataset_hash(rows[1:], tmp_path)
