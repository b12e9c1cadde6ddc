"""OpenIGTLink on the wire: bytes in any pieces to messages, without a socket.

Layout: openigtlink.org/developers/spec (header version 1; header version 2 and 3 put an extended header in front of the
content and metadata behind it). All numbers are big-endian.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from seqcls.sources.pixel_aspect import pixel_aspect, with_square_pixels
from seqcls.text.foreign_text import for_terminal
from seqcls.types import MAX_PIXELS

HEADER_BYTES = 58
MAX_BODY_BYTES = 64 * 1024 * 1024
#: Of a status, which is shown to a person; the rest of it is left out.
MAX_TEXT_BYTES = 1000

HEADER = struct.Struct(">H12s20sQQQ")
_EXTENDED = struct.Struct(">HHII")
IMAGE = struct.Struct(">HBBBB3H12f3H3H")
_STATUS = struct.Struct(">Hq20s")
_SCALARS = {2: "int8", 3: "uint8", 4: "int16", 5: "uint16", 6: "int32", 7: "uint32", 10: "float32", 11: "float64"}
_UINT8 = 3

# No CRC covers a header: with one bit of its size wrong, a body takes in good messages that follow. So what fails its
# CRC is searched for headers, and each byte received pays for the CRC of three bytes that fail: else a sender of
# overlapping headers could have 64 MiB computed for every 58 bytes. (Good messages share no bytes and cost nothing.)
_FAILED_PER_BYTE = 3

# In the middle of pixels anything may look like a header: there the names must be as the standard writes them, the type
# in capitals and padded with NULs, the device without control characters, and the body below 4 GiB. (It begins with the
# header's second byte: re finds that one much faster, above all in black images. The first is seen to afterwards.)
_PLAUSIBLE = re.compile(
    rb"[\x01-\x03][A-Z](?:(?<!\x00)[A-Z0-9_]|\x00){11}[\x00\x20-\x7e\x80-\xff]{20}.{8}\x00{4}.{12}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Status:
    """A STATUS message: code 1 is OK; ``name`` and ``text`` are the sender's, made printable."""

    code: int
    subcode: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A whole message with a good CRC. Without ``image`` and ``status`` it is of a type that is not read here.

    ``timestamp_s``: seconds by the sender's clock, 0.0 where it stated none. ``image``: (H, W) uint8 gray or (H, W, 3)
    uint8 BGR, contiguous and writable.
    """

    type: str
    device: str
    timestamp_s: float
    image: NDArray[np.uint8] | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A message, or a stretch of bytes that is none, that cannot be read, and why."""

    reason: str
    type: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    type: str
    device: str
    timestamp_s: float
    body_bytes: int
    crc: int
    problem: str


class Receiver:
    """Puts messages together. Holds ``max_body_bytes`` plus what one ``add`` brings at most.

    After bytes that are no header, or the header of a body with a bad CRC, one Refused is given and everything up to
    the next plausible header dropped.

    A body that fails its CRC may have taken in the messages after it, and is searched for them. The bytes of which a
    CRC is computed are at most four times those received.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max = max_body_bytes
        self._buffer = bytearray()
        self._header: _Header | None = None  # of the message at the front of the buffer, once known to be intact
        self._lost = False
        self._front = 0  # bytes of the stream before the buffer
        self._furthest = 0  # end of the message furthest in the stream whose CRC was, or will be, computed
        self._credit = 0  # bytes that may fail their CRC

    def add(self, data: bytes) -> None:
        """What has come; ``take`` then gives what it completes. The messages are the same however the stream is cut."""
        self._buffer += data

    def take(self) -> Message | Refused | None:
        """The next thing that is complete, oldest first, or None. One damaged body can hold a million of them."""
        if self._header is None:
            header = self._search() if self._lost else self._read_header(0)
            if header is None:
                return None
            if header.problem:
                self._lose()
                return Refused(header.problem)
            self._header, self._lost = header, False
            end = self._front + HEADER_BYTES + header.body_bytes
            self._credit, self._furthest = self._credit_at(end), max(self._furthest, end)
        header, end = self._header, HEADER_BYTES + self._header.body_bytes
        if len(self._buffer) < end:
            return None
        body = self._buffer[HEADER_BYTES:end]
        self._header = None
        intact = crc64(body) == header.crc
        item = _message(header, body) if intact else Refused("bad CRC", header.type, header.device)
        # A CRC of 0 is that of nothing and of zeros: it does not prove that the body ends where the header says.
        if intact and (isinstance(item, Message) or header.crc != 0):
            self._drop(end)
        else:
            self._credit -= len(body)
            self._lose()
        return item

    def _lose(self) -> None:
        """What is at the front is no message; one may begin right behind its first byte."""
        self._lost = True
        self._drop(1)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._front += count

    def _credit_at(self, end: int) -> int:
        """By places in the stream, not by what has come: the messages must not depend on how it is cut into pieces."""
        more = _FAILED_PER_BYTE * max(end - self._furthest, 0)
        return min(self._credit + more, _FAILED_PER_BYTE * (self._max + HEADER_BYTES))

    def _read_header(self, start: int) -> _Header | None:
        if len(self._buffer) < start + HEADER_BYTES:
            return None
        version, kind, device, ticks, body_bytes, crc = HEADER.unpack_from(self._buffer, start)
        kind = kind.partition(b"\0")[0].rstrip()
        problem = ""
        if not 1 <= version <= 3:
            problem = f"not an OpenIGTLink header (version {version})"
        elif not kind or not all(0x20 <= byte < 0x7F for byte in kind):
            problem = "not an OpenIGTLink header (no type name)"
        elif body_bytes > self._max:
            problem = f"a body of {body_bytes:,} bytes is more than the {self._max:,} that are taken"
        elif body_bytes > self._credit_at(self._front + start + HEADER_BYTES + body_bytes):
            problem = "too much of what came before it is damaged"
        name = kind.decode("ascii", "replace")
        return _Header(version, name, _text(device), ticks / 2**32, body_bytes, crc, problem)

    def _search(self) -> _Header | None:
        """The next plausible header, moved to the front of the buffer; what lies before it is dropped."""
        start = 0
        while (match := _PLAUSIBLE.search(self._buffer, start + 1)) is not None:
            start = match.start() - 1
            header = self._read_header(start)
            if header is not None and not header.problem:
                self._drop(start)
                return header
            start += 1
        # A header may have begun in the last bytes.
        self._drop(max(len(self._buffer) - HEADER_BYTES + 1, start))
        return None


def _message(header: _Header, body: bytearray) -> Message | Refused:
    """``body`` has passed its CRC."""
    image = status = None
    try:
        if header.type == "IMAGE":
            image = _image(_content(header, body))
        elif header.type == "STATUS":
            status = _status(_content(header, body))
    except _UnreadableError as error:
        return Refused(str(error), header.type, header.device)
    return Message(header.type, header.device, header.timestamp_s, image, status)


class _UnreadableError(Exception):
    pass


def _content(header: _Header, body: bytearray) -> memoryview:
    """What lies in the body between extended header and metadata."""
    if header.version == 1:
        return memoryview(body)
    if len(body) < _EXTENDED.size:
        raise _UnreadableError("the extended header is cut short")
    size, index_bytes, metadata_bytes, _ = _EXTENDED.unpack_from(body)
    end = len(body) - index_bytes - metadata_bytes
    if size < _EXTENDED.size or end < size:
        raise _UnreadableError("the extended header contradicts the size of the body")
    return memoryview(body)[size:end]


def _image(content: memoryview) -> NDArray[np.uint8]:
    if len(content) < IMAGE.size:
        raise _UnreadableError("the image header is cut short")
    version, components, scalar, _, _, *numbers = IMAGE.unpack_from(content)
    size, offset, part = tuple(numbers[:3]), tuple(numbers[15:18]), tuple(numbers[18:])
    width, height, depth = size
    if not 1 <= version <= 3:
        raise _UnreadableError(f"image format version {version} is not known")
    if scalar != _UINT8:
        kind = _SCALARS.get(scalar, f"of unknown type {scalar}")
        raise _UnreadableError(f"pixels are {kind}, only uint8 can be read; let the sender send 8 bits")
    if components not in (1, 3):
        raise _UnreadableError(f"{components} components per pixel, only 1 (gray) and 3 (RGB) can be read")
    if depth != 1:
        raise _UnreadableError(f"a volume of {width}x{height}x{depth}, only one slice (depth 1) can be read")
    if offset != (0, 0, 0) or part != size:
        raise _UnreadableError("a part of an image (sub-volume); let the sender send whole images")
    pixels = np.frombuffer(content[IMAGE.size :], np.uint8)
    if width * height > MAX_PIXELS:
        raise _UnreadableError(f"{width}x{height} is more than {MAX_PIXELS // 1_000_000} megapixels")
    if len(pixels) == 0 or len(pixels) != width * height * components:
        held = f"{len(pixels)} bytes of pixels"
        raise _UnreadableError(f"{width}x{height} with {components} components does not fit {held}")
    # The matrix begins with the vectors from a pixel to the next in its row and in its column; some senders state none.
    aspect, _ = pixel_aspect(math.hypot(*numbers[3:6]), math.hypot(*numbers[6:9]))
    if components == 1:
        return with_square_pixels(pixels.reshape(height, width), aspect)
    return with_square_pixels(np.ascontiguousarray(pixels.reshape(height, width, 3)[..., ::-1]), aspect)


def _status(content: memoryview) -> Status:
    if len(content) < _STATUS.size:
        raise _UnreadableError("the status is cut short")
    code, subcode, name = _STATUS.unpack_from(content)
    return Status(code, subcode, _text(name), _text(bytes(content[_STATUS.size :][:MAX_TEXT_BYTES])))


def _text(raw: bytes) -> str:
    """Up to the first NUL, fit to be shown."""
    text = raw.partition(b"\0")[0].decode("utf-8", "replace").rstrip()
    return for_terminal(text)


# CRC-64 of ECMA-182, most significant bit first, starting at 0. A CRC is linear: that of two halves is that of the
# first, moved on by the length of the second, xor that of the second. So the message is folded onto itself, thousands
# of 64-bit words at a time, until one word is left; a loop over bytes would be too slow for 640x480 in colour at 30/s.
# Leading zeros change nothing, so it may be padded in front.
_POLYNOMIAL = 0x42F0E1EBA9EA3693
_FOLD_WORDS = 4096


def crc64(data: bytes | bytearray) -> int:
    """CRC-64 (ECMA-182, not reflected, initial value 0, no final xor)."""
    words = -(-len(data) // 8)
    width = min(_FOLD_WORDS, 1 << max(words - 1, 0).bit_length())
    blocks = max(-(-words // width), 1)
    padded = np.zeros(blocks * width * 8, np.uint8)
    padded[len(padded) - len(data) :] = np.frombuffer(data, np.uint8)
    rows = padded.view(np.uint64).reshape(blocks, width)
    folded = rows[0]
    for row in rows[1:]:
        folded = _moved(folded, width) ^ row
    while width > 1:
        width //= 2
        folded = _moved(folded[:width], width) ^ folded[width:]
    return int.from_bytes(_moved(folded, 1).tobytes(), "big")


def _moved(words: NDArray[np.uint64], by_words: int) -> NDArray[np.uint64]:
    """Each word (8 bytes as on the wire, whatever this machine's byte order) as if ``by_words`` zero words followed."""
    tables = _tables(by_words)
    columns = words.view(np.uint8).reshape(-1, 8).T.astype(np.intp)
    moved: NDArray[np.uint64] = tables[0].take(columns[0])
    for table, column in zip(tables[1:], columns[1:], strict=True):
        moved ^= table.take(column)
    return moved


@cache
def _tables(by_words: int) -> NDArray[np.uint64]:
    """(8, 256): what each value of each byte of a word becomes, bytes in the order of the wire."""
    bits = _bits(by_words)
    tables = np.zeros((8, 256), np.uint64)
    for place in range(8):
        for bit in range(8):
            tables[place, 1 << bit : 2 << bit] = tables[place, : 1 << bit] ^ bits[8 * (7 - place) + bit]
    return tables


@cache
def _bits(by_words: int) -> NDArray[np.uint64]:
    """(64,): what each bit of a word becomes, lowest first; ``by_words`` is a power of two."""
    if by_words > 1:
        return _moved(_bits(by_words // 2), by_words // 2)
    powers = [_POLYNOMIAL]  # x^64 modulo the polynomial
    for _ in range(63):
        over = _POLYNOMIAL if powers[-1] >> 63 else 0
        powers.append((powers[-1] << 1 & 0xFFFFFFFFFFFFFFFF) ^ over)
    return np.array(powers, ">u8").view(np.uint64)
