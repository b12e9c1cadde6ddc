"""Subtitles: the organs in view, shown by any video player over the clip.

WebVTT: https://www.w3.org/TR/webvtt1/. SRT has no standard; this is what VLC, mpv and ffmpeg read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import seqcls
from seqcls.exports.marks import MillisecondEdges, marks
from seqcls.files import write_text
from seqcls.text.foreign_text import for_srt, for_vtt
from seqcls.text.organ_marks import organ_mark
from seqcls.timeline import Timeline

#: A dot in a name that looks as if it stood between two names: SubRip knows no escapes, so there it is another dot.
_PARTING = re.compile(r"(?<!\S)·|·(?!\S)")


def write_vtt(timeline: Timeline, path: str | Path) -> None:
    """One cue per stretch during which the same organs are in view. Notes, which players do not show, name the clip."""
    cues = [f"{_clock(a, '.')} --> {_clock(b, '.')}\n{_in_vtt(organs)}\n" for a, b, organs in _cues(timeline)]
    report = timeline.report
    of_clip = f"{timeline.source.title}: input {report.verdict}, {timeline.coverage:.1%} scorable"
    never = [organ_mark(mark.interval.organ, "absent") for mark in marks(timeline) if mark.interval.state == "absent"]
    notes = [f"NOTE {for_vtt(text)}\n" for text in (seqcls.DISCLAIMER, of_clip, *never, *timeline.notes)]
    write_text(path, "\n".join(["WEBVTT\n", *notes, *cues]))


def write_srt(timeline: Timeline, path: str | Path) -> None:
    """As ``write_vtt``, in SubRip form."""
    cues = [
        f"{number}\n{_clock(a, ',')} --> {_clock(b, ',')}\n{_in_srt(organs)}\n"
        for number, (a, b, organs) in enumerate(_cues(timeline), start=1)
    ]
    write_text(path, "\n".join(cues))


def _cues(timeline: Timeline) -> list[tuple[int, int, tuple[str, ...]]]:
    """(start, end, organs) in whole milliseconds, in order, none overlapping: players stack overlapping cues badly."""
    edges = MillisecondEdges(timeline)
    spans = [(*edges.of(i), organ_mark(i.organ, i.state)) for i in timeline.intervals if i.state != "absent"]
    marks = sorted({mark for a, b, _ in spans for mark in (a, b)})
    begins, ends = (sorted(range(len(spans)), key=lambda k: spans[k][side], reverse=True) for side in (0, 1))
    shown = set[int]()  # places of the spans that hold now: of a day, not all are gone through for each mark
    cues: list[tuple[int, int, tuple[str, ...]]] = []
    for start, end in itertools.pairwise(marks):
        while begins and spans[begins[-1]][0] <= start:
            shown.add(begins.pop())
        while ends and spans[ends[-1]][1] <= start:
            shown.discard(ends.pop())
        texts = tuple(spans[k][2] for k in sorted(shown))
        if texts and cues and cues[-1][1:] == (start, texts):
            cues[-1] = (cues[-1][0], end, texts)
        elif texts:
            cues.append((start, end, texts))
    return cues


def _in_vtt(organs: Iterable[str]) -> str:
    return " · ".join(_PARTING.sub("&#183;", for_vtt(organ)) for organ in organs)


def _in_srt(organs: Iterable[str]) -> str:
    return " · ".join(_PARTING.sub("\u2027", for_srt(organ)) for organ in organs)


def _clock(milliseconds: int, point: str) -> str:
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours:02d}:{m:02d}:{s:02d}{point}{ms:03d}"
