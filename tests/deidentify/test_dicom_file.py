"""Lossless frames in a file that pydicom reads, too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pydicom
import pytest

from seqcls.deidentify.dicom_file import DicomFile
from seqcls.deidentify.dicom_tags import add_image_tags, clean_tags
from seqcls.errors import OutputError
from seqcls.pseudonyms import Pseudonyms

RANDOM = np.random.default_rng(5)


def write(path: Path, images: list[np.ndarray]) -> pydicom.Dataset:
    def describe(shape: tuple[int, ...]) -> pydicom.Dataset:
        tags = clean_tags(None, Pseudonyms(), "x", 1)
        add_image_tags(tags, shape, [0.04 * k for k in range(len(images))], lossy=False)
        return tags

    with closing(DicomFile(path.parent)) as file:
        for number, image in enumerate(images):
            file.write(image, 0.04 * number, 0.04)
        file.finish(path, describe)
    assert [other.name for other in path.parent.iterdir()] == [path.name], "nothing is left over"
    return pydicom.dcmread(path)


@pytest.mark.parametrize("size", [(64, 48), (33, 7), (1, 1)])
@pytest.mark.parametrize("count", [1, 3])
def test_gray_is_exact(size: tuple[int, int], count: int, tmp_path: Path) -> None:
    images = [RANDOM.integers(0, 256, size).astype(np.uint8) for _ in range(count)]
    read = write(tmp_path / "x.dcm", images)
    assert (read.pixel_array.reshape(count, *size) == np.stack(images)).all()
    assert read.PhotometricInterpretation == "MONOCHROME2"


def test_one_coloured_image_makes_all_of_them_coloured(tmp_path: Path) -> None:
    gray = RANDOM.integers(0, 256, (24, 36)).astype(np.uint8)
    color = RANDOM.integers(0, 256, (24, 36, 3)).astype(np.uint8)
    read = write(tmp_path / "x.dcm", [gray, color, gray])
    first, second, third = read.pixel_array
    assert (first == gray[..., None]).all() and (third == first).all()
    assert (second == color[..., ::-1]).all(), "BGR has become RGB"


def test_each_frame_is_found_by_the_offset_table(tmp_path: Path) -> None:
    from pydicom.encaps import parse_basic_offsets

    images = [RANDOM.integers(0, 256, (20, 20)).astype(np.uint8) for _ in range(3)]
    data = write(tmp_path / "x.dcm", images).PixelData
    offsets = parse_basic_offsets(data)
    assert len(offsets) == 3 and offsets[0] == 0
    items = 8 + 4 * 3  # the table itself
    assert all(data[items + place : items + place + 4] == b"\xfe\xff\x00\xe0" for place in offsets)


def test_what_dicom_has_no_room_for_is_refused(tmp_path: Path) -> None:
    with closing(DicomFile(tmp_path)) as file, pytest.raises(OutputError, match="to=mp4"):
        file.write(np.zeros((1, 70_000), np.uint8), 0.0, 0.0)
        file.finish(tmp_path / "x.dcm", lambda shape: pydicom.Dataset())
