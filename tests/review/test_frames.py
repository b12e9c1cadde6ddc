"""A clip's frames by number: those of a run, its region alone, from files of every kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.dicom_files import native
from support.drawn import HEIGHT, WIDTH
from support.reviews import number_of, numbered, write_numbered

from seqcls.geometry import Region
from seqcls.review.frames import ClipFrames, Known, Opens, plays_in_browser
from seqcls.review.tracks import FrameTimes
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.sources.video_seek import SeekableVideo
from seqcls.types import Frame, SourceInfo

COUNT = 30
WHOLE = Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT)
INSIDE = Region(12, 20, 84, 60, WIDTH, HEIGHT, kind="stated")


def known_of(path: Path, region: Region = WHOLE) -> Known:
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    time_s, duration_s = (np.array([getattr(f, name) for f in frames]) for name in ("time_s", "duration_s"))
    times, digest = FrameTimes.of(time_s, duration_s), clip_digest(str(path))
    return Known(index=np.arange(len(frames)), times=times, regions=(region,), digest=digest, is_undamaged=True)


def opened(path: Path, known: Known | None, *, whole: bool = False) -> closing[ClipFrames]:
    (folder := path.with_suffix(".kept")).mkdir(exist_ok=True)
    return closing(ClipFrames(Opens(lambda: open_source(path), SeekableVideo, path), folder, known, whole=whole))


def until(right: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not right():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def image_of(jpeg: bytes | None) -> NDArray[np.uint8]:
    assert jpeg
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def test_row_k_is_frame_k_of_the_run_before_and_after_it_was_read(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "clip.mp4", COUNT, g="10", bf="2")
    known = known_of(path, INSIDE)
    with opened(path, known) as frames:
        until(lambda: frames._video is not None or frames.is_read)
        for row in (17, 3, 29, 28, 0):
            image = image_of(frames.jpeg(row))
            assert image.shape == (40, 72) and number_of(image, INSIDE) == row
        until(lambda: frames.is_read)
        assert [number_of(image_of(frames.jpeg(row)), INSIDE) for row in range(COUNT)] == list(range(COUNT))
        assert frames.problem == "" and not frames.plays
        assert list((tmp_path / "clip.kept").iterdir()) == []  # of a killed review no image is left


@pytest.mark.parametrize("kind", ["dicom", "gif", "mpeg", "images"])
def test_what_no_browser_plays(tmp_path: Path, kind: str) -> None:
    """Without a run: the times are known once all of it is read, and are the clip's own."""
    if kind == "dicom":
        path = native(tmp_path / "clip.dcm")
    elif kind == "images":
        path = tmp_path / "clip"
        path.mkdir()
        for number in range(COUNT):
            cv2.imwrite(str(path / f"{number:03}.png"), numbered(number))
    else:
        codec = {"gif": "gif", "mpeg": "mpeg2video"}[kind]
        path = write_numbered(
            tmp_path / f"clip.{kind}", COUNT, codec=codec, pixels="gray" if kind == "gif" else "yuv420p"
        )
    with open_source(path) as source:
        run = [item for item in source if isinstance(item, Frame)]
    with opened(path, None, whole=True) as frames:
        until(lambda: frames.is_read or frames.problem != "")
        times = frames.times
        assert times is not None and times.start_s.tolist() == [frame.time_s for frame in run]
        for row in (0, len(run) // 2, len(run) - 1):
            shown = image_of(frames.jpeg(row)).astype(int)
            assert np.abs(shown - run[row].image).mean() < 4


@pytest.mark.parametrize("whole", [False, True])
def test_nothing_is_shown_without_a_region_unless_all_is_asked_for(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "menu"
    path.mkdir()
    for number in range(COUNT):
        cv2.imwrite(str(path / f"{number:03}.png"), np.full((HEIGHT, WIDTH), 90, np.uint8))
    with opened(path, None, whole=whole) as frames:
        until(lambda: frames.is_read)
        assert bool(frames.jpeg(5)) is whole and frames.jpeg(5) is not None


def test_the_player_gets_the_file_only_where_nothing_lies_outside_of_the_region(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "clip.mp4", COUNT)
    for region, plays in ((WHOLE, True), (INSIDE, False)):
        with opened(path, known_of(path, region)) as frames:
            until(lambda: frames.is_read)
            assert frames.plays is plays


@pytest.mark.parametrize(
    "name, codec, pixels, aspect, plays",
    [
        ("a.mp4", "h264", "yuv420p", 1.0, True),
        ("a.webm", "vp9", "yuv420p", 1.0, True),
        ("a.mp4", "h264", "yuv420p10le", 1.0, False),
        ("a.mp4", "h264", "yuv444p", 1.0, False),
        ("a.mp4", "h264", "yuv420p", 1.2, False),
        ("a.mp4", "mpeg4", "yuv420p", 1.0, False),
        ("a.mkv", "h264", "yuv420p", 1.0, False),
        ("a.mpg", "mpeg2video", "yuv420p", 1.0, False),
    ],
)
def test_which_clips_browsers_play(name: str, codec: str, pixels: str, aspect: float, plays: bool) -> None:
    info = SourceInfo(name=name, kind="file", codec=codec, pixel_aspect=aspect, details=(("pixel format", pixels),))
    assert plays_in_browser(info, Path(name)) is plays


def test_another_clip_than_that_of_the_run_is_told(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "clip.mp4", COUNT)
    known = known_of(path)
    write_numbered(path, COUNT - 3)
    with opened(path, known) as frames:
        assert frames.is_another
        until(lambda: frames.problem != "")
        assert "not the run's clip" in frames.problem and frames.jpeg(0) == b"" and not frames.plays
    with opened(path, replace(known, digest="")) as frames:  # of an older run
        until(lambda: frames.problem != "")
        assert "27 frames, the run had 30" in frames.problem and frames.is_another


def test_a_clip_that_cannot_be_read_is_told_and_close_ends_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no clip")
    with opened(path, None) as frames:
        until(lambda: frames.problem != "")
        assert frames.times is None and frames.jpeg(0) is None
    assert not frames._thread.is_alive()
    frames.close()


def test_a_run_that_left_frames_out_shows_those_that_it_saw(tmp_path: Path) -> None:
    """As a live run does that could not keep up: row 2 is frame 5 of the clip."""
    path = write_numbered(tmp_path / "clip.mp4", COUNT)
    every, seen = known_of(path, WHOLE), np.array([0, 2, 5, 6, 28])
    times = FrameTimes.of(every.times.start_s[seen], np.full(5, 0.1))
    with opened(path, replace(every, index=seen, times=times)) as frames:
        until(lambda: frames.is_read)
        assert [number_of(image_of(frames.jpeg(row))) for row in range(5)] == seen.tolist()
        assert frames.problem == ""


def test_a_clip_of_other_times_is_not_shown(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "clip.mp4", COUNT)
    known = replace(known_of(path), digest="")
    write_numbered(path, COUNT, rate_hz=25)
    with opened(path, known) as frames:
        until(lambda: frames.problem != "")
        assert "not those of the run" in frames.problem and frames.jpeg(3) == b""
