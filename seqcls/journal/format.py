"""What a journal holds, and how one record becomes one line.

A line is the CRC-32 of the JSON as 8 lower-case hex digits, a blank, the JSON in ASCII without line breaks, ``\\n``:

    5f1c0a9e {"n":17,"at":0.51,"kind":"frame","index":12,"time_s":0.48,"duration_s":0.04,"scores":[0.03,0.91]}

``less run.journal`` reads it; ``cut -c10- run.journal | jq 'select(.kind == "event")'`` picks from it. Every record has

    n      its number in the file, from 0; a number that is missing is a record that was lost
    at     seconds on the monotonic clock since its session began (the `open` or `resume` record before it)
    kind   open | frame | gap | event | state | resume | close

and the fields of the record of that kind below, as they are named there; lists stand for tuples. Scores are float32
and times float64, each in as many digits as it needs: both come back bit for bit. Numbers that JSON lacks are the
strings "nan", "inf" and "-inf"; ``scores`` is null, and ``reason`` says why, where a frame could not be scored;
``measured`` is there only where it is false. Passwords in URLs, and the values in their queries, never reach the file.

``format`` counts up when a reader of the old one would go wrong. 1 had the options beside ``provenance`` instead of in
it, ``regions`` and ``latency_ms`` of `close` in a ``provenance``, and ``frame_counts`` was called ``ledger``.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError, SeqclsError
from seqcls.geometry import Region
from seqcls.sources.redact import redact
from seqcls.timeline import Provenance, latency_from_dict, latency_to_dict
from seqcls.types import Event, FrameCounts, FrameScore, Gap, SourceInfo, State, Verdict

FORMAT = 2
#: A longer line is no record: what a reader must hold at once.
MAX_LINE_BYTES = 1 << 20
#: Reason of the stretches that are missing from a journal.
NOT_RECORDED = "not recorded"


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
class Close:
    """`close`: the run ended and says what it came to; ``regions`` and ``latency_ms`` as in ``Provenance``."""

    end_s: float
    frame_counts: FrameCounts
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    latency_ms: tuple[float, float, float] | None = None
    wall: str
    monotonic_s: float


Record = Opening | FrameScore | Gap | Event | FeedChange | Resume | Close


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A record where it stands; ``after_damage`` when something between it and the one before cannot be read."""

    number: int
    at_s: float
    record: Record
    after_damage: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Scored frames that follow each other without anything between them, the first with ``number``, as columns.

    ``at_s``, ``time_s`` and ``duration_s`` are (N,) float64, ``index`` (N,) int64, ``scores`` (N, K) float32.
    """

    number: int
    at_s: NDArray[np.float64]
    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    scores: NDArray[np.float32]

    def items(self) -> Iterator[FrameScore]:
        """One by one."""
        columns = (self.index.tolist(), self.time_s.tolist(), self.duration_s.tolist(), self.scores)
        return map(FrameScore, *columns)

    def entries(self) -> Iterator[Entry]:
        """One by one, with their places."""
        return map(Entry, count(self.number), self.at_s.tolist(), self.items())


def encode(number: int, at_s: float, record: Record) -> bytes:
    """The record's line, with its end."""
    if isinstance(record, FrameScore):
        kind, body = "frame", _frame_body(record)
    else:
        kind, body = _KINDS[type(record)], asdict(record)
    if isinstance(record, Opening):
        body["provenance"] = record.provenance.to_dict(record.organs)
    elif isinstance(record, Close) and record.latency_ms is not None:
        body["latency_ms"] = latency_to_dict(record.latency_ms)
    plain = {"n": number, "at": round(at_s, 6), "kind": kind, **_plain(body)}
    data = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(data), data)


#: A scored frame as ``encode`` writes it: nearly every line of a journal, read without the detour over JSON. Numbers
#: that might be too large for a float do not match.
_REAL = rb"(-?(?:0|[1-9]\d{0,99})(?:\.\d+)?(?:[eE][-+]?\d\d?)?)"
_SCORED = re.compile(
    rb'([0-9a-f]{8}) \{"n":(0|[1-9]\d{0,17}),"at":%s,"kind":"frame","index":(0|[1-9]\d{0,17}),"time_s":%s,'
    rb'"duration_s":%s,"scores":\[(\d(?:\.\d+)?(?:e-\d+)?(?:,\d(?:\.\d+)?(?:e-\d+)?)*)\]\}' % (_REAL, _REAL, _REAL)
)


def decode(line: bytes, organs: int | None) -> Entry:
    """The record of a line without its end; ``organs`` is how many scores a frame has, where that is known.

    Raises ValueError for anything that ``encode`` did not write, DataError for a run of a newer format.
    """
    if (row := scored_row(line, organs)) is not None:
        return next(frames([row]).entries())
    data = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(data):
        raise ValueError("checksum")
    try:
        body = json.loads(data)
        number, at_s = _whole(body["n"]), _number(body["at"])
        if body["kind"] == "frame":
            return Entry(number, at_s, _frame(body, organs))
        return Entry(number, at_s, _DECODERS[body["kind"]](body))
    except DataError:
        raise
    except (LookupError, AttributeError, TypeError, ArithmeticError, RecursionError, SeqclsError) as error:
        raise ValueError(str(error)) from None


#: The number, and at_s, index, time_s, duration_s and scores as they are written.
ScoredRow = tuple[int, bytes, bytes, bytes, bytes, bytes]


def scored_row(line: bytes, organs: int | None) -> ScoredRow | None:
    """What ``frames`` makes frames of; None for another kind of line, and where something is wrong with it."""
    match = _SCORED.fullmatch(line)
    if match is None:
        return None
    checksum, number, at_s, index, time_s, duration_s, scores = match.groups()
    if int(checksum, 16) != zlib.crc32(line[9:]) or (organs is not None and scores.count(b",") != organs - 1):
        return None
    return int(number), at_s, index, time_s, duration_s, scores


def frames(rows: Sequence[ScoredRow]) -> Frames:
    """Rows, at least one, whose numbers follow each other."""
    numbers, at_s, index, time_s, duration_s, scores = zip(*rows, strict=True)
    return Frames(
        number=numbers[0],
        at_s=_floats(at_s),
        index=np.array(list(map(int, index)), np.int64),
        time_s=_floats(time_s),
        duration_s=_floats(duration_s),
        scores=_floats(b",".join(scores).split(b",")).astype(np.float32).reshape(len(rows), -1),
    )


def _floats(texts: Sequence[bytes]) -> NDArray[np.float64]:
    return np.array(list(map(float, texts)), np.float64)


def _frame_body(frame: FrameScore) -> dict[str, Any]:
    body: dict[str, Any] = {"index": frame.index, "time_s": frame.time_s, "duration_s": frame.duration_s}
    body["scores"] = None if frame.scores is None else [_shortest(score) for score in frame.scores]
    if frame.reason:
        body["reason"] = frame.reason
    if not frame.measured:
        body["measured"] = False
    return body


def _shortest(score: np.float32) -> float:
    """0.9 rather than 0.8999999761581421, where both are the same float32, also after the detour over float64."""
    score = np.float32(score)
    number = float(str(score))
    return number if np.float32(number) == score else float(score)


def _frame(body: dict[str, Any], organs: int | None) -> FrameScore:
    scores = None
    if body["scores"] is not None:
        with np.errstate(over="ignore"):
            scores = np.array([_number(score, finite=False) for score in body["scores"]], np.float32)
        if organs is not None and len(scores) != organs:
            raise ValueError(f"{len(scores)} scores for {organs} organs")
    measured = body.get("measured", True)
    if not isinstance(measured, bool):
        raise TypeError("measured")
    times_s = (_number(body["time_s"]), _number(body["duration_s"]))
    return FrameScore(_whole(body["index"]), *times_s, scores, _text(body.get("reason", "")), measured)


def _opening(body: dict[str, Any]) -> Opening:
    if _whole(body["format"]) > FORMAT:
        raise DataError(
            f"written by seqcls {body.get('seqcls')} in journal format {body['format']}, this seqcls reads {FORMAT}:"
            " update seqcls"
        )
    organs = _texts(body["organs"])
    if not organs:
        raise ValueError("no organs")
    provenance = dict(body["provenance"])
    if body["format"] == 1:
        named = zip(organs, body["intervals"], strict=True)
        provenance |= {"smoothing": body["smoothing"], "intervals": dict(named)}
    # A later version's source may say more of itself.
    known = {f.name for f in fields(SourceInfo)} & set(body["source"])
    _text(body["source"]["name"])
    return Opening(
        session=_text(body["session"]),
        organs=organs,
        source=SourceInfo(**{name: _tuple(body["source"][name]) for name in known}),
        provenance=Provenance.from_dict(provenance, organs),
        wall=_wall(body["wall"]),
        monotonic_s=_number(body["monotonic_s"]),
        seqcls=_text(body["seqcls"]),
        format=body["format"],
    )


def _record(kind: type[Any], body: dict[str, Any]) -> Any:
    """A record whose fields stand in the line as they are named."""
    return kind(**{f.name: _CHECKS["wall" if f.name == "wall" else f.type](body[f.name]) for f in fields(kind)})


def _close(body: dict[str, Any]) -> Close:
    if "ledger" in body:  # format 1
        body = {"regions": [], "latency_ms": None, **body, **body["provenance"], "frame_counts": body["ledger"]}
    close: Close = _record(Close, body)
    return close


_KINDS: dict[type, str] = {
    Opening: "open", Gap: "gap", Event: "event", FeedChange: "state", Resume: "resume", Close: "close"
}  # fmt: skip
_DECODERS: dict[str, Callable[[dict[str, Any]], Record]] = {
    **{name: partial(_record, kind) for kind, name in _KINDS.items()}, "open": _opening, "close": _close
}  # fmt: skip


def _wall(value: Any) -> str:
    if datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError("a time of day without its offset from UTC")
    return str(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise TypeError(f"{value!r} is no count")
    return value


def _number(value: Any, *, finite: bool = True) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not known and (finite or value not in ("nan", "inf", "-inf")):
        raise TypeError(f"{value!r} is no number")
    number = float(value)
    if finite and not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(_text(inner) for inner in value)


def _one_of(names: tuple[Any, ...], value: Any) -> Any:
    if value not in names:
        raise ValueError(f"{value!r} is none of {names}")
    return value


def _counts(body: dict[str, Any]) -> FrameCounts:
    return FrameCounts(**{name: _whole(count) for name, count in body.items()})


#: What reads a field, by the type that the record states.
_CHECKS: dict[Any, Callable[[Any], Any]] = {
    "str": _text,
    "float": _number,
    "int": _whole,
    "tuple[str, ...]": _texts,
    "State": partial(_one_of, get_args(State)),
    "Verdict": partial(_one_of, get_args(Verdict)),
    "FrameCounts": _counts,
    "tuple[Region, ...]": lambda regions: tuple(map(Region.from_dict, regions)),
    "tuple[float, float, float] | None": latency_from_dict,
    "wall": _wall,
}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(inner) for inner in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """What JSON can hold; a run must not fail because something odd stands in its provenance."""
    if isinstance(value, str):
        return redact(value)  # sources have no credentials in their names, but a library's error may quote an address
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _plain(value.tolist()) if isinstance(value, (np.generic, np.ndarray)) else redact(str(value))
