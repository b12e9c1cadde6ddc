"""From what people type to what ``open_source`` takes: files, folders and patterns, looked into file by file."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqcls.errors import SourceError, one_line
from seqcls.files import exists, is_folder, matching, on_disk
from seqcls.sources.aside import Aside
from seqcls.sources.base import require_named
from seqcls.sources.each_once import each_once
from seqcls.sources.found import Asked, Findings, FoundSource, in_series, labels, with_path
from seqcls.sources.image_sequence import NUMBERED
from seqcls.sources.images import natural
from seqcls.sources.lists import with_lists
from seqcls.sources.own_files import (
    MARKERS,
    is_clip_of_a_run,
    is_extracted,
    is_run,
    made_names,
    may_hold_clips_of_a_run,
)
from seqcls.sources.pictures import why_unrelated
from seqcls.sources.redact import redact
from seqcls.sources.remote import is_remote, listed, place_of
from seqcls.sources.series import dicom_facts
from seqcls.sources.series_clips import join_series
from seqcls.sources.sniff import is_archive, is_clutter, kind_by_suffix, kind_of

#: Called with the number of files looked at so far.
Looked = Callable[[int], None]
_MADE = "pictures and clips that seqcls made"


def expand(specs: Sequence[str], *, each: bool | None = None, on_file: Looked | None = None) -> Findings:
    """Concrete sources in natural order, each once: clip files, and folders or patterns of images.

    A folder stands for the clips in it and below it, whatever their names: the bytes decide. Images alone in a folder
    are one clip, or single ones where they cannot be its frames. What seqcls has made (``own_files``) is left aside
    unless it is named. Patterns are expanded here because not every shell does. Of several files named one by one,
    those that hold no clip by their nature (a DICOMDIR, a report) are left aside.

    Names of which nothing is found, and folders that cannot be listed, are sources with a ``fault``: where others are
    found they cost themselves.

    Args:
        specs: files, folders, patterns, lists of names (``@files.txt``), addresses of object stores (``s3://``), and
            numbers of cameras and addresses of feeds.
        each: True takes every set of images for single ones, False for a clip; None decides by names, sizes and times.
        on_file: called with the number of files looked at so far.

    Raises SourceError where nothing can be opened, naming what is missing.
    """
    return _Search(each, on_file).run([str(spec) for spec in specs])


class _Search:
    def __init__(self, each: bool | None, on_file: Looked | None) -> None:
        self._each, self._on_file = each, on_file
        self._looked = 0
        self._aside = Aside()
        self._named: set[str] = set()  # images that were named themselves

    def run(self, specs: Sequence[str]) -> Findings:
        asked: list[Asked] = []
        found: list[tuple[int, list[FoundSource]]] = []
        live: list[FoundSource] = []
        names = [name for spec in specs for name in _names(spec)]
        for spec, is_listed, fault in names:
            require_named(spec)
            path = on_disk(spec)
            is_object = is_remote(spec) and not exists(path)
            if is_listed and "://" in spec and not (is_object or exists(path)):
                raise SourceError(f"{redact(spec)}: is a feed, and a list names clips; run it by itself")
            # Addresses and cameras are refused where they are opened, without secrets.
            if not (is_listed or is_object or fault) and not exists(path) and (spec.isdecimal() or "://" in spec):
                live.append(FoundSource(spec=spec))
                continue
            try:
                if fault:
                    raise SourceError(fault)
                if is_object:
                    one, sources = self._remote(spec)
                else:
                    one, sources = self._of_spec(spec if spec.isascii() else str(path), path, alone=len(names) == 1)
            except SourceError as error:
                place = place_of(spec) if is_object else path
                one, sources = Asked(place, False), [FoundSource(spec=spec, fault=str(error))]
            found.append((len(asked), sources))
            asked.append(one)
        _require_one([source for _, sources in found for source in sources], live)
        fronts = labels(asked) if asked else []
        placed = [
            with_path(source, fronts[number], _below(asked[number], source))
            for number, sources in found
            for source in sources
        ]
        may_grow = any(is_listed for _, is_listed, _ in names) or any(
            _is_place(asked[number], source) for number, sources in found for source in sources
        )
        sources, again = each_once(placed)
        if again:
            self._aside.reasons["further names of clips that are read already"] += again
        sources, remark = join_series(sources, each=self._each)
        return Findings((*in_series(self._single_images(sources)), *live), self._aside, remark, may_grow)

    def _of_spec(self, spec: str, path: Path, *, alone: bool) -> tuple[Asked, list[FoundSource]]:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder may not be entered
            return Asked(path, True), self._in_folder(path)
        if exists(path):
            if not path.is_file():
                return Asked(path, False), [FoundSource(spec=spec)]  # refused where it is opened
            return self._of_file(spec, path, alone=alone)
        if NUMBERED.search(path.name) and kind_by_suffix(path) == "image":
            return Asked(path, False), [FoundSource(spec=spec)]
        if glob.has_magic(spec):
            return self._matching(spec)
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            pass
        except OSError as error:  # whatever else keeps it from being found is told as it is
            raise SourceError(
                f"{spec}: cannot be looked at ({one_line(error)}); check the name and its permissions"
            ) from None
        raise SourceError(f"{spec}: no such file or folder; check the name")

    def _of_file(self, spec: str, path: Path, *, alone: bool) -> tuple[Asked, list[FoundSource]]:
        """A file that was named itself. What a shell puts in for a pattern looks the same."""
        kind = self._kind(path)
        facts = dicom_facts(path) if kind == "dicom" else None
        if facts is not None and facts.lacks == "DICOMDIR" and alone:
            return Asked(path.parent, True), self._in_folder(path.parent)  # it stands for its disc
        if not alone and (is_clutter(path.name) or (facts is not None and facts.lacks)):
            if facts is not None and facts.lacks:
                self._aside.reasons[facts.lacks] += 1
            return Asked(path, False), []
        source = FoundSource(spec=spec, images=(path,) if kind == "image" else ())
        self._named.update({spec} if kind == "image" else ())
        if facts is not None:
            source = replace(source, study=facts.study, series=facts.series, instance=facts.instance)
        return Asked(path, False), [source]

    def _remote(self, spec: str) -> tuple[Asked, list[FoundSource]]:
        """The clips below an address, by their names; what is named itself is one in any case."""
        kept = []
        for one in listed(spec):
            is_clip = place_of(one.url) == place_of(spec) or kind_by_suffix(Path(one.name)) not in ("", "image")
            if is_clip or not Path(one.name).suffix:  # DICOM files often have none
                kept.append(FoundSource(spec=one.url, remote=one))
            else:
                self._aside.suffixes[Path(one.name).suffix.lower()] += 1
        if not kept:
            raise SourceError(f"{redact(spec)}: holds no clip; name a folder with mp4, mpeg, DICOM or the like in it")
        return Asked(place_of(spec), [one.spec for one in kept] != [spec]), kept

    def _in_folder(self, folder: Path) -> list[FoundSource]:
        sources = sorted(self._walk(folder), key=lambda source: natural(source.spec))
        if not sources:
            raise SourceError(
                f"{folder}: holds no clip and no image; name a folder with mp4, mpeg, DICOM or the like in it"
                f"{self._told()}"
            )
        return sources

    def _matching(self, pattern: str) -> tuple[Asked, list[FoundSource]]:
        unread: dict[Path, OSError] = {}
        names = sorted(matching(pattern, unread), key=natural)
        sources = [_unlisted(folder, error) for folder, error in unread.items()]
        if not names and not sources:
            raise SourceError(f"{pattern}: nothing fits this pattern; check the folder and the suffix{self._told()}")
        fixed = on_disk(_fixed_part(pattern))
        files: dict[Path, list[Path]] = {}
        recursive, named = "**" in pattern, frozenset(Path(pattern).parts)
        for path in map(Path, names):
            if os.path.isdir(path):  # noqa: PTH112 - as above
                # With ** the files below it fit the pattern themselves.
                in_run = path.name not in named and _is_run_folder(path)
                sources += [] if recursive or is_clutter(path.name) else self._walk(path, in_run=in_run)
            else:
                files.setdefault(path.parent, []).append(path)
        for folder, paths in files.items():
            markers = _markers_in(folder)
            kept = self._without_made(paths, markers, _is_run_folder(folder), named)
            spec = str(folder) if len(files) > 1 else pattern
            sources += self._sorted_out(kept, spec, in_result=is_run(markers))
        if not sources:
            raise SourceError(
                f"{pattern}: none of the {len(names)} files that fit is a clip or an image; check the pattern"
                f"{self._told()}"
            )
        return Asked(fixed, True), sorted(sources, key=lambda source: natural(source.spec))

    def _walk(self, top: Path, *, in_run: bool = False) -> Iterator[FoundSource]:
        """What lies in the folder and below it, in no order. ``in_run``: whether it lies in the folder of a run."""
        waiting = [(top, in_run)]
        while waiting:
            folder, in_run = waiting.pop()
            names: set[str] = set()
            files: list[Path] = []
            inside: list[Path] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        names.add(entry.name)
                        if is_clutter(entry.name):
                            continue
                        if not is_folder(entry):
                            files.append(folder / entry.name)
                        elif entry.is_symlink():
                            self._aside.reasons["links to folders, which may lead back"] += 1
                        elif entry.name.startswith("."):
                            self._aside.reasons["hidden folders"] += 1
                        else:
                            inside.append(folder / entry.name)
            except FileNotFoundError:
                self._aside.reasons["folders that vanished"] += 1
            except OSError as error:  # what was listed before it counts
                yield _unlisted(folder, error)
            if inside and is_extracted(names):
                self._aside.reasons["folders of frames that `extract` wrote"] += len(inside)
            else:
                waiting += ((path, is_run(names)) for path in inside)
            kept = self._without_made(files, names, in_run)
            yield from self._sorted_out(kept, str(folder), in_result=is_run(names))

    def _without_made(
        self, files: Sequence[Path], names: Collection[str], in_run: bool, named: Collection[str] = ()
    ) -> list[Path]:
        """Without what seqcls itself has made. ``names``: of what lies in their folder; ``in_run``: whether that folder
        lies in that of a run; ``named``: what was asked for by its own name."""
        made = made_names(names)
        kept = []
        for path in files:
            clips = path.parent.name
            of_a_run = in_run and may_hold_clips_of_a_run(clips) and clips not in named and is_clip_of_a_run(path.name)
            if (of_a_run or made(path.name)) and path.name not in named:
                self._aside.reasons[_MADE] += 1
            else:
                kept.append(path)
        return kept

    def _sorted_out(self, files: Sequence[Path], spec: str, *, in_result: bool) -> list[FoundSource]:
        """The clips among the files of one folder, and their images as one source where they are no clips' company."""
        clips: list[FoundSource] = []
        images: list[Path] = []
        videos = 0
        for path in files:
            kind = self._kind_or_reason(path, in_result)
            if kind == "image":
                images.append(path)
            elif kind == "dicom":
                facts = dicom_facts(path)
                if facts.lacks:
                    self._aside.reasons[facts.lacks] += 1
                else:
                    clips.append(
                        FoundSource(spec=str(path), study=facts.study, series=facts.series, instance=facts.instance)
                    )
                    videos += 1
            elif kind:
                clips.append(FoundSource(spec=str(path)))
                videos += kind not in ("stack", "gif", "unreadable")
        if images:
            if videos:
                self._aside.reasons["images beside clips"] += len(images)
            else:
                images.sort(key=lambda path: natural(path.name))
                clips.append(FoundSource(spec=spec if len(images) > 1 else str(images[0]), images=tuple(images)))
        return clips

    def _kind_or_reason(self, path: Path, in_result: bool) -> str:
        """As ``kind_of``; what is "" has been counted, unless nobody would miss it."""
        if is_clutter(path.name):
            return ""
        if reason := _why_no_file(path):
            self._aside.reasons[reason] += 1
            return ""
        kind = self._kind(path)
        if kind == "unreadable" and (path.suffix or path.name.startswith(".")):
            self._aside.reasons["files that cannot be read"] += 1
            return ""  # without a suffix it may be a DICOM file, and is reported when it is opened
        if path.name.startswith("."):
            if kind:
                self._aside.reasons["hidden files"] += 1
            return ""
        if not kind and is_archive(path):
            self._aside.reasons["archives: unpack them"] += 1
        elif not kind and not in_result:
            self._aside.suffixes[path.suffix.lower()] += 1
        return kind

    def _kind(self, path: Path) -> str:
        self._looked += 1
        if self._on_file is not None:
            self._on_file(self._looked)
        try:
            return kind_of(path)
        except SourceError:  # by its name it may be a clip, and is reported when it is opened
            return kind_by_suffix(path) or "unreadable"

    def _single_images(self, sources: list[FoundSource]) -> list[FoundSource]:
        """Images named one by one become one set; sets that can be no clip are marked."""
        named = [source for source in sources if source.spec in self._named]
        if len(named) > 1:
            images = tuple(source.images[0] for source in named)
            if not self._why(images):
                raise SourceError(
                    f"{len(images)} single images: name their folder, or quote the pattern, to read them as one clip;"
                    " add each=True to score them one by one"
                )
            common = Path(os.path.commonpath([os.path.abspath(path.parent) for path in images]))  # noqa: PTH100
            together = FoundSource(
                spec=str(common),
                path=common.name or "images",
                images=images,
                image_paths=tuple(source.path for source in named),
            )
            sources = [*(source for source in sources if source.spec not in self._named), together]
        return [replace(source, unrelated=self._why(source.images)) if source.images else source for source in sources]

    def _why(self, images: Sequence[Path]) -> str:
        if self._each is None:
            return why_unrelated(images)
        return "each=True" if self._each else ""

    def _told(self) -> str:
        return f" ({self._aside})" if str(self._aside) else ""


def _names(spec: str) -> Iterator[tuple[str, bool, str]]:
    """As ``with_lists``, each with what keeps it from being read."""
    try:
        yield from ((name, is_listed, "") for name, is_listed in with_lists([spec]))
    except SourceError as error:
        yield spec, False, str(error)


def _require_one(found: Sequence[FoundSource], live: Sequence[FoundSource]) -> None:
    """Raise SourceError where there are sources and none of them can be opened."""
    faults = [source.fault for source in found if source.fault]
    if faults and len(faults) == len(found) and not live:
        raise SourceError(faults[0] if len(faults) == 1 else f"{faults[0]} (and {len(faults) - 1} more like it)")


def _unlisted(folder: Path, error: OSError) -> FoundSource:
    fault = f"{folder}: cannot be listed ({one_line(error)}); check its permissions"
    return FoundSource(spec=str(folder), fault=fault)


def _why_no_file(path: Path) -> str:
    """Why there is no file to be read; empty where there is one, or where only its permissions are lacking."""
    try:
        return "" if stat.S_ISREG(path.stat().st_mode) else "no regular files"
    except PermissionError:
        return ""
    except OSError:
        return "links that lead nowhere" if path.is_symlink() else "files that vanished"


def _markers_in(folder: Path) -> frozenset[str]:
    return frozenset(name for name in MARKERS if os.path.isfile(folder / name))  # noqa: PTH113 - raises nothing


def _is_run_folder(folder: Path) -> bool:
    """Whether the folder, of clips by its name, lies in that of a run."""
    return may_hold_clips_of_a_run(folder.name) and is_run(_markers_in(folder.parent))


def _is_place(asked: Asked, source: FoundSource) -> bool:
    """Whether what was asked for is a place in which clips lie, and not itself the clip: the folder of its images."""
    if not asked.is_folder:
        return False
    one = source.images[0] if source.images else None if source.instance is None else Path(source.spec)
    return one is None or os.path.abspath(one.parent) != os.path.abspath(asked.place)  # noqa: PTH100


def _below(asked: Asked, source: FoundSource) -> tuple[str, ...]:
    """The parts of the source's path below the folder that was asked for; none for the folder itself."""
    if not asked.is_folder:
        return ()
    own = source.spec if source.remote is None else place_of(source.spec)
    place, folder = (os.path.abspath(path) for path in (own, asked.place))  # noqa: PTH100
    return () if place == folder else Path(os.path.relpath(place, folder)).parts


def _fixed_part(pattern: str) -> Path:
    """The folder in front of the first part that is a pattern."""
    parts = Path(pattern).parts
    magic = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:magic])
