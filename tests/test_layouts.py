"""Screens known again: over the clips of a folder, in a model, in a file that a person corrects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import screen

from seqcls.errors import GeometryError, SourceError
from seqcls.geometry import Geometry, Layout, Region, region_mask
from seqcls.geometry.layout import confirmed
from seqcls.layouts import find_layouts, look_at, read_layouts, remember, with_layouts, write_layouts
from seqcls.sources import MemorySource, Source

AUTO = Geometry(size=64)
Image = NDArray[np.uint8]


def clip(seed: int, kind: str = "convex", overlay: tuple[str, ...] = ("text", "ticks", "bar", "logo")) -> list[Image]:
    """24 frames of one scanner's screen, each seed another patient."""
    return screen(kind, overlay, width=320, height=240, seed=seed).images


@pytest.fixture(scope="module")
def clips() -> dict[str, list[Image]]:
    return {
        "a": clip(1),
        "b": clip(2),
        "half": screen("convex", ("text", "ticks", "bar", "logo"), width=320, height=240, dark_side="left").images,
        "other": clip(3, overlay=("menu", "logo")),
        "bare": clip(4, "cropped", ()),
        "small": screen("convex", ("text",), width=160, height=120, seed=5).images,
    }


@pytest.fixture
def open_one(clips: dict[str, list[Image]]) -> Callable[[str], Source]:
    def opened(name: str) -> Source:
        if name not in clips:
            raise SourceError(f"no {name}")
        return MemorySource(clips[name], rate_hz=25.0)

    return opened


def openers(open_one: Callable[[str], Source], *names: str) -> list[Callable[[], Source]]:
    return [partial(open_one, name) for name in names]


def test_clips_of_one_screen_share_a_layout(open_one: Callable[[str], Source]) -> None:
    """Another screen of the same size is another one; a clip without a screen around the sector is none."""
    found = find_layouts(openers(open_one, "a", "other", "missing", "b", "bare", "half"), AUTO)
    assert find_layouts(openers(open_one, "a", "other", "missing", "b", "bare", "half"), AUTO, 2) == found
    assert [layout.stated for layout in found] == [False, False]
    truth = screen("convex", width=320, height=240, frames=1).sector
    for layout in found:
        shown = region_mask(layout.region)
        assert (shown & truth).sum() / (shown | truth).sum() > 0.9


def test_a_clip_that_cannot_be_read_once_is_looked_into_again(open_one: Callable[[str], Source]) -> None:
    """Its decoder may have been killed: the regions of all clips would depend on that."""
    failed: list[str] = []

    def once(name: str) -> Source:
        if name not in failed:
            failed.append(name)
            raise SourceError(f"{name}: the process that decodes it died")
        return open_one(name)

    (shaky,), (steady,) = (find_layouts(openers(how, "a", "b"), AUTO) for how in (once, open_one))
    assert failed == ["a", "b"] and shaky.to_dict() == steady.to_dict()


def test_every_clip_of_a_known_screen_gets_its_region(
    clips: dict[str, list[Image]], open_one: Callable[[str], Source]
) -> None:
    geometry = with_layouts(AUTO, openers(open_one, "a", "b", "half"))
    (layout,) = geometry.layouts
    assert [geometry.find(clips[name]) for name in ("a", "b", "half")] == [layout.region] * 3
    assert geometry.find(clips["other"]) == AUTO.find(clips["other"])
    assert geometry.find(clips["small"]) == AUTO.find(clips["small"])
    assert Geometry.from_dict(geometry.to_dict()) == geometry


def test_a_stated_region_and_no_clips_need_no_look(open_one: Callable[[str], Source]) -> None:
    assert find_layouts([], AUTO) == () and find_layouts(openers(open_one, "a"), Geometry(region="none")) == ()


def test_of_many_clips_a_few_are_looked_into() -> None:
    asked: list[str] = []

    def opened(name: str) -> Source:
        asked.append(name)
        raise SourceError("gone")

    assert find_layouts(openers(opened, *map(str, range(100))), AUTO) == ()
    assert len(set(asked)) == 24 and (asked[0], asked[-1]) == ("0", "99"), "those that fail a second time"


def known(tmp_path: Path, images: list[Image]) -> Layout:
    """Of a clip on disk."""
    import cv2

    folder = tmp_path / "clip"
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    layout = look_at(folder, AUTO)
    assert layout is not None
    return layout


def test_what_a_person_stated_is_used(tmp_path: Path, clips: dict[str, list[Image]]) -> None:
    """Whatever a search would find, and before the box that the source states."""
    wanted = Region(10, 20, 110, 120, 320, 240, kind="stated")
    path = tmp_path / "layouts.json"
    layout = known(tmp_path, clips["a"])
    assert layout.region == AUTO.find(clips["a"])
    assert remember(path, confirmed(layout, wanted)) == 1
    geometry = replace(AUTO, layouts=read_layouts(path))
    assert geometry.find(clips["b"]) == wanted
    assert geometry.find(clips["b"], hint=(0, 0, 320, 200)) == wanted
    assert geometry.find(clips["other"]).kind == "convex"
    unsure = replace(AUTO, layouts=(replace(geometry.layouts[0], stated=False),))
    assert unsure.find(clips["b"]) == AUTO.find(clips["b"])  # nobody confirmed it, and it holds little of what moves


def test_a_screen_is_remembered_once_and_can_be_corrected_by_hand(
    tmp_path: Path, clips: dict[str, list[Image]]
) -> None:
    path, layout = tmp_path / "layouts.json", known(tmp_path, clips["a"])
    remember(path, confirmed(layout, layout.region))
    again = confirmed(layout, Region(0, 0, 50, 60, 320, 240, kind="stated"))
    assert remember(path, again) == 1 and read_layouts(path) == (again,)
    body = json.loads(path.read_text(encoding="utf-8"))
    body["layouts"][0]["region"]["x1"] = 70
    path.write_text(json.dumps(body), encoding="utf-8")
    assert read_layouts(path)[0].region.box == (0, 0, 70, 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no layouts at .*; make it with `seqcls inspect CLIP --remember`"),
        ("[]", "holds no layouts"),
        ("{", "holds no layouts"),
        ('{"format": 2, "layouts": []}', "is of format 2, this seqcls reads 1"),
        ('{"format": 1, "layouts": [{}]}', "not a stored layout"),
    ],
)
def test_a_file_without_layouts_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "layouts.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(GeometryError, match=message):
        read_layouts(path)


def test_an_empty_file_of_layouts(tmp_path: Path) -> None:
    write_layouts(tmp_path / "none.json", [])
    assert read_layouts(tmp_path / "none.json") == ()


def test_a_clip_without_a_screen_cannot_be_remembered(tmp_path: Path, clips: dict[str, list[Image]]) -> None:
    with pytest.raises(GeometryError, match="nothing stands around the ultrasound"):
        remember(tmp_path / "layouts.json", known(tmp_path, clips["bare"]))
    assert not (tmp_path / "layouts.json").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"format": 1, "layouts": [{}] * 1001}, "1,001 layouts, more than 1,000"),
        ({"format": 1, "layouts": [{"region": {}, "ground": "", "stated": True}]}, "not a stored layout"),
        ({"format": "x" * 9000, "layouts": []}, "format is 'x"),
        ([], "list indices"),
    ],
)
def test_whatever_is_wrong_names_the_file(body: object, said: str, tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(json.dumps(body))
    with pytest.raises(GeometryError, match=rf"l\.json holds no layouts \({said}") as caught:
        read_layouts(tmp_path / "l.json")
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)
