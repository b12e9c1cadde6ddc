"""What `train`, `check` and `tune` learn from: a folder of frames, or labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.frame_set import FrameSet
    from seqcls.datasets.labels import ClipLabels
    from seqcls.datasets.split_file import Split
    from seqcls.geometry import Layout
    from seqcls.pseudonyms import Pseudonyms


def known_clips(
    data: Path,
    labels: Path | None,
    patients: str | None,
    organs: list[str] | None,
    names: Pseudonyms | None = None,
) -> list[tuple[Path, ClipLabels]] | None:
    """The clips that ``labels`` name, None for a folder of frames. What is wrong with names is refused before anything
    is read that takes long. ``names``: as for ``labelled_clips``."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.datasets.dataset import labelled_organs, require_labelled

    clips = None if labels is None else labelled_clips(data, labels, patients, names=names)
    if organs:
        named = {organ for _, clip in clips for organ in clip.organs} if clips is not None else labelled_organs(data)
        require_labelled(organs, sorted(named))
    return clips


def load(
    data: Path,
    clips: list[tuple[Path, ClipLabels]] | None,
    organs: list[str] | None,
    size: int,
    layouts: tuple[Layout, ...] = (),
    split: Split | None = None,
    *,
    cache: Path | None = None,
) -> FrameSet:
    """Frames from a folder or straight from clips, with warnings about what a person should know of them. ``cache``:
    the folder in which many frames are kept for the next time."""
    from seqcls.datasets.dataset import LEFT_OUT, frames_from_clips, load_frames
    from seqcls.datasets.frame_cache import ARE_KEPT
    from seqcls.datasets.kept_split import with_split
    from seqcls.geometry import Geometry

    geometry = Geometry(size=size, layouts=layouts)
    if clips is None:
        with console.progress("reading frames", None) as advance:
            frames = load_frames(
                data, geometry, skip_corrupt=True, progress=lambda done, total: advance(done), cache=cache is not None
            )
        frames = frames if split is None else with_split(frames, split)
    else:
        with console.progress("reading clips", len(clips), "clips") as advance:
            frames = frames_from_clips(
                clips, geometry, split=split, progress=lambda done, total: advance(done), cache=cache
            )
    unreadable = () if frames.facts is None else frames.facts.unreadable
    for message in frames.messages:
        if not (unreadable and message.startswith(LEFT_OUT)):  # the checks name them all
            (console.notify if ARE_KEPT in message else console.warn)(message)
    frames = frames if not organs else frames.of_organs(organs)
    held = int((frames.split == "validation").sum())
    trained = len(frames.split) - held
    console.notify(
        f"{trained} training and {count_of(held, 'validation frame')} of {size} pixels: {', '.join(frames.organs)}"
    )
    return frames
