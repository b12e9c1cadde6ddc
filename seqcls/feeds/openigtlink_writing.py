"""OpenIGTLink messages as bytes, header version 1; see ``openigtlink_wire`` for the layout."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from seqcls.feeds.openigtlink_wire import HEADER, IMAGE, crc64

_NAME_BYTES = 20
_ASCII = 3  # its number in IANA's list of character sets
_UINT8, _BIG_ENDIAN, _RAS = 3, 1, 1
_UNTURNED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def string_message(device: str, text: str, timestamp_s: float) -> bytes:
    """A STRING of ASCII, of 65,535 letters at most; ``timestamp_s``: seconds since 1970."""
    body = text.encode("ascii")
    return _message(b"STRING", device, struct.pack(">HH", _ASCII, len(body)) + body, timestamp_s)


def image_message(device: str, image: NDArray[np.uint8], timestamp_s: float) -> bytes:
    """An IMAGE of one slice; ``image``: (H, W) uint8 gray. Pixels are 1 by 1."""
    height, width = image.shape
    size = (width, height, 1)
    head = IMAGE.pack(1, 1, _UINT8, _BIG_ENDIAN, _RAS, *size, *_UNTURNED, 0, 0, 0, *size)
    return _message(b"IMAGE", device, head + image.tobytes(), timestamp_s)


def _message(kind: bytes, device: str, body: bytes, timestamp_s: float) -> bytes:
    name = device.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return HEADER.pack(1, kind, name, int(timestamp_s * 2**32), len(body), crc64(body)) + body
