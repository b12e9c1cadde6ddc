"""AVI: whatever stands behind the frames is no damage; what the index lists and is not there is."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support.clips import make, read

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure


def riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def avi(*behind: bytes, movi: bytes = b"") -> bytes:
    """The skeleton of an AVI of one stream and three frames; ``behind`` stands after its frames."""
    frames = b"".join(riff(b"00dc", bytes(10 + k)) for k in range(3)) + movi
    head = riff(b"LIST", b"hdrl" + riff(b"avih", bytes(24) + struct.pack("<I", 1) + bytes(28)))
    return riff(b"RIFF", b"AVI " + head + riff(b"LIST", b"movi" + frames) + b"".join(behind))


def sized(data: bytes, head: int) -> bytes:
    return data[:4] + struct.pack("<I", len(data) - head) + data[8:]


INDEX, INFO = riff(b"idx1", bytes(48)), riff(b"LIST", b"INFO" + riff(b"ISFT", b"a recorder"))
WHOLE = {
    "nothing": avi(),
    "an index": avi(INDEX),
    "a character set": avi(INDEX, riff(b"CSET", bytes(8))),
    "a character set and facts": avi(INDEX, riff(b"CSET", bytes(8)), INFO),
    "a chunk of a maker": avi(INDEX, riff(b"x4 8", bytes(5)), riff(b"DISP", bytes(6)), riff(b"JUNK", bytes(7))),
    "facts without an index": avi(INFO),
    "a second part": avi(INDEX) + riff(b"RIFF", b"AVIX" + riff(b"LIST", b"movi" + riff(b"00dc", b"x")) + INFO),
    "a length that counts its own head": sized(avi(INDEX, INFO), 0),
    "a list that overstates its length": avi(INDEX, INFO).replace(b">\0\0\0movi", b"`\0\0\0movi"),
}
BROKEN = {
    "no name of a chunk": avi(INDEX, movi=riff(b"CSET", bytes(8))),
    "another stream's": avi(INDEX, movi=riff(b"01wb", bytes(8))),
    "too great a length": avi(INDEX, b"CSET" + struct.pack("<I", 999)) + riff(b"RIFF", b"AVIX"),
    "no letters": avi(INDEX, riff(b"\0\x01ab", b"")),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whatever_stands_behind_the_frames_of_an_avi_is_no_damage(name: str, tmp_path: Path) -> None:
    assert b">\0\0\0movi" in avi()
    (tmp_path / "a.avi").write_bytes(WHOLE[name])
    more = name == "a second part"
    assert examine(tmp_path / "a.avi", "avi") == Structure(frames=3 + more)


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_stand_in_an_avi_is_damage(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(BROKEN[name])
    assert "breaks at byte" in examine(tmp_path / "a.avi", "avi").flaw


@pytest.mark.parametrize("missing", [1, 7, 9, 40, 60])
def test_an_avi_that_ends_inside_its_index_or_frames_is_truncated(missing: int, tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(avi(INDEX)[:-missing])
    assert examine(tmp_path / "a.avi", "avi").truncated


def test_an_avi_with_a_character_set_behind_its_index_is_complete(tmp_path: Path) -> None:
    path = make(tmp_path, "avi mjpeg", frames=5)
    path.write_bytes(sized(path.read_bytes() + riff(b"CSET", bytes(8)) + INFO, 8))
    frames, _, report = read(path)
    assert len(frames) == 5 and (report.verdict, report.reasons) == ("complete", ())


def listed(*names: bytes) -> bytes:
    """An index: 16 bytes for each chunk, of which the last four are its size."""
    return riff(b"idx1", b"".join(name + struct.pack("<III", 0, 4, 10) for name in names))


def test_an_index_that_lists_more_than_there_is_shows_a_loss(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(avi(listed(*[b"00dc"] * 4, b"ix00")))
    assert examine(tmp_path / "a.avi", "avi").flaw == "3 of the 4 images that its index lists are there"
    (tmp_path / "a.avi").write_bytes(avi(listed(*[b"00dc"] * 3, b"00wb")))
    assert examine(tmp_path / "a.avi", "avi") == Structure(frames=3)


def test_chunks_without_content_repeat_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(avi(INDEX, movi=riff(b"00dc", b"")))
    assert examine(tmp_path / "a.avi", "avi") == Structure(frames=3)
