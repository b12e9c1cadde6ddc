"""Whatever a message says, the folders that it names are not kept with a result."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.files.without_folders import without_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "Muster, Anna" / "day 1"
    place.mkdir(parents=True)
    (place / "neck 1.mp4").touch()
    return place


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("{}/neck 1.mp4: holds no video stream", "neck 1.mp4: holds no video stream"),
        ("no such file: '{}/neck 1.mp4' (or '{}/b.mp4')", "no such file: 'neck 1.mp4' (or 'b.mp4')"),
        ("{}: cannot be listed (Permission denied)", "the folder: cannot be listed (Permission denied)"),
        ("cannot write {}/gone too/run.journal: disk full", "cannot write run.journal: disk full"),
        ("{}/neck 1.mp4 is used, though it lies outside of {}", "neck 1.mp4 is used, though it lies outside of the folder"),
        ("/data/Mustermann/scan.mp4: no such file", "scan.mp4: no such file"),
        ("D:\\Mustermann\\scan.mp4: no such file", "scan.mp4: no such file"),
        ("~/Mustermann/scan.mp4: no such file", "scan.mp4: no such file"),
        ("rtsp://host/live/1: refused; 25 frames/s and/or 5 / 3", "rtsp://host/live/1: refused; 25 frames/s and/or 5 / 3"),
        ("3 images missing between a.png and b.png", "3 images missing between a.png and b.png"),
    ],
)  # fmt: skip
def test_files_are_named_and_folders_are_not(folder: Path, message: str, kept: str) -> None:
    assert without_folders(message.replace("{}", str(folder))) == kept


def test_a_relative_path_that_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    assert without_folders("'Muster, Anna/day 1/neck 1.mp4' is cut") == "'neck 1.mp4' is cut"
