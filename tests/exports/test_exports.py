"""Which files are written, and that none is overwritten by mistake."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.errors import OutputError
from seqcls.exports import export, read_run, write_run
from seqcls.types import Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


def test_several_formats_at_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    written = export(TWO, tmp_path, ["CSV", "vtt"])
    assert [path.name for path in written] == ["intervals.csv", "timeline.vtt"]
    assert all(path.stat().st_size for path in written)
    with pytest.raises(OutputError, match=r"timeline\.vtt is there already"):
        export(TWO, tmp_path, "srt, vtt")
    assert not (tmp_path / "timeline.srt").exists()
    assert len(export(TWO, tmp_path, "srt, vtt", overwrite=True)) == 2


@pytest.mark.parametrize("moment", range(12))
def test_a_run_that_is_replaced_is_whole_or_none_whenever_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Ended after each change to the folder: where an end is there, all files are of one run."""

    def files(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}

    other = timeline(name="other.mp4", liver="PPPP....")
    write_run(other, tmp_path / "new")
    write_run(TWO, tmp_path / "out")
    export(TWO, tmp_path / "out", "vtt,srt")
    old, new = files(tmp_path / "out"), files(tmp_path / "new")
    changes = iter(range(100))

    def end(folder: Path) -> None:
        if folder == tmp_path / "out" and next(changes) == moment:
            raise KeyboardInterrupt

    monkeypatch.setattr("seqcls.exports.sync_folder", end)
    with contextlib.suppress(KeyboardInterrupt):
        write_run(other, tmp_path / "out", overwrite=True)
    found = files(tmp_path / "out")
    if "timeline.json" in found:
        assert found.items() <= old.items() or found == new
        assert {"intervals.csv", "scores.csv"} <= found.keys()
    monkeypatch.undo()
    write_run(other, tmp_path / "out", overwrite=True)
    assert files(tmp_path / "out") == new


def test_a_run_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(TWO, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqcls.files.os.fsync", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_run(timeline(liver="PPPP"), tmp_path, overwrite=True)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'intervals.csv'}:")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


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
