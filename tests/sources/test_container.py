"""Holes, padding and unstated lengths: what the structure of a file proves, and what it does not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from support.clips import make, read
from support.media import recipe, write_clip

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import FileBytes
from seqcls.sources.sniff import kind_of

PADDED = ("mp4 h264", "mkv h264", "avi mpeg4", "mpg mpeg2", "mpg mpeg1", "ts h264", "gif")


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


@pytest.mark.parametrize("name", ["mpg mpeg2", "ts mpeg2", "avi mjpeg", "mkv ffv1 gray", "gif"])
def test_a_hole_in_the_file_is_seen_in_its_structure(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 301 :])
    assert read(path)[2].verdict in ("damaged", "truncated")
    assert examine(path, kind_of(path)).flaw


#: A clip of 12 frames, and how many its container says it holds.
COUNTED = ("mp4 h264", "mp4 h264 fragmented", "mov h264 turned", "mkv h264", "webm vp9", "webm vp9 live", "avi mpeg4", "mpg mpeg2", "ts h264", "gif", "wmv")  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_a_container_counts_its_images(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name, frames=12)
    assert examine(path, kind_of(path)).frames == 12


@pytest.mark.parametrize(
    ("name", "muxer", "suffix"),
    [("mp4 h264", "h264", ".h264"), ("mov mjpeg", "mjpeg", ".mjpeg"), ("mpg mpeg2", "mpeg2video", ".m2v")],
)
def test_of_a_bare_stream_nobody_knows_whether_it_is_whole(name: str, muxer: str, suffix: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"a{suffix}", recipe(name, frames=5, muxer=muxer))
    frames, _, report = read(path)
    assert len(frames) == 5 and report.verdict == "unknown"
    assert "states neither its length nor its number of frames" in report.reasons[0]


def test_what_cannot_be_walked_is_unknown(tmp_path: Path) -> None:
    assert examine(tmp_path / "missing.avi", "avi").unknown
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    assert examine(tmp_path / "a.gif", "gif").unknown == "the container is not built as it should be"


def test_a_file_of_nothing_but_heads_is_not_walked_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.sources.container_bytes.MAX_READS", 1000)
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x08free" * 2000)
    assert examine(tmp_path / "a.mp4", "mov").unknown


def test_the_pieces_that_a_walk_may_read_grow_with_a_long_file() -> None:
    assert FileBytes(io.BytesIO(), 1 << 30)._left == 6_000_000
    assert FileBytes(io.BytesIO(), 12 << 30)._left == (12 << 30) // 512 > 4 * 3600 * 7_000_000 // 8 // 640
