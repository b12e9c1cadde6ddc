"""Names that every file system takes."""

from __future__ import annotations

from unicodedata import category

from seqcls.files import nfc

#: Devices of Windows, where no file can have these names, whatever the suffix.
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})


def safe(name: str) -> str:
    """Fit for a folder's or a file's name on any file system."""
    fit = "".join(c if c.isalnum() or c in "-_.+ ()" or category(c)[0] == "M" else "_" for c in nfc(name)).strip(". ")
    return f"{fit}_" if fit.split(".")[0].casefold() in _RESERVED else fit or "clip"
