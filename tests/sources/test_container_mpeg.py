"""MPEG streams: images begin where a time is stated."""

from __future__ import annotations

from pathlib import Path

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure


def packet(pid: int, number: int, *, start: bool = False, flags: int = 0x10, content: bytes = b"") -> bytes:
    """A packet of a transport stream with content; ``flags`` 0x30: with an adaptation field in front of it."""
    head = bytes([0x47, 0x40 * start | pid >> 8, pid & 0xFF, flags | number])
    return (head + content).ljust(188, b"\xff")


PES = bytes.fromhex("000001e000008080052100010001").ljust(40, b"\0")  # with a time
FILL = [packet(0x1FFF, 3)] * 3  # stuffing


def test_an_image_that_does_not_begin_as_it_should_is_damaged(tmp_path: Path) -> None:
    own = [packet(256, 0, start=True, content=PES), packet(256, 1, start=True)]
    (tmp_path / "a.ts").write_bytes(b"".join([*own, *FILL]))
    assert examine(tmp_path / "a.ts", "mpegts").flaw == "an image of stream 256 does not begin as it should"
    (tmp_path / "a.ts").write_bytes(b"".join([own[0], packet(17, 1, start=True), *FILL]))  # a table
    assert examine(tmp_path / "a.ts", "mpegts") == Structure(frames=1)


def test_images_of_a_transport_stream_are_counted_where_one_stream_has_them(tmp_path: Path) -> None:
    own = [packet(256, n, start=True, content=PES) for n in range(3)]
    (tmp_path / "a.ts").write_bytes(b"".join([*own, *FILL]))
    assert examine(tmp_path / "a.ts", "mpegts") == Structure(frames=3)
    (tmp_path / "a.ts").write_bytes(b"".join([*own, packet(300, 0, start=True, content=PES)]))
    assert examine(tmp_path / "a.ts", "mpegts") == Structure()
