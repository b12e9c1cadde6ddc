"""One row, or one line, per frame that was decoded: a wide table, and the text of temporal action segmentation.

The wide table has a column per organ: 1 in view, 0 not in view, blank unknown. MS-TCN text, as the ground truth of 50
Salads, GTEA and Breakfast is kept (Farha and Gall, MS-TCN, CVPR 2019), has a label per line and nothing else: line k is
frame k, so what is missing in a clip has lines, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seqcls.errors import OutputError
from seqcls.exports.csv_cells import seconds_cell
from seqcls.files import write_csv, write_text
from seqcls.frame_states import ABSENT, PRESENT, UNKNOWN, frame_states
from seqcls.text.foreign_text import for_csv, for_terminal
from seqcls.timeline import Timeline

#: Of MS-TCN text; the first is that of GTEA.
BACKGROUND, NOT_KNOWN = "background", "unknown"
_CELLS = {PRESENT: 1, ABSENT: 0, UNKNOWN: ""}
#: Lines for frames that are not there, beside those that are: a clip whose numbers begin at a million has no use here.
_MAX_MISSING = 100_000


def write_wide(timeline: Timeline, path: str | Path) -> None:
    """Columns frame, from 0, time_s, then the organs. Raises OutputError."""
    write_csv(path, _rows(timeline))


def _rows(timeline: Timeline) -> Iterator[Sequence[object]]:
    yield ("frame", "time_s", *timeline.organs)
    scores = timeline.scores
    for frame, time_s, states in zip(
        scores.index.tolist(), scores.time_s.tolist(), frame_states(timeline).tolist(), strict=True
    ):
        yield (frame, seconds_cell(time_s), *(_CELLS[state] for state in states))


def write_mstcn(timeline: Timeline, path: str | Path) -> None:
    """One organ's label in each line: its name without blanks, background, or unknown.

    Raises OutputError, also where most of a long clip's frames are missing.
    """
    (organ,) = timeline.organs
    index = timeline.scores.index
    count = int(index[-1]) + 1 if len(index) else 0
    if count > 2 * len(index) + _MAX_MISSING or (index[:1] < 0).any():
        raise OutputError("the frames' numbers do not count from 0, as lines do: export --to wide instead")
    states = frame_states(timeline, np.arange(count))[:, 0]
    names = {PRESENT: _label(organ), ABSENT: BACKGROUND, UNKNOWN: NOT_KNOWN}
    write_text(path, "".join(f"{names[state]}\n" for state in states.tolist()))


def _label(organ: str) -> str:
    """Readers split the list of labels at blanks; spreadsheets would run a formula, in text with lines alone, too."""
    name = for_csv("_".join(for_terminal(organ).split())) or "_"
    return f"{name}_" if name in (BACKGROUND, NOT_KNOWN) else name
