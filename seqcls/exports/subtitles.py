"""Subtitles: the organs in view, shown by any video player over the clip.

WebVTT: https://www.w3.org/TR/webvtt1/. SRT has no standard; this is what VLC, mpv and ffmpeg read.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import seqcls
from seqcls.exports.marks import MillisecondEdges, marks
from seqcls.files import write_text
from seqcls.text.foreign_text import for_srt, for_vtt
from seqcls.text.organ_marks import organ_mark
from seqcls.timeline import Timeline


def write_vtt(timeline: Timeline, path: str | Path) -> None:
    """One cue per stretch during which the same organs are in view; notes, which players do not show, say of what."""
    cues = [f"{_clock(a, '.')} --> {_clock(b, '.')}\n{for_vtt(text)}\n" for a, b, text in _cues(timeline)]
    report = timeline.report
    of_clip = f"{timeline.source.title}: input {report.verdict}, {timeline.coverage:.1%} scorable"
    never = [organ_mark(mark.interval.organ, "absent") for mark in marks(timeline) if mark.interval.state == "absent"]
    notes = [f"NOTE {for_vtt(text)}\n" for text in (seqcls.DISCLAIMER, of_clip, *never, *timeline.notes)]
    write_text(path, "\n".join(["WEBVTT\n", *notes, *cues]))


def write_srt(timeline: Timeline, path: str | Path) -> None:
    """As ``write_vtt``, in SubRip form."""
    cues = [
        f"{number}\n{_clock(a, ',')} --> {_clock(b, ',')}\n{for_srt(text)}\n"
        for number, (a, b, text) in enumerate(_cues(timeline), start=1)
    ]
    write_text(path, "\n".join(cues))


def _cues(timeline: Timeline) -> list[tuple[int, int, str]]:
    """(start, end, text) in whole milliseconds, in order, none overlapping: players stack overlapping cues badly."""
    edges = MillisecondEdges(timeline)
    spans = [(*edges.of(i), organ_mark(i.organ, i.state)) for i in timeline.intervals if i.state != "absent"]
    marks = sorted({mark for a, b, _ in spans for mark in (a, b)})
    begins, ends = (sorted(range(len(spans)), key=lambda k: spans[k][side], reverse=True) for side in (0, 1))
    shown = set[int]()  # places of the spans that hold now: of a day, not all are gone through for each mark
    cues: list[tuple[int, int, str]] = []
    for start, end in itertools.pairwise(marks):
        while begins and spans[begins[-1]][0] <= start:
            shown.add(begins.pop())
        while ends and spans[ends[-1]][1] <= start:
            shown.discard(ends.pop())
        text = " · ".join(spans[k][2] for k in sorted(shown))
        if text and cues and cues[-1][1:] == (start, text):
            cues[-1] = (cues[-1][0], end, text)
        elif text:
            cues.append((start, end, text))
    return cues


def _clock(milliseconds: int, point: str) -> str:
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours:02d}:{m:02d}:{s:02d}{point}{ms:03d}"
