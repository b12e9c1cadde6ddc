"""The region and the shape of the pixels, as the scanner wrote them down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MPEG4HP41
from support.dicom_files import dataset, save, tiny, ultrasound
from support.media import recipe, write_clip

from seqcls.sources import open_source
from seqcls.sources.dicom_region import pixel_aspect_of, region_of, stretched
from seqcls.types import Frame


def region(x0: int = 10, y0: int = 8, x1: int = 49, y1: int = 39, **fields: Any) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def header(**fields: Any) -> Dataset:
    ds = Dataset()
    for name, value in fields.items():
        setattr(ds, name, value)
    return ds


def scale(x: float, y: float, unit: int = 3) -> Dataset:
    return region(PhysicalDeltaX=x, PhysicalDeltaY=y, PhysicalUnitsXDirection=unit, PhysicalUnitsYDirection=unit)


# fields -> width of a pixel divided by its height, part of the note
ASPECTS: dict[str, tuple[dict[str, Any], float, str]] = {
    "nothing": ({}, 1.0, ""),
    "a ratio, vertical first": ({"PixelAspectRatio": [3, 4]}, 4 / 3, ""),
    "spacing, vertical first": ({"PixelSpacing": [0.2, 0.1]}, 0.5, ""),
    "spacing of the scanner": ({"NominalScannedPixelSpacing": [0.1, 0.2]}, 2.0, ""),
    "scale of the region": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01)]}, 2.0, ""),
    "a negative scale": ({"SequenceOfUltrasoundRegions": [scale(0.02, -0.01)]}, 2.0, ""),
    "square but for rounding": ({"SequenceOfUltrasoundRegions": [scale(0.0511, 0.0513)]}, 1.0, ""),
    "a scale in seconds": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01, unit=4)]}, 1.0, ""),
    "a scale of zero": ({"SequenceOfUltrasoundRegions": [scale(0.0, 0.01)], "PixelAspectRatio": [1, 2]}, 2.0, ""),
    "two that agree": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01)], "PixelAspectRatio": [1, 2]}, 2.0, ""),
    "two that do not": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01)], "PixelAspectRatio": [1, 1]}, 2.0, "PixelAspectRatio 1: PhysicalDelta taken"),
    "two regions that agree": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01), scale(0.04, 0.02)]}, 2.0, ""),
    "two regions that do not": ({"SequenceOfUltrasoundRegions": [scale(0.02, 0.01), scale(0.01, 0.01)]}, 2.0, "by PhysicalDelta but that of another region 1"),
    "beyond belief": ({"PixelAspectRatio": [1, 100]}, 1.0, "implausible"),
    "no numbers": ({"PixelAspectRatio": [0, 0]}, 1.0, "implausible"),
}  # fmt: skip


@pytest.mark.parametrize("name", ASPECTS)
def test_the_shape_of_a_pixel_is_what_the_scanner_measures_by(name: str) -> None:
    fields, aspect, note = ASPECTS[name]
    found, said = pixel_aspect_of(header(**fields), 64, 48)
    assert found == pytest.approx(aspect) and note in said and (said == "") == (note == "")


def test_the_region_is_half_open_inside_the_image_and_stretched_with_it() -> None:
    regions = [region(0, 0, 5, 5), region(), region(0, 0, 63, 47, RegionSpatialFormat=2)]
    box = region_of(header(SequenceOfUltrasoundRegions=regions), 64, 30)
    assert box == (10, 8, 50, 30)
    assert stretched(box, 2.0) == (20, 8, 100, 30) and stretched(box, 0.5) == (10, 16, 50, 60)


@pytest.mark.parametrize(("aspect", "size"), [([1, 2], (48, 128)), ([2, 1], (96, 64))])
def test_a_cine_gives_square_pixels(aspect: list[int], size: tuple[int, int], tmp_path: Path) -> None:
    frames = ultrasound()
    path = tiny(tmp_path / "a.dcm", frames, PixelAspectRatio=aspect, SequenceOfUltrasoundRegions=[region()])
    with open_source(path) as source:
        items = [item for item in source if isinstance(item, Frame)]
        info = source.info
    assert all(item.image.shape == size for item in items) and (info.height, info.width) == size
    assert info.pixel_aspect == aspect[1] / aspect[0]
    assert info.region == ((20, 8, 100, 40) if aspect == [1, 2] else (10, 16, 50, 80))
    narrow = (
        items[1].image[:, 0::2] / 2 + items[1].image[:, 1::2] / 2
        if aspect == [1, 2]
        else items[1].image[0::2] / 2 + items[1].image[1::2] / 2
    )
    assert np.abs(narrow - frames[1]).mean() < 6


def test_a_video_in_dicom_takes_the_shape_from_the_header_where_the_stream_has_none(tmp_path: Path) -> None:
    made = recipe("mp4 h264", frames=4)
    inside = write_clip(tmp_path / "inside.mp4", made).read_bytes()
    fields: dict[str, Any] = {"PixelAspectRatio": [1, 2], "SequenceOfUltrasoundRegions": [region()]}
    path = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=4, **fields), tmp_path / "v.dcm", [inside])
    with open_source(path) as source:
        shapes = {item.image.shape for item in source if isinstance(item, Frame)}
        info = source.info
    assert shapes == {(128, 320)} and (info.width, info.height) == (320, 128)
    assert info.pixel_aspect == 2.0 and info.region == (20, 8, 100, 40)
