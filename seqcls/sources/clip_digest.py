"""What tells a clip's file from all others, whatever it is called."""

from __future__ import annotations

import hashlib

from seqcls.files import on_disk
from seqcls.files.named_files import open_regular

#: Bytes at a clip's beginning, and at its end.
LOOKED_AT = 1 << 20


def clip_digest(spec: str) -> str:
    """SHA-256 in hex of a clip's size, its beginning and its end; "" for what is no file. Two patients' clips may have
    the same name, size of images and number of frames."""
    try:
        path = on_disk(spec)
        if "://" in spec or not path.is_file():
            return ""
        with open_regular(path) as file:
            size = file.seek(0, 2)
            digest = hashlib.sha256(str(size).encode())
            for place in (0, max(0, size - LOOKED_AT)):
                file.seek(place)
                digest.update(file.read(LOOKED_AT))
    except (OSError, ValueError):
        return ""
    return digest.hexdigest()
