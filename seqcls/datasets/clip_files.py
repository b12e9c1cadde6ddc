"""Which clip on disk a label file means: by its path, else by a name that is unique; never one of two by chance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.files import file_identity, find_same_name, nfc, on_disk, same_name
from seqcls.sources.base import few
from seqcls.sources.found import Asked
from seqcls.sources.found import labels as tails_of
from seqcls.sources.sniff import is_clutter, kind_by_suffix
from seqcls.text.foreign_text import for_name, for_terminal
from seqcls.text.wording import count_of


def match_clips(
    labels: Sequence[ClipLabels], root: str | Path, label_file: str | Path, *, outside: bool = False
) -> list[tuple[Path, ClipLabels]]:
    """Find each labelled clip: below ``root``, beside the label file, or by a file name that is unique below ``root``.

    A label file may come from somebody else: what it names must lie below ``root``, also behind a link, unless
    ``outside`` allows more. Raises DataError that names the first clip which does not, which is not there, or is named
    twice in different ways: its labels would contradict each other unseen, and its frames could stand on both sides of
    a split.
    """
    root = on_disk(root)
    if root.name.upper() == "DICOMDIR" and root.is_file():
        root = root.parent  # the directory of a disc stands for it
    if not root.exists():
        raise DataError(f"no folder or clip at {root}")
    if root.is_file():
        clip = _labels_of(root, labels, label_file)
        note = _moved(clip.file, root, label_file)
        return _without_outer_folders([(root, replace(clip, notes=(*clip.notes, *note)))], root.parent)
    below = _Below(root)
    found, taken, shown, notes = [], dict[object, str](), dict[str, str](), list[str]()
    for clip in labels:
        # What a run wrote of a name that is no UTF-8 holds a backslash.
        direct = below.by_path.get(nfc(_relative(clip.file).as_posix())) or below.by_path.get(nfc(clip.file), [])
        if len(direct) > 1:
            raise DataError(
                f"{label_file} names {clip.file}, which {root} holds in two Unicode forms, or in one and written out;"
                " rename one of them"
            )
        if not (clip.names_clip or direct or below.by_stem(_relative(clip.file))):
            raise DataError(
                f"{label_file} names no clip, and none in {root} is called like it: give it the clip's name, or name"
                " the clip instead of the folder"
            )
        path, note = (direct[0], []) if direct else _find(clip.file, below, Path(label_file))
        if below.parts_of(path)[: len(below.resolved)] != below.resolved:
            if not outside:
                raise DataError(
                    f"{label_file} names {clip.file}, which lies outside of {root}{_behind_a_link(path, root)}; name a"
                    " folder that holds both, or allow it: outside=True"
                )
            note = [f"{path} is used, as {label_file} names it, though it lies outside of {root}"]
        other = taken.setdefault(file_identity(path), clip.file)
        if other != clip.file:
            raise DataError(f"{label_file} names one clip both {other} and {clip.file}: name it in one way")
        if shown.setdefault(for_terminal(clip.file), clip.file) != clip.file:
            raise DataError(
                f"{label_file} names two clips that look alike, {clip.file}: one name holds what nobody sees; rename it"
            )
        found.append((path, clip))
        notes += note
    notes = few(notes)
    folders = {path for path, _ in found if path.is_dir()}  # a clip of one file per frame
    videos = [path for path in below.clips() if folders.isdisjoint(path.parents)]
    bare = sorted(path.name for path in videos if file_identity(path) not in taken)
    if bare:
        names = ", ".join(bare[:3]) + (f" and {len(bare) - 3} more" if len(bare) > 3 else "")
        notes.append(f"{len(bare)} of {count_of(len(videos), 'clip')} in {root} have no label in {label_file}: {names}")
    return _without_outer_folders([(path, replace(clip, notes=(*clip.notes, *notes))) for path, clip in found], root)


def _without_outer_folders(found: list[tuple[Path, ClipLabels]], root: Path) -> list[tuple[Path, ClipLabels]]:
    """What is written names a clip as the label file does, but for folders outside of ``root``, which may name people.

    Of clips with the same name outside of it, as many folders are kept as tell them apart.
    """
    root = root.resolve()
    paths = {clip.file: path.resolve() for path, clip in found if _leads_out(clip.file)}
    outside = {file: path for file, path in paths.items() if not path.is_relative_to(root)}
    names = {file: path.relative_to(root).as_posix() for file, path in paths.items() if file not in outside}
    if outside:
        tails = tails_of([Asked(path, is_folder=False) for path in outside.values()])
        names |= {file: "/".join(tail) for file, tail in zip(outside, tails, strict=True)}
    return [
        (path, replace(clip, file=name, patient=name if clip.patient == clip.file else clip.patient))
        for path, clip in found
        for name in [names.get(clip.file, clip.file)]
    ]


def _leads_out(file: str) -> bool:
    """Whether a label file names a clip by an absolute path, or one that leads upwards."""
    relative = _relative(file)
    return relative.is_absolute() or PureWindowsPath(file).is_absolute() or ".." in relative.parts


class _Below:
    """What lies below a folder, looked up many times: ``by_path`` below it, of which there are two where a disk holds
    both Unicode forms, and ``by_name`` alone; as they are on the disk, and as a run writes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.by_path: dict[str, list[Path]] = {}
        self.by_name: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        self._parts: dict[Path, tuple[str, ...]] = {}
        self._groups: dict[tuple[str, ...], dict[str, list[Path]]] = {}
        self.resolved = self.parts_of(root)
        for path in sorted(root.rglob("*")):
            below = path.relative_to(root)
            if not any(part.startswith(".") or is_clutter(part) for part in below.parts):
                for known, name in ((self.by_path, below.as_posix()), (self.by_name, path.name)):
                    for key in dict.fromkeys((nfc(name), nfc(for_name(name)))):
                        known.setdefault(key, []).append(path)

    def clips(self) -> list[Path]:
        """What the suffix calls a clip, each once, whatever names it is found by."""
        paths = dict.fromkeys(itertools.chain.from_iterable(self.by_path.values()))
        return [path for path in paths if kind_by_suffix(path) not in ("", "image")]

    def by_stem(self, relative: Path) -> list[Path]:
        """Clips that are called so but for their suffix, which some tools leave out; none for a name that has one."""
        if kind_by_suffix(relative):
            return []
        if not self._stems:
            for path in self.clips():
                self._stems.setdefault(nfc(path.stem), []).append(path)
        return self._stems.get(nfc(relative.name), [])

    def parts_of(self, path: Path) -> tuple[str, ...]:
        """Of the path without links, composed."""
        if path not in self._parts:
            self._parts[path] = tuple(map(nfc, path.resolve().parts))
        return self._parts[path]

    def most_alike(self, relative: Path, named: list[Path]) -> list[Path]:
        """Of ``named``, which have its name, the ones that share most names with it, counted from the end."""
        names, found = [nfc(part) for part in relative.parts], named
        for count in range(1, len(names)):
            closer = self._grouped(tuple(names[-count:]), found).get(names[-count - 1], [])
            if not closer:
                break
            found = closer
        return found

    def _grouped(self, tail: tuple[str, ...], paths: Sequence[Path]) -> dict[str, list[Path]]:
        """These paths, which end in ``tail``, by the name before it; made once, however often it is asked for."""
        if tail not in self._groups:
            groups = self._groups[tail] = {}
            for path in paths:
                if len(parts := self.parts_of(path)) > len(tail):
                    groups.setdefault(parts[-len(tail) - 1], []).append(path)
        return self._groups[tail]


def _find(file: str, below: _Below, label_file: Path) -> tuple[Path, list[str]]:
    """The clip that is meant where none has just this path below the root, and notes for the user."""
    relative, root = _relative(file), below.root
    named = below.by_name.get(nfc(relative.name)) or below.by_name.get(nfc(file), []) or below.by_stem(relative)
    # A name without a folder means what lies below the root, before anything of that name outside of it.
    for base in () if named and len(relative.parts) == 1 else (root, root.parent, label_file.parent):
        if path := find_same_name(base, relative):
            return path, []
    if not named:
        raise DataError(
            f"{label_file} names {file}, which is not in {root}; mend the name or the folder"
            + _alike(relative, below.by_name)
        )
    best = below.most_alike(relative, named)
    if len(best) > 1:
        raise DataError(
            f"{label_file} names {file}, and {root} holds {len(best)} files of that name; write the folder before it,"
            " or fill in a column path"
        )
    return best[0], _moved(file, best[0], label_file)


def _behind_a_link(path: Path, root: Path) -> str:
    return ", behind a link" if path.is_relative_to(root) and ".." not in path.parts else ""


def _moved(file: str, path: Path, label_file: str | Path) -> list[str]:
    """A note where the clip's folders are others than those that the label file names."""
    relative = _relative(file)
    moved = _shared_tail(path.resolve(), relative) == 1 < len(relative.parts)
    return [f"{file} of {label_file} is taken to be {path}: no other clip here has this name"] * moved


def _alike(relative: Path, by_name: Mapping[str, list[Path]]) -> str:
    """A name that is the same but for its suffix and for upper and lower case."""
    stem = nfc(relative.stem).casefold()
    return next((f" (there is {name})" for name in by_name if Path(name).stem.casefold() == stem), "")


def _shared_tail(path: Path, other: Path) -> int:
    """How many names the two paths share, counted from the end."""
    pairs = zip(reversed(path.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: same_name(*pair), pairs))


def _labels_of(clip: Path, labels: Sequence[ClipLabels], label_file: str | Path) -> ClipLabels:
    if len(labels) == 1 and not labels[0].names_clip:  # there is no other that it could be of
        (only,) = labels
        return replace(only, file=clip.name, patient=clip.name if only.patient == only.file else only.patient)
    own = [known for known in labels if same_name(_relative(known.file).name, clip.name)]
    own = own or [known for known in labels if same_name(_relative(known.file).name, clip.stem)]
    if len(own) > 1:
        names = {known.file: _relative(known.file) for known in own}
        own = [
            known for known in own if _shared_tail(clip.resolve(), names[known.file]) == len(names[known.file].parts)
        ]
    if not own:
        raise DataError(f"{label_file} has no label for {clip.name}")
    if len(own) > 1:
        raise DataError(f"{label_file} names {clip.name} as {' and '.join(k.file for k in own)}: name it in one way")
    return own[0]


def _relative(file: str) -> Path:
    """As the label file says, with either kind of slash."""
    return Path(*PurePosixPath(file.replace("\\", "/")).parts)
