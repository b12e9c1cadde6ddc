"""Writing files so that a reader, or a power cut, never meets half of one; and names that mean the same file."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from seqcls.errors import OutputError, one_line


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; when the block ends well it replaces ``path`` in one step.

    The folder is made when absent. An error inside the block leaves ``path`` as it was. Raises OutputError where the
    folder or the file cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    # The suffix stays last: writers that look at it (cv2, matplotlib) must see the real one.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with \\n line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))  # of names that are no UTF-8, only the signs are lost


def write_csv(path: str | Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a table with \\n line ends, atomically."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


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
    probe = folder / f".seqcls-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
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


def printable(text: str) -> str:
    """Fit for a table and a terminal, which names of files need not be: one line, and nothing that steers.

    Control characters, line separators and changes of the writing direction are escaped as Python writes them
    (``\\x1b``); what is no UTF-8, as on a disk of an older system, becomes U+FFFD.
    """
    if text.isprintable():
        return text
    text = _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]")


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same to a person who reads them: equal once both are composed."""
    return nfc(one) == nfc(other)


def find_same_name(folder: Path, relative: PurePath) -> Path | None:
    """``relative`` below ``folder`` as the disk spells it, whichever Unicode form that is; None where it is not."""
    try:
        for part in relative.parts:
            exact = folder / part
            others = () if part.isascii() or exact.exists() else folder.iterdir()
            folder = next((path for path in others if same_name(path.name, part)), exact)
        return folder if folder.exists() else None
    except (OSError, ValueError):  # no such folder, a name that no disk takes
        return None


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
