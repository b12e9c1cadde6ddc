"""Whether the folders of extracted frames still say what frames.csv says.

frames.csv decides. Its frames lie in folders of the layout that a tree of one's own has, so somebody may label by
moving them, or add some: that counts for nothing, and is told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seqcls.datasets.frame_table import STATES, Row, organ_of_folder, side_folders, state_of_folder
from seqcls.files import nfc
from seqcls.sources.sniff import IMAGE_SUFFIXES, is_clutter
from seqcls.text.wording import count_of


def contradictions(root: Path, rows: Sequence[Row]) -> list[str]:
    """Messages: images in the folder of a state that frames.csv does not say, images that it does not name, and images
    that were removed from the folder of a state that it still says."""
    said = {nfc(row.path.name): {organ_of_folder(organ): shown for organ, shown in row.states} for row in rows}
    lying: dict[tuple[str, bool], set[str]] = {}
    moved, unnamed = dict[str, str](), list[str]()
    for folder in [one for side, _ in side_folders(root) for one in sorted(side.iterdir()) if one.is_dir()]:
        state = state_of_folder(folder)
        if state is None:
            continue
        organ, present = state
        names = lying.setdefault((organ, present), set())
        with os.scandir(folder) as entries:
            found = sorted(entry.name for entry in entries if _is_image(entry.name))
        for name in map(nfc, found):
            place = f"{folder.relative_to(root).as_posix()}/{name}"
            names.add(name)
            if name not in said:
                unnamed.append(place)
            elif said[name].get(organ) is not present:
                moved.setdefault(name, place)
    gone = [
        f"{organ} {STATES[present]}/{name}"
        for name, states in said.items()
        if name not in moved
        for organ, present in states.items()
        if name not in lying.get((organ, present), (name,))
    ]
    table = root / "frames.csv"
    told = (
        (
            list(moved.values()),
            "in the folder of a state that it does not say",
            "correct its columns, or move them back",
        ),
        (unnamed, "that it does not name", "they are left out"),
        (gone, "no longer in the folder of their state", "it still counts them; empty their cells"),
    )
    return [
        f"{table} decides, not the folders: {count_of(len(places), 'image')} {what}, the first is {places[0]}; {then}"
        for places, what, then in told
        if places
    ]


def _is_image(name: str) -> bool:
    return not (name.startswith(".") or is_clutter(name)) and Path(name).suffix.lower() in IMAGE_SUFFIXES
