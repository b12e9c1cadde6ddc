"""MP4 and MOV (ISO/IEC 14496-12): boxes of 4 bytes size, 4 bytes type, and the tables in them that count the frames."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from seqcls.sources.container_bytes import FileBytes, Structure, breaks_at, ends_early

#: A box by its type, where its content begins and where it ends.
_Box = tuple[bytes, int, int]
#: Frames that a decoder reorders; an edit list that begins later than that cuts something off.
_REORDERED = 16


def walk_mov(data: FileBytes) -> Structure:
    """Whether the boxes fill the file, and how many frames the tables of its only video track list."""
    size, position, boxes = len(data), 0, list[_Box]()
    while position + 8 <= size:
        length, kind = data.unpack(">I4s", position)
        header = 8
        if length == 1:
            (length,) = data.unpack(">Q", position + 8)
            header = 16
        if (length == 0 and kind.isalnum()) or (kind == bytes(4) and _whole(boxes)):
            return _counted(data, boxes)  # to the end of the file; or padding behind a whole clip
        if length < header or not kind.isalnum():
            return _and_more(_counted(data, boxes), size - position) if _whole(boxes) else breaks_at(position)
        if kind in (b"ftyp", b"moov") and _whole(boxes):  # files that were written one behind the other
            return _and_more(_counted(data, boxes), size - position)
        if position + length > size:
            whole = _whole(boxes) and kind not in (b"moov", b"mdat")
            return _counted(data, boxes) if whole else ends_early(position + length, size)
        boxes.append((kind, position + header, position + length))
        position += length
    return _counted(data, boxes) if position == size or _whole(boxes) else ends_early(position + 8, size)


def _and_more(clip: Structure, length: int) -> Structure:
    return replace(clip, remark=f"{length:,} bytes behind the clip belong to no part of it, and are not read")


def _whole(boxes: list[_Box]) -> bool:
    """A clip that is not in fragments is complete with these; what follows may be anything."""
    seen = {kind for kind, _, _ in boxes}
    return {b"moov", b"mdat"} <= seen and b"moof" not in seen


def _counted(data: FileBytes, boxes: list[_Box]) -> Structure:
    """Frames are counted where one track has images and no edit list cuts something off it."""
    with suppress(struct.error, IndexError, ZeroDivisionError):
        moov = next(box for box in boxes if box[0] == b"moov")
        videos = [track for track in _inside(data, moov, b"trak") if _is_video(data, track)]
        if len(videos) == 1 and not _is_trimmed(data, moov, videos[0]):
            table = _only(data, videos[0], b"mdia", b"minf", b"stbl")
            listed = sum(data.unpack(">8xI", at)[0] for kind, at, _ in _children(data, table) if kind in _SIZES)
            number = _times(data, _only(data, videos[0], b"tkhd"))[0]
            fragments = [(box, _inside(data, box, b"traf")) for box in boxes if box[0] == b"moof"]
            for box, parts in fragments:
                if not any(_inside(data, part, b"trun") for part in parts):
                    return Structure(f"the fragment at byte {box[1] - 8:,} has no table of its frames")
            counts = [_in_fragment(data, part, number) for _, parts in fragments for part in parts]
            return Structure(frames=listed + sum(counts))
    return Structure()


def _in_fragment(data: FileBytes, part: _Box, track: int) -> int:
    """Frames that a part of a fragment adds to this track."""
    (number,) = data.unpack(">4xI", _only(data, part, b"tfhd")[1])
    return sum(data.unpack(">4xI", at)[0] for _, at, _ in _inside(data, part, b"trun")) if number == track else 0


def _is_trimmed(data: FileBytes, moov: _Box, track: _Box) -> bool:
    """Whether an edit list leaves something out, as where a telephone trims a clip."""
    edits = [edit for box in _inside(data, track, b"edts") for edit in _inside(data, box, b"elst")]
    if not edits:
        return False
    at, count = edits[0][1], data.unpack(">4xI", edits[0][1])[0]
    form = ">Qq4x" if data[at] == 1 else ">Ii4x"
    shown = [data.unpack(form, at + 8 + k * struct.calcsize(form)) for k in range(min(count, 8))]
    shown = [(length, start) for length, start in shown if start >= 0]  # the others are pauses
    if count > 8 or len(shown) != 1:
        return True
    length, start = shown[0]
    scale, media = _times(data, _only(data, track, b"mdia", b"mdhd"))
    per_second, _ = _times(data, _only(data, moov, b"mvhd"))
    (step,) = data.unpack(">12xI", _only(data, track, b"mdia", b"minf", b"stbl", b"stts")[1])
    rest = (media - start) / scale - length / per_second
    # A fragmented file states neither length.
    return bool(start > _REORDERED * step or (length and rest > 1.5 * step / scale))


def _times(data: FileBytes, box: _Box) -> tuple[int, int]:
    """The two fields behind the two dates of mvhd, mdhd (ticks per second, length) or tkhd (its number, 0)."""
    first, second = data.unpack(">20xIQ" if data[box[1]] == 1 else ">12xII", box[1])
    return first, second


_SIZES = (b"stsz", b"stz2")


def _is_video(data: FileBytes, track: _Box) -> bool:
    return data.read(_only(data, track, b"mdia", b"hdlr")[1] + 8, 4) == b"vide"


def _children(data: FileBytes, parent: _Box) -> Iterator[_Box]:
    _, position, end = parent
    while position + 8 <= end:
        length, kind = data.unpack(">I4s", position)
        if length < 8:
            return
        yield kind, position + 8, min(position + length, end)
        position += length


def _inside(data: FileBytes, parent: _Box, kind: bytes) -> list[_Box]:
    return [box for box in _children(data, parent) if box[0] == kind]


def _only(data: FileBytes, parent: _Box, *path: bytes) -> _Box:
    """The first box of each kind inside the one before; raises IndexError where there is none."""
    for kind in path:
        parent = _inside(data, parent, kind)[0]
    return parent
