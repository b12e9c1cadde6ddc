"""Screens and their regions, over the clips of a run or a folder, and in a file that a person can correct."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from seqcls.errors import GeometryError, SeqclsError, one_line
from seqcls.files import on_disk
from seqcls.files.json_record import Record, record_from
from seqcls.files.json_text import read_json, write_json
from seqcls.geometry import Geometry, Layout, Region, RegionFinder, overlap
from seqcls.geometry.geometry import MAX_LAYOUTS
from seqcls.geometry.layout import is_like
from seqcls.sources import Source, open_source
from seqcls.sources.remote import NotFetchedError
from seqcls.types import Frame

FORMAT = 1
#: A layout has 1 to 2 KB.
MAX_BYTES = 4 << 20
#: Opens one clip.
Opener = Callable[[], Source]
#: Clips that are looked into before a run, evenly spread over all: a few frames of each are read.
MAX_CLIPS = 24
#: Frames of each that are searched together.
POOLED_FRAMES = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A clip's finder after its first frames, what it found alone, and the screen."""

    finder: RegionFinder
    region: Region
    layout: Layout


def find_layouts(clips: Sequence[Opener], geometry: Geometry, threads: int = 1) -> tuple[Layout, ...]:
    """The screens that clips show, each with the region found over all clips that show it.

    Only screens with something around the ultrasound are known again. Of many clips MAX_CLIPS are looked into. A clip
    that cannot be read is left out: whoever reads it next says so. ``threads``: so many are looked into at a time.
    """
    if geometry.region != "auto" or not clips:
        return ()
    places = np.unique(np.linspace(0, len(clips) - 1, MAX_CLIPS).round().astype(int))
    groups: list[list[_Look]] = []
    with ThreadPoolExecutor(threads) as pool:
        looks = list(pool.map(lambda place: _look_twice(clips[place], geometry), places.tolist()))
    for look in looks:
        if look is None or not look.layout.is_known_again:
            continue
        for group in groups:
            if is_like(group[0].layout, look.layout) and overlap(group[0].region, look.region) >= 0.3:
                group.append(look)
                break
        else:
            groups.append([look])
    return tuple(_of_group(group) for group in groups)


def _look_twice(opened: Opener, geometry: Geometry) -> _Look | None:
    """None also for a clip that cannot be read. Where the network or the decoding process failed once, all clips would
    get other regions than in a run in which nothing did."""
    for _ in range(2):
        try:
            return _look(opened, geometry)
        except NotFetchedError:  # after tries of its own
            return None
        except SeqclsError:
            continue
    return None


def with_layouts(geometry: Geometry, clips: Sequence[Opener]) -> Geometry:
    """The geometry, which knows the screens of these clips too, behind those that it knows already."""
    return replace(geometry, layouts=(*geometry.layouts, *find_layouts(clips, geometry)))


def look_at(spec: str | Path, geometry: Geometry) -> Layout | None:
    """The screen of one clip with the region found in it, None where no region is found. Raises SourceError."""
    look = _look(partial(open_source, spec), replace(geometry, region="auto"))
    return None if look is None else look.layout


def _look(opened: Opener, geometry: Geometry) -> _Look | None:
    """None for a clip whose source states a box, and for one in which nothing is found."""
    with opened() as source:
        if source.info.region is not None:
            return None
        finder, size = RegionFinder(geometry), (0, 0)
        region: Region | None = None
        for item in source:
            if not isinstance(item, Frame):
                continue
            size = size if any(size) else item.image.shape[:2]
            if item.image.shape[:2] != size:
                break
            region = finder.push(item.image)
            if region is not None:
                break
        else:
            region = finder.finish() if any(size) else None
    return None if region is None or finder.layout is None else _Look(finder, region, finder.layout)


def _of_group(group: Sequence[_Look]) -> Layout:
    """The region found over all frames together, where it is much like those of the clips; else the most usual one."""
    first = group[0]
    if len(group) == 1:
        return first.layout
    pooled = first.finder.pooled([look.finder for look in group[1:]], POOLED_FRAMES).finish()
    usual = max((look.region for look in group), key=lambda region: sum(overlap(region, look.region) for look in group))
    return replace(first.layout, region=pooled if overlap(pooled, usual) >= 0.8 else usual)


def read_layouts(path: str | Path) -> tuple[Layout, ...]:
    """What ``remember`` wrote, corrected by hand or not. Raises GeometryError."""
    try:
        body = read_json(on_disk(path), MAX_BYTES)
        if (found := record_from(int, body["format"], "format")) != FORMAT:
            raise GeometryError(f"{path} is of format {found}, this seqcls reads {FORMAT}")
        if len(layouts := body["layouts"]) > MAX_LAYOUTS:
            raise ValueError(f"{len(layouts):,} layouts, more than {MAX_LAYOUTS:,}")
        return tuple(map(_layout, layouts))
    except FileNotFoundError as error:
        raise GeometryError(f"no layouts at {path}; make it with `seqcls inspect CLIP --remember`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = one_line(error)
        raise GeometryError(f"{path} holds no layouts ({why}); correct it, or remember them anew") from error


def _layout(plain: Record) -> Layout:
    try:
        return Layout.from_dict(plain)
    except GeometryError as error:
        raise ValueError(str(error)) from None


def remember(path: str | Path, layout: Layout) -> int:
    """Add a layout to the file, or replace that of the same screen; returns how many there are.

    Raises OutputError, and GeometryError for a file that holds something else, or where nothing around the ultrasound
    tells the screen from others.
    """
    if not layout.is_known_again:
        raise GeometryError(
            "nothing stands around the ultrasound by which the layout could be known again; state the region in each"
            " command instead"
        )
    kept = [known for known in (read_layouts(path) if Path(path).exists() else ()) if not is_like(layout, known)]
    write_layouts(path, [*kept, layout])
    return len(kept) + 1


def write_layouts(path: str | Path, layouts: Iterable[Layout]) -> None:
    """As JSON. A person may change x0, y0, x1 and y1 of a region; with "polygon": [] the whole box is shown."""
    write_json(path, {"format": FORMAT, "layouts": [layout.to_dict() for layout in layouts]})
