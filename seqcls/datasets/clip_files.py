"""Which clip on disk a label file means: by its path, else by a name that is unique; never one of two by chance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.files import file_identity, find_same_name, nfc, on_disk, same_name
from seqcls.foreign_text import for_terminal
from seqcls.sources.sniff import is_clutter, kind_by_suffix
from seqcls.wording import count_of


def match_clips(
    labels: Sequence[ClipLabels], root: str | Path, label_file: str | Path
) -> list[tuple[Path, ClipLabels]]:
    """Find each labelled clip: below ``root``, beside the label file, or by a file name that is unique below ``root``.

    Raises DataError that names the first clip which is not there, or is named twice in different ways: its labels would
    contradict each other unseen, and its frames could stand on both sides of a split.
    """
    root = on_disk(root)
    if not root.exists():
        raise DataError(f"no folder or clip at {root}")
    if root.is_file():
        clip = _labels_of(root, labels, label_file)
        note = _moved(clip.file, root, label_file)
        return [(root, replace(clip, notes=(*clip.notes, *note)))]
    inside: dict[str, list[Path]] = {}  # by the path below the root; two where a disk holds both Unicode forms
    by_name: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        below = path.relative_to(root)
        if not any(part.startswith(".") or is_clutter(part) for part in below.parts):
            inside.setdefault(_key(below.as_posix()), []).append(path)
            by_name.setdefault(_key(path.name), []).append(path)
    found, taken, notes = [], dict[object, str](), list[str]()
    for clip in labels:
        # What a run wrote of a name that is no UTF-8 holds a backslash.
        direct = inside.get(_key(_relative(clip.file).as_posix())) or inside.get(_key(clip.file), [])
        if len(direct) > 1:
            raise DataError(
                f"{label_file} names {clip.file}, which {root} holds in two Unicode forms; rename one of them"
            )
        path, note = (direct[0], []) if direct else _find(clip.file, root, by_name, Path(label_file))
        other = taken.setdefault(file_identity(path), clip.file)
        if other != clip.file:
            raise DataError(f"{label_file} names one clip both {other} and {clip.file}: name it in one way")
        found.append((path, clip))
        notes += note
    videos = [path for paths in inside.values() for path in paths if kind_by_suffix(path) not in ("", "image")]
    bare = sorted(path.name for path in videos if file_identity(path) not in taken)
    if bare:
        names = ", ".join(bare[:3]) + (f" and {len(bare) - 3} more" if len(bare) > 3 else "")
        notes.append(f"{len(bare)} of {count_of(len(videos), 'clip')} in {root} have no label in {label_file}: {names}")
    return [(path, replace(clip, notes=(*clip.notes, *notes))) for path, clip in found]


def _find(file: str, root: Path, by_name: Mapping[str, list[Path]], label_file: Path) -> tuple[Path, list[str]]:
    """The clip that is meant where none has just this path below the root, and notes for the user."""
    relative = _relative(file)
    named = by_name.get(_key(relative.name)) or by_name.get(_key(file), [])
    # A name without a folder means what lies below the root, before anything of that name outside of it.
    for base in () if named and len(relative.parts) == 1 else (root, root.parent, label_file.parent):
        if path := find_same_name(base, relative):
            outside = not path.resolve().is_relative_to(root.resolve())
            return path, [f"{path} is used, as {label_file} names it, though it lies outside of {root}"] * outside
    if not named:
        raise DataError(
            f"{label_file} names {file}, which is not in {root}; mend the name or the folder"
            + _alike(relative, by_name)
        )
    shared = {path: _shared_tail(path.resolve(), relative) for path in named}
    best = [path for path in named if shared[path] == max(shared.values())]
    if len(best) > 1:
        raise DataError(
            f"{label_file} names {file}, and {root} holds {len(best)} files of that name; write the folder before it,"
            " or fill in a column path"
        )
    return best[0], _moved(file, best[0], label_file)


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
    own = [known for known in labels if same_name(_relative(known.file).name, clip.name)]
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


def _key(name: str) -> str:
    """Equal for names that a label file cannot tell apart; as a run writes them."""
    return nfc(for_terminal(name))


def _relative(file: str) -> Path:
    """As the label file says, with either kind of slash."""
    return Path(*PurePosixPath(file.replace("\\", "/")).parts)
