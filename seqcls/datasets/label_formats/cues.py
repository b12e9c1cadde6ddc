"""WebVTT and SRT: what a cue names is in view while it is shown; several organs stand with ` · ` between them.

The notes that `seqcls export` writes name the clip, and the organs that are never in view.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from seqcls.datasets.label_files import MAX_LINE
from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, marked_times, own_name, require_few
from seqcls.errors import DataError
from seqcls.text.organ_marks import ABSENT, parsed_mark
from seqcls.text.wording import cut
from seqcls.types import MAX_ORGANS, TIME_TOLERANCE_S

BETWEEN = " · "
_TIMES = re.compile(r"\s*(?P<start>[\d:.,]{5,20})\s+-->\s+(?P<end>[\d:.,]{5,20})(?:\s.*)?")
_CLOCK = re.compile(r"(?:(\d{1,7}):)?(\d{1,2}):(\d{1,2})[.,](\d{3})")
_OF_CLIP = re.compile(r"NOTE (.{1,1000}): input [a-z]+, \d+\.\d% scorable")
_TAG = re.compile(r"<[^<>]{0,200}>")


def is_cues(text: str) -> bool:
    return text.startswith("WEBVTT") or bool(re.match(r"\s*\d+[ \t]*\r?\n[\d:,. ]{5,40}-->", text))


def read(text: str, path: Path) -> FoundLabels:
    """Raises DataError that names the line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    file, never, cues = "", list[str](), list[tuple[str, float, float, str]]()
    written = text.startswith("WEBVTT")  # SubRip knows no escapes
    row = 0
    while row < len(lines):
        line = lines[row]
        if found := _OF_CLIP.fullmatch(line):
            file = file or clip_of_url(_plain(found[1], f"{path}, line {row + 1}"))
        elif line.startswith("NOTE ") and line.endswith(ABSENT):
            never.append(_plain(line.removeprefix("NOTE "), f"{path}, line {row + 1}"))
            require_few(len(never), str(path))
        elif "-->" in line:
            where = f"{path}, line {row + 1}"
            times = _TIMES.fullmatch(line)
            if times is None:
                raise DataError(f"{where}: {cut(line.strip())!r} is no line of times, as 00:00:01.500 --> 00:00:02.000")
            start_s, end_s = (_seconds(times[name], where) for name in ("start", "end"))
            while row + 1 < len(lines) and lines[row + 1].strip() and "-->" not in lines[row + 1]:
                row += 1
                where = f"{path}, line {row + 1}"
                cues += [(part, start_s, end_s, where) for part in _organs(lines[row], where, written)]
                require_few(len(cues), where)
        row += 1
    named = file or own_name(path)
    spans = [marked_times(named, part, start_s, end_s, where) for part, start_s, end_s, where in _joined(cues)]
    end_s = max((end_s for _, _, end_s, _ in cues), default=1.0)
    spans += [marked_times(named, text, 0.0, end_s, f"{path}, note {cut(text)!r}") for text in never]
    return FoundLabels(spans, marks_only=True, names_clip=bool(file))


def _organs(line: str, where: str, written: bool) -> list[str]:
    """What a line of a cue names. Raises DataError."""
    if len(line) > MAX_LINE:
        raise DataError(f"{where}: it has {len(line):,} characters, more than {MAX_LINE:,}; is it a subtitle?")
    parts = _TAG.sub("", line).split(BETWEEN)
    if len(parts) > MAX_ORGANS:
        raise DataError(f"{where}: it names {len(parts):,} organs, more than {MAX_ORGANS} that a label file holds")
    return [_plain(part, where) for part in parts] if written else parts


def _plain(text: str, where: str) -> str:
    """Without escapes. Raises DataError."""
    if len(text) > MAX_LINE:
        raise DataError(f"{where}: it has {len(text):,} characters, more than {MAX_LINE:,}; shorten it")
    try:
        return html.unescape(text)
    except ValueError:  # a number of thousands of digits
        raise DataError(f"{where}: {cut(text)!r} holds an escape of no letter") from None


def _seconds(text: str, where: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise DataError(f"{where}: {text!r} is no time, as 00:01:23.500")
    hours, minutes, seconds, ms = (int(part or 0) for part in clock.groups())
    return hours * 3600 + minutes * 60 + seconds + ms / 1000


def _joined(cues: list[tuple[str, float, float, str]]) -> list[tuple[str, float, float, str]]:
    """A stretch of one organ is several cues where others come and go: these are one again."""
    open_: dict[tuple[str, str], tuple[str, float, float, str]] = {}
    done = []
    for text, start_s, end_s, where in cues:
        before = open_.get(key := parsed_mark(text))
        if before is not None and abs(before[2] - start_s) <= TIME_TOLERANCE_S:
            open_[key] = (text, before[1], end_s, before[3])
            continue
        if before is not None:
            done.append(before)
        open_[key] = (text, start_s, end_s, where)
    return [*done, *open_.values()]
