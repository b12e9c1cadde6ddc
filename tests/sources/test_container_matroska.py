"""Matroska: checksums of its elements, and blocks counted by track."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from support.clips import make, read

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure


def element(identifier: str, *content: bytes) -> bytes:
    inside = b"".join(content)
    return bytes.fromhex(identifier) + struct.pack(">Q", 1 << 56 | len(inside)) + inside


def track(number: int, kind: int) -> bytes:
    return element("ae", element("d7", bytes([number])), element("83", bytes([kind])))


def block(number: int) -> bytes:
    return element("a3", bytes([0x80 | number, 0, 0, 0]) + b"image")


def matroska(*cluster: bytes, tracks: bytes = track(1, 1) + track(2, 2)) -> bytes:
    return element("1a45dfa3") + element("18538067", element("1654ae6b", tracks), element("1f43b675", *cluster))


def crc(content: bytes) -> bytes:
    return b"\xbf\x84" + struct.pack("<I", zlib.crc32(content))


GROUP = element("a0", element("9b", b"\x05"), element("a1", b"\x81\0\0\0image"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (matroska(element("e7", b"\0"), block(1), block(2), block(1)), Structure(frames=2)),
        (matroska(block(1), GROUP, block(2)), Structure(frames=2)),
        (matroska(block(1), tracks=track(1, 1) + track(3, 1)), Structure()),  # two videos
        (matroska(crc(block(1)) + block(1)), Structure(frames=1)),
        (matroska(crc(block(2)) + block(1)), Structure("a checksum does not fit bytes 106 to 130")),
        (matroska(block(1), element("a7", b"an image")), Structure(frames=1)),  # a position has up to 8 bytes
        (matroska(block(1), element("a7", b"an image2")), Structure("the container's structure breaks at byte 100")),
        (matroska(block(1), element("c0", b"x"), block(1)), Structure("the container's structure breaks at byte 100")),
    ],
)
def test_clusters_are_walked(data: bytes, expected: Structure, tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(data)
    found = examine(tmp_path / "a.mkv", "matroska")
    assert (found.flaw[:38], found.frames) == (expected.flaw[:38], expected.frames)


def test_a_changed_byte_inside_an_image_is_noticed(tmp_path: Path) -> None:
    """The decoder takes it without a word."""
    path = make(tmp_path, "mkv h264", frames=12)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = read(path)[2]
    assert report.verdict == "damaged" and "a checksum does not fit" in report.reasons[0]
