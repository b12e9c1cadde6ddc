"""A timeline as of the file that another program opens: in the times and frames of the clip's proxy, for tools that
show the proxy, or under the clip's new name."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.timeline import Timeline
from seqcls.timemap import SNAP_S, TimeMap
from seqcls.types import TIME_TOLERANCE_S, Gap, Interval, ScoreTable, SourceInfo, SourceReport

#: What `seqcls proxy` calls it, where nobody names it.
_PROXY_NAME = "proxy.mp4"
_NOT_IN_RUN = "not in the run"


def of_media(timeline: Timeline, media: Path | None, timemap: TimeMap | None = None) -> Timeline:
    """The timeline of the file that another program is to open: the clip, whatever it is called now, or with
    ``timemap`` its proxy. Raises as ``on_proxy`` does."""
    if timemap is not None:
        return on_proxy(timeline, timemap, media)
    return timeline if media is None else replace(timeline, source=replace(timeline.source, name=media.name, path=""))


def on_proxy(timeline: Timeline, timemap: TimeMap, proxy: Path | None = None) -> Timeline:
    """The timeline as if the proxy had been run: intervals, gaps, and a row of scores per proxy frame.

    Where the proxy repeats a frame, so does its row of scores; through gaps rows are NaN. ``proxy``: the file, whose
    name and size of images the timeline then states; default: proxy.mp4, of unknown size. Raises UsageError where the
    map is of another clip, SourceError for a proxy that cannot be opened.
    """
    _require_same_clip(timeline, timemap)
    start_s, end_s = timemap.to_proxy_s(timeline.start_s), timemap.to_proxy_s(timeline.end_s)
    gaps = tuple(_gap(gap, timemap) for gap in timeline.report.gaps)
    intervals = [_interval(interval, timemap) for interval in timeline.intervals]
    scores = _scores(timeline, timemap, [_gap(gap, timemap) for gap in timeline.gaps])
    source = _source(timemap, len(scores.index), proxy)
    report, name = timeline.report, timeline.source.title
    digest = "" if proxy is None else clip_digest(str(proxy))
    return replace(
        timeline,
        provenance=replace(timeline.provenance, source_digest=digest),
        source=source,
        start_s=start_s,
        end_s=end_s,
        # What lies between two frames without a proxy frame of their own takes no time there.
        intervals=tuple(i for i in intervals if i.end_s > i.start_s or i.start_index >= 0),
        scores=scores,
        frame_counts=scores.frame_counts(),
        report=SourceReport(report.verdict, report.reasons, len(scores.index), gaps),
        warnings=(*timeline.warnings, f"times and frames are those of {source.name}, the proxy of {name}"),
        thumbnails=(),
    )


def _require_same_clip(timeline: Timeline, timemap: TimeMap) -> None:
    index, time_s = timeline.scores.index, timeline.scores.time_s
    known, rows = _rows(timemap.source_index, index)
    beside_s = np.abs(time_s[rows[known]] - timemap.source_time_s[known])
    if len(index) and not known.any():
        raise UsageError("the time map is of another clip: it has none of the run's frames; name that of this clip")
    if (beside_s > SNAP_S).any():
        worst = int(np.argmax(beside_s))
        there_s, frame = timemap.source_time_s[known][worst], timemap.source_index[known][worst]
        raise UsageError(
            f"the time map is of another clip: frame {frame} lies at {there_s:.3f} s in it and at"
            f" {time_s[rows[known]][worst]:.3f} s in the run; name that of this clip"
        )


def _rows(wanted: NDArray[np.int64], index: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which of these frames are in ``index``, and in which row; row 0 where not."""
    rows = np.minimum(np.searchsorted(index, wanted), max(0, len(index) - 1))
    known = index[rows] == wanted if len(index) else np.zeros(len(wanted), np.bool_)
    return known, np.where(known, rows, 0)


def _frames(start_s: float, end_s: float, timemap: TimeMap) -> tuple[int, int]:
    """The proxy frames that are shown in [start_s, end_s) of the proxy, as [first, behind)."""
    first, behind = (math.ceil((time_s - TIME_TOLERANCE_S) * timemap.rate_hz) for time_s in (start_s, end_s))
    return first, max(first, min(behind, len(timemap.source_index)))


def _interval(interval: Interval, timemap: TimeMap) -> Interval:
    start_s, end_s = timemap.to_proxy_s(interval.start_s), timemap.to_proxy_s(interval.end_s)
    first, behind = _frames(start_s, end_s, timemap)
    inside = (first, behind - 1) if behind > first else (-1, -1)
    return replace(interval, start_s=start_s, end_s=end_s, start_index=inside[0], end_index=inside[1])


def _gap(gap: Gap, timemap: TimeMap) -> Gap:
    return Gap(timemap.to_proxy_s(gap.start_s), timemap.to_proxy_s(gap.end_s), gap.reason)


def _scores(timeline: Timeline, timemap: TimeMap, gaps: list[Gap]) -> ScoreTable:
    before = timeline.scores
    first, behind = _frames(timemap.to_proxy_s(timeline.start_s), timemap.to_proxy_s(timeline.end_s), timemap)
    index = np.arange(first, behind)
    known, rows = _rows(timemap.source_index[index], before.index)
    if not len(before.index):
        index, known, rows = index[:0], known[:0], rows[:0]
    reason = np.array([*before.reason, _NOT_IN_RUN], object)[np.where(known, rows, -1)]
    raw, smooth = before.raw[rows].copy(), before.smooth[rows].copy()
    for gap in gaps:
        start, stop = (at - first for at in _frames(gap.start_s, gap.end_s, timemap))
        known[max(0, start) : max(0, stop)] = False
        reason[max(0, start) : max(0, stop)] = gap.reason
    raw[~known] = smooth[~known] = np.nan
    novelty = None if before.novelty is None else np.where(known, before.novelty[rows], np.float32(np.nan))
    return ScoreTable(
        organs=before.organs,
        index=index,
        time_s=index / timemap.rate_hz,
        duration_s=np.full(len(index), 1 / timemap.rate_hz),
        raw=raw,
        smooth=smooth,
        reason=tuple(reason.tolist()),
        measured=before.measured[rows] | ~known,
        novelty=novelty,
    )


def _source(timemap: TimeMap, count: int, proxy: Path | None) -> SourceInfo:
    width = height = 0
    if proxy is not None:
        with open_source(proxy) as opened:
            width, height = opened.info.width, opened.info.height
    return SourceInfo(
        name=_PROXY_NAME if proxy is None else proxy.name,
        kind="file",
        container="mp4",
        codec="h264",
        width=width,
        height=height,
        declared_frames=count,
        declared_duration_s=timemap.proxy_end_s,
        rate_hz=timemap.rate_hz,
    )
