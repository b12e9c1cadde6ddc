"""The files of `run --cut` in the folder of a run: known by their names, and removed with the run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.files.safe_names import is_clip_name

#: Their folder, in that of a run.
CUTS_NAME = "cuts"


def remove_cuts(folder: Path) -> None:
    """Remove what `run --cut` wrote into ``folder``, and that where nothing else is in it. Raises OutputError."""
    own, _ = cuts_in(folder)
    try:
        for path in own:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot replace {folder}: {one_line(error)}; choose another place") from error
    if own:
        with suppress(OSError):
            folder.rmdir()


def cuts_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The clips and contact sheets in ``folder`` that `run --cut` wrote, known by their names, and clips of others."""
    own, others = list[Path](), list[Path]()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        plain = path.is_file() and not path.is_symlink() and not folder.is_symlink()
        if plain and is_clip_name(path.name):
            own.append(path)
        elif path.suffix == ".mp4":
            others.append(path)
    return own, others
