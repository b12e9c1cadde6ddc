"""Where runs lie: a folder that `seqcls run` wrote, or a folder with many of them below it."""

from __future__ import annotations

from pathlib import Path

from seqcls.files.temporaries import is_temporary

TIMELINE = "timeline.json"


def runs_in(place: Path) -> list[Path]:
    """The run of this folder, or those of the folders below it, sorted; empty where there is none.

    What a killed program left half-written is no run.
    """
    if (place / TIMELINE).is_file():
        return [place]
    found = (path.parent for path in place.rglob(TIMELINE)) if place.is_dir() else ()
    return sorted(run for run in found if not any(map(is_temporary, run.relative_to(place).parts)))
