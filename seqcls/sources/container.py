"""Is a file as long, and built, as its own container says? Found without decoding, so a cut cannot pass as an end.

Decoders take a file that stops early, or that lost a stretch in the middle, for a shorter clip. Containers mostly know
better: they state the length of what follows, number their packets or carry checksums. Only contradictions count; of a
container that states nothing nobody knows whether it is whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from seqcls.files.named_files import open_regular
from seqcls.sources.container_asf import walk_asf
from seqcls.sources.container_avi import image_numbers, walk_avi
from seqcls.sources.container_bytes import FileBytes, Structure
from seqcls.sources.container_images import walk_gif, walk_png, walk_webp
from seqcls.sources.container_matroska import walk_matroska
from seqcls.sources.container_mov import walk_mov
from seqcls.sources.container_mpeg import walk_program_stream, walk_transport_stream

_BUFFER_BYTES = 1 << 14
_WALKS: dict[str, Callable[[FileBytes], Structure]] = {
    "mov": walk_mov,
    "avi": walk_avi,
    "matroska": walk_matroska,
    "mpeg": walk_program_stream,
    "mpegts": walk_transport_stream,
    "gif": walk_gif,
    "png": walk_png,
    "webp": walk_webp,
    "asf": walk_asf,
}


def examine(path: Path, kind: str) -> Structure:
    """Walk the container's skeleton; ``kind``: an FFmpeg demuxer, "png" or "webp". Never raises."""
    if kind not in _WALKS:
        return Structure(unknown=f"a bare {kind} stream states neither its length nor its number of frames")
    try:
        with open_regular(path, buffering=_BUFFER_BYTES) as stream:
            return _WALKS[kind](FileBytes(stream, path.stat().st_size))
    except (OSError, ValueError, struct.error, IndexError):
        return Structure(unknown="the container is not built as it should be")


def read_image_numbers(path: Path, stream: int) -> dict[int, int]:
    """``image_numbers`` of an AVI; nothing where its index cannot be read. Never raises."""
    try:
        with open_regular(path, buffering=_BUFFER_BYTES) as file:
            return image_numbers(FileBytes(file, path.stat().st_size), stream)
    except (OSError, ValueError, struct.error):
        return {}
