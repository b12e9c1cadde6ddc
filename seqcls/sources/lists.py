"""``@files.txt``: names of clips, one a line."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqcls.errors import SourceError, one_line
from seqcls.files import exists, matching, on_disk
from seqcls.files.named_files import read_regular

#: A million names of a hundred letters.
_MAX_BYTES = 100 << 20


def with_lists(specs: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each name, and whether it comes from a list. Raises SourceError for a list that cannot be read."""
    for spec in specs:
        if spec.startswith("@") and len(spec) > 1 and not on_disk(spec).exists():
            yield from ((name, True) for name in _names(on_disk(spec[1:])))
        else:
            yield spec, False


def _names(path: Path) -> Iterator[str]:
    """Lines that are empty or begin with # name nothing. What is not found from here is looked for beside the list."""
    try:
        text = read_regular(path, _MAX_BYTES).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise SourceError(f"the list {path} cannot be read ({one_line(error)}); check the name behind the @") from error
    if "\0" in text:
        raise SourceError(f"{path}: is no list of names, one a line; name a clip without the @")
    found = 0
    for line in text.splitlines():
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        found += 1
        yield _name(name, path.parent)
    if not found:
        raise SourceError(f"the list {path} names no clip: write one name a line")


def _name(line: str, beside: Path) -> str:
    """The first of what a line may mean that is there; the line where nothing is. Programs put names with blanks into
    quotes."""
    if "://" in line:
        return line
    bare = line[1:-1] if len(line) > 2 and line[0] == line[-1] in "\"'" else ""
    for name in filter(None, (line, bare)):
        for place in (name, str(beside / name)):
            if exists(on_disk(place)) or (glob.has_magic(place) and matching(place)):
                return place
    return line
