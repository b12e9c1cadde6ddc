"""`@files.txt`: one name a line, with comments, blanks and any line ends; what is missing costs itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.errors import SourceError
from seqcls.sources import expand, open_found


def test_a_list_names_clips_from_here_or_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "lists/b c.mp4", "p/d.mp4", "@e.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    Path("lists/l.txt").write_bytes(
        "\ufeff# a comment\r\na.mp4\r\n\r\n  b c.mp4  \r\nmissing.mp4\r\np\r\na.mp4".encode()
    )
    found = expand(["@lists/l.txt", "@e.mp4"]).sources
    assert [source.path for source in found] == ["a.mp4", "b c.mp4", "missing.mp4", "p/d.mp4", "@e.mp4"]
    with pytest.raises(SourceError, match=r"missing\.mp4"):
        open_found(found[2])


def test_a_list_may_hold_patterns_and_names_in_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.mp4", "a/2.mp4", "lists/b c.mp4", "'d'.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    Path("empty").mkdir()
    Path("lists/l.txt").write_text('a/*.mp4\n"b c.mp4"\n\'d\'.mp4\n*c.mp4\nnone/*.mp4\n"\nempty\n')
    found = expand(["@lists/l.txt"]).sources
    assert [Path(source.spec).as_posix() for source in found] == [
        "a/1.mp4", "a/2.mp4", "lists/b c.mp4", "'d'.mp4", "none/*.mp4", '"', "empty"
    ]  # fmt: skip
    for missing in found[-3:]:
        with pytest.raises(SourceError, match=r"no such file|holds no clip|nothing fits"):
            open_found(missing)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "names no clip"),
        (b"# only this\n\n", "names no clip"),
        (b"\0\0mp4", "no list of names"),
        (b"rtsp://user:secret@host/x", "rtsp://.*is a feed"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "l.txt").write_bytes(content)
    with pytest.raises(SourceError, match=why) as caught:
        expand([f"@{tmp_path / 'l.txt'}"])
    assert "secret" not in str(caught.value)
