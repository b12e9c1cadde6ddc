"""GIF, PNG and WebP: their blocks, their checksums and how many frames they state."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.clips import read
from support.media import draw, numbers

from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure


@pytest.mark.parametrize(
    "grow", [list, lambda images: [image.convert("RGB") for image in images]], ids=["gray", "color"]
)
def test_gifs_of_another_writer_are_whole(grow: Any, tmp_path: Path) -> None:
    images = grow([Image.fromarray(draw(k, noise=0)) for k in range(8)])
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=50)
    frames, _, report = read(tmp_path / "a.gif")
    assert numbers([f.image for f in frames]) == list(range(8)) and report.verdict == "complete"
    assert [f.time_s for f in frames] == pytest.approx([0.05 * k for k in range(8)])


def stack(path: Path, frames: int = 4) -> Path:
    images = [Image.fromarray(draw(k, noise=0)) for k in range(frames)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, lossless=True)
    return path


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + b"".join(chunks)


END, FRAME = chunk(b"IEND", b""), chunk(b"fcTL", bytes(26))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(chunk(b"IDAT", b"x"), END), Structure(frames=1)),
        (png(chunk(b"acTL", struct.pack(">II", 2, 0)), FRAME, FRAME, END), Structure(frames=2)),
        (
            png(chunk(b"acTL", struct.pack(">II", 3, 0)), FRAME, FRAME, END),
            Structure("2 of the 3 frames that it states are there"),
        ),
        (png(b"\0\0\0\x01tEXtabcde", END), Structure("a checksum does not fit bytes 33 to 46")),
        (png(FRAME[:-1]), Structure("the file ends 1 bytes before its container does", truncated=True)),
        (png(FRAME), Structure("the file ends before the mark that ends a png", truncated=True)),
        (png(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Structure("the container's structure breaks at byte 33")),
    ],
)
def test_chunks_of_a_png_carry_checksums(data: bytes, expected: Structure, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert examine(tmp_path / "a.png", "png") == expected


def test_an_animated_webp_counts_its_frames(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.webp")
    assert examine(path, "webp") == Structure(frames=4)
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    assert examine(path, "webp").truncated
    at = data.index(b"ANMF")
    path.write_bytes(data[: at + 28] + b"\x01" + data[at + 29 :])
    assert "breaks at byte" in examine(path, "webp").flaw
    path.write_bytes(data.replace(b"ANMF", b"ANMG", 1))
    assert "breaks at byte" in examine(path, "webp").flaw


def test_a_stack_of_which_a_checksum_does_not_fit_is_damaged(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.png")
    assert read(path)[2].verdict == "complete"
    data = path.read_bytes()
    at = data.index(b"IEND") - 4
    path.write_bytes(data[:at] + b"\0\0\0\x01tEXtabcde" + data[at:])  # a remark, of which no decoder takes notice
    report = read(path)[2]
    assert report.verdict == "damaged" and "checksum" in report.reasons[0]
