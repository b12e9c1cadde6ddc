"""Which pictures and clips in a folder seqcls has made itself: they are results, and no input.

Decided by two names at once, that of the file and that of a table which the same command leaves beside it. What a
person puts into the same folder is an input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from seqcls.files.safe_names import is_clip_name

#: A run, finished or not, or one fold's view of a clip.
_OF_A_RUN = frozenset({"timeline.json", "pictures.csv", "run.journal", "fold.json"})
#: Where one of the first is, those of the second were made with it.
_MADE_WITH: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (_OF_A_RUN, frozenset({"timeline.png", "thumbnail.jpg", "overlay.mp4"})),
    (frozenset({"timemap.csv"}), frozenset({"proxy.mp4"})),
    (frozenset({"history.json"}), frozenset({"learning-curves.png"})),
    (frozenset({"study.json"}), frozenset({"study.png"})),
    (frozenset({"evaluation.json"}), frozenset({"roc.png", "precision-recall.png", "reliability.png"})),
)
#: Contact sheets, and a timeline as a DICOM image: no input is called so.
_ENDS = ("-sheet.png", "timeline.picture.dcm")
#: In the folder of a run: of ``--cut``, ``--clips`` and of snapshots.
_CLIP_FOLDERS = frozenset({"cuts", "clips", "snapshots"})
#: Beside the folders of frames that `extract` wrote.
_FRAMES = frozenset({"frames.csv", "dataset.json"})

#: All file names that decide here, for a caller that would otherwise have to list the folder.
MARKERS = frozenset().union(_FRAMES, *(markers for markers, _ in _MADE_WITH))


def made_names(names: Collection[str]) -> Callable[[str], bool]:
    """Whether a file is one that seqcls made; ``names``: of what lies beside it, ``MARKERS`` at least."""
    made = frozenset().union(*(made for markers, made in _MADE_WITH if not markers.isdisjoint(names)))
    return lambda name: name in made or name.endswith(_ENDS)


def is_run(names: Collection[str]) -> bool:
    """Whether the folder that holds these names is that of a run."""
    return not _OF_A_RUN.isdisjoint(names)


def is_extracted(names: Collection[str]) -> bool:
    """Whether the folders beside these names hold frames that `extract` cut out of clips."""
    return set(names) >= _FRAMES


def may_hold_clips_of_a_run(folder: str) -> bool:
    """Whether a folder of this name holds clips of a run where the folder that it lies in is that of one."""
    return folder in _CLIP_FOLDERS


def is_clip_of_a_run(name: str) -> bool:
    """Whether a clip, a sheet or a snapshot in such a folder was made by the run."""
    return is_clip_name(name) or (name.endswith(".png") and is_clip_name(f"{name.removesuffix('.png')}.mp4"))
