"""A writer of lossless JPEG (ITU-T T.81 Annex H, process 14) with one predictor, for want of a free one in Python."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray


def lossless_jpeg(image: NDArray[np.integer], bits: int, ids: bytes = b"\1\2\3", adobe: int = -1) -> bytes:
    """(H, W) or (H, W, 3) of ``bits`` bits; each sample is predicted by the one to its left."""
    values = image.astype(np.int64).reshape(*image.shape[:2], -1)
    height, width, count = values.shape
    guess = np.empty_like(values)
    guess[:, 1:] = values[:, :-1]
    guess[1:, 0] = values[:-1, 0]
    guess[0, 0] = 1 << (bits - 1)
    differences = (values - guess).ravel()
    text = []
    for difference in differences.tolist():
        size = abs(difference).bit_length()
        text.append(f"{size:05b}")  # 17 sizes, each a code of 5 bits
        if size:
            text.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    joined = "".join(text)
    joined += "1" * (-len(joined) % 8)
    scan = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\0")
    names = ids[:count]
    frame = struct.pack(">BHHB", bits, height, width, count) + b"".join(bytes([name, 0x11, 0]) for name in names)
    codes = bytes([0, 0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    start = bytes([count]) + b"".join(bytes([name, 0]) for name in names) + b"\1\0\0"
    marker = [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([adobe])] if adobe >= 0 else []
    parts = [(b"\xff\xc3", frame), (b"\xff\xc4", codes), (b"\xff\xda", start)]
    segments = [name + struct.pack(">H", len(body) + 2) + body for name, body in parts]
    return b"".join([b"\xff\xd8", *marker, *segments, scan, b"\xff\xd9"])
