"""Frames ready to train on: from an extracted folder, from a folder tree of one's own, or from clips.

Letterboxed images are kept as uint8, 50 MB per 1,000 frames of 224 pixels, in memory or in a file (``frame_cache``);
whole ones only while they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from seqcls.datasets.folder_images import read_images
from seqcls.datasets.frame_cache import IS_OUT_OF_DATE, FrameCache, is_worth_it
from seqcls.datasets.frame_facts import Seen, facts_of, lit_share, look_at
from seqcls.datasets.frame_set import FrameSet, frame_set_of, require_labelled
from seqcls.datasets.frame_table import (
    LAYOUT,
    SPLIT_FILE,
    Row,
    dataset_hash,
    folder_clip,
    organs_of,
    read_description,
    read_table,
    read_tree,
    require_both_states,
)
from seqcls.datasets.image_rows import picked
from seqcls.datasets.image_spool import ImageSpool
from seqcls.datasets.kept_set import KeptSet, of_clips, of_folder
from seqcls.datasets.kept_split import with_split, with_split_beside
from seqcls.datasets.labelled_frames import LabelledClip, groups_of
from seqcls.datasets.labels import ClipLabels
from seqcls.datasets.split import hold_out
from seqcls.datasets.split_file import Split
from seqcls.datasets.table_folders import contradictions
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.geometry import Geometry, Region
from seqcls.layouts import with_layouts
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.sources.images import deep_sample
from seqcls.sources.levels import SetLevels
from seqcls.text.wording import count_of

__all__ = ["LEFT_OUT", "FrameSet", "frames_from_clips", "labelled_organs", "load_frames", "require_labelled"]

#: How the message begins that some images were passed over.
LEFT_OUT = "left out"

Advance = Callable[[int, int], None]


def labelled_organs(root: str | Path) -> tuple[str, ...]:
    """The organs of a folder as ``load_frames`` takes it; no image is read. Raises DataError."""
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {LAYOUT}")
    return organs_of(read_table(root) if (root / "frames.csv").is_file() else read_tree(root)[0])


def load_frames(
    root: str | Path,
    geometry: Geometry,
    *,
    skip_corrupt: bool = False,
    progress: Advance | None = None,
    for_training: bool = True,
    cache: bool = False,
) -> FrameSet:
    """Read a folder that `seqcls extract` wrote, or a tree `train|validation/<organ> present|absent/`.

    ``geometry.size`` is obeyed; its region only for a tree of one's own, whose images are searched for the ultrasound
    region size by size. ``for_training``: whether every organ must be there in both states. ``cache``: whether
    many frames are kept in a file in the folder, and taken from there the next time. Raises DataError: no such layout,
    a state without frames, an image that cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {LAYOUT}")
    kept = of_folder(root, geometry, skip_corrupt=skip_corrupt, for_training=for_training) if cache else None
    made = None if kept is None else kept.read()
    if made is None:
        made, told = _of_folder(root, geometry, skip_corrupt, progress, for_training, cache)
        if kept is not None:
            kept.keep(made)
            # Where the images are out of date, too, one line says so.
            told += [one for one in kept.messages if not (IS_OUT_OF_DATE in one and IS_OUT_OF_DATE in " ".join(told))]
        made = replace(made, messages=(*told, *made.messages))
    return with_split_beside(made, root / SPLIT_FILE) if (root / SPLIT_FILE).is_file() else made


def _of_folder(
    root: Path, geometry: Geometry, skip_corrupt: bool, progress: Advance | None, for_training: bool, cache: bool
) -> tuple[FrameSet, list[str]]:
    """The frames, and messages about the cache."""
    extracted = (root / "frames.csv").is_file()
    rows, messages = (read_table(root), []) if extracted else read_tree(root)
    organs = organs_of(rows)
    if for_training:
        require_both_states(rows, organs, f"{root}: ", messages)
    by_clip, digests, regions = dict[str, Region](), dict[str, str](), list[Region]()
    if extracted:
        messages += contradictions(root, rows)
        geometry, by_clip, digests = read_description(root, geometry.size)
        regions = list(by_clip.values())
    frame_cache = None
    if cache and is_worth_it(len(rows), geometry.size):
        frame_cache = FrameCache(root, rows, geometry, extracted=extracted)
    known = None if frame_cache is None else frame_cache.read()
    if known is not None:
        images, seen = known.images, known.seen
        rows = [replace(row, digest=digest) for row, digest in zip(rows, known.digests, strict=True)]
        regions = regions if extracted else list(known.regions)
    else:
        images, rows, seen, regions = read_images(
            rows,
            geometry,
            SetLevels(partial(deep_sample, [row.path for row in rows])),
            regions=regions if extracted else None,
            skip_corrupt=skip_corrupt,
            progress=progress,
            cache=frame_cache,
        )
    if not skip_corrupt and (bad := next((row for row in rows if not row.digest), None)):
        raise DataError(f"{bad.path} cannot be read as an image: replace or remove it, or add skip_corrupt=True")
    unreadable = [_name(row, root) for row in rows if not row.digest]
    kept = {at: row for at, row in enumerate(rows) if row.digest}
    if len(kept) < len(rows):
        first = next(row.path for row in rows if not row.digest)
        messages.append(
            f"{LEFT_OUT} {count_of(len(rows) - len(kept), 'image')} that cannot be read, the first is {first}"
        )
        if for_training:
            require_both_states(list(kept.values()), organs, f"{root}: ")
    if not extracted:
        kept = _merge_same(kept)
    images = images if len(kept) == len(images) else picked(images, np.array(list(kept), np.int64))
    rows, seen = list(kept.values()), [seen[at] for at in kept]
    facts = facts_of(
        [_name(row, root) for row in rows],
        [_of_screen(one, by_clip.get(row.clip)) for row, one in zip(rows, seen, strict=True)],
        clips="stated" if extracted else "read from names" if any(map(_names_clip, rows)) else "unknown",
        unreadable=unreadable,
    )
    lit = [one.lit for one in seen]
    made = frame_set_of(rows, images, lit, geometry, dataset_hash(rows, root), messages, regions, facts)
    return replace(made, digests=digests), [] if frame_cache is None else frame_cache.messages


def frames_from_clips(
    clips: Sequence[tuple[Path, ClipLabels]],
    geometry: Geometry,
    *,
    split: Split | None = None,
    progress: Advance | None = None,
    cache: Path | None = None,
) -> FrameSet:
    """Read labelled clips, split by patient as ``extract`` does, or as the kept ``split`` says.

    ``cache``: the folder in which many frames are kept in a file, and taken from there the next time; None: they stay
    in memory. Raises DataError, SourceError.
    """
    if split is not None:  # before anything is read that takes long
        split.require_match(split.group_of(labels.patient, labels.file) for _, labels in clips)
    kept = None
    if cache is not None:
        kept = of_clips(cache, clips, geometry, "" if split is None else hashlib.sha256(split.content).hexdigest())
    made = None if kept is None else kept.read()
    if made is None:
        made, told = _of_clips(clips, geometry, split, progress, kept)
        if kept is not None:
            kept.keep(made)
            told = (*kept.messages, *told)
        made = replace(made, messages=(*told, *made.messages))
    return made if split is None else with_split(made, split)


def _of_clips(
    clips: Sequence[tuple[Path, ClipLabels]],
    geometry: Geometry,
    split: Split | None,
    progress: Advance | None,
    kept: KeptSet | None,
) -> tuple[FrameSet, tuple[str, ...]]:
    """The frames, and messages about the cache."""
    geometry = with_layouts(geometry, [partial(open_source, path) for path, _ in clips])
    rows: list[Row] = []
    regions: list[Region] = []
    names: list[str] = []
    seen: list[Seen] = []
    digest = hashlib.sha256()
    held, message = (split.held_out, "") if split is not None else hold_out(groups_of(clips), None, 0)
    messages: list[str] = []
    with ImageSpool(geometry.size, None if kept is None else kept.stem) as spool:
        for done, (path, labels) in enumerate(clips):
            clip = LabelledClip(path, labels, geometry)
            for frame, region, states in clip:
                image = geometry.apply(frame.image, region)
                digest.update(image.tobytes() + repr(states).encode())
                origin = {"scanner": labels.scanner, "site": labels.site}
                group = labels.patient if split is None else nfc(split.group_of(labels.patient, labels.file))
                side = "validation" if group in held else "train"
                rows.append(Row(path, labels.file, labels.patient, frame.time_s, side, states, **origin))
                spool.add(image)
                names.append(f"{labels.file}, frame {frame.index}")
                seen.append(look_at(frame.image, region)._replace(lit=lit_share(image)))
            messages += clip.messages()
            if clip.region is not None:
                regions.append(clip.region)
            if progress is not None:
                progress(done + 1, len(clips))
        require_both_states(rows, organs_of(rows), f"{clips[0][0].parent}: ", messages)
        images = spool.finish()
    messages = list(dict.fromkeys([message] * bool(message) + messages))
    lit = [one.lit for one in seen]
    facts = facts_of(names, seen)
    made = frame_set_of(rows, images, lit, geometry, digest.hexdigest(), messages, regions, facts)
    digests = {labels.file: clip_digest(str(path)) for path, labels in clips}
    return replace(made, digests={name: known for name, known in digests.items() if known}), tuple(spool.messages)


def _name(row: Row, root: Path) -> str:
    return row.path.relative_to(root).as_posix()


def _names_clip(row: Row) -> bool:
    return row.clip != folder_clip(row.split, row.path.parent)


def _of_screen(seen: Seen, region: Region | None) -> Seen:
    """Of a crop: the size of the screen that it was cut from."""
    return seen if region is None else seen._replace(width=region.width, height=region.height)


def _merge_same(rows: dict[int, Row]) -> dict[int, Row]:
    """An image that lies in several organs' folders of one split, same name and content, is one frame."""
    first: dict[tuple[str, str, str], int] = {}
    merged: dict[int, Row] = {}
    for at, row in rows.items():
        at = first.setdefault((row.split, nfc(row.path.name), row.digest), at)
        same = merged.setdefault(at, row)
        known = dict(same.states)
        for organ, state in row.states:
            if known.get(organ, state) != state:
                raise DataError(f"{row.path} lies in {organ} present and in {organ} absent: remove one")
        merged[at] = replace(same, states=tuple((known | dict(row.states)).items()))
    return merged
