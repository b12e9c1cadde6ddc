"""timeline.json: the whole answer but the per-frame scores, which lie beside it in scores.csv.

`format` counts up when a reader of the old one would go wrong; in 1 `frame_counts` was called `ledger`. Numbers that do
not exist (mean of no score) are null.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import seqcls
from seqcls.algebra.where import where
from seqcls.errors import DataError, SeqclsError, one_line
from seqcls.exports.scores_csv import Progress, read_scores_csv
from seqcls.files.json_record import record_from
from seqcls.files.json_text import read_json, write_json
from seqcls.timeline import MAX_INTERVALS, Provenance, Timeline
from seqcls.types import (
    MAX_INDEX,
    MAX_TIME_S,
    TIME_TOLERANCE_S,
    FrameCounts,
    Gap,
    Interval,
    SourceInfo,
    SourceReport,
    require_organs,
)

FORMAT = 2


def write_timeline_json(timeline: Timeline, path: str | Path) -> None:
    """Write one timeline. Raises OutputError."""
    body = {
        "format": FORMAT,
        "made_by": f"seqcls {seqcls.__version__}",
        "note": seqcls.DISCLAIMER,
        "source": asdict(timeline.source),
        "organs": list(timeline.scored_organs),
        "start_s": timeline.start_s,
        "end_s": timeline.end_s,
        "coverage": timeline.coverage,
        "where": list(timeline.where),
        "intervals": [asdict(interval) for interval in timeline.intervals],
        "gaps": [asdict(gap) for gap in timeline.gaps],
        "frame_counts": asdict(timeline.frame_counts),
        "report": asdict(timeline.report),
        "warnings": list(timeline.warnings),
        "provenance": timeline.provenance.to_dict(timeline.scored_organs),
    }
    write_json(path, body)


def _instead(path: Path) -> str:
    """What lies where this timeline.json was expected, and what to do."""
    folder = path.parent
    if (folder / "pictures.csv").is_file():
        return "pictures.csv there is of single images, which have no timeline; it is the result itself"
    inside = next((found.parent for found in sorted(folder.glob("*/timeline.json"))), None)
    if inside is not None:
        return f"it holds those of several clips; name one of them, such as {inside}"
    return f"expected {path}; make one with `seqcls run CLIP -o DIR`"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What timeline.json says by itself; the fields are those of ``Timeline``."""

    source: SourceInfo
    scored_organs: tuple[str, ...]
    start_s: float
    end_s: float
    intervals: tuple[Interval, ...]
    coverage: float | None
    """None in a file of a time when it was not written down."""
    frame_counts: FrameCounts
    report: SourceReport
    warnings: tuple[str, ...]
    provenance: Provenance
    where: tuple[str, ...]

    @property
    def organs(self) -> tuple[str, ...]:
        """Those of the model, and behind them others that were made of these."""
        return tuple(dict.fromkeys((*self.scored_organs, *(interval.organ for interval in self.intervals))))


def read_run_facts(folder: str | Path) -> RunFacts:
    """What a finished run's timeline.json holds, without the frames' scores. Raises DataError as ``read_run``, but for
    what only a look at the scores shows."""
    path = _timeline_path(folder)
    return _facts(path, _body(path, folder))


def read_run(folder: str | Path, on_progress: Progress | None = None) -> Timeline:
    """Read a finished run back from its folder (or its timeline.json). Raises DataError, also for what no run can have
    given, such as intervals that overlap.

    ``on_progress`` is called with the number of frames read so far.
    """
    path = _timeline_path(folder)
    body = _body(path, folder)
    facts = _facts(path, body)
    organs, made_of = facts.scored_organs, facts.where
    try:
        timeline = Timeline(
            source=facts.source,
            organs=organs,
            start_s=facts.start_s,
            end_s=facts.end_s,
            intervals=tuple(one for one in facts.intervals if not made_of or one.organ in organs),
            scores=read_scores_csv(path.with_name("scores.csv"), organs, on_progress),
            frame_counts=facts.frame_counts,
            report=facts.report,
            warnings=facts.warnings,
            provenance=facts.provenance,
        )
        _require_all_frames(timeline)
        if record_from(tuple[Gap, ...], body["gaps"], "gaps") != timeline.gaps:
            raise ValueError("gaps: they are not the unknown intervals")
        timeline = where(timeline, *made_of)
        if _edges(timeline.intervals) != _edges(facts.intervals):
            raise ValueError("intervals: those of an organ made of others are not what its expression gives")
    except DataError:
        raise  # from scores.csv, and says so
    except _WRONG as error:
        raise DataError(f"{path} lacks or misstates {one_line(error)}; run the clip again") from error
    return timeline


_WRONG = (SeqclsError, LookupError, TypeError, ValueError, AttributeError)


def _timeline_path(folder: str | Path) -> Path:
    path = Path(folder)
    return path / "timeline.json" if path.is_dir() else path


def _body(path: Path, folder: str | Path) -> dict[str, Any]:
    try:
        body = read_json(path)
    except FileNotFoundError as error:
        raise DataError(f"no run at {folder}: {_instead(path)}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a timeline that seqcls wrote ({one_line(error)})") from error
    if not isinstance(body, dict) or body.get("format") not in range(1, FORMAT + 1):
        found = str(body.get("format"))[:60] if isinstance(body, dict) else None
        raise DataError(f"{path} has timeline format {found}, this seqcls reads up to {FORMAT}; run the clip again")
    return body


def _facts(path: Path, body: dict[str, Any]) -> RunFacts:
    try:
        organs = record_from(tuple[str, ...], body["organs"], "organs")
        require_organs(organs)
        facts = RunFacts(
            source=record_from(SourceInfo, body["source"], "source"),
            scored_organs=organs,
            start_s=record_from(float, body["start_s"], "start_s"),
            end_s=record_from(float, body["end_s"], "end_s"),
            intervals=record_from(tuple[Interval, ...], _nan_scores(body["intervals"]), "intervals"),
            coverage=record_from(float, body["coverage"], "coverage", (0, 1)) if "coverage" in body else None,
            frame_counts=record_from(
                FrameCounts, body["ledger" if body["format"] == 1 else "frame_counts"], "frame_counts"
            ),
            report=record_from(SourceReport, body["report"], "report"),
            warnings=record_from(tuple[str, ...], body["warnings"], "warnings"),
            provenance=Provenance.from_dict(body["provenance"], organs),
            where=record_from(tuple[str, ...], body.get("where", ()), "where"),
        )
        _require_possible(facts)
    except _WRONG as error:
        raise DataError(f"{path} lacks or misstates {one_line(error)}; run the clip again") from error
    return facts


def _nan_scores(intervals: Any) -> Any:
    """Intervals without scored frames have NaN, which JSON lacks."""
    for interval in intervals if isinstance(intervals, list) else ():
        for name in ("mean_score", "peak_score"):
            if isinstance(interval, dict) and interval.get(name, 0) is None:
                interval[name] = math.nan
    return intervals


def _edges(intervals: Sequence[Interval]) -> list[tuple[object, ...]]:
    return [(i.organ, i.state, i.start_s, i.end_s, i.start_index, i.end_index, i.reason) for i in intervals]


def _require_possible(timeline: RunFacts) -> None:
    """Raises ValueError for what no run can have given, naming the field."""
    organs, counts = timeline.organs if timeline.where else timeline.scored_organs, timeline.frame_counts
    require_organs(organs)
    if not organs or len(set(organs)) != len(organs):
        raise ValueError(f"organs: one or more different names, not {list(organs)}")
    if len(timeline.intervals) > MAX_INTERVALS:
        raise ValueError(f"intervals: {len(timeline.intervals):,} are more than {MAX_INTERVALS:,}")
    for name in ("start_s", "end_s"):
        if abs(getattr(timeline, name)) > MAX_TIME_S:
            raise ValueError(f"{name}: {getattr(timeline, name):g} is further than {MAX_TIME_S:g} s from 0")
    until_s = dict.fromkeys(organs, timeline.start_s)
    for number, interval in enumerate(timeline.intervals):
        place = f"intervals[{number}]"
        if interval.organ not in until_s:
            raise ValueError(f"{place}.organ: {interval.organ!r} is none of the organs")
        if abs(interval.start_s - until_s[interval.organ]) > TIME_TOLERANCE_S:
            raise ValueError(f"{place}.start_s: {interval.start_s} is not where the one before ends")
        if interval.end_s < interval.start_s:
            raise ValueError(f"{place}.end_s: {interval.end_s} lies before start_s {interval.start_s}")
        if not -1 <= interval.start_index <= MAX_INDEX >= interval.end_index:
            raise ValueError(f"{place}: no frame has the number {max(interval.start_index, interval.end_index)}")
        if interval.end_index < interval.start_index:
            raise ValueError(f"{place}.end_index: {interval.end_index} lies before {interval.start_index}")
        for name in ("mean_score", "peak_score"):
            if not (math.isnan(score := getattr(interval, name)) or 0 <= score <= 1):
                raise ValueError(f"{place}.{name}: {score} is not in 0..1")
        until_s[interval.organ] = interval.end_s
    for organ, end_s in until_s.items():
        if abs(end_s - timeline.end_s) > TIME_TOLERANCE_S:
            raise ValueError(f"end_s: {timeline.end_s}, and the last interval of {organ} ends at {end_s}")
    for number, gap in enumerate(timeline.report.gaps):
        if gap.end_s < gap.start_s:
            raise ValueError(f"report.gaps[{number}].end_s: {gap.end_s} lies before {gap.start_s}")
        if max(-gap.start_s, gap.end_s) > MAX_TIME_S:
            raise ValueError(f"report.gaps[{number}]: it reaches further than {MAX_TIME_S:g} s from 0")
    if not counts.balanced:
        raise ValueError(f"frame_counts: they do not add up ({counts})")


def _require_all_frames(timeline: Timeline) -> None:
    """Raises ValueError where scores.csv holds other frames than were counted."""
    counts = timeline.frame_counts
    if timeline.report.verdict == "complete" and counts.received - counts.dropped != len(timeline.scores.index):
        raise ValueError(f"frame_counts: {counts.received}, and scores.csv holds {len(timeline.scores.index)} frames")
