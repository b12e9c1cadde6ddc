"""Matroska and WebM (RFC 8794 and 9559): elements of a variable-length id and size; all ones means unknown size."""

from __future__ import annotations

import struct
import zlib

from seqcls.sources.container_bytes import BLOCK_BYTES, FileBytes, Structure, breaks_at, checksum_wrong, ends_early

_SEGMENT, _CLUSTER, _TRACKS, _CRC = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xBF
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_TRACK, _NUMBER, _TYPE, _VIDEO = 0xAE, 0xD7, 0x83, 1
_TOP = frozenset(
    {0x114D9B74, 0x1549A966, _TRACKS, _CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, _CRC}
)
_NUMBERS = frozenset({0xE7, 0xA7, 0xAB})
_IN_CLUSTER = frozenset({0xE7, _SIMPLE_BLOCK, _BLOCK_GROUP, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, _CRC})


def walk_matroska(data: FileBytes) -> Structure:
    """Whether the elements fill the file and fit their checksums, and how many blocks its only video track has."""
    size = len(data)
    _, length, position = _element(data, 0)
    position += 0 if length is None else length
    identifier, length, position = _element(data, position)
    if identifier != _SEGMENT:
        return breaks_at(position)
    end = size if length is None else position + length
    if end > size:
        return ends_early(end, size)
    videos, frames = list[int](), 0
    allowed = _TOP
    while position < end:
        start = position
        try:
            identifier, length, position = _element(data, position)
        except (IndexError, struct.error):
            return ends_early(start + 12, size)
        if identifier not in allowed or _too_long(identifier, length):
            return breaks_at(start)
        if length is None:
            if identifier != _CLUSTER:
                return breaks_at(start)
            allowed = _TOP | _IN_CLUSTER  # a cluster of unknown size: its children follow, then its siblings
            continue
        content, position = position, position + length
        if position > end:
            return ends_early(position, size) if end == size else breaks_at(start)
        if identifier == _TRACKS:
            videos += _videos(data, content, position)
        elif identifier == _CLUSTER:
            broken, count = _in_cluster(data, content, position, videos)
            if broken is not None:
                return breaks_at(broken)
            frames += count
        elif identifier in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            frames += _is_of(data, identifier, content, position, videos)
        if identifier in _TOP and not _fits_checksum(data, content, position):
            return checksum_wrong(content, position)
    return Structure(frames=frames if len(videos) == 1 else None)


def _in_cluster(data: FileBytes, position: int, end: int, videos: list[int]) -> tuple[int | None, int]:
    """Where it breaks, None where it does not, and how many blocks of the video tracks it has."""
    frames = 0
    while position < end:
        start = position
        identifier, length, position = _element(data, position)
        if identifier not in _IN_CLUSTER or length is None or position + length > end or _too_long(identifier, length):
            return start, frames
        if identifier in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            frames += _is_of(data, identifier, position, position + length, videos)
        position += length
    return None, frames


def _too_long(identifier: int, length: int | None) -> bool:
    """Whether a number has more than 8 bytes: it is something else whose identifier has changed."""
    return identifier in _NUMBERS and length is not None and length > 8


def _is_of(data: FileBytes, identifier: int, position: int, end: int, videos: list[int]) -> bool:
    """Whether a block belongs to one of these tracks; its number stands first, in one byte as a rule."""
    while identifier == _BLOCK_GROUP and position < end:
        identifier, length, position = _element(data, position)
        if identifier not in (_BLOCK, _BLOCK_GROUP):
            identifier, position = _BLOCK_GROUP, position + (end if length is None else length)
    return position < end and data[position] & 0x7F in videos


def _videos(data: FileBytes, position: int, end: int) -> list[int]:
    """Numbers of the tracks that are video."""
    found = []
    for kind, first, last in _children(data, position, end):
        if kind == _TRACK:
            facts = {
                what: int.from_bytes(data.read(a, min(b - a, 8)), "big") for what, a, b in _children(data, first, last)
            }
            if facts.get(_TYPE) == _VIDEO:
                found.append(facts.get(_NUMBER, 0))
    return found


def _children(data: FileBytes, position: int, end: int) -> list[tuple[int, int, int]]:
    found = []
    while position < end:
        identifier, length, position = _element(data, position)
        if length is None:
            break
        found.append((identifier, position, position + length))
        position += length
    return found


def _fits_checksum(data: FileBytes, position: int, end: int) -> bool:
    """RFC 8794 11.3.1: an element may begin with the CRC-32, least byte first, of what follows in it."""
    if data.read(position, 2) != b"\xbf\x84":
        return True
    stated, at, value = data.read(position + 2, 4), position + 6, 0
    while at < end:
        block = data.read(at, min(BLOCK_BYTES, end - at))
        value, at = zlib.crc32(block, value), at + len(block)
        if not block:
            break
    return value == int.from_bytes(stated, "little")


def _element(data: FileBytes, position: int) -> tuple[int, int | None, int]:
    """Id, size of the content (None when unknown), position of the content. Raises IndexError at the end."""
    head = data.read(position, 12)
    width = 9 - head[0].bit_length()
    if width > 4:
        return 0, None, position + 1
    identifier = int.from_bytes(head[:width], "big")
    head, position = head[width:], position + width
    width = 9 - head[0].bit_length()
    if width > 8:
        return 0, None, position + 1
    unknown = (1 << 7 * width) - 1
    length = int.from_bytes(head[:width], "big") & unknown
    return identifier, None if length == unknown else length, position + width
