"""BORIS: a whole project (.boris). A state event has two entries, its begin and its end; the behavior names the organ.

Layout: BORIS 8 and 9, project format 7.0 (`behaviors_conf`, `observations`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqcls.datasets.label_formats.boris_times import MediaClock
from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, entry, marked_times, number, require_few
from seqcls.datasets.labelled_span import LabelledSpan, by_organ, filled
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.text.wording import count_of, cut


def is_project(body: Any) -> bool:
    return isinstance(body, dict) and "behaviors_conf" in body and isinstance(body.get("observations"), dict)


def read(body: Any, path: Path) -> FoundLabels:
    """Raises DataError that names the observation and the event."""
    types = _behavior_types(body, path)
    spans, notes, ends_s, complete = list[LabelledSpan](), list[str](), dict[str, float](), set[str]()
    for name, observation in body["observations"].items():
        where = f"{path}, observation {cut(name)!r}"
        media = _media(name, observation, where)
        clock = MediaClock(media)
        offset = observation.get("time offset", 0)
        offset_s = number(0 if offset is None else offset, "time offset", where)
        own, points, states = list[LabelledSpan](), 0, 0
        for code, start_s, stop_s, place in _states(entry(observation, "events", list, where), types, where):
            if stop_s is None:
                points += 1
                continue
            states += 1
            for file, begin_s, end_s in clock.parts(start_s, stop_s, offset_s, place):
                own.append(marked_times(file, code, begin_s, end_s, place))
                require_few(len(spans) + len(own), where)
        if points:
            notes.append(f"{where}: {count_of(points, 'point event')} left out, which last no time")
        if not own:
            why = "all state events lie outside the clip, see its time offset" if states else "no state event"
            notes.append(f"{where}: {why}, so {cut(media[0][0])} is not labelled")
        ends_s |= {file: length_s for file, length_s in media if length_s > 0}
        by_file = dict[str, list[LabelledSpan]]()
        for span in own:
            by_file.setdefault(span.file, []).append(span)
        for file, begin_s, end_s in _observed(observation, clock, where):
            complete.add(file)
            found = by_file.get(file, [])
            last_s = min(end_s, ends_s.get(file, max((span.end_s for span in found), default=0.0)))
            by_file[file] = [one for same in by_organ(found) for one in filled(same, "absent", begin_s, last_s)]
        spans += itertools.chain.from_iterable(by_file.values())
    return FoundLabels(spans, marks_only=True, ends_s=ends_s, notes=tuple(notes), complete=frozenset(complete))


def _observed(observation: Any, clock: MediaClock, where: str) -> list[tuple[str, float, float]]:
    """The files with the stretch of each that was observed, where the observation is limited to an interval."""
    limits = observation.get("observation time interval")
    if not (isinstance(limits, list) and len(limits) == 2 and any(limits)):
        return []
    begin_s, end_s = (number(limit, "observation time interval", where) for limit in limits)
    return list(clock.parts(begin_s, end_s if end_s else math.inf, 0.0, where))


def _behavior_types(body: Any, path: Path) -> dict[str, bool]:
    """Each code of the ethogram: whether it lasts."""
    types = dict[str, bool]()
    for behavior in entry(body, "behaviors_conf", dict, str(path)).values():
        code, kind = (entry(behavior, name, str, f"{path}, ethogram") for name in ("code", "type"))
        types[code] = kind.startswith("State")
    return types


def _media(name: str, observation: Any, where: str) -> list[tuple[str, float]]:
    """The files of the first player with their lengths, NaN where not known; of a live observation its own name."""
    kind = entry(observation, "type", str, where)
    if kind == "IMAGES":
        raise DataError(f"{where} is of images, whose events have no time; export its labels as a table of yours")
    if observation.get("media_creation_date_as_offset"):
        raise DataError(f"{where} counts from the date of the file; switch that off in BORIS and export again")
    players = observation.get("file")
    files = players.get("1") if isinstance(players, dict) else None
    info = observation.get("media_info")
    lengths = info.get("length") if isinstance(info, dict) else None
    found = []
    for file in files if isinstance(files, list) else []:
        if not isinstance(file, str):
            raise DataError(f"{where}: a media file is no text")
        length = lengths.get(file) if isinstance(lengths, dict) else None
        length_s = math.nan if length is None else number(length, "length", where)
        found.append((nfc(clip_of_url(file)).strip(), length_s))
    return found or [(nfc(name).strip(), math.nan)]


def _states(events: list[Any], types: dict[str, bool], where: str) -> Iterator[tuple[str, float, float | None, str]]:
    """Each state event: its code, begin and end, and where it stands; point events have no end."""
    begun = dict[tuple[str, ...], tuple[float, str]]()
    rows = []
    for at, event in enumerate(events):
        place = f"{where}, event {at + 1}"
        if not (isinstance(event, list) and len(event) >= 3 and all(isinstance(part, str) for part in event[1:4])):
            raise DataError(f"{place} is no event of BORIS: time, subject, code, modifier, comment")
        rows.append((number(event[0], "time", place), event, place))
    for time_s, event, place in sorted(rows, key=lambda row: row[0]):
        code = event[2]
        if code not in types:
            raise DataError(f"{place}: {cut(code)!r} is no behavior of the ethogram")
        if not types[code]:
            yield code, time_s, None, place
        elif (begin := begun.pop(key := tuple(event[1:4]), None)) is None:
            begun[key] = (time_s, place)
        else:
            yield code, begin[0], time_s, begin[1]
    for (_, code, *_), (time_s, place) in begun.items():
        raise DataError(f"{place}: {cut(code)} begins at {time_s:g} s and has no end; fix unpaired events in BORIS")
