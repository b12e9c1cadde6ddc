"""Where runs lie: a folder that `seqcls run` wrote, or a folder with many of them below it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seqcls.errors import one_line
from seqcls.files.named_files import open_regular
from seqcls.files.temporaries import is_temporary

TIMELINE = "timeline.json"
#: In the folder of a run of many clips, and in that of each of its clips.
MANIFEST, COMMIT = "manifest.json", "clip.json"
#: What a manifest begins with: others have files of that name, too.
_HEAD = b'{"format":'


def runs_in(place: Path, on_unread: Callable[[Path, str], None] | None = None) -> list[Path]:
    """The run of this folder, or those of the folders below it, sorted; empty where there is none.

    ``on_unread``: called for each folder that cannot be looked into, with the reason; there may be runs in it.

    What a killed program left half-written is no run. Below the folder of a run of many clips only its clips count:
    neither what was made of them, such as a replay, nor another run of many clips.
    """
    if (place / TIMELINE).is_file() and not holds_many(place):
        return [place]
    found = []
    many = ""

    def failed(error: OSError) -> None:
        if on_unread is not None and not isinstance(error, (FileNotFoundError, NotADirectoryError)):  # gone meanwhile
            on_unread(Path(error.filename), one_line(error))

    for folder, inside, files in os.walk(
        place, onerror=failed
    ):  # a third of what rglob takes: an archive has 100,000 folders
        inside[:] = [name for name in inside if not is_temporary(name)]
        is_inside = bool(many) and folder.startswith(many)
        if MANIFEST in files and holds_many(Path(folder)):
            many = many if is_inside else os.path.join(folder, "")  # noqa: PTH118 - with a slash at its end
            inside[:] = [] if is_inside else inside
        elif TIMELINE in files and (not is_inside or COMMIT in files):
            if on_unread is not None and not os.access(folder, os.X_OK):  # it may be listed, and not entered
                on_unread(Path(folder), os.strerror(errno.EACCES))
            else:
                found.append(Path(folder))
    return sorted(found, key=lambda run: run.parts)


def locked(folder: Path) -> str:
    """Why nobody can tell what is in a clip's folder, such as missing permissions; "" where that can be told."""
    try:
        with os.scandir(folder):
            os.stat(folder / COMMIT)  # noqa: PTH116 - a folder may be listed and not entered
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return one_line(error)
    return ""


def holds_many(folder: Path) -> bool:
    """Whether a run of many clips has this folder: what else lies in it, such as the timeline of a clip that was run
    into it before, is none of its results."""
    with suppress(OSError), open_regular(folder / MANIFEST) as file:
        return b"".join(file.read(len(_HEAD) + 8).split()).startswith(_HEAD)
    return False
