"""Stills as clips, cameras, and what people type turned into sources."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image
from support.media import draw, numbers, recipe, write_clip

from seqcls.errors import SourceError
from seqcls.sources import expand, open_source
from seqcls.types import Frame, Gap


def stills(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imencode(Path(name).suffix, draw(number))[1].tofile(folder / name) is None
    return folder


def frames_of(spec: Any, **options: Any) -> list[Frame]:
    with open_source(spec, **options) as source:
        return [item for item in source if isinstance(item, Frame)]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".pgm", ".webp", ".PNG"])
def test_a_folder_is_read_in_natural_order(suffix: str, tmp_path: Path) -> None:
    folder = stills(tmp_path / "bilder (ü)", [f"frame {k}{suffix}" for k in range(12)])
    (folder / "notes.txt").write_text("not an image")
    with open_source(folder, rate_hz=10) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report, info = source.report(), source.info
    assert numbers([f.image for f in frames]) == list(range(12))
    assert [f.time_s for f in frames] == pytest.approx([k / 10 for k in range(12)])
    assert (report.verdict, report.reasons) == ("complete", ())
    assert (info.kind, info.has_clock, info.declared_frames, info.width) == ("images", True, 12, 160)


def test_without_a_rate_there_is_no_clock_and_it_is_said(tmp_path: Path) -> None:
    with open_source(stills(tmp_path / "a", ["1.png", "2.png"])) as source:
        assert len(list(source)) == 2 and not source.info.has_clock
        assert source.report().verdict == "complete" and "--fps" in source.report().reasons[0]


@pytest.mark.parametrize("pattern", ["frame_%04d.png", "frame_%d.png", "frame_*.png", "frame_000?.png"])
def test_patterns(pattern: str, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"frame_{k:04d}.png" for k in range(1, 10)] + ["other.png"])
    assert expand([str(folder / pattern)]) == [str(folder / pattern)]
    assert numbers([f.image for f in frames_of(str(folder / pattern), rate_hz=25)]) == list(range(9))


def test_a_missing_number_is_a_gap(tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"f{k}.png" for k in (8, 9, 12, 13)])
    with open_source(folder / "f%d.png", rate_hz=10) as source:
        items = list(source)
        report = source.report()
    assert [type(item) for item in items] == [Frame, Frame, Gap, Frame, Frame]
    gap, later = items[2], items[3]
    assert isinstance(gap, Gap) and (gap.start_s, gap.end_s) == (pytest.approx(0.2), pytest.approx(0.4))
    assert isinstance(later, Frame) and (later.index, later.time_s) == (2, pytest.approx(0.4))
    assert report.verdict == "damaged" and "f12.png" in report.reasons[0]


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(100)], ids=["empty", "text", "header"])
def test_an_image_that_cannot_be_read_is_a_gap(content: bytes, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"{k}.png" for k in range(5)])
    (folder / "2.png").write_bytes(content)
    with open_source(folder, rate_hz=10) as source:
        items = list(source)
        report = source.report()
    assert isinstance(items[2], Gap) and report.verdict == "damaged" and "2.png" in report.reasons[0]
    assert numbers([item.image for item in items if isinstance(item, Frame)]) == [0, 1, 3, 4]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_cut_image_is_a_gap(suffix: str, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"{k}{suffix}" for k in range(3)])
    data = (folder / f"1{suffix}").read_bytes()
    (folder / f"1{suffix}").write_bytes(data[: len(data) // 2])
    with open_source(folder, rate_hz=10) as source:
        list(source)
        assert source.report().verdict == "damaged"


def test_a_picture_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    Image.new("1", (10_500, 10_500)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"bomb\.png"):
        open_source(tmp_path)


def test_sixteen_bits_become_eight_and_color_is_bgr(tmp_path: Path) -> None:
    deep = np.full((40, 50), 0x8000, np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert abs(int(frames_of(tmp_path / "deep.png")[0].image[0, 0]) - 128) <= 1
    cv2.imwrite(str(tmp_path / "red.bmp"), np.full((40, 50, 3), (0, 0, 200), np.uint8))
    assert frames_of(tmp_path / "red.bmp", color=True)[0].image[0, 0].tolist() == [0, 0, 200]


def test_a_new_size_is_told(tmp_path: Path) -> None:
    stills(tmp_path, ["1.png", "2.png"])
    cv2.imwrite(str(tmp_path / "3.png"), draw(3, 200, 160))
    with open_source(tmp_path, rate_hz=5) as source:
        assert len(list(source)) == 3
        assert source.report().verdict == "damaged" and "3.png" in source.report().reasons[0]


# ---- expand


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_folder_stands_for_its_clips_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/clip 10.mp4", "b/clip 2.MP4", "a.mpeg", "c/d/e.dcm", "c/notes.txt", ".hidden.mp4", "c/.git/x.mp4"):
        touch(tmp_path / name)
    stills(tmp_path / "stills", ["1.png", "2.png"])
    ds = pydicom.Dataset()
    (tmp_path / "c" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(20))
    assert not ds
    found = [str(Path(spec).relative_to(tmp_path)).replace(os.sep, "/") for spec in expand([str(tmp_path)])]
    assert found == ["a.mpeg", "b/clip 2.MP4", "b/clip 10.mp4", "c/d/e.dcm", "c/IM0001", "stills"]


def test_globs_are_expanded_here(tmp_path: Path) -> None:
    for name in ("x10.mp4", "x9.mp4", "y.avi", "x.txt", "sub/x1.mp4"):
        touch(tmp_path / name)
    assert expand([str(tmp_path / "x*")]) == [str(tmp_path / "x9.mp4"), str(tmp_path / "x10.mp4")]
    assert expand([str(tmp_path / "**" / "*.mp4")])[-1] == str(tmp_path / "x10.mp4")
    both = expand([str(tmp_path / "y.avi"), str(tmp_path / "*.avi")])
    assert both == [str(tmp_path / "y.avi")], "a clip named twice is read once"


def test_names_with_brackets_and_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = touch(tmp_path / "clip [1].mp4")
    assert expand([str(path), "0", "12"]) == [str(path), "0", "12"]
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "7")
    with pytest.raises(SourceError):
        open_source("7")  # a file of that name is meant, not the camera


@pytest.mark.parametrize("spec", ["no.mp4", "no/*.mp4", "no_%04d.png", "empty", "empty/*", "texts", "texts/*"])
def test_what_is_missing_is_named(spec: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "texts" / "a.txt")
    with pytest.raises(SourceError) as caught:
        [open_source(one) for one in expand([str(tmp_path / spec)])]
    assert spec.split("/")[0] in str(caught.value) and "\n" not in str(caught.value)


def test_many_single_images_are_a_mistake(tmp_path: Path) -> None:
    folder = stills(tmp_path, ["1.png", "2.png"])
    with pytest.raises(SourceError, match="name their folder"):
        expand([str(folder / "1.png"), str(folder / "2.png")])
    assert expand([str(folder / "1.png")]) == [str(folder / "1.png")]


# ---- cameras


class FakeCapture:
    """Gives three pictures, then none."""

    opened: list[int] = []  # noqa: RUF012 - shared on purpose

    def __init__(self, number: int, backend: int) -> None:
        self.opened.append(number)
        self._left = 3
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 160.0, cv2.CAP_PROP_FRAME_HEIGHT: 128.0}.get(what, 0.0)

    def read(self) -> tuple[bool, Any]:
        self._left -= 1
        return (True, np.full((128, 160, 3), 90, np.uint8)) if self._left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_read_until_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with open_source("3") as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report, info = source.report(), source.info
    assert FakeCapture.opened == [3] and (info.kind, info.name) == ("camera", "camera 3")
    assert [f.index for f in frames] == [0, 1, 2] and frames[0].time_s == 0.0
    assert frames[0].image.shape == (128, 160) and frames[0].image[0, 0] == 90
    assert frames[0].time_s <= frames[1].time_s <= frames[2].time_s
    assert report.verdict == "unknown" and report.delivered == 3


def test_a_camera_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(FakeCapture):
        def isOpened(self) -> bool:  # noqa: N802
            return False

    monkeypatch.setattr(cv2, "VideoCapture", Closed)
    with pytest.raises(SourceError, match="camera 5"):
        open_source("5")


def test_a_still_named_mp4_and_a_clip_named_png(tmp_path: Path) -> None:
    """The bytes decide."""
    cv2.imencode(".png", draw(7))[1].tofile(tmp_path / "still.mp4")
    assert numbers([f.image for f in frames_of(tmp_path / "still.mp4")]) == [7]
    write_clip(tmp_path / "clip.mp4", recipe("mp4 h264", frames=3)).rename(tmp_path / "clip.png")
    assert len(frames_of(tmp_path / "clip.png")) == 3
