"""Holes, padding and unstated lengths: what the structure of a file proves, and what it does not."""

from __future__ import annotations

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
