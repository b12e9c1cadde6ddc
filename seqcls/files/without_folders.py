"""Reasons that are kept with a result: files by their names, no folder, which may be that of a patient or a user."""

from __future__ import annotations

import os
import re

_SEPARATOR = re.compile(r"[/\\]")
#: Where a path may begin, and where it may end.
_BEGIN = re.compile(r"^|(?<=[\s'\"(\[])")
_END = re.compile(r"[\s:;,'\")\]/\\]|$")
#: Folders of an absolute path that is not there; an address (rtsp://...) is none.
_FOLDERS = re.compile(r"(?<![\w.~:/\\-])(?:~|[A-Za-z]:)?[/\\](?:[^\s:'\"()/\\]+[/\\])+")
#: Behind a folder that is there, further ones that are not.
_BELOW = re.compile(r"[/\\](?:[^:'\"()/\\]*[/\\])*(?=[^\s/\\])")
#: A message is one line; what is longer holds no path.
_MAX_CHARS = 1000


def without_folders(text: str) -> str:
    """The text with the name alone for every file, and "the folder" for a folder.

    Names may hold blanks: where a path begins and ends is seen by what there is on the disk. Of what is not there, an
    absolute path without blanks is known.
    """
    done, place = "", 0
    while separator := _SEPARATOR.search(text, place):
        found = _on_disk(text, place, separator.start())
        if found is None:
            folders = _FOLDERS.search(text, place)
            known = folders is not None and folders.start() <= separator.start()
            begin, end = folders.span() if folders and known else (separator.end(), separator.end())
            done, place = done + text[place:begin], end
            continue
        begin, end = found
        done, path, below = done + text[place:begin], text[begin:end], _BELOW.match(text, end)
        if below:
            end = below.end()
        else:
            done += "the folder" if os.path.isdir(path) else re.split(r"[/\\]", path)[-1]  # noqa: PTH112
        place = end
    return done + text[place:]


def _on_disk(text: str, place: int, separator: int) -> tuple[int, int] | None:
    """Begin and end of the longest path around the separator that is there."""
    begins = [found.start() for found in _BEGIN.finditer(text, place, separator + 1)]
    ends = [found.start() for found in _END.finditer(text, separator + 2, separator + _MAX_CHARS)]
    for begin in begins:
        for end in reversed(ends):
            if os.path.lexists(text[begin:end]):
                return begin, end
    return None
