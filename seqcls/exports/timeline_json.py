"""timeline.json: the whole answer but the per-frame scores, which lie beside it in scores.csv.

`format` counts up when a reader of the old one would go wrong; in 1 `frame_counts` was called `ledger`. Numbers that do
not exist (mean of no score) are null.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import seqcls
from seqcls.errors import DataError, SeqclsError
from seqcls.exports.scores_csv import Progress, read_scores_csv
from seqcls.json_text import write_json
from seqcls.timeline import Provenance, Timeline
from seqcls.types import FrameCounts, Gap, Interval, SourceInfo, SourceReport

FORMAT = 2


def write_timeline_json(timeline: Timeline, path: str | Path) -> None:
    """Write one timeline. Raises OutputError."""
    body = {
        "format": FORMAT,
        "made_by": f"seqcls {seqcls.__version__}",
        "note": seqcls.DISCLAIMER,
        "source": asdict(timeline.source),
        "organs": list(timeline.organs),
        "start_s": timeline.start_s,
        "end_s": timeline.end_s,
        "coverage": timeline.coverage,
        "intervals": [asdict(interval) for interval in timeline.intervals],
        "gaps": [asdict(gap) for gap in timeline.gaps],
        "frame_counts": asdict(timeline.frame_counts),
        "report": asdict(timeline.report),
        "warnings": list(timeline.warnings),
        "provenance": timeline.provenance.to_dict(timeline.organs),
    }
    write_json(path, body)


def read_run(folder: str | Path, on_progress: Progress | None = None) -> Timeline:
    """Read a finished run back from its folder (or its timeline.json). Raises DataError.

    ``on_progress`` is called with the number of frames read so far.
    """
    path = Path(folder)
    path = path / "timeline.json" if path.is_dir() else path
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"no run at {folder}: expected {path}; make one with `seqcls run CLIP -o DIR`") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a timeline that seqcls wrote ({error})") from error
    if not isinstance(body, dict) or body.get("format") not in range(1, FORMAT + 1):
        found = body.get("format") if isinstance(body, dict) else None
        raise DataError(f"{path} has timeline format {found}, this seqcls reads up to {FORMAT}; run the clip again")
    try:
        organs = tuple(body["organs"])
        scores = read_scores_csv(path.with_name("scores.csv"), organs, on_progress)
        return Timeline(
            source=SourceInfo(**_tuples(body["source"])),
            organs=organs,
            start_s=float(body["start_s"]),
            end_s=float(body["end_s"]),
            intervals=tuple(Interval(**_nan_scores(i)) for i in body["intervals"]),
            gaps=tuple(Gap(**gap) for gap in body["gaps"]),
            scores=scores,
            frame_counts=FrameCounts(**body["ledger" if body["format"] == 1 else "frame_counts"]),
            report=_report(body["report"]),
            warnings=tuple(body["warnings"]),
            provenance=Provenance.from_dict(body["provenance"], organs),
        )
    except DataError:
        raise  # from scores.csv, and says so
    except (LookupError, TypeError, ValueError, AttributeError, SeqclsError) as error:
        raise DataError(f"{path} lacks or misstates {error}; run the clip again") from error


def _report(body: dict[str, Any]) -> SourceReport:
    gaps = tuple(Gap(**gap) for gap in body["gaps"])
    return SourceReport(body["verdict"], tuple(body["reasons"]), body["delivered"], gaps)


def _nan_scores(body: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in body.items()}


def _tuples(body: dict[str, Any]) -> dict[str, Any]:
    """JSON knows only lists; records hold tuples."""
    return {key: _tuple(value) for key, value in body.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(inner) for inner in value) if isinstance(value, list) else value
