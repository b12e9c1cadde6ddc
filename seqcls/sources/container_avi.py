"""AVI (RIFF): chunks of 4 bytes name, 4 bytes size, padded to even; the frames lie in LIST movi, idx1 lists them."""

from __future__ import annotations

import re
from collections import Counter

from seqcls.sources.container_bytes import FileBytes, Structure, breaks_at, ends_early

_CHUNK = re.compile(rb"\d\d(?:d[bc]|wb|tx|sb|pc|iv)|ix\d\d|JUNK|LIST|idx1|rec |INFO")
_IMAGE = re.compile(rb"\d\dd[bc]")


def walk_avi(data: FileBytes) -> Structure:
    """Whether the chunks fill the file and all that the index lists are there, and how many images its only stream of
    images holds; a chunk without content repeats the image before."""
    size, position = len(data), 0
    streams = data.unpack("<I", 56)[0] if data.read(24, 4) == b"avih" else 100
    found, listed = Counter[bytes](), Counter[bytes]()
    while position + 12 <= size and data.read(position, 4) == b"RIFF":
        (length,) = data.unpack("<I", position + 4)
        end = position + 8 + length
        if length in (0, 0xFFFFFFFF):
            return Structure()  # a recorder that never came back to fill in the size
        if end > size + 8:  # some writers count the 8 bytes of the head itself
            return ends_early(end, size)
        inside, movi_end, end = position + 12, 0, min(end, size)
        while inside + 8 <= end:
            name, length = data.unpack("<4sI", inside)
            if name == b"LIST" and data.read(inside + 8, 4) in (b"movi", b"rec "):
                movi_end = max(movi_end, inside + 8 + length)
                inside += 12
                continue
            if name == b"idx1":
                movi_end = 0  # the index ends the frames, also where their list states too great a length
                listed += _in_index(data.read(inside + 8, min(length, _MAX_INDEX)))
            if not all(32 <= c < 127 for c in name):
                return breaks_at(inside)
            if inside < movi_end and not (_CHUNK.fullmatch(name) and _stream_number(name) < streams):
                return breaks_at(inside)
            chunk_end = inside + 8 + length
            if chunk_end > size:
                return ends_early(chunk_end, size) if end == size else breaks_at(inside)
            if chunk_end > end + 1:
                return breaks_at(inside)
            if _IMAGE.fullmatch(name) and length:
                found[name[:2]] += 1
            inside = chunk_end + (length & 1)
        position = end + (end & 1)
    return _compared(found, listed)


#: Of an index so much is looked at: 16 bytes for each of 20 million chunks.
_MAX_INDEX = 320_000_000
#: Where an index is looked for that is not where it should be: of 2 million chunks.
_TAIL = 32_000_000


def image_numbers(data: FileBytes, stream: int) -> dict[int, int]:
    """Where the content of each image of a stream lies, and the how manieth chunk of the stream it is, from 0, by the
    index: an AVI has no other times, and a reader that counts what it finds counts too few where some is damaged.

    Of the first RIFF alone; nothing where its heads are damaged.
    """
    if data.read(0, 4) != b"RIFF":
        return {}
    inside, movi, size = 12, 0, len(data)
    while inside + 8 <= size:
        name, length = data.unpack("<4sI", inside)
        if name == b"LIST" and data.read(inside + 8, 4) == b"movi":
            movi = inside + 8
        elif name == b"idx1" and movi:
            return _numbered(data.read(inside + 8, min(length, _MAX_INDEX)), movi, stream)
        elif not all(32 <= c < 127 for c in name):
            break
        inside += 8 + length + (length & 1)
    tail = data.read(max(0, size - _TAIL), _TAIL) if movi else b""  # the list has not the length that it states
    at = tail.rfind(b"idx1")
    return _numbered(tail[at + 8 :], movi, stream) if at >= 0 else {}


def _numbered(index: bytes, movi: int, stream: int) -> dict[int, int]:
    """movi: where the word lies from which offsets count, in most files; in others they count from the file's start."""
    heads = (f"{stream:02}dc".encode(), f"{stream:02}db".encode())
    offsets = [
        int.from_bytes(index[at + 8 : at + 12], "little")
        for at in range(0, len(index) - 15, 16)
        if index[at : at + 4] in heads
    ]
    base = 8 + (movi if offsets and offsets[0] < movi else 0)
    return {base + offset: number for number, offset in enumerate(offsets)}


def _in_index(content: bytes) -> Counter[bytes]:
    """Images with content that it lists, by stream."""
    entries = [content[at : at + 16] for at in range(0, len(content) - 15, 16)]
    return Counter(entry[:2] for entry in entries if _IMAGE.fullmatch(entry[:4]) and any(entry[12:]))


def _compared(found: Counter[bytes], listed: Counter[bytes]) -> Structure:
    for stream, count in found.items():
        if listed[stream] > count:
            return Structure(f"{count} of the {listed[stream]} images that its index lists are there")
    return Structure(frames=next(iter(found.values())) if len(found) == 1 else None)


def _stream_number(name: bytes) -> int:
    """The stream that an AVI chunk belongs to, 0 for others."""
    return int(name[:2]) if name[:2].isdigit() else 0
