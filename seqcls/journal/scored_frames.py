"""Scored frames, nearly every line of a journal, read many at once and without the detour over JSON."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Scored frames that follow each other without anything between them, the first with ``number``, as columns.

    ``at_s``, ``time_s`` and ``duration_s`` are (N,) float64, ``index`` (N,) int64, ``scores`` (N, K) float32,
    ``novelty`` (N,) float32, NaN where none was told.
    """

    number: int
    at_s: NDArray[np.float64]
    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    scores: NDArray[np.float32]
    novelty: NDArray[np.float32]


#: A scored frame as ``encode`` writes it. Numbers that might lie beyond the bounds of ``types`` do not match.
_REAL = rb"(-?(?:0|[1-9]\d{0,8})(?:\.\d{1,99})?(?:[eE]-\d\d?)?)"
_SCORE = rb"\d(?:\.\d+)?(?:e-\d+)?"
#: From 0 to 1.
_NOVELTY = rb"0\.\d+|1\.0|\d(?:\.\d+)?e-\d+"
_SCORED = re.compile(
    rb'([0-9a-f]{8}) \{"n":(0|[1-9]\d{0,17}),"at":%s,"kind":"frame","index":(0|[1-9]\d{0,11}),"time_s":%s,'
    rb'"duration_s":%s,"scores":\[(%s(?:,%s)*)\](?:,"novelty":(%s))?\}'
    % (_REAL, _REAL, _REAL, _SCORE, _SCORE, _NOVELTY)
)

#: The number, and at_s, index, time_s, duration_s, scores and novelty as they are written.
ScoredRow = tuple[int, bytes, bytes, bytes, bytes, bytes, bytes]


def scored_row(line: bytes, organs: int) -> ScoredRow | None:
    """What ``frames`` makes frames of; None for another kind of line, and where something is wrong with it."""
    match = _SCORED.fullmatch(line)
    if match is None:
        return None
    checksum, number, at_s, index, time_s, duration_s, scores, novelty = match.groups(b"nan")
    if int(checksum, 16) != zlib.crc32(line[9:]) or scores.count(b",") != organs - 1:
        return None
    return int(number), at_s, index, time_s, duration_s, scores, novelty


def frames(rows: Sequence[ScoredRow]) -> Frames:
    """Rows, at least one, whose numbers follow each other."""
    numbers, at_s, index, time_s, duration_s, scores, novelty = zip(*rows, strict=True)
    return Frames(
        number=numbers[0],
        at_s=_floats(at_s),
        index=np.array(list(map(int, index)), np.int64),
        time_s=_floats(time_s),
        duration_s=_floats(duration_s),
        scores=_floats(b",".join(scores).split(b",")).astype(np.float32).reshape(len(rows), -1),
        novelty=_floats(novelty).astype(np.float32),
    )


def _floats(texts: Sequence[bytes]) -> NDArray[np.float64]:
    return np.array(list(map(float, texts)), np.float64)
