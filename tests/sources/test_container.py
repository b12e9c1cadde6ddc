"""Holes, padding and unstated lengths: what the structure of a file proves, and what it does not."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.clips import make, read
from support.media import draw, numbers

from seqcls.sources.container import Structure, examine
from seqcls.sources.sniff import kind_of

PADDED = ("mp4 h264", "mkv h264", "avi mpeg4", "mpg mpeg2", "ts h264", "gif")


@pytest.mark.parametrize("name", PADDED)
def test_padding_behind_a_whole_clip_is_no_damage(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    path.write_bytes(path.read_bytes() + bytes(3000))
    assert read(path)[2].verdict == "complete"


def test_padding_inside_and_unstated_lengths_are_no_damage(tmp_path: Path) -> None:
    path = make(tmp_path, "mpg mpeg2")
    data = path.read_bytes()
    middle = data.index(b"\x00\x00\x01\xba", len(data) // 2)
    path.write_bytes(data[:middle] + bytes(500) + data[middle:])
    assert read(path)[2].verdict == "complete"
    path = make(tmp_path, "avi mpeg4")  # a recorder that never came back to state the length
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(4) + data[8:])
    assert read(path)[2].verdict == "complete"


@pytest.mark.parametrize("place", [5, 100], ids=["in the first frame", "in the middle"])
def test_packets_missing_from_a_transport_stream_are_damage(place: int, tmp_path: Path) -> None:
    """Nothing else shows it where the decoder conceals the loss, or where the container is looked into first."""
    path = make(tmp_path, "ts h264")
    data = path.read_bytes()
    path.write_bytes(data[: 188 * place] + data[188 * (place + 2) :])
    report = read(path)[2]
    assert report.verdict == "damaged" and "packets are missing at 1 place" in report.reasons[0]


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
    assert examine(tmp_path / "a.avi", "avi") == Structure()


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


ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<Q", 30) + bytes(6)
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (ASF_HEAD + ASF_DATA + struct.pack("<Q", 50) + bytes(26), ""),
        (ASF_HEAD + ASF_DATA + struct.pack("<Q", 50) + bytes(99), ""),
        (ASF_HEAD + ASF_DATA + struct.pack("<Q", 50) + bytes(20), "the file ends 6 bytes before its container does"),
        (ASF_HEAD + ASF_DATA + struct.pack("<Q", 0) + bytes(20), ""),  # a recorder that never filled in the size
        (ASF_HEAD + bytes(40), "the container's structure breaks at byte 30"),
    ],
)
def test_the_length_that_a_wmv_states(data: bytes, flaw: str, tmp_path: Path) -> None:
    (tmp_path / "a.wmv").write_bytes(data)
    assert examine(tmp_path / "a.wmv", "asf") == Structure(flaw, truncated="ends" in flaw)


@pytest.mark.parametrize(
    "grow", [list, lambda images: [image.convert("RGB") for image in images]], ids=["gray", "color"]
)
def test_gifs_of_another_writer_are_whole(grow: Any, tmp_path: Path) -> None:
    images = grow([Image.fromarray(draw(k, noise=0)) for k in range(8)])
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=50)
    frames, _, report = read(tmp_path / "a.gif")
    assert numbers([f.image for f in frames]) == list(range(8)) and report.verdict == "complete"
    assert [f.time_s for f in frames] == pytest.approx([0.05 * k for k in range(8)])


@pytest.mark.parametrize("name", ["mpg mpeg2", "ts mpeg2", "avi mjpeg", "mkv ffv1 gray", "gif"])
def test_a_hole_in_the_file_is_seen_in_its_structure(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 301 :])
    assert read(path)[2].verdict in ("damaged", "truncated")
    assert examine(path, kind_of(path)) != Structure()
