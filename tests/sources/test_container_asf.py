"""WMV: packets of one size, and numbered media objects in pieces."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support.clips import make, read

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure

ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<Q", 30) + bytes(6)
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (ASF_HEAD + ASF_DATA + struct.pack("<Q", 50) + bytes(20), "the file ends 6 bytes before its container does"),
        (ASF_HEAD + bytes(40), "the container's structure breaks at byte 30"),
    ],
)
def test_the_length_that_a_wmv_states(data: bytes, flaw: str, tmp_path: Path) -> None:
    (tmp_path / "a.wmv").write_bytes(data)
    assert examine(tmp_path / "a.wmv", "asf") == Structure(flaw, truncated="ends" in flaw)


@pytest.mark.parametrize("length", [0, 50], ids=["never filled in", "without a description of its packets"])
def test_a_wmv_that_states_nothing_may_be_whole_or_not(length: int, tmp_path: Path) -> None:
    (tmp_path / "a.wmv").write_bytes(ASF_HEAD + ASF_DATA + struct.pack("<Q", length) + bytes(26))
    found = examine(tmp_path / "a.wmv", "asf")
    assert not found.flaw and found.unknown == "the file states neither its length nor the size of its packets"


PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def payload(number: int, offset: int, length: int, whole: int, stream: int = 1) -> bytes:
    """Numbers of 1 byte, offsets of 4, 8 bytes about the object, length of 2 bytes."""
    return struct.pack("<BBIBIIH", stream, number, offset, 8, whole, 0, length) + bytes(length)


def asf(*packets: list[bytes]) -> bytes:
    """A header that describes a file of packets of 100 bytes with one stream of images, and the packets."""
    file = PROPERTIES + struct.pack("<Q", 104) + bytes(32) + struct.pack("<Q28xII", len(packets), 100, 100) + bytes(4)
    stream = STREAM + struct.pack("<Q", 78) + VIDEO + bytes(32) + struct.pack("<H", 1) + bytes(4)
    head = ASF_HEAD[:16] + struct.pack("<Q", 30 + len(file) + len(stream)) + bytes(6) + file + stream
    data = b""
    for payloads in packets:
        content = b"\x82\0\0" + b"\x09\x5d"  # several payloads, padding of one byte; widths of the fields
        inside = b"".join(payloads)
        rest = 100 - len(content) - 1 - 6 - 1 - len(inside)
        data += content + bytes([rest]) + bytes(6) + bytes([0x80 | len(payloads)]) + inside + bytes(rest)
    body = ASF_DATA + struct.pack("<Q", 50 + len(data)) + bytes(16) + struct.pack("<Q", len(packets)) + bytes(2)
    return head + body + data


FIRST, SECOND = [payload(7, 0, 20, 20), payload(8, 0, 15, 40)], [payload(8, 15, 25, 40), payload(9, 0, 10, 10)]


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ([FIRST, SECOND], Structure(frames=3)),
        ([FIRST], Structure("the last image is cut short", truncated=True)),
        ([FIRST, [payload(8, 16, 24, 40)]], Structure("a piece of an image is missing before byte 362:")),
        ([FIRST, [payload(9, 0, 10, 10)]], Structure("an image or a piece of one is missing before byte 362")),
        ([[payload(7, 0, 20, 20)], [payload(9, 0, 20, 20)]], Structure("an image or a piece of one is missing")),
        ([[payload(255, 0, 20, 20)], [payload(0, 0, 20, 20)]], Structure(frames=2)),  # numbers have a byte
        ([[payload(1, 0, 20, 20), payload(5, 0, 9, 9, stream=2)]], Structure(frames=1)),
    ],
)
def test_media_objects_follow_each_other_and_are_whole(
    packets: list[list[bytes]], expected: Structure, tmp_path: Path
) -> None:
    (tmp_path / "a.wmv").write_bytes(asf(*packets))
    found = examine(tmp_path / "a.wmv", "asf")
    assert found.flaw[:37] == expected.flaw[:37] and (found.truncated, found.frames) == (
        expected.truncated,
        expected.frames,
    )


def test_a_wmv_from_which_packets_are_missing_is_damaged(tmp_path: Path) -> None:
    path = make(tmp_path, "wmv", frames=10)
    assert examine(path, "asf").frames == 10
    data = path.read_bytes()
    start = data.index(ASF_DATA) + 50
    (size,) = struct.unpack_from("<I", data, data.index(PROPERTIES) + 92)
    path.write_bytes(data[: start + size] + data[start + 2 * size :] + data[start + size : start + 2 * size])
    assert read(path)[2].verdict == "damaged"
