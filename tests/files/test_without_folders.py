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
        ("Doe Jane/sub/x.mp4: cannot be read", "x.mp4: cannot be read"),
        ("cannot read Doe Jane/sub/x.mp4 (cut)", "cannot read x.mp4 (cut)"),
        ("'Doe, Jane/day 1/x.mp4' is cut", "'x.mp4' is cut"),
        ("C:\\Users\\Doe Jane\\day 1\\x.mp4: cut", "x.mp4: cut"),
        ("Doe Jane\\x.mp4: cut", "x.mp4: cut"),
        ("file:///data/Doe Jane/x.mp4 is no clip", "x.mp4 is no clip"),
        ("file://localhost/C:/Doe/x.mp4: cut", "x.mp4: cut"),
        ("\\\\server\\share\\Doe Jane\\x.mp4: cut", "x.mp4: cut"),
        ("//server/share/Doe/x.mp4: cut", "x.mp4: cut"),
        ("cannot open '/mnt/Doe Jane/2/x.mp4' or /mnt/Roe/y.mp4", "cannot open 'x.mp4' or y.mp4"),
        ("/mnt/Doe Jane/x.mp4 has 25 frames/s, /mnt/Doe/y.mp4 none", "x.mp4 has 25 frames/s, y.mp4 none"),
        ("cannot list Doe Jane/", "cannot list the folder"),
        ("~doe/x.mp4: cut", "x.mp4: cut"),
        ("25 frames/s, 3 images/s, 1/2 or 30000/1001 Hz, 0.5/1.5", "25 frames/s, 3 images/s, 1/2 or 30000/1001 Hz, 0.5/1.5"),
        ("and/or n/a; --gate/--no-gate: image/jpeg, HTTP/1.1", "and/or n/a; --gate/--no-gate: image/jpeg, HTTP/1.1"),
        ("a\\x1b[31mred.mp4 and \\u202eb.mp4 are cut", "a\\x1b[31mred.mp4 and \\u202eb.mp4 are cut"),
        ("https://host/Doe/x.mp4?y=1/2: refused", "https://host/Doe/x.mp4?y=1/2: refused"),
        ("no path / at all \\ here", "no path / at all \\ here"),
        ("3 images missing between a.png and b.png", "3 images missing between a.png and b.png"),
    ],
)  # fmt: skip
def test_files_are_named_and_folders_are_not(folder: Path, message: str, kept: str) -> None:
    assert without_folders(message.replace("{}", str(folder))) == kept


def test_a_relative_path_that_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    assert without_folders("'Muster, Anna/day 1/neck 1.mp4' is cut") == "'neck 1.mp4' is cut"
