"""The kind of a file, by its bytes before its name."""

from __future__ import annotations

from pathlib import Path

import cv2
from support.clips import frames_of
from support.media import draw, numbers, recipe, write_clip


def test_a_still_named_mp4_and_a_clip_named_png(tmp_path: Path) -> None:
    """The bytes decide."""
    cv2.imencode(".png", draw(7))[1].tofile(tmp_path / "still.mp4")
    assert numbers([f.image for f in frames_of(tmp_path / "still.mp4")]) == [7]
    write_clip(tmp_path / "clip.mp4", recipe("mp4 h264", frames=3)).rename(tmp_path / "clip.png")
    assert len(frames_of(tmp_path / "clip.png")) == 3
