"""Timelines drawn from strings, for tests of what comes after them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from seqcls.intervals import IntervalOptions, intervals_from_events
from seqcls.postprocess import PostProcess
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Provenance, Timeline
from seqcls.types import FrameCounts, FrameScore, Gap, Interval, SourceInfo, SourceReport

GLYPHS = {"present": "P", "absent": ".", "unknown": "?"}
LEVELS = {"P": 0.9, ".": 0.1, "m": 0.45}
OFF = SmoothingOptions(kind="none")


def timeline(
    name: str = "clip.mp4", gaps: tuple[Gap, ...] = (), smoothing: SmoothingOptions = OFF, **organs: str
) -> Timeline:
    """One string per organ, one character a frame at 10 Hz; `?` is a frame that cannot be judged."""
    names = tuple(organs)
    options = [IntervalOptions()] * len(names)
    process = PostProcess(names, smoothing, options)
    events = []
    left = list(gaps)
    time_s = 0.0
    rows = list(zip(*organs.values(), strict=True))
    for index, row in enumerate(rows):
        while left and left[0].start_s <= time_s + 1e-9:
            gap = left.pop(0)
            events += process.push(gap)
            time_s = gap.end_s
        scores = None if "?" in row else np.array([LEVELS[c] for c in row], np.float32)
        events += process.push(FrameScore(index, time_s, 0.1, scores, "black" if scores is None else ""))
        time_s = round(time_s + 0.1, 9)
    events += process.close(time_s)
    table = process.table()
    intervals = intervals_from_events(events, table, time_s)
    rejected = sum(bool(reason) for reason in table.reason)
    return Timeline(
        source=SourceInfo(name=name, kind="file", width=640, height=480, declared_frames=len(rows)),
        organs=names,
        start_s=0.0,
        end_s=time_s,
        intervals=intervals,
        scores=table,
        frame_counts=FrameCounts(received=len(rows), classified=len(rows) - rejected, rejected=rejected),
        report=SourceReport("complete", (), len(rows), gaps),
        provenance=Provenance(smoothing=smoothing, intervals=tuple(options)),
    )


def drawn(**strips: str) -> Timeline:
    """A timeline of these states, a character a frame at 10 Hz, each organ's own; scores do not matter here."""
    base = timeline(**dict.fromkeys(strips, "." * len(next(iter(strips.values())))))
    states = {glyph: state for state, glyph in GLYPHS.items()}
    intervals = []
    for organ, strip in strips.items():
        at = 0
        for glyph, group in itertools.groupby(strip):
            count = len(list(group))
            intervals.append(
                Interval(
                    organ,
                    states[glyph],  # type: ignore[arg-type]
                    float(base.scores.time_s[at]),
                    float(base.scores.time_s[at + count]) if at + count < len(strip) else base.end_s,
                    at,
                    at + count - 1,
                    math.nan,
                    math.nan,
                    f"{organ} lost" if glyph == "?" else "",
                )
            )
            at += count
    return replace(base, intervals=tuple(intervals))
