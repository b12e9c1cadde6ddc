"""What a journal holds, and how one record becomes one line.

A line is the CRC-32 of the JSON as 8 lower-case hex digits, a blank, the JSON in ASCII without line breaks, ``\\n``:

    5f1c0a9e {"n":17,"at":0.51,"kind":"frame","index":12,"time_s":0.48,"duration_s":0.04,"scores":[0.03,0.91]}

``less run.journal`` reads it; ``cut -c10- run.journal | jq 'select(.kind == "event")'`` picks from it. Every record has

    n      its number in the file, from 0; a number that is missing is a record that was lost
    at     seconds on the monotonic clock since its session began (the `open` or `resume` record before it)
    kind   open | frame | gap | event | state | action | video | resume | close

and the fields of the record of that kind below, as they are named there; lists stand for tuples. Scores are float32
and times XX in URLs, and the values in their queries, never reach the file.

``format`` counts up when a reader of the old one would go wrong. 3 had no `video`, 2 no `action`; 1 had the options
beside ``provenance`` instead of in it, ``regions`` and ``latency_ms`` of `close` in a ``provenance``, and
``frame_counts`` was called ``ledger``.
"""

from __future__ import annotations

import math
import sys
import zlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from seqcls.errors import DataError, UsageError
from seqcls.files.json_record import MAX_NUMBER, between, known_fields, record_from
from seqcls.files.json_text import json_line, parse_json
from seqcls.geometry import Region
from seqcls.sources.redact import redact
from seqcls.timeline import Provenance, latency_from_dict, latency_to_dict
from seqcls.types import (
    MAX_INDEX,
    MAX_TIME_S,
    Event,
    FrameCounts,
    FrameScore,
    Gap,
    SourceInfo,
    Verdict,
    require_organs,
)

FORMAT = 4
#: A longer line is no record: what a reader must hold at once.
MAX_LINE_BYTES = 1 << 20
#: Reason of the stretches that are missing from a journal.
NOT_RECORDED = "not recorded"
#: Reason of the frames that came while a person had paused the run.
PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opening:
    """`open`, the first record: what the run is. ``wall`` is the time of day in ISO 8601 with its offset from UTC."""

    session: str
    organs: tuple[str, ...]
    source: SourceInfo
    provenance: Provenance
    wall: str
    monotonic_s: float
    seqcls: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class FeedChange:
    """`state`: the feed is connecting, running, stalled, retrying or stopped from now on."""

    state: str
    reason: str
    wall: str
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class Action:
    """`action`: what a person did at ``time_s`` of the run: mark, snapshot (into ``file``), pause or continue."""

    action: str
    time_s: float
    file: str
    wall: str
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class Video:
    """`video`: the first image of a video file, that at ``start_s`` of the run, can be read from it.

    ``file`` is its path in the run's folder, or its name where it lies elsewhere; ``organ`` the one whose presence it
    shows, empty for the recording of the feed.
    """

    file: str
    start_s: float
    organ: str
    wall: str
    monotonic_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """`resume`: a new session goes on with the run; its stream time begins at ``time_s``.

    From the end of what was recorded before until there, nothing is known. ``after`` is the session that it follows.
    """

    session: str
    after: str
    time_s: float
    wall: str
    monotonic_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunSummary:
    """What a run came to, in all its sessions; ``regions`` and ``latency_ms`` as in ``Provenance``."""

    end_s: float
    frame_counts: FrameCounts
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    latency_ms: tuple[float, float, float] | None = field(default=None, metadata=between(0, 1e3 * MAX_TIME_S))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Close(RunSummary):
    """`close`: the run ended."""

    wall: str
    monotonic_s: float


Record = Opening | FrameScore | Gap | Event | FeedChange | Action | Video | Resume | Close


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A record where it stands; ``after_damage`` when something since the frame or gap before it cannot be read."""

    number: int
    at_s: float
    record: Record
    after_damage: bool = False


_KINDS: dict[str, type[Record]] = {
    "open": Opening, "frame": FrameScore, "gap": Gap, "event": Event, "state": FeedChange, "action": Action,
    "video": Video, "resume": Resume, "close": Close,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}
#: A score may be anything that a model of somebody's own gave.
_FLOATS = (-sys.float_info.max, sys.float_info.max)


def encode(number: int, at_s: float, record: Record) -> bytes:
    """The record's line, with its end."""
    body = asdict(record)
    if isinstance(record, FrameScore):
        body["scores"] = None if record.scores is None else [_shortest(score) for score in record.scores]
        for name in ("reason", "measured"):
            if body[name] in ("", True):
                del body[name]
        body["novelty"] = _shortest(np.float32(record.novelty))
        if math.isnan(record.novelty):
            del body["novelty"]
    elif isinstance(record, Opening):
        body["provenance"] = record.provenance.to_dict(record.organs)
    elif isinstance(record, Close) and record.latency_ms is not None:
        body["latency_ms"] = latency_to_dict(record.latency_ms)
    line = {"n": number, "at": round(at_s, 6), "kind": _NAMES[type(record)], **body}
    data = json_line(_redacted(line)).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def decode(line: bytes, organs: int | None) -> Entry:
    """The record of a line without its end; ``organs`` is how many scores a frame has, where that is known.

    Raises ValueError for anything that ``encode`` did not write, DataError for a run of a newer format or of too many
    organs.
    """
    data = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(data):
        raise ValueError("checksum")
    try:
        body = parse_json(data)
        kind = _KINDS[body["kind"]]
        if kind is FrameScore:
            record: Record = _frame(body, organs)
        else:
            body = _opening(body) if kind is Opening else _close(body) if kind is Close else body
            record = record_from(kind, known_fields(kind, body))
        _require_possible(record)
        if "wall" in body and datetime.fromisoformat(body["wall"]).tzinfo is None:
            raise ValueError("wall is a time of day without its offset from UTC")
        number, at_s = record_from(int, body["n"], "n", (0, MAX_NUMBER)), record_from(float, body["at"], "at")
        return Entry(number, at_s, record)
    except (LookupError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _require_possible(record: Record) -> None:
    """Raises ValueError for times and numbers of frames that no run can have."""
    for name in ("time_s", "start_s", "end_s", "duration_s", "final_s"):
        if abs(getattr(record, name, 0.0)) > MAX_TIME_S:
            raise ValueError(f"{name} is further than {MAX_TIME_S:g} s from 0")
    if not 0 <= getattr(record, "index", 0) <= MAX_INDEX:
        raise ValueError("no frame has such a number")


def _shortest(score: np.float32) -> float:
    """0.9 rather than 0.8999999761581421, where both are the same float32, also after the detour over float64."""
    score = np.float32(score)
    number = float(str(score))
    return number if np.float32(number) == score else float(score)


def _frame(body: dict[str, Any], organs: int | None) -> FrameScore:
    scores = None
    if body["scores"] is not None:
        known = [math.nan if score in (None, "nan", "inf", "-inf") else score for score in body["scores"]]
        with np.errstate(over="ignore"):
            scores = np.array(record_from(tuple[float, ...], known, "scores", _FLOATS), np.float32)
        if organs is not None and len(scores) != organs:
            raise ValueError(f"{len(scores)} scores for {organs} organs")
    novelty = body.get("novelty")
    return FrameScore(
        record_from(int, body["index"], "index"),
        record_from(float, body["time_s"], "time_s"),
        record_from(float, body["duration_s"], "duration_s"),
        scores,
        record_from(str, body.get("reason", ""), "reason"),
        record_from(bool, body.get("measured", True), "measured"),
        math.nan if novelty is None else float(np.float32(record_from(float, novelty, "novelty", (0, 1)))),
    )


def _opening(body: dict[str, Any]) -> dict[str, Any]:
    if record_from(int, body["format"], "format", (1, MAX_NUMBER)) > FORMAT:
        raise DataError(
            f"written by seqcls {str(body.get('seqcls'))[:20]} in journal format {body['format']}, this seqcls reads"
            f" {FORMAT}: update seqcls"
        )
    organs, provenance = body["organs"], body["provenance"]
    if not organs:
        raise ValueError("no organs")
    try:
        require_organs(record_from(tuple[str, ...], organs, "organs"))
    except UsageError as error:
        raise DataError(str(error)) from None
    if body["format"] == 1:
        named = dict(zip(organs, body["intervals"], strict=True))
        provenance = {**provenance, "smoothing": body["smoothing"], "intervals": named}
    return {
        **body,
        "source": known_fields(SourceInfo, body["source"]),
        "provenance": Provenance.from_dict(provenance, organs),
    }


def _close(body: dict[str, Any]) -> dict[str, Any]:
    if "ledger" in body:  # format 1
        body = {**body, **body["provenance"], "frame_counts": body["ledger"]}
    return {**body, "latency_ms": latency_from_dict(body.get("latency_ms"))}


def _redacted(value: Any) -> Any:
    """Sources have no credentials in their names, but a library's error may quote an address."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(inner) for key, inner in value.items()}
    return [_redacted(inner) for inner in value] if isinstance(value, (list, tuple)) else value
