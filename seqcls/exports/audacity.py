"""A label track of Audacity: https://manual.audacityteam.org/man/importing_and_exporting_labels.html."""

from __future__ import annotations

from pathlib import Path

from seqcls.exports.csv_cells import seconds_cell
from seqcls.exports.marks import marks
from seqcls.files import write_text
from seqcls.text.foreign_text import for_csv
from seqcls.timeline import Timeline


def write_audacity(timeline: Timeline, path: str | Path) -> None:
    """One line for each stretch that is marked, see ``marks``: begin and end in seconds, label, with tabs between.

    People open it in spreadsheets, too: a label that would run as a formula has an apostrophe before it.

    Raises OutputError.
    """
    lines = (
        f"{seconds_cell(mark.interval.start_s)}\t{seconds_cell(mark.interval.end_s)}\t{for_csv(mark.text)}\n"
        for mark in marks(timeline)
    )
    write_text(path, "".join(lines))
