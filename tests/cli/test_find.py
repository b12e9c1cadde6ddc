"""`seqcls find`: clips of an archive, as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import Seqcls, one_line
from support.timelines import drawn

from seqcls.archive import index as module
from seqcls.exports.timeline_json import write_timeline_json
from seqcls.pseudonyms import Pseudonyms

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
KEY = b"0123456789abcdef0123456789ABCDEF"
EVIL = "=1+1<b>\x1b[31m.mp4"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for run, a, b in (
        ("SECRET/one", "PPPP....", "........"),
        ("SECRET/two", "P..PPPPP", "PP......"),
        ("x", "PP??????", "...P...."),
    ):
        made = drawn(thyroid=a, trachea=b)
        made = replace(made, source=replace(made.source, path=EVIL if run == "x" else f"{run}.mp4"))
        (tmp_path / "out" / run).mkdir(parents=True)
        write_timeline_json(made, tmp_path / "out" / run / "timeline.json")
    return Path("out")


def test_a_table(seqcls: Seqcls, archive: Path) -> None:
    done = seqcls("find", archive, "thyroid > 300 ms and not trachea")
    assert done.code == 0 and "1 of 3 clips" in done.err and "more may" not in done.err
    head, row = done.out.splitlines()
    assert head.split() == ["run", "match", "thyroid", "trachea", "length", "scorable", "input"]
    assert row.split() == ["SECRET/one", "yes", "0.40", "s", "0.00", "s", "0:00.80", "100.0%", "complete"]
    assert sorted(path.name for path in archive.iterdir()) == ["SECRET", "clips.parquet", "index.parquet", "x"]
    nothing = seqcls("find", archive, "coverage < 0.1")
    assert nothing.code == 0 and nothing.out == "" and "0 of 3 clips" in nothing.err
    assert "3 of 3 clips" in seqcls("find", archive).err


def test_csv_and_json_name_what_is_open(seqcls: Seqcls, archive: Path) -> None:
    plain = seqcls("find", archive, "thyroid > 300 ms", "--to", "csv")
    assert "2 of 3 clips; 1 more may, where they are unknown: add --maybe" in plain.err
    done = seqcls("find", archive, "thyroid > 300 ms", "--maybe", "--to", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["run"], row["match"], row["thyroid in_view_s"]) for row in rows] == [
        ("SECRET/one", "yes", "0.400000"), ("SECRET/two", "yes", "0.600000"), ("x", "maybe", "0.200000"),
    ]  # fmt: skip
    assert rows[2]["path"] == "'=1+1<b>\\x1b[31m.mp4", "a spreadsheet runs nothing, a terminal obeys nothing"
    written = seqcls("find", archive, "thyroid > 300 ms and trachea", "--maybe", "-o", "found.json")
    assert written.code == 0 and written.out == "found.json\n"
    body = json.loads(Path("found.json").read_text(encoding="utf-8"))
    assert (body["searched"], body["expression"]) == (3, "thyroid > 300 ms and trachea")
    assert (body["without_timeline"], body["changed_since"]) == (0, 0)
    two, x = body["clips"]
    assert (two["run"], two["match"], two["coverage"]) == ("SECRET/two", "yes", 1.0)
    assert two["present"]["thyroid"] == [[0.0, pytest.approx(0.1)], [pytest.approx(0.3), pytest.approx(0.8)]]
    assert (x["run"], x["match"], x["in_view_s"]["trachea"]) == ("x", "maybe", pytest.approx(0.1))
    again = seqcls("find", archive, "-o", "found.json")
    assert again.code == 1 and "--overwrite" in one_line(again)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["out", "thyroid > 2"], 2, "'2' lacks its unit, choose from s, ms, min, h (at letter 11)"),
        (
            ["out", "liver"],
            2,
            "there is no organ 'liver', choose from thyroid, trachea; besides organs there are verdict",
        ),
        (["out", "\x1b[2J"], 2, r"there is no organ '\x1b[2J'"),
        (["out", "-o", "found.txt"], 2, "-o takes a .csv or a .json file, not found.txt"),
        (["out", "-o", "found.csv", "--to", "json"], 2, "-o takes a .csv or a .json file"),
        (["out", "--to", "xml"], 2, "--to takes one of table, csv, json"),
        (["nowhere"], 1, "no run in nowhere"),
    ],
)
def test_what_cannot_be_asked(seqcls: Seqcls, archive: Path, arguments: list[str], code: int, words: str) -> None:
    done = seqcls("find", *arguments)
    assert done.code == code and words in one_line(done) and done.out == ""


def test_without_its_libraries_it_says_how_to_install_them(
    seqcls: Seqcls, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    done = seqcls("find", archive)
    assert done.code == 1 and "duckdb and pyarrow must be there: pip install 'seqcls[archive]'" in one_line(done)


def test_names_are_hidden(seqcls: Seqcls, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    (archive / "SECRETLY broken").mkdir()
    (archive / "SECRETLY broken" / "timeline.json").write_text("{}")
    names = Pseudonyms(KEY)
    for kind in ("table", "csv", "json"):
        done = seqcls("find", archive, "thyroid", "--to", kind, "--hash-names", "key")
        assert done.code == 1 and "SECRET" not in done.out + done.err
        assert names.path("SECRET/one") in done.out
    assert not (archive / "clips.parquet").exists(), "names stand in the index as they stand in the archive"
