"""Names that every file system takes."""

from __future__ import annotations

import re
from unicodedata import category

from seqcls.files import nfc

#: Devices of Windows, where no file can have these names, whatever the suffix.
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})

#: Of an organ in a clip's name.
_NAME_BYTES = 80
#: What ``clip_name`` makes, a number where two would be one, and the contact sheet of such a clip.
_CLIP = re.compile(r"[\w-]+-\d{2,}-\d\d-\d\d\.\d{3}(-\d+)?(\.mp4|-sheet\.png)")


def safe(name: str) -> str:
    """Fit for a folder's or a file's name on any file system."""
    fit = "".join(c if c.isalnum() or c in "-_.+ ()" or category(c)[0] == "M" else "_" for c in nfc(name)).strip(". ")
    return f"{fit}_" if fit.split(".")[0].casefold() in _RESERVED else fit or "clip"


def distinct(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is among ``taken``, to which it is added: also where upper and lower
    case are the same."""
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found.casefold())
    return found


def clip_name(organ: str, start_s: float) -> str:
    """A file name that every system takes and that stays in its folder."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in nfc(organ))
    kept = kept.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore")
    milliseconds = max(0, round(start_s * 1000))
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{kept if kept else 'organ'}-{hours:02d}-{minutes:02d}-{seconds:02d}.{milliseconds:03d}.mp4"


def is_clip_name(name: str) -> bool:
    """Whether a clip of a presence, or its contact sheet, is called so."""
    return _CLIP.fullmatch(name) is not None
