"""A search against the same conditions decided in Python, and what users' words can do to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import drawn

from seqcls.archive.index import archive_index
from seqcls.archive.query import ArchiveIndex, _column, find
from seqcls.errors import UsageError
from seqcls.exports.timeline_json import write_timeline_json
from seqcls.timeline import Timeline
from seqcls.types import SourceReport

pytest.importorskip("duckdb")
arrow = pytest.importorskip("pyarrow")
#: Ten frames a second; ? is unknown.
STRIPS = {
    "alone": ("PPP.......", ".........."),
    "both": ("PPPPP.....", "PPP......."),
    "late": (".......PPP", "PP........"),
    "lost": ("PP???.....", ".....????."),
    "never": ("..........", ".........."),
}


def of(name: str, run: Timeline) -> Timeline:
    damaged = SourceReport("damaged" if name == "lost" else "complete", (), 10)
    details = (("scanner", f"Scanner_{name[0]}%"),)
    return replace(run, source=replace(run.source, name="x.mp4", path=f"{name}.mp4", details=details), report=damaged)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ArchiveIndex:
    folder = tmp_path_factory.mktemp("archive")
    for name, (a, b) in STRIPS.items():
        (folder / name).mkdir()
        write_timeline_json(of(name, drawn(a=a, b=b)), folder / name / "timeline.json")
    (folder / "other").mkdir()
    write_timeline_json(of("other", drawn(a="PPPP")), folder / "other" / "timeline.json")  # by a model without b
    return archive_index(folder, keep=False)


@pytest.mark.parametrize(
    ("text", "surely", "maybe"),
    [
        ("", "alone both late lost never other", ""),
        ("a", "alone both late lost other", ""),
        ("b", "both late", "lost other"),
        ("not b", "alone never", "lost other"),
        ("a > 250 ms", "alone both late other", "lost"),
        ("a > 0.3 s", "both other", "lost"),
        ("a >= 0.3 s", "alone both late other", "lost"),
        ("a < 0.3 s", "never", "lost"),
        ("a <= 0.3 s", "alone late never", "lost"),
        ("a = 0.3 s", "alone late", "lost"),
        ("a != 0.3 s", "both never other", "lost"),
        ("a > 250 ms and not b", "alone", "lost other"),
        ("(a and not b) > 0.15 s", "alone both late lost", "other"),
        ("(a and b) > 0.1 s", "both", "other"),
        ("a before b", "", "lost"),
        ("b before a", "late", ""),
        ("b during a", "both", "other"),
        ("(b during a) > 0.2 s", "both", "other"),
        ("verdict = damaged", "lost", ""),
        ("verdict != damaged and coverage > 90%", "alone both late never other", ""),
        ("coverage < 1", "lost", ""),
        ("duration = 1 s", "alone both late lost never", ""),
        ("duration < 1 s", "other", ""),
        ("frames <= 4 or width = 640 and not frames = 10", "other", ""),
        ("path = L*", "late lost", ""),
        ("path = 'l*t'", "", ""),
        ("path != '*.mp4'", "", ""),
        ("scanner = 'scanner_a%'", "alone", ""),
        ("scanner = 'Scanner%'", "", ""),  # a star alone stands for any letters
        ("scanner = 'Scanner?a%'", "", ""),
        ("run = o*", "other", ""),
        ('path = "\'; DROP TABLE clips; --"', "", ""),
        ("path = '^*' or path = '$v0'", "", ""),
    ],
)
def test_what_is_found(index: ArchiveIndex, text: str, surely: str, maybe: str) -> None:
    found = find(index, text).clips
    assert [one.run for one in found if one.surely] == surely.split()
    assert [one.run for one in found if not one.surely] == maybe.split()


def test_lengths_and_presences_of_what_is_named(index: ArchiveIndex) -> None:
    found = find(index, "b and (a and not b) > 0.1 s")
    assert found.named == ("b", "a and (not b)")
    both = found.clips[0]
    assert (both.run, both.path, both.surely, both.verdict, both.scanner) == (
        "both",
        "both.mp4",
        True,
        "complete",
        "Scanner_b%",
    )
    assert both.in_view_s == {"b": pytest.approx(0.3), "a and (not b)": pytest.approx(0.2)}
    assert both.intervals == {"a": [(0.0, 0.5)], "b": [(0.0, pytest.approx(0.3))]}
    other = next(one for one in found.clips if one.run == "other")
    assert other.in_view_s["b"] is None and not other.surely
    assert find(index, "b", intervals=False).clips[0].intervals == {}


def test_what_is_unknown_throughout_has_no_length(tmp_path: Path) -> None:
    for name, a in (("dark", "?????"), ("part", "??..."), ("one", ".")):
        (tmp_path / name).mkdir()
        write_timeline_json(drawn(a=a), tmp_path / name / "timeline.json")
    found = {one.run: (one.in_view_s, one.surely) for one in find(archive_index(tmp_path), "not a").clips}
    assert found == {"dark": ({"a": None}, False), "part": ({"a": 0.0}, False), "one": ({"a": 0.0}, True)}


def test_a_name_is_found_however_the_disk_spells_it(tmp_path: Path) -> None:
    for name, title in (("nfd", "Rene\u0301.mp4"), ("nfc", "Ren\xe9.mp4"), ("plain", "Rene.mp4")):
        (tmp_path / name).mkdir()
        made = drawn(a="PP")
        made = replace(made, source=replace(made.source, path=title))
        write_timeline_json(made, tmp_path / name / "timeline.json")
    index = archive_index(tmp_path)
    for spelt in ("*\xe9*", "*e\u0301*"):
        assert [one.run for one in find(index, f"path = '{spelt}'").clips] == ["nfc", "nfd"]
        assert [one.run for one in find(index, f"path != '{spelt}'").clips] == ["plain"]
    with pytest.raises(UsageError) as error:
        find(index, "a and " + "b" * 10_000)
    assert len(str(error.value)) < 700


def test_no_name_becomes_sql(tmp_path: Path) -> None:
    evil = "a') OR true; COPY clips TO 'x'; -- $v0"
    write_timeline_json(of("evil", drawn(**{evil: "PP..", "b": "...."})), tmp_path / "timeline.json")
    index = archive_index(tmp_path, keep=False)
    assert [one.in_view_s for one in find(index, f'"{evil}" > 0.1 s').clips] == [{evil: pytest.approx(0.2)}]
    assert [one.surely for one in find(index, f'("{evil}" and not b) > 0.1 s').clips] == [True]
    with pytest.raises(UsageError, match=r"one too many|there is no organ"):
        find(index, "a) OR true")


def test_the_database_has_neither_files_nor_extensions(index: ArchiveIndex, tmp_path: Path) -> None:
    from seqcls.archive.query import _database

    (tmp_path / "x.csv").write_text("a\n1\n")
    with _database(index) as database:
        for statement in (
            f"SELECT * FROM '{tmp_path / 'x.csv'}'",
            f"COPY clips TO '{tmp_path / 'y.csv'}'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "SELECT * FROM index",
        ):
            with pytest.raises(
                Exception, match=r"(?i)disabled|not allowed|locked|not found|does not exist|syntax error"
            ):
                database.execute(statement)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_columns_are_those_of_arrow_itself() -> None:
    for values in (np.arange(5, dtype=np.int32)[::2], np.array([0.5, -2.0]), np.arange(11) % 3 == 0, np.zeros(0)):
        column = _column(values)
        column.validate(full=True)
        assert column.equals(arrow.array(values))
