"""What people type, turned into sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.clips import stills

from seqcls.errors import SourceError
from seqcls.sources import expand, open_source


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_folder_stands_for_its_clips_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/clip 10.mp4", "b/clip 2.MP4", "a.mpeg", "c/d/e.dcm", "c/notes.txt", ".hidden.mp4", "c/.git/x.mp4"):
        touch(tmp_path / name)
    stills(tmp_path / "stills", ["1.png", "2.png"])
    (tmp_path / "c" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(20))
    found = [str(Path(spec).relative_to(tmp_path)).replace(os.sep, "/") for spec in expand([str(tmp_path)])]
    assert found == ["a.mpeg", "b/clip 2.MP4", "b/clip 10.mp4", "c/d/e.dcm", "c/IM0001", "stills"]


def test_the_picture_of_a_result_is_no_clip(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.mp4")
    stills(tmp_path / "clip-timeline", ["timeline.png"])
    touch(tmp_path / "clip-timeline" / "timeline.json")
    assert expand([str(tmp_path)]) == [str(clip)]
    with pytest.raises(SourceError, match="holds no clip"):
        expand([str(tmp_path / "clip-timeline")])


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


def test_an_address_among_clips_is_passed_on_as_it_is() -> None:
    address = "rtsp://user:hunter2@probe/live"
    assert expand([address]) == [address]
