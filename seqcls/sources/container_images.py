"""Containers of images: GIF, animated PNG and WebP."""

from __future__ import annotations

import zlib

from seqcls.sources.container_bytes import BLOCK_BYTES, FileBytes, Structure, breaks_at, checksum_wrong, ends_early
from seqcls.text.wording import count_of


def walk_gif(data: FileBytes) -> Structure:
    """GIF89a: header, colour table, then blocks; every image begins with 0x2C, the file ends with 0x3B."""
    position = 13 + _gif_table(data[10])
    frames, untimed, delay, size = 0, 0, 0, len(data)
    while position < size:
        mark = data[position]
        if mark == 0x3B:
            return Structure(frames=frames, remark=_untimed(untimed, frames))
        if mark == 0x21:
            if data[position + 1] == 0xF9:  # of the next image
                delay = data.unpack("<H", position + 4)[0]
            position += 2
        elif mark == 0x2C:
            frames += 1
            untimed += delay < _GIF_LEAST_DELAY
            delay = 0
            position += 11 + _gif_table(data[position + 9])
        else:
            return breaks_at(position)
        lengths: set[int] = set()
        while position < size and data[position]:
            length = data[position]
            following = position + 1 + length
            # Writers fill the blocks of an image, all but the last, so unequal ones are not what was written.
            if mark == 0x2C and following < size and data[following]:
                lengths.add(length)
                if len(lengths) > 1:
                    return breaks_at(position)
            position = following
        position += 1
    return Structure("the file ends before the mark that ends a gif", truncated=True)


#: FFmpeg, as browsers do, shows an image of a lesser delay, in hundredths of a second, for 0.1 s.
_GIF_LEAST_DELAY = 2


def _untimed(untimed: int, frames: int) -> str:
    return f"{untimed:,} of {count_of(frames, 'frame')} state no time, or less than 0.02 s: 0.1 s each" * bool(untimed)


def _gif_table(flags: int) -> int:
    """Length in bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def walk_png(data: FileBytes) -> Structure:
    """PNG, third edition: chunks of 4 bytes length, 4 bytes name and a CRC-32 behind; acTL states the number of frames,
    each of which begins with an fcTL."""
    size, position, stated, frames = len(data), 8, None, 0
    while position + 12 <= size:
        length, name = data.unpack(">I4s", position)
        end = position + 12 + length
        if not name.isalpha():
            return breaks_at(position)
        if end > size:
            return ends_early(end, size)
        if not _fits_crc(data, position + 4, end - 4):
            return checksum_wrong(position, end)
        if name == b"acTL":
            (stated,) = data.unpack(">8xI", position)
        frames += name == b"fcTL"
        if name == b"IEND":
            if stated is not None and stated != frames:
                return Structure(f"{frames} of the {stated} frames that it states are there")
            return Structure(frames=frames if stated is not None else 1)
        position = end
    return Structure("the file ends before the mark that ends a png", truncated=True)


def _fits_crc(data: FileBytes, position: int, end: int) -> bool:
    value = 0
    for at in range(position, end, BLOCK_BYTES):
        value = zlib.crc32(data.read(at, min(BLOCK_BYTES, end - at)), value)
    return value == int.from_bytes(data.read(end, 4), "big")


_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")


def walk_webp(data: FileBytes) -> Structure:
    """RIFF: chunks of 4 bytes name and 4 bytes size, padded to even; every frame is an ANMF, inside which there are
    chunks again. It carries no checksum."""
    size = len(data)
    end = 8 + data.unpack("<I", 4)[0]
    if end > size:
        return ends_early(end, size)
    position, frames = 12, 0
    while position + 8 <= end:
        name, length = data.unpack("<4sI", position)
        following = position + 8 + length + (length & 1)
        if following > end or name not in _WEBP_CHUNKS:
            return breaks_at(position)
        if name == b"ANMF":
            frames += 1
            inside = position + 24
            while inside + 8 <= following:
                inside += 8 + (data.unpack("<I", inside + 4)[0] + 1 & ~1)
            if inside != following:
                return breaks_at(position)
        position = following
    return Structure(frames=frames) if position == end else breaks_at(position)
