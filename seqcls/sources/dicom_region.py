"""Where the tissue stands in a DICOM image, and the shape of its pixels, as the scanner wrote them down."""

from __future__ import annotations

from typing import Any

from seqcls.sources.dicom_fields import number, numbers, several

_CENTIMETRES = 3

#: Pixels of width to height within this are square: the fields are rounded.
_SQUARE = 0.02


def region_of(header: Any, width: int, height: int) -> tuple[int, int, int, int] | None:
    """The largest two-dimensional tissue region (PS3.3 C.8.5.5), half-open and inside the image."""
    boxes = [box for item in _tissue(header) if (box := _box(item, width, height)) is not None]
    return max(boxes, key=_area, default=None)


def pixel_aspect_of(header: Any, width: int, height: int) -> tuple[float, str]:
    """Width of a pixel divided by its height, 1 where it is square or nothing says otherwise; and a note.

    The scale of the largest tissue region is what the scanner measures by, and outranks the fields of the image
    (PixelSpacing and its kin, PixelAspectRatio: PS3.3 10.7 and C.7.6.3.1.7, both vertical before horizontal).
    """
    found: dict[str, float] = {}
    for item in sorted(_tissue(header), key=lambda item: -_area(_box(item, width, height) or (0, 0, 0, 0))):
        units = [number(item, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        deltas = [abs(number(item, f"PhysicalDelta{axis}") or 0.0) for axis in "XY"]
        if units[0] in (None, _CENTIMETRES) and units[1] == units[0] and min(deltas) > 0:
            found["PhysicalDelta"] = deltas[0] / deltas[1]
            break
    for field in ("PixelSpacing", "NominalScannedPixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        pair = numbers(header, field)
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None and min(pair[0], pair[1]) > 0:
            found[field] = pair[1] / pair[0]
    found = {field: 1.0 if abs(aspect - 1) <= _SQUARE else aspect for field, aspect in found.items()}
    believed = {field: aspect for field, aspect in found.items() if 0.1 <= aspect <= 10}
    if not believed:
        return 1.0, ""
    (field, aspect), *others = believed.items()
    against = [f"{name} {other:.3g}" for name, other in others if abs(other / aspect - 1) > _SQUARE]
    told = f"its pixels are {aspect:.3g} times as wide as high by {field}"
    if against:
        return aspect, f"{told}, by {', '.join(against)}: {field} taken"
    return aspect, f"{told}: made square" if aspect != 1 else ""


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
