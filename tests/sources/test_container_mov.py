"""MP4: the tables of its only video track count the frames, unless an edit list leaves some out."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support.clips import make, read

from seqcls.sources.container import examine


def box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">I4s", 8 + len(inside), kind) + inside


def full(kind: bytes, form: str, *numbers: int) -> bytes:
    return box(kind, struct.pack(">I" + form, 0, *numbers))


def movie(*edits: tuple[int, int], handler: bytes = b"vide", count: int = 50) -> bytes:
    """``count`` frames of 40 ms; ``edits``: length in ms and start in ticks of 1/1000 s of the media."""
    edit = b""
    if edits:
        entries = b"".join(struct.pack(">IiI", length, start, 1 << 16) for length, start in edits)
        edit = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)), entries))
    table = box(b"stbl", full(b"stts", "III", 1, count, 40), full(b"stsz", "II", 100, count))
    media = box(
        b"mdia",
        full(b"mdhd", "IIII", 0, 0, 1000, 40 * count),
        box(b"hdlr", bytes(8) + handler + bytes(13)),
        box(b"minf", table),
    )
    track = box(b"trak", full(b"tkhd", "IIII", 0, 0, 1, 0), edit, media)
    return box(b"moov", full(b"mvhd", "IIII", 0, 0, 1000, 40 * count), track) + box(b"mdat", bytes(100))


def fragment(track: int, *counts: int) -> bytes:
    runs = [full(b"trun", "I", count) for count in counts]
    return box(b"moof", box(b"traf", full(b"tfhd", "I", track), *runs)) + box(b"mdat", b"")


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (movie(), 50),
        (movie((2000, 80)), 50),  # as FFmpeg writes it: the first two frames are shown later than decoded
        (movie((0xFFFF, -1), (2000, 0)), 50),  # a pause in front
        (movie((2000, 1000)), None),  # begins in the middle
        (movie((1000, 0)), None),  # ends in the middle
        (movie((1000, 0), (1000, 1000)), None),
        (movie(handler=b"soun"), None),
        (movie(count=0) + fragment(1, 12, 13) + fragment(2, 99) + fragment(1, 5), 30),
    ],
)
def test_frames_are_counted_by_the_tables(data: bytes, frames: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    found = examine(tmp_path / "a.mp4", "mov")
    assert (found.flaw, found.frames) == ("", frames)


@pytest.mark.parametrize("more", [movie(), box(b"ftyp", bytes(8)) + movie(), b"no box at all"])
def test_what_lies_behind_a_clip_is_told_of(more: bytes, tmp_path: Path) -> None:
    """As `cat a.mp4 b.mp4` makes it: a player shows the first one alone."""
    (tmp_path / "a.mp4").write_bytes(movie() + more)
    found = examine(tmp_path / "a.mp4", "mov")
    assert (found.flaw, found.frames) == ("", 50)
    assert found.remark == f"{len(more)} bytes behind the clip belong to no part of it, and are not read"


def test_zeros_over_the_boxes_of_a_fragment_are_no_box_that_fills_the_file(tmp_path: Path) -> None:
    data = movie(count=0) + fragment(1, 12) + fragment(1, 12)
    at = data.rindex(b"moof") - 4
    (tmp_path / "a.mp4").write_bytes(data[:at] + bytes(len(data) - at))
    assert examine(tmp_path / "a.mp4", "mov").flaw == f"the container's structure breaks at byte {at}"


def test_a_fragment_that_lost_its_tables_is_missed(tmp_path: Path) -> None:
    path = make(tmp_path, "mp4 h264 fragmented")
    data = path.read_bytes()
    at = data.rindex(b"trun")
    path.write_bytes(data[:at] + b"free" + data[at + 4 :])
    assert read(path)[2].verdict != "complete"
