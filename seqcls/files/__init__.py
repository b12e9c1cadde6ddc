"""Writing files so that a reader, or a power cut, never meets half of one; and names that mean the same file."""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import glob
import io
import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from seqcls.errors import OutputError, one_line
from seqcls.files.temporaries import temporary_file
from seqcls.text.foreign_text import for_csv, whole_characters

#: What no spreadsheet takes for a formula, although it may begin with a minus.
_FIGURE = re.compile(r"-?\d+(\.\d+)?")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a new, empty file in the same folder; when the block ends well it replaces ``path`` in one step.

    The folder is made when absent. An error inside the block leaves ``path`` as it was; of a link, the link is replaced
    and what it leads to is left alone. Raises OutputError where the folder or the file cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        with temporary_file(path.parent, path.suffix) as temporary:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from error


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with \\n line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(whole_characters(text).encode("utf-8"))


def write_csv(path: str | Path, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    """Write ``csv_text`` atomically."""
    write_text(path, csv_text(rows, delimiter))


def csv_text(rows: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    """A table with \\n line ends; cells of text go through ``for_csv``."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return whole_characters(text.getvalue())


def _cell(cell: object) -> object:
    return for_csv(cell) if isinstance(cell, str) and not _FIGURE.fullmatch(cell) else cell


def require_free(path: Path, overwrite: bool) -> None:
    """Raise OutputError where something is there that is not to be replaced."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is there already: add overwrite=True, or choose another place")


def make_folder(folder: str | Path) -> Path:
    """Make the folder and its parents; raises OutputError where that cannot be."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make folder {folder}: {one_line(error)}; choose another") from error
    return folder


def require_writable(folder: str | Path) -> Path:
    """Make the folder and prove, before hours of work, that a file can be written there; raises OutputError."""
    folder = make_folder(folder)
    try:
        with temporary_file(folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {one_line(error)}; choose another") from error
    return folder


def prove_writable(folder: str | Path) -> None:
    """``require_writable``, and leave no folder behind that was not there: the work may yet fail before it writes."""
    folder = Path(folder)
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    require_writable(folder)
    for place in absent:
        with contextlib.suppress(OSError):  # somebody else has put something in since
            place.rmdir()


def is_file(path: Path) -> bool:
    """Whether a file is there; of a name that comes from elsewhere and that no disk takes, none is."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether anything is there, with the same care."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def nfc(text: str) -> str:
    """The text in Unicode's composed form. Disks and programs write an umlaut as one character or as two."""
    return unicodedata.normalize("NFC", text)


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same to a person who reads them: equal once both are composed."""
    return nfc(one) == nfc(other)


def file_identity(path: Path) -> tuple[int, int] | str:
    """Equal for two names of one file, be they links of either kind; the absolute path where nothing is there."""
    with contextlib.suppress(OSError, ValueError):
        status = path.stat()
        if status.st_ino:  # some network disks number nothing
            return status.st_dev, status.st_ino
        return str(path.resolve())
    return os.path.abspath(path)  # noqa: PTH100


def on_disk(path: str | Path, folder: Path | None = None) -> Path:
    """The path (below ``folder``) as the disk spells it, whichever Unicode form that is; what is not there stays."""
    path = Path(path)
    place = Path(path.anchor) if folder is None else folder
    parts = path.parts[1:] if path.anchor else path.parts
    try:
        for part in parts:
            exact = place / part
            others = () if part.isascii() or exact.exists() else place.iterdir()
            place = next((other for other in others if same_name(other.name, part)), exact)
    except (OSError, ValueError):  # no such folder, a name that no disk takes
        return path if folder is None else folder / path
    return place


def find_same_name(folder: Path, relative: PurePath) -> Path | None:
    """``relative`` below ``folder`` as the disk spells it, whichever Unicode form that is; None where it is not."""
    try:
        found = on_disk(Path(relative), folder)
        return found if found.exists() else None
    except (OSError, ValueError):
        return None


def matching(pattern: str, unread: dict[Path, OSError] | None = None) -> list[str]:
    """What fits a pattern, ** included, whichever Unicode form its parts have on disk; in no order. ``unread`` gets the
    folders that cannot be listed.

    As ``glob.glob``, but for ** it goes into no link to a folder: one that leads back would be followed 40 times, two
    of them 2 to the power of 40 times.
    """
    parts = Path(pattern).parts
    fixed = len(list(itertools.takewhile(lambda part: not glob.has_magic(part), parts)))
    folder = on_disk(Path(*parts[:fixed])) if fixed else Path()
    rest = parts[fixed:]
    forms = {rest, *(tuple(unicodedata.normalize(form, part) for part in rest) for form in ("NFC", "NFD"))}
    kept = {} if unread is None else unread
    found = itertools.chain.from_iterable(_expanded(folder, form, kept) for form in sorted(forms))
    return list(dict.fromkeys(map(str, found)))


def _expanded(folder: Path, parts: Sequence[str], unread: dict[Path, OSError]) -> Iterator[Path]:
    """What lies below the folder and fits the parts of a pattern, one level each, ** any number of them."""
    if not parts:
        yield folder
    elif parts[0] == "**":
        rest = list(itertools.dropwhile(lambda part: part == "**", parts))
        for place, others in _below(folder, unread):
            yield from _expanded(place, rest, unread)
            yield from others if not rest else ()
    elif glob.has_magic(parts[0]):
        fits = re.compile(fnmatch.translate(os.path.normcase(parts[0])))
        for path, is_folder in _listed(folder, unread, hidden=parts[0].startswith(".")):
            if fits.match(os.path.normcase(path.name)) and (is_folder or len(parts) == 1):
                yield from _expanded(path, parts[1:], unread)
    elif os.path.lexists(folder / parts[0]):
        yield from _expanded(folder / parts[0], parts[1:], unread)


def _below(top: Path, unread: dict[Path, OSError]) -> Iterator[tuple[Path, list[Path]]]:
    """The folder and each below it, without links, hidden ones and what cannot be listed; and what else lies in it."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        others: list[Path] = []
        for path, is_folder in _listed(folder, unread):
            (waiting if is_folder and not path.is_symlink() else others).append(path)
        yield folder, others


def _listed(folder: Path, unread: dict[Path, OSError], *, hidden: bool = False) -> list[tuple[Path, bool]]:
    """What lies in the folder, and whether that is a folder or a link to one."""
    found: list[tuple[Path, bool]] = []
    try:
        with os.scandir(folder) as entries:
            found.extend((folder / e.name, is_folder(e)) for e in entries if e.name.startswith(".") is hidden or hidden)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        unread[folder] = error
    return found


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A link that leads to itself, and what may not be looked at, are none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable; Windows has no such call, and some file systems refuse it."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
