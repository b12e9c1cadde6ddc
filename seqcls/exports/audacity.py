"""A label track of Audacity: https://manual.audacityteam.org/man/importing_and_exporting_labels.html."""

from __future__ import annotations

from pathlib import Path

from seqcls.exports.csv_cells import seconds_cell
from seqcls.files import write_text
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline


def write_audacity(timeline: Timeline, path: str | Path) -> None:
    """One line for each stretch in view, and with a question mark behind the organ for each that is unknown: begin and
    end in seconds, label, with tabs between. Raises OutputError."""
    shown = sorted((i for i in timeline.intervals if i.state != "absent"), key=lambda i: (i.start_s, i.end_s))
    lines = (
        f"{seconds_cell(i.start_s)}\t{seconds_cell(i.end_s)}\t"
        f"{for_terminal(i.organ)}{'' if i.state == 'present' else '?'}\n"
        for i in shown
    )
    write_text(path, "".join(lines))
