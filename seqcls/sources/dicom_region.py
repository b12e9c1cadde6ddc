"""Where the tissue stands in a DICOM image, and the shape of its pixels, as the scanner wrote them down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqcls.sources.dicom_fields import number, numbers, several
from seqcls.sources.pixel_aspect import TOLERANCE, pixel_aspect, square_size

_CENTIMETRES = 3


def region_of(header: Any, width: int, height: int) -> tuple[int, int, int, int] | None:
    """The largest two-dimensional tissue region (PS3.3 C.8.5.5), half-open and inside the image."""
    boxes = [box for item in _tissue(header) if (box := _box(item, width, height)) is not None]
    return max(boxes, key=_area, default=None)


def stretched(box: tuple[int, int, int, int] | None, aspect: float) -> tuple[int, int, int, int] | None:
    """The region in an image whose pixels were made square, as ``square_size`` does it."""
    if box is None:
        return None
    x0, y0 = square_size(box[0], box[1], aspect)
    x1, y1 = square_size(box[2], box[3], aspect)
    return x0, y0, x1, y1


def pixel_aspect_of(header: Any, width: int, height: int) -> tuple[float, str]:
    """Width of a pixel divided by its height, 1.0 where it is square or nothing says otherwise; and a note.

    The scale of the largest tissue region is what the scanner measures by, and outranks the fields of the image
    (PixelSpacing and its kin, PixelAspectRatio: PS3.3 10.7 and C.7.6.3.1.7, all of them vertical before horizontal).
    """
    stated = [*_scale_of_region(header, width, height)]
    for field in ("PixelSpacing", "NominalScannedPixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        pair = numbers(header, field)
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
            stated.append((field, pair[1], pair[0]))
    found, notes = dict[str, float](), list[str]()
    for field, wide, high in stated:
        aspect, remark = pixel_aspect(wide, high)
        if remark:
            notes.append(f"{field}: {remark}")
        elif abs(found.get(field, aspect) / aspect - 1) <= 2 * TOLERANCE or field not in found:
            found[field] = aspect
    if not found:
        return 1.0, "; ".join(notes)
    (chosen, aspect), *others = found.items()
    against = [f"{field} {other:.3g}" for field, other in others if abs(other / aspect - 1) > 2 * TOLERANCE]
    if against:
        notes.append(
            f"pixels are {aspect:.3g} times as wide as high by {chosen} but {', '.join(against)}: {chosen} taken"
        )
    return aspect, "; ".join(notes)


def scale_of(header: Any) -> tuple[float, float] | None:
    """Centimetres per stored pixel, across and down, of the largest tissue region; None where it states none."""
    stated = [(wide, high) for _, wide, high in _scale_of_region(header, 1 << 16, 1 << 16)]
    return stated[0] if stated else None


def _scale_of_region(header: Any, width: int, height: int) -> Iterator[tuple[str, float, float]]:
    name = "PhysicalDelta"
    for item in sorted(_tissue(header), key=lambda item: -_area(_box(item, width, height) or (0, 0, 0, 0))):
        units = {number(item, f"PhysicalUnits{axis}Direction") for axis in "XY"}
        wide, high = (abs(number(item, f"PhysicalDelta{axis}") or 0.0) for axis in "XY")
        if units <= {None, _CENTIMETRES} and wide > 0 and high > 0:
            yield name, wide, high
            name = "that of another region"


def _tissue(header: Any) -> list[Any]:
    """Regions that are two-dimensional and tissue."""
    regions = several(header, "SequenceOfUltrasoundRegions")
    return [
        item
        for item in regions
        if number(item, "RegionSpatialFormat") == 1 and number(item, "RegionDataType") in (None, 1)
    ]


def _box(item: Any, width: int, height: int) -> tuple[int, int, int, int] | None:
    corners = [number(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    if None in corners:
        return None
    x0, y0, x1, y1 = (int(corner) for corner in corners if corner is not None)
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1 + 1), min(height, y1 + 1)
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
