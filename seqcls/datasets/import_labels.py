"""Labels of other tools as a label file of one's own: in seconds of the clip, with all that is absent written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.label_checks import clip_messages
from seqcls.datasets.label_formats.found import is_address, leads_out
from seqcls.datasets.labelled_span import LabelledSpan, by_organ, filled
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.files import nfc, write_csv
from seqcls.files.json_text import write_json
from seqcls.sources import open_source
from seqcls.text.wording import cut
from seqcls.timemap import TimeMap
from seqcls.types import Frame, Gap, SourceReport

COLUMNS = ("file", "organ", "start_s", "end_s", "state")
_CODES = {"present": 1, "absent": 0, "ignore": -1}


@dataclass(frozen=True, slots=True, eq=False)
class ClipTimes:
    """When a clip's frames are shown, and when the last one ends."""

    index: NDArray[np.int64]
    """(T,): their numbers in the clip."""
    time_s: NDArray[np.float64]
    """(T,) in seconds of the clip."""
    end_s: float
    report: SourceReport

    def at(self, index: int) -> float:
        """When the first frame with this number or a higher one is shown; the end of the clip behind the last."""
        row = int(np.searchsorted(self.index, index))
        return float(self.time_s[row]) if row < len(self.time_s) else self.end_s


def read_times(clip: Path, on_frame: Callable[[int], None] | None = None) -> ClipTimes:
    """The times of a clip, which is decoded for it; ``on_frame`` is called with the number of frames so far.

    Raises SourceError.
    """
    numbers, times, end_s = list[int](), list[float](), 0.0
    with open_source(clip) as source:
        for item in source:
            if isinstance(item, Gap):
                end_s = item.end_s
            else:
                assert isinstance(item, Frame), "sources give frames and gaps"
                end_s = item.time_s + item.duration_s
                numbers.append(item.index)
                times.append(item.time_s)
                if on_frame is not None:
                    on_frame(len(times))
        report = source.report()
    return ClipTimes(np.array(numbers, np.int64), np.maximum.accumulate(np.array(times)), end_s, report)


def of_proxy(timemap: TimeMap) -> ClipTimes:
    """The times of a proxy's frames on the clock of its clip: each frame's own, where it is first shown."""
    return ClipTimes(
        np.arange(len(timemap.source_index)), timemap.source_time_s, timemap.source_end_s, SourceReport("complete")
    )


def in_seconds(labels: ClipLabels, times: ClipTimes | None = None, timemap: TimeMap | None = None) -> ClipLabels:
    """The same labels by time, what is absent written out; notes for the user among them.

    ``times``: of the clip; without them labels by frame cannot be mapped. ``timemap``: where they were made on a proxy
    of the clip. Raises DataError where they cannot be meant for it.
    """
    notes = list(labels.notes)
    if timemap is not None:
        shown_s, end_s = timemap.proxy_time_s, timemap.proxy_end_s
        notes = clip_messages(labels.file, labels, shown_s, end_s, SourceReport("complete"))
        times = of_proxy(timemap)
    elif times is not None:
        notes = clip_messages(labels.file, labels, times.time_s, times.end_s, times.report)
    spans, empty = list[LabelledSpan](), list[LabelledSpan]()
    for span in labels.spans:
        one = _timed(span, times, timemap)
        (spans if one.end_s > one.start_s else empty).append(one)
    if empty:
        places = f"{empty[0].where}" + f" and {len(empty) - 1} more" * (len(empty) > 1)
        notes.append(f"{labels.file}: no frame of the clip begins within {places}: left out")
    if labels.rest is not None:
        from_s = 0.0 if times is None or not len(times.time_s) else float(times.time_s[0])
        stated_s = labels.end_s if times is None else times.end_s
        last_s = max((span.end_s for span in spans), default=0.0)
        if not stated_s:
            notes.append(
                f"{labels.file}: how long it is is not known, so nothing behind {last_s:.2f} s is labelled as"
                f" {labels.rest}; add --clip to have the rest labelled"
            )
        # What was left out still says that its organ was looked for.
        pins = [replace(span, start_s=from_s, end_s=from_s) for span in empty]
        until_s = stated_s or last_s
        spans = [one for own in by_organ([*pins, *spans]) for one in filled(own, labels.rest, from_s, until_s)]
    return replace(labels, spans=tuple(spans), notes=tuple(notes), rest=None, frames=0)


def in_frames(labels: ClipLabels, times: ClipTimes | None = None) -> ClipLabels:
    """The same labels, which must be by frame, with the number of frames where that is known; notes for the user.

    Raises DataError for labels in seconds, and where they cannot be meant for the clip.
    """
    if any(not span.by_frame for span in labels.spans):
        raise DataError(f"the labels of {labels.file} are in seconds: write a .csv")
    notes, frames = list(labels.notes), labels.frames
    if times is not None:
        notes = clip_messages(labels.file, labels, times.time_s, times.end_s, times.report)
        frames = int(times.index[-1]) + 1 if len(times.index) else 0
    if labels.rest is not None and not frames:
        notes.append(
            f"{labels.file}: how many frames it has is not known, so nothing behind the last mark of an organ is"
            f" labelled as {labels.rest}; add --clip to have the rest labelled"
        )
    return replace(labels, notes=tuple(notes), frames=frames)


def _timed(span: LabelledSpan, times: ClipTimes | None, timemap: TimeMap | None) -> LabelledSpan:
    """The span in seconds of the clip; of no length where no frame begins in it."""
    if not span.by_frame:
        start_s, end_s = span.start_s, span.end_s
        if timemap is not None:
            start_s, end_s = timemap.to_source_s(start_s), timemap.to_source_s(end_s)
    elif times is None:
        raise DataError(
            f"{span.where}: its labels count frames, whose times only the clip tells: add --clip, or write a .json"
        )
    else:
        start_s, end_s = times.at(span.start_index), times.at(span.end_index + 1)
        if timemap is not None:
            start_s, end_s = _of_frames(timemap, span, times)
    return replace(span, start_s=start_s, end_s=end_s, start_index=-1, end_index=-1)


def _of_frames(timemap: TimeMap, span: LabelledSpan, times: ClipTimes) -> tuple[float, float]:
    """A frame of the clip has the state of the first proxy frame that shows it: those behind only repeat it."""
    first = np.flatnonzero(np.diff(timemap.source_index, prepend=-1))
    begin, behind = np.searchsorted(first, [span.start_index, span.end_index + 1])
    start_s, end_s = (times.at(int(first[row])) if row < len(first) else times.end_s for row in (begin, behind))
    return start_s, end_s


def write_labels_csv(path: str | Path, clips: Sequence[ClipLabels]) -> None:
    """A label file in seconds. Raises OutputError."""
    names = file_names(clips)
    patients = any(clip.patient for clip in clips)
    rows: list[Sequence[str]] = [(*COLUMNS, "patient") if patients else COLUMNS]
    for clip in clips:
        for span in sorted(clip.spans, key=lambda span: (span.organ, span.start_s)):
            row = (names[clip.file], span.organ, f"{span.start_s:.6f}", f"{span.end_s:.6f}", span.state)
            rows.append((*row, clip.patient) if patients else row)
    write_csv(path, rows)


def write_labels_json(path: str | Path, clips: Sequence[ClipLabels]) -> None:
    """A label file by frame, of labels by frame; what is absent is written out as far as frames are known to go.

    Raises OutputError.
    """
    names, body = file_names(clips), []
    for clip in clips:
        for own in by_organ(clip.spans):
            whole = own if clip.rest is None else filled(own, clip.rest, 0, clip.frames)
            segments = [{"start": s.start_index, "end": s.end_index, "label": _CODES[s.state]} for s in whole]
            of_clip: dict[str, Any] = {"task": own[0].organ, "file": names[clip.file], "segments": segments}
            of_clip |= {"patient": clip.patient} if clip.patient else {}
            body.append(of_clip | ({"frames": clip.frames} if clip.frames else {}))
    write_json(path, {"clips": body})


def file_names(clips: Sequence[ClipLabels]) -> dict[str, str]:
    """How clips are named in what is written: as the labels do, but for folders that lead to one person's disk, and
    for addresses.

    Of these as many names are kept, from the end of the path, as tell it from the others. Raises DataError where
    nothing of the path does.
    """
    parts = {clip.file: _path_parts(clip.file) for clip in clips}
    counts = _telling_apart(parts)
    names, files = dict[str, str](), dict[str, str]()
    for file, own in parts.items():
        short = "/".join(part for part in own[-counts[file] :] if part not in ("..", "/"))
        names[file] = short if is_address(file) or leads_out(unquote(file)) else file
        if (other := files.setdefault(names[file], file)) != file:
            raise DataError(f"{cut(other)} and {cut(file)} are two clips of one name; rename one of them")
    return names


def _path_parts(file: str) -> tuple[str, ...]:
    path = nfc(file)
    if is_address(path):  # all behind the computer's name, without a query
        path = re.split(r"[?#]", re.sub(r"^[^:]*:(?=[/\\])", "", path), maxsplit=1)[0].replace("\\", "/").lstrip("/")
        path = path.partition("/")[2] or re.split("[:@]", path)[-1]
    if is_address(file) or leads_out(unquote(path)):
        path = unquote(path)
    return PurePosixPath(path.replace("\\", "/")).parts


def _telling_apart(parts: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Of each path, how many of its last parts no other one has."""
    counts, alike, count = dict[str, int](), [list(parts)], 0
    while alike:
        count += 1
        groups = dict[tuple[int, str], list[str]]()
        for place, files in enumerate(alike):
            for file in files:
                own = parts[file]
                counts[file] = min(count, len(own))
                if count <= len(own):
                    groups.setdefault((place, own[-count]), []).append(file)
        alike = [files for files in groups.values() if len(files) > 1]
    return counts
