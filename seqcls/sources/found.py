"""What a search for clips found: sources, each with a path that tells it from the others, and what was left aside."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqcls.files import exists, on_disk
from seqcls.files.safe_names import distinct, safe
from seqcls.sources.aside import Aside
from seqcls.sources.dicom_instances import Instance, SeriesFiles
from seqcls.sources.remote import Remote
from seqcls.sources.sniff import kind_by_suffix

#: Names that a run, an index or a report writes beside the folders of its clips.
_TAKEN = frozenset(
    {"intervals.csv", "scores.csv", "pictures.csv", "summary.csv", "manifest.json", "attempts.jsonl", "report.html"}
    | {"index.parquet", "clips.parquet"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSource:
    """One clip, or a set of single images."""

    spec: str
    """For ``open_source``: a file, a folder or pattern of images; a camera number or an address."""
    path: str = ""
    """Which one it is, with slashes, relative to what was asked for; empty for a camera and an address."""
    images: tuple[Path, ...] = ()
    """The images of a folder or pattern, in natural order."""
    image_paths: tuple[str, ...] = ()
    """As ``path``, of each of the images."""
    unrelated: str = ""
    """Why these images are single ones and no clip; empty where they are frames of one clip."""
    study: str = ""
    """The DICOM study, as a short name that tells nothing of the patient."""
    series: str = ""
    """The DICOM series, likewise."""
    instance: Instance | None = None
    """Of a DICOM file of one image: its place among others of the series."""
    files: SeriesFiles | None = None
    """The DICOM files of one image each that are this clip."""
    remote: Remote | None = None
    """Of a clip in an object store: it is fetched when it is opened."""
    fault: str = ""
    """Why it cannot be opened, in one line: a name that is not found, a folder that cannot be listed."""


def files_of(source: FoundSource) -> Iterator[Path]:
    """The files that a clip, or a set of images, consists of."""
    if source.files is not None:
        yield from source.files.paths
    elif source.images:
        yield from source.images
    else:
        yield on_disk(source.spec)


@dataclass(frozen=True, slots=True)
class Findings:
    """In the order in which they are run."""

    sources: tuple[FoundSource, ...]
    aside: Aside
    remark: str = ""
    """On how the sources were told apart; empty where there is nothing to say."""
    may_grow: bool = False
    """Whether further clips may come to what was asked for: a folder to look into, a pattern or a list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that was asked for: ``place``, the file or folder, and whether it is a folder to look into."""

    place: Path
    is_folder: bool

    def parts(self) -> tuple[str, ...]:
        absolute = Path(os.path.abspath(self.place))  # noqa: PTH100 - Path.resolve would follow links
        return absolute.parts[1:] or (absolute.anchor.strip("/\\:") or "clip",)


def labels(asked: Sequence[Asked]) -> list[tuple[str, ...]]:
    """What stands in front of the paths of each: as many of the last parts of its name as tell it from the others, and
    no more, because the parts in front may be private.

    Nothing for the only folder; the name alone for the only file.
    """
    names = [one.parts() for one in asked]
    if len(set(names)) == 1:
        return [() if asked[0].is_folder else names[0][-1:]] * len(names)
    lengths: dict[tuple[str, ...], int] = {}
    alike, count = set(names), 0
    while alike:
        count += 1
        ends = Counter(name[-count:] for name in set(names))
        lengths |= {name: count for name in alike if ends[name[-count:]] == 1}
        alike -= lengths.keys()
    while True:  # else a path below one label could be that of another
        shown = {name[-length:]: name for name, length in lengths.items()}
        begun = [
            (shown[label[:end]], shown[label])
            for label in shown
            for end in range(1, len(label))
            if label[:end] in shown
        ]
        either = (next((name for name in pair if lengths[name] < len(name)), None) for pair in begun)
        longer = {name: lengths[name] + 1 for name in either if name is not None}
        if not longer:
            return [name[-lengths[name] :] for name in names]
        lengths |= longer


def in_series(sources: Sequence[FoundSource]) -> list[FoundSource]:
    """The files of a study, and in it of a series, one after the other, where the first of them stands."""
    first: dict[tuple[str, ...], int] = {}
    for number, source in enumerate(sources):
        first.setdefault(("", str(number)), number)
        first.setdefault((source.study,), number)
        first.setdefault((source.study, source.series), number)

    def place(numbered: tuple[int, FoundSource]) -> tuple[int, int, int]:
        number, source = numbered
        if not source.study:
            return number, number, number
        return first[(source.study,)], first[(source.study, source.series)], number

    return [source for _, source in sorted(enumerate(sources), key=place)]


def output_folders(sources: Sequence[FoundSource]) -> list[str]:
    """For each source a folder below the run's, with slashes: the path of the file, without a suffix that is known.

    Where one folder holds files of several DICOM series, these go into a folder for each study and series. Names are
    distinct also where upper and lower case are the same.
    """
    series: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for source in sources:
        if source.study or source.series:
            series.setdefault(_parent(source), set()).add((source.study, source.series))
    proposed = [_folder(source, len(series.get(_parent(source), ())) > 1, whole=False) for source in sources]
    counts = Counter("/".join(one).casefold() for one in proposed)
    taken: set[str] = set(_TAKEN)
    folders = []
    for source, parts in zip(sources, proposed, strict=True):
        if counts["/".join(parts).casefold()] > 1:
            parts = _folder(source, len(series.get(_parent(source), ())) > 1, whole=True)
        folders.append(distinct("/".join(parts), taken))
    return folders


def _parent(source: FoundSource) -> tuple[str, ...]:
    return tuple(source.path.split("/")[:-1])


def _folder(source: FoundSource, several_series: bool, *, whole: bool) -> tuple[str, ...]:
    if not source.path:
        return (f"camera-{source.spec}" if source.spec.isdecimal() else "live",)  # an address may hold secrets
    *parents, name = source.path.split("/")
    if source.images and glob.has_magic(name) and not exists(Path(source.spec)):  # the folder says more than a pattern
        name = Path(os.path.abspath(source.spec)).parent.name or "images"  # noqa: PTH100
    stem = name if whole else stem_of(name)
    group = [part for part in (source.study, source.series) if part and part != name] if several_series else []
    return tuple(safe(part) for part in (*parents, *group, stem))


def stem_of(name: str) -> str:
    """Without the suffix where that is one: the last number of a UID is none."""
    path = Path(name)
    return path.stem if kind_by_suffix(path) else name


def with_path(source: FoundSource, label: tuple[str, ...], relative: tuple[str, ...]) -> FoundSource:
    """``label``: of what was asked for; ``relative``: of the source below it."""
    parts = (*label, *relative)
    inside = parts if os.path.isdir(source.spec) else parts[:-1]  # noqa: PTH112 - it raises nothing
    return replace(
        source,
        path="/".join(parts if parts else (Path(os.path.abspath(source.spec)).name or "clip",)),  # noqa: PTH100
        image_paths=tuple("/".join((*inside, image.name)) for image in source.images),
    )


def singles(pictures: FoundSource) -> Iterator[FoundSource]:
    """Each image of a set as a source of its own."""
    for image, path in zip(pictures.images, pictures.image_paths, strict=True):
        yield FoundSource(spec=str(image), path=path, images=(image,))


def of_copy(source: FoundSource, copy: Path) -> FoundSource:
    """The same clip, read from a copy of it."""
    return replace(source, spec=str(copy), remote=None)
