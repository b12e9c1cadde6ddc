"""An mp4 with exact times."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seqcls.errors import OutputError
from seqcls.rendering.video_file import VideoFile, time_base_of
from seqcls.sources import open_source
from seqcls.types import Frame, SourceInfo


@pytest.mark.parametrize(
    ("stated", "base"),
    [
        ("1/90000", Fraction(1, 90000)),
        ("1001/30000", Fraction(1, 30000)),  # AVI
        ("1/1000", Fraction(1, 1000)),
        ("", Fraction(1, 1_000_000)),
        ("1/10000000", Fraction(1, 1_000_000)),
        ("1/0", Fraction(1, 1_000_000)),
    ],
)
def test_the_unit_of_time_is_the_source_s(stated: str, base: Fraction) -> None:
    info = SourceInfo(name="x", kind="file", details=(("time base", stated),) if stated else ())
    assert time_base_of(info) == base


@pytest.mark.parametrize("start_s", [0.0, 0.5])
def test_times_and_the_last_duration_are_kept(start_s: float, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    times_s = [start_s + time_s for time_s in (0.0, 0.04, 0.05, 0.2)]
    video = VideoFile(path, Fraction(1, 90000))
    for number, time_s in enumerate(times_s):
        video.write(np.full((33, 47), 40 * number, np.uint8), time_s, 0.3)
    video.finish()
    video.close()
    with open_source(path) as source:
        items = [item for item in source if isinstance(item, Frame)]
        assert source.report().verdict == "complete"
    assert [item.time_s for item in items] == pytest.approx([time_s - start_s for time_s in times_s], abs=1e-9)
    assert items[-1].duration_s == pytest.approx(0.3, abs=1e-4)
    assert items[0].image.shape == (34, 48), "odd sizes get one more row and column"
    assert [int(np.median(item.image)) for item in items] == pytest.approx([0, 40, 80, 120], abs=2)


def test_a_time_that_stands_still_is_moved_by_one_tick(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    video = VideoFile(path, Fraction(1, 1000))
    for time_s in (0.0, 0.1, 0.1, 0.05):
        video.write(np.zeros((32, 32), np.uint8), time_s, 0.1)
    video.finish()
    with open_source(path) as source:
        times_s = [item.time_s for item in source if isinstance(item, Frame)]
    assert times_s == pytest.approx([0.0, 0.1, 0.101, 0.102])


def test_neither_the_processors_nor_what_lies_in_memory_change_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By x264's own word, in the message that is left out otherwise; see ``_X264``."""
    monkeypatch.setattr("seqcls.rendering.video_file._WITHOUT_MESSAGES", "null")
    video = VideoFile(tmp_path / "x.mp4", Fraction(1, 1000))
    video.write(np.zeros((480, 640), np.uint8), 0.0, 0.1)
    video.finish()
    settings = re.findall(rb" (threads|mbtree)=(\d+)", (tmp_path / "x.mp4").read_bytes())
    assert sorted(settings) == [(b"mbtree", b"0"), (b"threads", b"1")]


def test_without_an_encoder_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("av.codecs_available", set())
    with pytest.raises(OutputError, match=r"no H\.264 encoder.*to=dicom"):
        VideoFile(tmp_path / "x.mp4", Fraction(1, 1000))
