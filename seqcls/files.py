"""Writing files so that a reader, or a power cut, never meets half of one; and names that mean the same file."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from seqcls.errors import OutputError, one_line
from seqcls.foreign_text import for_csv, whole_characters
from seqcls.temporaries import temporary_file

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


def write_csv(path: str | Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a table with \\n line ends, atomically; cells of text go through ``for_csv``."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    write_text(path, text.getvalue())


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


def matching(pattern: str) -> list[str]:
    """What fits a pattern, ** included, whichever Unicode form its parts have on disk; in no order."""
    parts = Path(pattern).parts
    fixed = len(list(itertools.takewhile(lambda part: not glob.has_magic(part), parts)))
    folder = on_disk(Path(*parts[:fixed])) if fixed else Path()
    rest = str(Path(*parts[fixed:]))
    forms = sorted({rest, unicodedata.normalize("NFC", rest), unicodedata.normalize("NFD", rest)})
    found = (glob.glob(str(folder / form), recursive=True) for form in forms)  # noqa: PTH207 - takes absolute patterns
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


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
