"""Each presence is a clip of exactly its frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.media import draw, read_number
from support.timelines import timeline

from seqcls.errors import OutputError, SourceError, UsageError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.rendering import cut as module
from seqcls.rendering.cut import Cut, write_cuts
from seqcls.sources import MemorySource, open_source
from seqcls.timeline import Timeline
from seqcls.types import Frame

WHOLE = Region(0, 0, 160, 128, 160, 128)


def made(**organs: str) -> tuple[Timeline, list[Frame]]:
    """A timeline, and its clip of numbered frames at a variable rate."""
    plain = timeline(**organs)
    provenance = replace(
        plain.provenance, geometry=Geometry(region="none"), gate=GateOptions(enabled=False), regions=(WHOLE,)
    )
    times_s = plain.scores.time_s + np.arange(len(plain.scores.time_s)) % 3 * 0.02
    whole = replace(plain, provenance=provenance, scores=replace(plain.scores, time_s=times_s))
    frames = [Frame(k, time_s, 0.1, draw(k)) for k, time_s in enumerate(times_s.tolist())]
    return whole, frames


def numbers(path: Path) -> tuple[list[int | None], list[float]]:
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    return [read_number(frame.image) for frame in frames], [frame.time_s for frame in frames]


def cuts_of(folder: Path, whole: Timeline, frames: list[Frame]) -> tuple[Cut, ...]:
    return write_cuts(whole, lambda: MemorySource(frames), folder)


def test_first_and_last_frame_are_the_presence_s(tmp_path: Path) -> None:
    whole, frames = made(liver="...PPPPPP......PPPP", kidney="PPPPPPPP....PPPPPPP")
    cuts = cuts_of(tmp_path, whole, frames)
    found = {(cut.interval.organ, *numbers(cut.path)[0]) for cut in cuts}
    assert found == {
        ("liver", *range(3, 9)),
        ("liver", *range(15, 19)),
        ("kidney", *range(8)),
        ("kidney", *range(12, 19)),
    }
    for cut in cuts:
        first, last = cut.interval.start_index, cut.interval.end_index
        own, times_s = numbers(cut.path)
        assert own == list(range(first, last + 1)) and not cut.is_black
        shown_s = [frames[k].time_s - frames[first].time_s for k in range(first, last + 1)]
        assert times_s == pytest.approx(shown_s, abs=1e-5)
        assert cv2.imread(str(cut.sheet)).shape[1] > 1000
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[:2] == ["kidney-00-00-00.000-sheet.png", "kidney-00-00-00.000.mp4"] and len(names) == 8


def test_without_a_presence_there_is_no_folder(tmp_path: Path) -> None:
    assert cuts_of(tmp_path / "cuts", *made(liver="......")) == () and not (tmp_path / "cuts").exists()


def test_names_that_become_one_stay_two(tmp_path: Path) -> None:
    cuts = cuts_of(tmp_path, *made(**{"a/b": "PPPPPP", "a:b": "PPPPPP"}))
    assert [cut.path.name for cut in cuts] == ["a_b-00-00-00.000.mp4", "a_b-00-00-00.000-2.mp4"]


def test_what_may_not_be_shown_is_black_and_said(tmp_path: Path) -> None:
    whole, frames = made(liver="PPPPPP")
    frames = [replace(frame, damaged="corrupt packet") for frame in frames]
    (cut,) = cuts_of(tmp_path, whole, frames)
    assert cut.is_black and numbers(cut.path)[0] == [None] * 6


def test_a_clip_that_is_another_leaves_nothing_half_written(tmp_path: Path) -> None:
    whole, frames = made(liver="...PPPPPP...")
    with pytest.raises(SourceError, match="lacks frame 6 of the run"):
        cuts_of(tmp_path, whole, frames[:6])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unasked_and_there_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, frames = made(liver="PPPPPP")
    (tmp_path / "liver-00-00-00.000-sheet.png").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        cuts_of(tmp_path, whole, frames)
    monkeypatch.setattr(module, "MAX_CUTS", 0)
    with pytest.raises(UsageError, match="1 presences are more than the 0"):
        cuts_of(tmp_path, whole, frames)
