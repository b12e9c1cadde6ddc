"""Files and cameras through OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.clips import read
from support.media import RECIPES, Recipe, numbers, write_clip

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.types import Frame


@pytest.mark.parametrize("made", RECIPES[::4], ids=[r.name for r in RECIPES[::4]])
def test_opencv_reads_the_same_frames_and_never_calls_them_complete(made: Recipe, tmp_path: Path) -> None:
    frames, _, report = read(write_clip(tmp_path / f"clip{made.suffix}", made), reader="opencv")
    assert numbers([f.image for f in frames]) == list(range(len(made.times_s)))
    assert [f.time_s for f in frames] == pytest.approx(made.times_s, abs=0.5 / float(made.rate))
    assert report.verdict == "unknown" and "OpenCV cannot tell" in report.reasons[0]


class FakeCapture:
    """Gives three images, then none."""

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
