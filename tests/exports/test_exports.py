"""Which files are written, and that none is overwritten by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.errors import OutputError, UsageError
from seqcls.exports import WRITERS, export, read_run, write_run
from seqcls.types import Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    for wrong in ("docx", "vtt,docx", "", [], ["vtt", "t.docx"]):
        with pytest.raises(UsageError, match="choose from csv, json, srt, vtt"):
            export(TWO, tmp_path / "out", wrong)
    assert sorted(WRITERS) == ["csv", "json", "srt", "vtt"] and not (tmp_path / "out").exists()


def test_several_formats_at_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    written = export(TWO, tmp_path, ["CSV", "vtt"])
    assert [path.name for path in written] == ["intervals.csv", "timeline.vtt"]
    assert all(path.stat().st_size for path in written)
    with pytest.raises(OutputError, match=r"timeline\.vtt is there already"):
        export(TWO, tmp_path, "srt, vtt")
    assert not (tmp_path / "timeline.srt").exists()
    assert len(export(TWO, tmp_path, "srt, vtt", overwrite=True)) == 2


def test_a_run_is_overwritten_only_where_that_is_wanted(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    other = timeline(liver="..PP")
    with pytest.raises(OutputError, match=r"timeline\.json is there already"):
        write_run(other, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_run(other, tmp_path, overwrite=True)
    assert read_run(tmp_path).organs == ("liver",)


def test_a_run_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    with pytest.raises(OutputError, match=r"timeline\.json is there already: add overwrite=True"):
        write_run(TWO, tmp_path)
    write_run(TWO, tmp_path, overwrite=True)
