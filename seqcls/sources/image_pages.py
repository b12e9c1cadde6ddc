"""Does an image file hold one image or several? Told from the tables in the file, without unpacking an image."""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from seqcls.files.named_files import open_regular
from seqcls.sources.stack_layout import stack_layout
from seqcls.sources.tiff_tags import MARKS

#: TIFF 6.0, tags NewSubfileType (bits: 1 reduced in size, 4 a mask) and SubfileType (2 reduced in size).
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_STRIP_OFFSETS, _TILE_OFFSETS, _SHORT = 273, 324, 3
#: A writer may store an image that comes again once.
_MAX_REPEATS = 10
#: How a file begins -> how the end of an image and the begin of the next look in it.
_NEXT_IMAGE = ((b"\xff\xd8\xff", b"\xff\xd9\xff\xd8\xff"), (b"\x89PNG", b"IEND\xaeB`\x82\x89PNG\r\n"))
_PNM_HEAD = re.compile(rb"P([56])(?:\s+|\s*#[^\n]*\n)+(\d{1,6})\s+(\d{1,6})\s+(\d{1,5})\s")
_MOST_BYTES = 1 << 28
#: Phones put so many images behind theirs: a smaller copy, a map of its depth or brightness.
MAX_TRAILERS = 2
#: Images of one file. Pillow compares each page with all before it, which takes 10 s for so many.
MAX_PAGES = 20_000


def holds_several(stream: BinaryIO, head: bytes) -> bool:
    """Whether this is a TIFF of several pages, or an animated WebP, APNG, AVIF or GIF; ``head``: its first bytes."""
    if head[:4] in MARKS:
        pages, whole = tiff_pages(stream, most=2)
        return len(pages) > 1 or (len(pages) == 1 and not whole) or stack_layout(stream).images > 1
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 0x02 != 0
    if head.startswith(b"GIF8"):
        return _is_animated_gif(stream)
    if still_format(head) == "AVIF":
        return b"avis" in _brands(head)
    return head.startswith(b"\x89PNG") and _is_animated_png(stream)


def images_in_a_row(path: Path) -> int:
    """How many images stand one behind the other in a JPEG, PNG or PNM file, as programs that pipe images write them;
    1 for other files, and for what cannot be read. An image decoder gives the first."""
    try:
        with open_regular(path) as stream:
            data = stream.read(_MOST_BYTES)
    except OSError:
        return 1
    if data[:1] == b"P":
        return _pnm_images(data)
    return 1 + next((data.count(mark) for start, mark in _NEXT_IMAGE if data.startswith(start)), 0)


def _pnm_images(data: bytes) -> int:
    """Of PGM and PPM, whose headers state how long an image is; the kinds in plain text hold one."""
    place = count = 0
    while match := _PNM_HEAD.match(data, place):
        kind, width, height, greatest = (int(part) for part in match.groups())
        place = match.end() + width * height * (1 if kind == 5 else 3) * (1 if greatest < 256 else 2)
        count += 1
    return max(1, count)


def still_format(head: bytes) -> str:
    """AVIF or HEIC, images in the container of MP4 (ISO/IEC 23008-12), or "" for what begins with other bytes.

    FFmpeg gives of such a file one tile, or one of its images.
    """
    brands = _brands(head)
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIC" if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"} else ""


def _brands(head: bytes) -> set[bytes]:
    (length,) = struct.unpack_from(">I", head.ljust(4, b"\0"))
    if head[4:8] != b"ftyp":
        return set()
    return {head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))}


def tiff_pages(stream: BinaryIO, most: int = MAX_PAGES + 1) -> tuple[list[int], bool]:
    """Numbers of the pages that are no thumbnails and no masks, ``most`` of them, and whether the chain is whole.

    A page points to the next one; where a file was cut, or written over, the chain leads nowhere. So it does where one
    image is a page for the eleventh time: twenty thousand times a large one, in a small file, takes hours.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    order, big = "<" if head[:2] == b"II" else ">", b"+" in head[2:4]
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head.ljust(16, b"\0"), 8 if big else 4)
    pages: list[int] = []
    seen: set[int] = set()
    images = Counter[int]()
    number = 0
    while offset and len(pages) < most:
        if offset in seen or offset >= size or number > 2 * MAX_PAGES:  # each with its thumbnail
            return pages, False
        seen.add(offset)
        stream.seek(offset)
        try:
            (count,) = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))
            width = 20 if big else 12
            table = stream.read(width * min(count, 4096))
            next_at = offset + (8 if big else 2) + width * count
            stream.seek(next_at)
            (offset,) = struct.unpack(order + ("Q" if big else "I"), stream.read(8 if big else 4))
        except (struct.error, OSError, OverflowError):
            return pages, False
        if not _is_aside(table, width, order):
            place = _image_at(stream, table, width, order)
            images[place] += place > 0
            if images[place] > _MAX_REPEATS:
                return pages, False
            pages.append(number)
        number += 1
    return pages, True


def _image_at(stream: BinaryIO, table: bytes, width: int, order: str) -> int:
    """Where the first strip or tile of a page lies; 0 where its table does not say."""
    form, wide = ("HHQQ", "Q") if width == 20 else ("HHII", "I")
    for at in range(0, len(table) - width + 1, width):
        tag, kind, count, value = struct.unpack_from(order + form, table, at)
        if tag in (_STRIP_OFFSETS, _TILE_OFFSETS):
            if count == 1:
                return int(value)
            with suppress(OSError, OverflowError):
                stream.seek(value)
                rest = stream.read(8).ljust(8, b"\0")
                return int(struct.unpack_from(order + ("H" if kind == _SHORT else wide), rest)[0])
    return 0


def _is_aside(table: bytes, width: int, order: str) -> bool:
    """A thumbnail or a mask of another page."""
    for at in range(0, len(table) - width + 1, width):
        tag, kind = struct.unpack_from(order + "HH", table, at)
        if tag > _SUBFILE_TYPE:
            return False  # tags stand in order
        value_at = at + (12 if width == 20 else 8)
        (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), table, value_at)
        if (tag == _NEW_SUBFILE_TYPE and value & 0b101) or (tag == _SUBFILE_TYPE and value == 2):
            return True
    return False


def _is_animated_png(stream: BinaryIO) -> bool:
    """PNG specification, third edition: acTL stands before the first IDAT and holds the number of frames."""
    at = 8
    while True:
        stream.seek(at)
        head = stream.read(12)
        if len(head) < 12 or head[4:8] in (b"IDAT", b"IEND"):
            return False
        length, frames = struct.unpack(">I4xI", head)
        if head[4:8] == b"acTL":
            return bool(frames > 1)
        at += 12 + length


def _is_animated_gif(stream: BinaryIO) -> bool:
    """GIF89a: blocks of a mark and parts with their lengths; whether a second image (0x2C) is among them."""

    def byte() -> int:
        read = stream.read(1)
        return read[0] if read else 0

    def pass_table(flags: int) -> None:
        stream.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)

    stream.seek(10)
    flags = byte()
    stream.seek(2, os.SEEK_CUR)
    pass_table(flags)
    images = 0
    while (mark := byte()) in (0x21, 0x2C):
        if mark == 0x21:
            stream.seek(1, os.SEEK_CUR)
        else:
            images += 1
            if images == 2:
                return True
            stream.seek(8, os.SEEK_CUR)
            pass_table(byte())
            stream.seek(1, os.SEEK_CUR)
        while length := byte():
            stream.seek(length, os.SEEK_CUR)
    return mark != 0x3B  # cut or damaged: FFmpeg finds what there is
