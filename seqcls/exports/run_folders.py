"""Where runs lie: a folder that `seqcls run` wrote, or a folder with many of them below it."""

from __future__ import annotations

import os
from pathlib import Path

from seqcls.files.temporaries import is_temporary

TIMELINE = "timeline.json"


def runs_in(place: Path) -> list[Path]:
    """The run of this folder, or those of the folders below it, sorted; empty where there is none.

    What a killed program left half-written is no run.
    """
    if (place / TIMELINE).is_file():
        return [place]
    found = []
    for folder, inside, files in os.walk(place):  # a third of what rglob takes: an archive has 100,000 folders
        inside[:] = [name for name in inside if not is_temporary(name)]
        if TIMELINE in files:
            found.append(Path(folder))
    return sorted(found, key=lambda run: run.parts)
