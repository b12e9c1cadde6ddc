"""Files whose tables lead back to the same bytes: a few kB that would be read for days."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support.clips import make, read

from seqcls.errors import SourceError
from seqcls.sources import packet_budget
from seqcls.sources.packet_budget import EMPTY_PACKETS, MAX_TIMES, MORE_BYTES, PacketBudget


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def changed(data: bytes, path: list[bytes], tables: dict[bytes, bytes]) -> bytes:
    """The boxes of an MP4 with other tables in the innermost one of ``path``."""
    made, at = b"", 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + length]
        if path and kind == path[0]:
            body = changed(body, path[1:], tables)
        elif not path:
            body = tables.get(kind, body)
        made, at = made + box(kind, body), at + length
    return made


def circling(path: Path, frames: int) -> Path:
    """One JPEG, which each of so many entries of the table of chunks points to: 4 bytes for an image of some thousand."""
    data = path.read_bytes()
    at = data.index(b"stsz") + 4
    (size,) = struct.unpack_from(">I", data, at + 4)
    (place,) = struct.unpack_from(">I", data, data.index(b"stco") + 12)
    tables = {
        b"stts": struct.pack(">III I", 0, 1, frames, 512),
        b"stsz": struct.pack(">III", 0, size, frames),
        b"stsc": struct.pack(">II III", 0, 1, 1, 1, 1),
        b"stco": struct.pack(f">II {frames}I", 0, frames, *[place] * frames),
    }
    data = data.replace(b"edts", b"free")  # which would end it after the one frame
    path.write_bytes(changed(data, [b"moov", b"trak", b"mdia", b"minf", b"stbl"], tables))
    return path


def test_a_table_that_leads_to_one_image_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = circling(make(tmp_path, "mov mjpeg", frames=1), 200)
    assert len(read(path)[0]) == 200, "as far as 64 MB go nobody minds"
    monkeypatch.setattr(packet_budget, "MORE_BYTES", 0)
    with pytest.raises(SourceError, match=r"clip\.mov: gives more than its [\d,]+ bytes can hold.*get a fresh copy"):
        read(path)
    assert len(read(make(tmp_path, "mov mjpeg"))[0]) == 40, "a sound file holds what it gives"


def test_what_a_file_can_hold() -> None:
    """By hand: a file of 1,000 bytes gives 10 x 1,000 + 64 MB, and 1,000 packets beside those that are empty."""
    budget = PacketBudget("a.mp4", 1000, "mov")
    budget.take(MAX_TIMES * 1000 + MORE_BYTES)
    with pytest.raises(SourceError, match=r"a\.mp4: gives more than its 1,000 bytes can hold"):
        budget.take(1)
    packed = PacketBudget("a.mkv", 1000, "matroska")
    for _ in range(1000 + EMPTY_PACKETS):
        packed.take(MORE_BYTES)
    with pytest.raises(SourceError):
        packed.take(0)
