"""A timeline in a notebook: as tables of pandas, as a figure of matplotlib, and as what a cell shows of it.

``Timeline`` has these as methods.
"""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import seqcls
from seqcls.errors import UsageError
from seqcls.exports.interval_records import interval_records
from seqcls.exports.timeline_figure import draw
from seqcls.frame_states import UNKNOWN, frame_states
from seqcls.palette import ABSENT as ABSENT_COLOR
from seqcls.palette import PRESENT as PRESENT_COLOR
from seqcls.palette import UNKNOWN as UNKNOWN_COLOR
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of
from seqcls.third_party import library
from seqcls.timeline import Timeline
from seqcls.types import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Rows of the table in a cell, strips, and stretches of each: of a day there are thousands.
MAX_ROWS, MAX_STRIPS, MAX_STRETCHES = 40, 20, 2000


def to_pandas(timeline: Timeline, rows: Literal["intervals", "frames"] = "intervals") -> Any:
    """See ``Timeline.to_pandas``."""
    try:
        pandas = library("pandas")
    except ImportError as error:
        raise UsageError("to_pandas needs pandas: pip install 'seqcls[tables]'") from error
    if rows == "intervals":
        table = pandas.DataFrame.from_records(list(interval_records(timeline)))
        return table.astype({"start_frame": "Int64", "end_frame": "Int64", "mean_score": float, "peak_score": float})
    if rows != "frames":
        raise UsageError(f"rows is 'intervals' or 'frames', not {rows!r}")
    scores, states = timeline.scores, frame_states(timeline)
    columns: dict[str, Any] = {
        "frame": scores.index,
        "time_s": scores.time_s,
        "duration_s": scores.duration_s,
        "reason": list(scores.reason),
    }
    for column, organ in enumerate(timeline.organs):
        state = pandas.array(states[:, column] == 1, dtype="boolean")
        state[states[:, column] == UNKNOWN] = pandas.NA
        columns[organ] = state
        if column < len(timeline.scored_organs):
            columns[f"{organ} score"] = scores.raw[:, column]
            columns[f"{organ} smoothed"] = scores.smooth[:, column]
    return pandas.DataFrame(columns)


def plot(timeline: Timeline) -> Figure:
    """See ``Timeline.plot``."""
    figure = draw(timeline)
    # A notebook draws figures of pyplot by itself, and others by this method.
    vars(figure)["_repr_png_"] = lambda: _png(figure)
    return figure


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def as_html(timeline: Timeline) -> str:
    """What a notebook shows of a timeline: a strip for each organ, and a table of presences and unknown stretches.

    It needs no script and no style sheet, which notebooks take out of what they do not trust.
    """
    facts = (
        f"{timeline.start_s:.2f} to {timeline.end_s:.2f} s, {timeline.coverage:.1%} scorable,"
        f" input {timeline.report.verdict}"
    )
    notes = "".join(f"<div>{_text(note)}</div>" for note in timeline.notes)
    return (
        f'<div><b>{_text(timeline.source.title)}</b> <span style="opacity:.7">{_text(facts)}</span>{notes}'
        f"{_strips(timeline)}{_table(timeline)}"
        f'<div style="opacity:.7;font-size:small">{html.escape(seqcls.DISCLAIMER)}</div></div>'
    )


def _strips(timeline: Timeline) -> str:
    """One SVG: a row for each organ, as wide as the cell."""
    span_s = max(timeline.end_s - timeline.start_s, 1e-9)
    shown = timeline.organs[:MAX_STRIPS]
    rows = []
    for row, organ in enumerate(shown):
        top = 34 * row
        rows.append(
            f'<text x="0" y="{top + 13}" font-size="13" fill="currentColor">{_text(organ)}</text>'
            f'<rect x="0" y="{top + 18}" width="1000" height="12" fill="{ABSENT_COLOR}" opacity="0.25"/>'
        )
        known = [i for i in timeline.of(organ) if i.state != "absent"]
        for interval in known[:MAX_STRETCHES]:
            left = 1000 * (interval.start_s - timeline.start_s) / span_s
            width = max(1.0, 1000 * interval.duration_s / span_s)
            color = PRESENT_COLOR if interval.state == "present" else UNKNOWN_COLOR
            # An unknown stretch is half as high: its state is not in its color alone.
            height = 12 if interval.state == "present" else 6
            rows.append(
                f'<rect x="{min(left, 1000 - width):.2f}" y="{top + 30 - height}" width="{width:.2f}" height="{height}"'
                f' fill="{color}"><title>{_text(_words(interval))}</title></rect>'
            )
    bottom = 34 * len(shown) + 13
    for place, anchor in ((0, "start"), (500, "middle"), (1000, "end")):
        time_s = timeline.start_s + (timeline.end_s - timeline.start_s) * place / 1000
        rows.append(
            f'<text x="{place}" y="{bottom}" font-size="12" text-anchor="{anchor}" fill="currentColor" opacity="0.7">'
            f"{time_s:.2f} s</text>"
        )
    more = len(timeline.organs) - len(shown)
    return (
        f'<svg viewBox="0 0 1000 {bottom + 4}" style="width:100%;max-width:1000px;display:block"'
        f' role="img">{"".join(rows)}</svg>' + (f"<div>and {count_of(more, 'more organ')}</div>" if more else "")
    )


def _table(timeline: Timeline) -> str:
    known = sorted((i for i in timeline.intervals if i.state != "absent"), key=lambda i: (i.start_s, i.organ))
    heads = "".join(f"<th>{head}</th>" for head in ("organ", "state", "from s", "to s", "seconds", "frames", "mean"))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{_text(cell)}</td>"
            for cell in (
                i.organ,
                f"{i.state} ({i.reason})" if i.reason else i.state,
                f"{i.start_s:.2f}",
                f"{i.end_s:.2f}",
                f"{i.duration_s:.2f}",
                f"{i.start_index}-{i.end_index}" if i.start_index >= 0 else "",
                "" if np.isnan(i.mean_score) else f"{i.mean_score:.2f}",
            )
        )
        + "</tr>"
        for i in known[:MAX_ROWS]
    )
    if not known:
        return "<div>no organ in view</div>"
    more = len(known) - MAX_ROWS
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" + (
        f"<div>and {more} more: to_pandas() has them all</div>" if more > 0 else ""
    )


def _words(interval: Interval) -> str:
    why = f" ({interval.reason})" if interval.reason else ""
    return f"{interval.organ} {interval.state}{why}, {interval.start_s:.2f} to {interval.end_s:.2f} s"


def _text(text: str) -> str:
    return html.escape(for_terminal(text))
