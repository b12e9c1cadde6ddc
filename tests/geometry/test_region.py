"""A region: what it holds, what of the image may be shown, and when it is unlike those trained on."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from seqcls.errors import GeometryError
from seqcls.files.json_record import record_from
from seqcls.files.json_text import json_text
from seqcls.geometry import KINDS, Region, outline_mask, region_warnings
from seqcls.geometry.region import layout_warning, region_mask

REGION = Region(1, 2, 30, 40, 50, 60, ((1, 2), (29, 2), (9, 39)), "phased")


def refused(change: dict[str, Any]) -> str:
    with pytest.raises(GeometryError) as caught:
        replace(REGION, **change)
    return str(caught.value)


def test_a_region_survives_json() -> None:
    written = json.loads(json_text(asdict(REGION)))
    assert record_from(Region, written) == REGION
    assert written == {
        "x0": 1, "y0": 2, "x1": 30, "y1": 40, "width": 50, "height": 60,
        "polygon": [[1, 2], [29, 2], [9, 39]], "kind": "phased", "confidence": 1.0,
    }  # fmt: skip
    assert REGION.box == (1, 2, 30, 40)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "region.x0 is missing"),
        ({"polygon": 3}, "region.polygon is 3, not a list"),
        ({"x1": "x"}, "region.x1 is 'x', not a whole number"),
        ({"kind": "round"}, "region: region of unknown kind 'round'; known: linear, convex, phased, full, stated, none"),
    ],
    ids=["empty", "polygon", "number", "kind"],
)  # fmt: skip
def test_a_damaged_record_is_refused(record: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        record_from(Region, asdict(REGION) | record if record else {}, "region")


@pytest.mark.parametrize("change", [{"x0": 30}, {"y0": 40}, {"x1": 51}, {"y1": 61}, {"x0": -1}, {"y0": -1}], ids=str)
def test_a_box_that_is_empty_or_leaves_the_image_is_refused(change: dict[str, int]) -> None:
    x0, y0, x1, y1 = (change.get(name, getattr(REGION, name)) for name in ("x0", "y0", "x1", "y1"))
    expected = f"region {x0},{y0},{x1},{y1} does not fit an image of 50x60; state it anew"
    assert refused(change) == expected


def test_the_whole_image_and_a_single_pixel_are_boxes() -> None:
    assert Region(0, 0, 50, 60, 50, 60).kind == "full"
    assert Region(49, 59, 50, 60, 50, 60).polygon == ()


def test_kinds_and_outlines_that_are_refused() -> None:
    assert KINDS == ("linear", "convex", "phased", "full", "stated", "none")
    assert (
        refused({"kind": "round"})
        == "region of unknown kind 'round'; known: linear, convex, phased, full, stated, none"
    )
    assert refused({"polygon": ((1, 2), (3, 4))}) == "a region's outline needs 3 to 10,000 corners, not 2"


def test_no_region_is_larger_than_an_image_can_be() -> None:
    """Its mask would be made: of 10^12 x 10^12 pixels."""
    huge = {"x1": 10**12, "y1": 10**12, "width": 10**12, "height": 10**12}
    assert "it has more than 50 megapixels" in refused(huge)
    assert (
        refused({"polygon": ((1, 2), (10**12, 4), (5, 6))})
        == "a region's outline leaves its image; state the region anew"
    )
    assert "3 to 10,000 corners, not 10,001" in refused({"polygon": ((1, 2),) * 10_001})


def test_the_mask_of_an_outline() -> None:
    """Corners are inclusive: a triangle of 5 + 4 + 3 + 2 + 1 pixels in a box that begins at column 10, row 20."""
    mask = outline_mask(Region(10, 20, 16, 26, 50, 60, ((10, 20), (14, 20), (10, 24)), "linear"))
    assert mask is not None and mask.dtype == np.uint8 and not mask.flags.writeable
    assert mask.tolist() == [[255] * (5 - row) + [0] * (1 + row) for row in range(5)] + [[0] * 6]


def test_an_outline_of_the_whole_box_needs_no_mask() -> None:
    assert outline_mask(Region(10, 20, 16, 26, 50, 60)) is None
    corners = ((10, 20), (15, 20), (15, 25), (10, 25))
    assert outline_mask(Region(10, 20, 16, 26, 50, 60, corners, "linear")) is None
    assert outline_mask(Region(10, 20, 17, 26, 50, 60, corners, "linear")) is not None


def test_the_mask_of_the_whole_image() -> None:
    """True where the ultrasound is: in the triangle, or in the whole box."""
    corners = ((1, 2), (3, 2), (1, 4))
    shown = region_mask(Region(1, 2, 5, 6, 8, 7, corners, "linear"))
    assert shown.dtype == np.bool_ and shown.shape == (7, 8)
    assert np.argwhere(shown).tolist() == [[2, 1], [2, 2], [2, 3], [3, 1], [3, 2], [4, 1]]
    assert np.argwhere(region_mask(Region(1, 2, 3, 4, 8, 7))).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]


def of_size(width: int, height: int, kind: str = "convex") -> Region:
    return Region(100, 50, 100 + width, 50 + height, 2000, 2000, (), kind)


# A model was trained on a convex region of 600 x 450.
LAYOUTS = {
    "same": (of_size(600, 450), ""),
    "other scanner": (of_size(600, 400), ""),
    "whole image": (of_size(600, 450, "full"), ""),
    "stated": (of_size(600, 450, "stated"), ""),
    "kind": (of_size(600, 450, "linear"), "linear, not convex"),
    "half as wide again": (of_size(900, 450), ""),
    "wider": (of_size(901, 450), "another shape, 901x450 against 600x450"),
    "two thirds as wide": (of_size(401, 450), ""),
    "exactly two thirds": (of_size(400, 450), ""),
    "narrower": (of_size(399, 450), "another shape, 399x450 against 600x450"),
    "a third": (of_size(200, 150), ""),
    "smaller in width": (of_size(199, 150), "far smaller, 199x150 against 600x450"),
    "smaller in height": (of_size(200, 149), "far smaller, 200x149 against 600x450"),
    "far larger": (of_size(1800, 1350), ""),
}


@pytest.mark.parametrize(("region", "fault"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_region_unlike_the_trained_one_gives_a_warning(region: Region, fault: str) -> None:
    shown = f"{region.kind} {region.x1 - 100}x{region.y1 - 50}"
    warning = f"the clip's region ({shown}) is unlike the training clips (convex): {fault}; check it with inspect"
    assert layout_warning(region, [of_size(600, 450)]) == (warning if fault else "")


def test_trained_regions_of_any_shape_or_kind() -> None:
    assert layout_warning(of_size(600, 450), [of_size(600, 450, "full")]) == ""
    assert layout_warning(of_size(600, 450), [of_size(600, 450, "stated")]) == ""
    assert layout_warning(of_size(600, 450), []) == ""


def test_one_like_region_in_training_is_enough() -> None:
    linear = of_size(300, 400, "linear")
    assert layout_warning(linear, [of_size(600, 450), linear]) == ""
    assert layout_warning(linear, [of_size(600, 450), of_size(300, 400, "phased")]) == (
        "the clip's region (linear 300x400) is unlike the training clips (convex, phased): linear, not convex;"
        " check it with inspect"
    )


def test_an_uncertain_region_gives_a_warning_once() -> None:
    unsure, sure = (Region(1, 2, 30, 40, 64, 48, kind="linear", confidence=value) for value in (0.49, 0.5))
    assert region_warnings([unsure, sure, unsure], []) == (
        "the ultrasound region is uncertain: linear 1,2,30,40 of 64x48, confidence 0.49; look at it with inspect, and"
        " state it with --region if it is wrong",
    )
    trained = Region(0, 0, 29, 38, 64, 48, kind="convex")
    assert region_warnings([sure], [trained]) == (layout_warning(sure, [trained]),)
    assert len(region_warnings([unsure], [trained])) == 2 and region_warnings([], [trained]) == ()


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan")])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(GeometryError, match=f"a region's confidence is 0 to 1, not {confidence}"):
        Region(0, 0, 9, 9, 9, 9, confidence=confidence)
    assert [Region(0, 0, 9, 9, 9, 9, confidence=limit).confidence for limit in (0.0, 1.0)] == [0.0, 1.0]


def test_a_region_of_an_earlier_file_is_sure() -> None:
    record = asdict(REGION)
    del record["confidence"]
    assert record_from(Region, record).confidence == 1.0
    assert record_from(Region, {**record, "confidence": 0.25}).confidence == 0.25
