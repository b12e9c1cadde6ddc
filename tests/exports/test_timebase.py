"""A timeline in its proxy's times: each proxy frame has the state of the frame that it shows, gaps their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.media import recipe, write_clip
from support.timelines import timeline

from seqcls.errors import UsageError
from seqcls.exports.formats import export
from seqcls.exports.timebase import on_proxy
from seqcls.frame_states import frame_states
from seqcls.timeline import Timeline
from seqcls.timemap import TimeMap
from seqcls.types import Gap, Interval

#: Ten frames per second for 0.8 s, a gap of 0.5 s, and four frames more.
MADE = timeline(liver="..PPPP..PPPP", node="PPP.....PPP.", gaps=(Gap(0.8, 1.3, "lost"),))
MAP = TimeMap.of_frames(MADE.scores.time_s, MADE.end_s)


def uneven() -> Timeline:
    """Frames at 0, 40, 140, 150 and 300 ms; in view from the second to the third."""
    time_s = np.array([0.0, 0.04, 0.14, 0.15, 0.3])
    made = timeline(liver=".PP..")
    edges = [("absent", 0.0, 0.04, 0, 0), ("present", 0.04, 0.15, 1, 2), ("absent", 0.15, 0.4, 3, 4)]
    intervals = tuple(Interval("liver", state, a, b, i, j, 0.5, 0.5) for state, a, b, i, j in edges)  # type: ignore[arg-type]
    return replace(made, end_s=0.4, intervals=intervals, scores=replace(made.scores, time_s=time_s))


def test_a_gap_is_unknown_while_the_proxy_repeats_a_frame() -> None:
    shown = on_proxy(MADE, MAP)
    assert MAP.rate_hz == 10 and len(MAP.source_index) == 17
    assert [(i.state, i.start_s, i.end_s, i.start_index, i.end_index) for i in shown.of("liver")] == [
        ("absent", 0.0, pytest.approx(0.2), 0, 1), ("present", pytest.approx(0.2), pytest.approx(0.6), 2, 5),
        ("absent", pytest.approx(0.6), pytest.approx(0.8), 6, 7), ("unknown", pytest.approx(0.8), pytest.approx(1.3), 8, 12),
        ("present", pytest.approx(1.3), pytest.approx(1.7), 13, 16),
    ]  # fmt: skip
    assert shown.scores.reason == ("",) * 8 + ("lost",) * 5 + ("",) * 4
    assert np.isnan(shown.scores.raw[8:13]).all() and shown.scores.raw[13].tolist() == MADE.scores.raw[8].tolist()
    assert shown.scores.index.tolist() == list(range(17)) and shown.frame_counts.received == 17
    assert shown.report.gaps == (Gap(pytest.approx(0.8), pytest.approx(1.3), "lost"),)
    assert shown.warnings[-1] == "times and frames are those of proxy.mp4, the proxy of clip.mp4"
    assert (shown.source.rate_hz, shown.source.declared_frames, shown.source.width) == (10.0, 17, 0)


def test_frames_that_come_unevenly_keep_their_states() -> None:
    made = uneven()
    timemap = TimeMap.of_frames(made.scores.time_s, made.end_s)
    shown = on_proxy(made, timemap)
    assert frame_states(shown)[:, 0].tolist() == frame_states(made)[timemap.source_index, 0].tolist()
    for interval, before in zip(shown.intervals, made.intervals, strict=True):
        assert timemap.to_source_s(interval.start_s) == pytest.approx(before.start_s)
        assert timemap.source_frame(interval.start_index) == before.start_index
        assert timemap.source_frame(interval.end_index) == before.end_index


def test_a_run_of_a_part_of_the_clip_ends_earlier() -> None:
    longer = TimeMap.of_frames(np.append(MADE.scores.time_s, MADE.end_s + np.arange(5) / 10), MADE.end_s + 0.5)
    shown = on_proxy(MADE, longer)
    assert len(longer.source_index) == 22 and len(shown.scores.index) == 17 and shown.end_s == pytest.approx(1.7)


def test_a_map_of_another_clip_is_refused() -> None:
    with pytest.raises(UsageError, match=r"frame 8 lies at 0\.800 s in it and at 1\.300 s in the run"):
        on_proxy(MADE, TimeMap.of_frames(np.arange(12) / 10, 1.2))
    with pytest.raises(UsageError, match="none of the run's frames"):
        on_proxy(MADE, TimeMap(np.array([99]), np.array([9.9]), 10.0, 10.0))


def test_the_proxy_gives_its_name_and_size(tmp_path: Path) -> None:
    proxy = write_clip(tmp_path / "twin.mp4", recipe("mp4 h264"))
    [path] = export(MADE, tmp_path / "out", "otio", clip=proxy, timemap=MAP)
    assert '"twin.mp4"' in path.read_text(encoding="utf-8")
    source = on_proxy(MADE, MAP, proxy).source
    assert (source.name, source.path) == ("twin.mp4", "") and source.width > 0 and source.height > 0


def test_a_timeline_without_frames(tmp_path: Path) -> None:
    none = np.zeros((0, 2), np.float32)
    empty = replace(
        MADE.scores,
        index=np.zeros(0, np.int64),
        time_s=np.zeros(0),
        duration_s=np.zeros(0),
        raw=none,
        smooth=none,
        reason=(),
        measured=np.zeros(0, bool),
    )
    intervals = tuple(Interval(o, "unknown", 0.0, 1.7, -1, -1, np.nan, np.nan, "lost") for o in MADE.organs)
    shown = on_proxy(replace(MADE, scores=empty, intervals=intervals), MAP)
    assert len(shown.scores.index) == 0 and [i.end_s for i in shown.intervals] == [pytest.approx(1.7)] * 2
