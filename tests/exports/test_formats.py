"""Which format is meant, which files it becomes, and that every format is listed wherever formats are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.cli.results import FORMATS as LISTED
from seqcls.errors import OutputError, UsageError
from seqcls.exports import formats, write_run
from seqcls.exports.formats import FORMATS, Format, export, export_places, of_organ
from seqcls.files import write_text
from seqcls.timeline import Timeline

ROOT = Path(__file__).resolve().parents[2]
TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m")


def write_organs(timeline: Timeline, path: Path) -> None:
    write_text(path, ",".join(timeline.organs))


@pytest.fixture
def two_text_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Format(name=name, write=write_organs, suffixes=(".text",), per_organ=name == "b") for name in "ab"]
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, *made))


def test_the_help_lists_them_all() -> None:
    assert tuple(one.name for one in FORMATS) == LISTED
    assert len({one.name_in_folder for one in FORMATS}) == len(FORMATS)


def test_the_docs_list_them_all() -> None:
    text = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| `([\w.-]+)` \|.*\| (.+) \|$", text, re.M)
    assert {(one.name, one.name_in_folder) for one in FORMATS} == {(name, file) for name, file, _ in rows}
    assert all(one.extra == "" or f"seqcls[{one.extra}]" in text for one in FORMATS)


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    for wrong in ("docx", "vtt,docx", "", [], ["vtt", "t.docx"]):
        with pytest.raises(UsageError, match="choose from csv, "):
            export(TWO, tmp_path / "out", wrong)
    assert not (tmp_path / "out").exists()


def test_a_file_chooses_its_format_by_its_suffix(tmp_path: Path) -> None:
    assert export(TWO, tmp_path / "a.SRT") == (tmp_path / "a.SRT",)
    assert (tmp_path / "a.SRT").read_text(encoding="utf-8").startswith("1\n00:00:")
    assert export_places(tmp_path / "b.json")[next(one for one in FORMATS if one.name == "json")] == tmp_path / "b.json"
    (tmp_path / "c.json").mkdir()
    assert list(export_places(tmp_path / "c.json").values()) == [tmp_path / "c.json" / "timeline.vtt"]
    with pytest.raises(UsageError, match=r"x\.foo ends in \.foo, as no format does, only \.csv, "):
        export_places(tmp_path / "x.foo")
    assert list(export_places(tmp_path / "x.foo", "vtt").values()) == [tmp_path / "x.foo" / "timeline.vtt"]
    assert list(export_places(tmp_path / "run.2024").values()) == [tmp_path / "run.2024" / "timeline.vtt"]


def test_a_suffix_of_several_formats_asks_which(tmp_path: Path, two_text_formats: None) -> None:
    with pytest.raises(UsageError, match=r"Several end in \.text: add --to a or --to b"):
        export(TWO, tmp_path / "x.text")
    assert export(TWO, tmp_path / "x.text", "a") == (tmp_path / "x.text",)
    with pytest.raises(UsageError, match=r"one file, for 2 formats"):
        export(TWO, tmp_path / "x.text", "a,vtt")
    with pytest.raises(UsageError, match=r"a file of vtt ends in \.vtt, not \.text"):
        export(TWO, tmp_path / "x.text", "vtt")


def test_a_format_of_one_organ_becomes_a_file_for_each(tmp_path: Path, two_text_formats: None) -> None:
    odd = replace_organs(TWO, ("a/b", "a:B"))
    written = export(odd, tmp_path / "x.text", "b")
    assert [path.name for path in written] == ["x-a_b.text", "x-a_B-2.text"]
    assert [path.read_text(encoding="utf-8") for path in written] == ["a/b", "a:B"]
    one = of_organ(TWO, "trachea")
    assert export(one, tmp_path / "one.text", "b") == (tmp_path / "one.text",)
    assert one.intervals == TWO.of("trachea") and one.scores.raw[:, 0].tolist()[:2] == TWO.scores.raw[:2, 1].tolist()


def replace_organs(made: Timeline, organs: tuple[str, str]) -> Timeline:
    names = dict(zip(made.organs, organs, strict=True))
    intervals = tuple(replace(i, organ=names[i.organ]) for i in made.intervals)
    return replace(made, organs=organs, intervals=intervals, scores=replace(made.scores, organs=organs))


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Format(name="c", write=write_organs, suffixes=(".c",), extra="tables", libraries=("no_such_module",))
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, kind))
    with pytest.raises(OutputError, match=r"c needs no_such_module: pip install 'seqcls\[tables\]'"):
        export(TWO, tmp_path, "vtt,c")
    assert not list(tmp_path.iterdir())


def test_a_clip_is_taken_where_the_format_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(timeline: Timeline, path: Path, clip: Path | None) -> None:
        write_text(path, str(clip))

    monkeypatch.setattr(
        formats, "FORMATS", (*FORMATS, Format(name="d", write=write, suffixes=(".d",), takes_clip=True))
    )
    assert export(TWO, tmp_path / "x.d", clip="clip.dcm")[0].read_text(encoding="utf-8") == "clip.dcm"
    [path] = export(TWO, tmp_path / "x.csv", clip=Path("folder") / "renamed.mp4")
    assert "\nrenamed.mp4,thyroid," in path.read_text(encoding="utf-8")


def test_what_was_exported_goes_when_its_run_is_replaced(
    tmp_path: Path, two_text_formats: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.exports.FORMATS", formats.FORMATS)
    write_run(TWO, tmp_path)
    export(TWO, tmp_path, "a,b,srt")
    export(TWO, tmp_path / "mine.vtt")
    write_run(TWO, tmp_path, overwrite=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"intervals.csv", "scores.csv", "timeline.json", "mine.vtt"}
