"""What a run of many clips works through: one file in its folder, written before the first clip is read.

It says which clips there are, what each holds, where its results go, and with which model and options they are made.
The same command finds it again and does what is missing. Nothing in it is an absolute path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from seqcls.archive.result_key import content_digests, run_key, stamp, unseen_digest, whole_digest
from seqcls.errors import OutputError, one_line
from seqcls.exports.run_folders import MANIFEST
from seqcls.files import write_text
from seqcls.files.json_record import known_fields, record_from
from seqcls.files.json_text import json_line, json_text
from seqcls.files.named_files import read_regular
from seqcls.geometry import Layout
from seqcls.sources.found import FoundSource, output_folders
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import MAX_SHOWN

FORMAT = 1
_MAX_BYTES = 1 << 30
#: Parts as ``safe_names.safe`` makes them, with slashes between: neither absolute nor with a drive.
_INSIDE = re.compile(r"[^/\\:\0]+(/[^/\\:\0]+)*")
#: Called with the number of clips looked at so far.
Looked = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One clip of a run."""

    path: str
    """Which one, as the run names it: relative to what was asked for, with slashes."""
    folder: str
    """Where its results go, below the folder of the run."""
    content: str = ""
    """Digest of what it holds; "" where it could not be read."""
    stamp: str = ""
    """Sizes and times of its files: as long as these stay, so does the content."""
    whole: str = ""
    """Digest of all that it holds, where it has been written to since it was first listed and ``content``, which does
    not see the middle of a large file, is still the same."""
    rewritten: bool = False
    """Whether it held something else when it was first listed: another part may have results of that."""
    same_as: str = ""
    """The path of another clip of the run that holds the same, and stands for both."""

    @property
    def key(self) -> str:
        """All that is known of what it holds."""
        return f"{self.content} {self.whole}".rstrip()

    @property
    def was_there(self) -> bool:
        """Whether it was ever found: else it has no results, and may have been a name written wrongly."""
        return bool(self.content or self.stamp)


@dataclass(frozen=True, slots=True)
class Unit:
    """A clip and where to read it."""

    entry: Entry
    source: FoundSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is to be done, and what was decided for all clips together."""

    options: Mapping[str, Any]
    """The model's digest, and what changes results: plain values, by what a person calls them."""
    layouts: tuple[Layout, ...] = ()
    """Screens that were found in several of the clips."""
    known: tuple[int, ...] = ()
    """How many of these were known, each time that clips were added: later ones change nothing for those before."""
    part: str = ""
    """Which part of the clips is done in this folder, as ``3/16``; "" for all."""
    entries: tuple[Entry, ...] = field(default=(), repr=False)

    @property
    def run(self) -> str:
        """The key of results made now."""
        return run_key(self.options, self.layouts)

    @property
    def runs(self) -> frozenset[str]:
        """The keys of all results that belong here."""
        return frozenset(run_key(self.options, self.layouts[:count]) for count in {*self.known, len(self.layouts)})

    def with_layouts(self, found: Sequence[Layout]) -> Manifest:
        """Knowing these screens too from now on."""
        layouts = (*self.layouts, *found)
        return replace(self, layouts=layouts, known=(*self.known, len(layouts)))

    def differences(self, options: Mapping[str, Any]) -> list[str]:
        """What is different in a run with these options, in words."""
        ours, theirs = (_plain(each) for each in (self.options, options))
        return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]


def _plain(options: Mapping[str, Any]) -> Any:
    return json.loads(json_line(options))


def read_manifest(root: Path) -> Manifest | None:
    """That of a run's folder; None where there is none. Raises OutputError for one that cannot be used."""
    with _readable(root):
        body = read_plain(root)
        if body is None:
            return None
        return Manifest(
            options=record_from(dict, body["options"], "options"),
            layouts=tuple(map(Layout.from_dict, body["layouts"])),
            known=tuple(map(int, body["known"])),
            part=str(body.get("part", "")),
            entries=tuple(record_from(Entry, known_fields(Entry, each), "clips") for each in body["clips"]),
        )


def read_plain(root: Path) -> dict[str, Any] | None:
    """As ``read_manifest``, as JSON has it: of "clips", which are many, only ``path`` and ``folder`` are checked."""
    with _readable(root):
        try:
            # Not by ``read_json``, whose bounds are those of one clip: this one is as long as the archive.
            body: dict[str, Any] = json.loads(read_regular(root / MANIFEST, _MAX_BYTES))
        except FileNotFoundError:
            return None
        if body["format"] != FORMAT:
            raise ValueError(f"it is of format {body['format']}, this seqcls reads {FORMAT}")
        _require_folders({str(each["path"]): str(each["folder"]) for each in body["clips"]})
        return body


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """Raises OutputError."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # whatever is wrong with it: somebody has changed it
        what = one_line(error)
        raise OutputError(
            f"{root / MANIFEST} cannot be read ({what}): add overwrite=True to begin anew, or choose another place"
        ) from error


def _require_folders(folders: Mapping[str, str]) -> None:
    """Of each clip: it lies below the run's folder, and neither is nor holds that of another: results are written
    there, and replaced. Raises ValueError."""
    taken = {folder.casefold() for folder in folders.values()}
    for path, folder in folders.items():
        is_inside = _INSIDE.fullmatch(folder) and not {".", ".."} & {*folder.split("/")}
        if not is_inside or not taken.isdisjoint(_parents(folder)):
            raise ValueError(f"{path[:MAX_SHOWN]!r} has no folder of its own below the run's: {folder[:MAX_SHOWN]!r}")
    if len(taken) < len(folders):
        raise ValueError("two clips have the same folder")


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Atomically, one line a clip. Raises OutputError."""
    head = {
        "format": FORMAT,
        "options": manifest.options,
        "layouts": [layout.to_dict() for layout in manifest.layouts],
        "known": manifest.known,
        **({"part": manifest.part} if manifest.part else {}),
    }
    lines = ",\n".join(json_line({k: v for k, v in asdict(one).items() if v}) for one in manifest.entries)
    begin = json_text(head).removesuffix("\n}")
    write_text(root / MANIFEST, f'{begin},\n "clips": [\n{lines}\n]\n}}\n')


def listed(
    sources: Sequence[FoundSource],
    named: Sequence[FoundSource],
    before: Manifest | None,
    *,
    on_clip: Looked | None = None,
    verify: bool = False,
    has_changed: Callable[[Entry], bool] = lambda entry: False,
) -> list[Unit]:
    """The clips of a run, each with what it holds and its own folder.

    ``named``: the same sources as the run names them. ``before``: of the run that goes on: its clips keep their
    folders, and are not read again as long as nobody has written to them, unless ``verify`` has all bytes read.
    ``has_changed``: whether results lie there of what a clip held before; such a clip stands for no other.
    """
    known = {} if before is None else {entry.path: entry for entry in before.entries if entry.was_there}
    folders = _folders(named, known)
    paths, marks = [for_name(name.path) for name in named], list(map(stamp, sources))

    def is_unwritten(number: int) -> bool:
        old, mark = known.get(paths[number]), marks[number]
        return old is not None and bool(old.content) and bool(mark) and old.stamp == mark and not verify

    units = []
    to_read = [source for number, source in enumerate(sources) if not (source.fault or is_unwritten(number))]
    with closing(content_digests(to_read)) as contents:
        for number, (source, path, folder, mark) in enumerate(zip(sources, paths, folders, marks, strict=True)):
            old, entry = known.get(path), Entry(path=path, folder=folder, stamp=mark)
            if source.fault:
                entry = replace(entry, stamp="" if old is None else old.stamp)
            elif old is not None and is_unwritten(number):
                entry = replace(entry, content=old.content, whole=old.whole, rewritten=old.rewritten)
            else:
                entry = _read(entry, source, next(contents), old)
            units.append(Unit(entry, source))
            if on_clip is not None:
                on_clip(number + 1)
    return _each_content_once(units, known, has_changed)


def _read(entry: Entry, source: FoundSource, content: str, old: Entry | None) -> Entry:
    """With what the clip holds now. ``old``: what was known of it."""
    is_known = old is not None and bool(content) and content == old.content
    # Of an object that does not come just now its store still says whether it was written.
    whole = unseen_digest(source) if is_known or (not content and source.remote is not None) else ""
    rewritten = old is not None and (old.rewritten if is_known else bool(content and old.content))
    return replace(entry, content=content, whole=whole, rewritten=rewritten)


def with_earlier(units: Iterable[Unit], before: Manifest | None) -> tuple[Entry, ...]:
    """The entries of these clips, and of those that were there before and are not asked for now."""
    entries = [unit.entry for unit in units]
    now = {entry.path for entry in entries}
    earlier = () if before is None else before.entries
    return (*entries, *(entry for entry in earlier if entry.path not in now and entry.was_there))


def _folders(named: Sequence[FoundSource], known: Mapping[str, Entry]) -> list[str]:
    """One for each; none lies inside another, so that each can be replaced as a whole."""
    paths = [for_name(source.path) for source in named]
    fresh = [number for number, path in enumerate(paths) if path not in known]
    proposed = output_folders([named[number] for number in fresh])
    taken = {entry.folder.casefold() for entry in known.values()}
    around = {parent for folder in (*taken, *proposed) for parent in _parents(folder)}
    chosen = {}
    for number, folder in zip(fresh, proposed, strict=True):
        chosen[paths[number]] = found = _free(folder, taken, around)
        taken.add(found.casefold())
        around.update(_parents(found))
    return [known[path].folder if path in known else chosen[path] for path in paths]


def _free(folder: str, taken: set[str], around: set[str]) -> str:
    """The folder, with a number behind it, or behind the first folder around it, where it would be one of ``taken``,
    lie in one, or lie around one."""
    first, slash, rest = folder.partition("/")
    found, number = folder, 1
    while not {found.casefold(), *_parents(found)}.isdisjoint(taken) or found.casefold() in around:
        number += 1
        inside = not taken.isdisjoint(_parents(folder))
        found = f"{first}-{number}{slash}{rest}" if inside else f"{folder}-{number}"
    return found


def _parents(folder: str) -> list[str]:
    """In small letters, for disks that do not tell these from capitals."""
    parts = folder.casefold().split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _each_content_once(
    units: Sequence[Unit], known: Mapping[str, Entry], has_changed: Callable[[Entry], bool]
) -> list[Unit]:
    """Of clips that hold the same one stands for all: one that did so before, else the first."""
    groups: dict[str, list[int]] = {}
    for number, unit in enumerate(units):
        if unit.entry.content:
            groups.setdefault(unit.entry.content, []).append(number)
    made = list(units)
    for group in groups.values():
        if len(group) == 1:
            continue
        group.sort(key=lambda number: not _stood_alone(units[number].entry, known))
        alike: dict[str, list[int]] = {}
        for number in group:
            unit = units[number]
            # Beginning and end are alike; only these few are read whole.
            alike.setdefault(f"{bool(unit.source.unrelated)} {whole_digest(unit.source)}", []).append(number)
        for numbers in alike.values():
            if len(numbers) == 1:
                continue
            first = next((number for number in numbers if not has_changed(units[number].entry)), None)
            if first is None:
                continue
            for number in numbers:
                if number != first:
                    same = replace(units[number].entry, same_as=units[first].entry.path)
                    made[number] = Unit(same, units[number].source)
    return made


def _stood_alone(entry: Entry, known: Mapping[str, Entry]) -> bool:
    old = known.get(entry.path)
    return old is not None and not old.same_as and old.content == entry.content
