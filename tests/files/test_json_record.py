"""Records out of JSON: read by their types, and the first field that is wrong is named."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from seqcls.errors import UsageError
from seqcls.files.json_record import MAX_TEXT, at_most, between, known_fields, record_from


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5

    def __post_init__(self) -> None:
        if self.y > 1:
            raise UsageError("too high")


@dataclass(frozen=True)
class Shape:
    name: str
    kind: Literal["line", "curve"]
    points: tuple[Point, ...]
    box: Literal["auto"] | tuple[int, int] = "auto"
    closed: bool | None = None


def test_a_record_is_read_by_its_types() -> None:
    plain = {"name": "a", "kind": "line", "points": [{"x": 1, "y": 1}, {"x": -1}], "box": [3, 4]}
    shape = record_from(Shape, plain)
    assert shape == Shape("a", "line", (Point(1, 1.0), Point(-1, 0.5)), (3, 4), None)
    assert isinstance(shape.points[0].y, float)
    assert record_from(Shape, {**plain, "box": "auto", "points": [], "closed": False}).closed is False
    assert record_from(Point, Point(7)) == Point(7)
    assert math.isnan(record_from(tuple[float, ...], [math.nan])[0])


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (5, "shape is 5, not an object"),
        ({"kind": "line", "points": []}, "shape.name is missing"),
        ({"name": 5, "kind": "line", "points": []}, "shape.name is 5, not a text"),
        ({"name": "a", "kind": "circle", "points": []}, "shape.kind is 'circle', not one of line, curve"),
        ({"name": "a", "kind": [], "points": []}, "shape.kind is [], not one of line, curve"),
        ({"name": "a", "kind": "line", "points": {}}, "shape.points is {}, not a list"),
        ({"name": "a", "kind": "line", "points": [{"x": 1}, {"x": 1.5}]}, "shape.points[1].x is 1.5, not a whole number"),
        ({"name": "a", "kind": "line", "points": [{"x": True}]}, "shape.points[0].x is True, not a whole number"),
        ({"name": "a", "kind": "line", "points": [{"x": 1 << 63}]}, f"shape.points[0].x is {1 << 63}, not in -1e+12..1e+12"),
        ({"name": "a", "kind": "line", "points": [{"x": 1, "y": None}]}, "shape.points[0].y is None, not a number"),
        ({"name": "a", "kind": "line", "points": [{"x": 1, "y": math.inf}]}, "shape.points[0].y is inf, not a number"),
        ({"name": "a", "kind": "line", "points": [{"x": 1, "y": 2}]}, "shape.points[0]: too high"),
        ({"name": "a", "kind": "line", "points": [{"x": 1, "z": 2}]}, "shape.points[0].z is unknown"),
        ({"name": "a", "kind": "line", "points": [], "box": [1]}, "shape.box holds 1 values, not 2"),
        ({"name": "a", "kind": "line", "points": [], "closed": "no"}, "shape.closed is 'no', not true or false"),
        ({"name": "a" * (MAX_TEXT + 1), "kind": "line", "points": []}, "shape.name has 65,537 characters, more than the 65,536 of any text"),
        ({"name": "a", "kind": "line", "points": [], "b" * 99: 1}, f"shape.{'b' * 60} is unknown"),
        ({"name": [[1] * 9] * 9, "kind": "line", "points": []}, "shape.name is [[1, 1, 1, 1, 1, 1, ...], [1, 1, 1, 1, 1, 1, ...], [1, 1, 1,…, not a text"),
        ({"name": "a", "kind": "x" * 90, "points": []}, f"shape.kind is 'x{'x' * 58}…, not one of line, curve"),
    ],
)  # fmt: skip
def test_the_first_thing_that_is_wrong_is_named(plain: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        record_from(Shape, plain, "shape")
    assert str(caught.value) == message


def test_a_number_too_large_for_a_float_is_none() -> None:
    with pytest.raises(ValueError, match="not a number"):
        record_from(float, "1e400", "x")
    with pytest.raises(ValueError, match=r"x is 1000.*0, not in -1e\+12..1e\+12"):
        record_from(float, 10**400, "x")


@dataclass(frozen=True)
class Screen:
    width: int = field(default=1, metadata=between(1, 4000))
    rate_hz: float | None = field(default=None, metadata=between(0.5, 2000))
    box: tuple[int, ...] = field(default=(), metadata={**between(0, 9), **at_most(2)})


def test_a_bound_beside_a_field_holds_for_every_number_in_it() -> None:
    assert record_from(Screen, {"width": 4000, "rate_hz": 0.5, "box": [0, 9]}) == Screen(4000, 0.5, (0, 9))
    for plain, message in (
        ({"width": 0}, "width is 0, not in 1..4000"),
        ({"rate_hz": 1e300}, "rate_hz is 1e+300, not in 0.5..2000"),
        ({"box": [1, 10]}, "box[1] is 10, not in 0..9"),
        ({"box": [1, 1, 1]}, "box holds 3 entries, more than 2"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            record_from(Screen, plain)


def test_what_this_version_does_not_know_can_be_passed_over() -> None:
    assert known_fields(Point, {"y": 1, "z": 2}) == {"y": 1}
