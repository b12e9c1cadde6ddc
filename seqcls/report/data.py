"""What the page needs of a timeline, compact and exact: facts as JSON, the frames' numbers as one compressed block.

The page smooths and finds intervals again, so scores keep every bit of their float32 and times of their float64. They
lie in planes (the lowest byte of all, then the next), times and indices as differences of their 64-bit patterns: a
constant rate nearly vanishes. 360,000 frames of two organs take at most 3.5 MB as base64.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.algebra.where import trees
from seqcls.timeline import Timeline
from seqcls.types import Interval

#: Reasons are counted by 16 bits; no run has so many different ones.
MAX_REASONS = 1 << 16


@dataclass(frozen=True, slots=True)
class PageData:
    """``facts``: for JSON. ``block``: base64 of the zlib-compressed numbers, see ``pack``."""

    facts: dict[str, Any]
    block: str


def page_data(timeline: Timeline, level: int = 6) -> PageData:
    """The timeline for ``page/run.js``; ``level``: of compression, 9 for the smallest, 1 for the quickest."""
    table, used = timeline.scores, timeline.provenance
    reasons = ["", *sorted({reason for reason in table.reason if reason})][:MAX_REASONS]
    number = {reason: at for at, reason in enumerate(reasons)}
    facts = {
        "note": seqcls.DISCLAIMER,
        "source": asdict(timeline.source),
        "title": timeline.source.title,
        "organs": list(timeline.organs),
        "scored_organs": list(table.organs),
        "frames": len(table.index),
        "start_s": timeline.start_s,
        "end_s": timeline.end_s,
        "coverage": timeline.coverage,
        "verdict": timeline.report.verdict,
        "verdict_reasons": list(timeline.report.reasons),
        "gaps": [asdict(gap) for gap in timeline.report.gaps],
        "warnings": list(timeline.warnings),
        "frame_counts": asdict(timeline.frame_counts),
        "smoothing": asdict(used.smoothing),
        "options": [asdict(one) for one in used.intervals],
        "reasons": reasons,
        "outline": outline(timeline),
        "intervals": [interval_facts(timeline.of(organ)) for organ in timeline.organs],
        "made_of": trees(timeline),
        "where": list(timeline.where),
    }
    codes = np.array([number.get(reason, 0) for reason in table.reason], np.uint16)
    # The page smooths anew, and a frame that is unlike training takes no part in that.
    raw = np.where(codes[:, None] > 0, np.float32(np.nan), table.raw)
    columns = [raw[:, column] for column in range(len(table.organs))]
    return PageData(facts, packed_frames(table.time_s, table.index, codes, table.measured, columns, level))


def packed_frames(
    time_s: NDArray[np.float64],
    index: NDArray[np.int64],
    codes: NDArray[np.uint16],
    measured: NDArray[Any],
    columns: Sequence[NDArray[np.float32]] = (),
    level: int = 6,
) -> str:
    """The block of a page: (T,) each; ``codes``: places in the list of reasons, ``columns``: scores of each organ."""
    parts: list[NDArray[Any]] = [
        _differences(np.ascontiguousarray(time_s, np.float64).view(np.uint64)),
        _differences(np.ascontiguousarray(index, np.int64).view(np.uint64)),
        codes,
        np.ascontiguousarray(measured, np.uint8),
        *map(np.ascontiguousarray, columns),
    ]
    return pack(parts, level)


def outline(timeline: Timeline) -> list[tuple[float, float]]:
    """Corners of the run's only ultrasound region, as shares of width and height; none where there are others."""
    regions = timeline.provenance.regions
    if len(regions) != 1 or not regions[0].is_found:
        return []
    (one,) = regions
    corners = one.polygon or ((one.x0, one.y0), (one.x1, one.y0), (one.x1, one.y1), (one.x0, one.y1))
    return [(round(x / one.width, 4), round(y / one.height, 4)) for x, y in corners]


def interval_facts(intervals: Sequence[Interval]) -> list[dict[str, Any]]:
    """Of one strip, which has its name elsewhere."""
    return [{name: value for name, value in asdict(one).items() if name != "organ"} for one in intervals]


def _differences(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The first number, then by how much each exceeds the one before, modulo 2**64."""
    changed: NDArray[np.uint64] = numbers.copy()
    changed[1:] -= numbers[:-1]
    return changed


def pack(parts: Sequence[NDArray[Any]], level: int = 6) -> str:
    """Base64 of one zlib stream of arrays (T,), each as planes of bytes in little-endian order."""
    planes = [part.astype(part.dtype.newbyteorder("<")).view(np.uint8).reshape(len(part), -1).T for part in parts]
    return base64.b64encode(zlib.compress(b"".join(plane.tobytes() for plane in planes), level)).decode("ascii")
