"""What a compressed frame says of itself, from headers written here byte by byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from seqcls.sources.dicom_stream import (
    StreamFacts,
    begins_frame,
    code_stream,
    codec_of_syntax,
    foreign_image,
    read_stream,
    rle_pixels,
    rle_segments,
    with_color,
)


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(sof: int, *components: tuple[int, int], bits: int = 8, before: bytes = b"") -> bytes:
    body = struct.pack(">BHHB", bits, 48, 64, len(components)) + b"".join(bytes([*pair, 0]) for pair in components)
    return b"\xff\xd8" + before + segment(sof, body) + segment(0xDA, b"\0") + b"\xff\xd9"


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
EVEN, HALVED, NAMED = [(1, 0x11), (2, 0x11), (3, 0x11)], [(1, 0x21), (2, 0x11), (3, 0x11)], [(k, 0x11) for k in b"RGB"]


def test_fill_bytes_are_passed_over_at_once() -> None:
    fill = b"\xff" * 50_000 + b"\xff\xd0" * 50_000 + b"\xff\x01\xff\xff"
    asked = list[object]()

    class Counted(bytes):
        def __getitem__(self, place: Any) -> Any:
            asked.append(place)
            return bytes.__getitem__(self, place)

    facts = read_stream(Counted(jpeg(0xC0, (1, 0x11), before=fill)))
    assert (facts.codec, facts.width, facts.height) == ("jpeg", 64, 48) and len(asked) < 20


def jpeg_2000(count: int, transform: int, depth: int = 7) -> bytes:
    size = struct.pack(">H8IH", 0, 70, 50, 6, 2, 64, 48, 0, 0, count) + bytes([depth, 1, 1]) * count
    style = b"\0\0\0\1" + bytes([transform, 5, 4, 4, 0, 1])
    return b"\xff\x4f" + segment(0x51, size) + segment(0x52, style) + b"\xff\x90"


def boxed(space: int) -> bytes:
    return b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x0fcolr\1\0\0" + struct.pack(">I", space) + jpeg_2000(3, 0)


def rle(*segments: bytes) -> bytes:
    offsets = [64 + sum(map(len, segments[:k])) for k in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


# stream -> codec, width, height, samples, bits, color
STREAMS: dict[str, tuple[bytes, tuple[object, ...]]] = {
    "gray": (jpeg(0xC0, (1, 0x11)), ("jpeg", 64, 48, 1, 8, "")),
    "12 bits": (jpeg(0xC1, (1, 0x11), bits=12), ("jpeg", 64, 48, 1, 12, "")),
    "progressive": (jpeg(0xC2, *EVEN), ("jpeg", 64, 48, 3, 8, "")),
    "chroma halved": (jpeg(0xC0, *HALVED), ("jpeg", 64, 48, 3, 8, "ybr")),
    "chroma halved, RGB claimed": (jpeg(0xC0, *HALVED, before=adobe(0)), ("jpeg", 64, 48, 3, 8, "ybr")),
    "Adobe 0": (jpeg(0xC0, *EVEN, before=adobe(0)), ("jpeg", 64, 48, 3, 8, "rgb")),
    "Adobe 1": (jpeg(0xC0, *EVEN, before=adobe(1)), ("jpeg", 64, 48, 3, 8, "ybr")),
    "named": (jpeg(0xC0, *NAMED), ("jpeg", 64, 48, 3, 8, "rgb")),
    "JFIF": (jpeg(0xC0, *EVEN, before=JFIF), ("jpeg", 64, 48, 3, 8, "ybr")),
    "lossless": (jpeg(0xC3, *EVEN, before=JFIF), ("lossless jpeg", 64, 48, 3, 8, "")),
    "JPEG-LS": (jpeg(0xF7, (1, 0x11), bits=16), ("jpeg-ls", 64, 48, 1, 16, "")),
    "fill bytes": (jpeg(0xC0, *EVEN, before=b"\xff\xff" + adobe(1)), ("jpeg", 64, 48, 3, 8, "ybr")),
    "JPEG 2000 transformed": (jpeg_2000(3, 1), ("jpeg 2000", 64, 48, 3, 8, "rgb")),
    "JPEG 2000": (jpeg_2000(3, 0), ("jpeg 2000", 64, 48, 3, 8, "")),
    "JPEG 2000, 12 bits": (jpeg_2000(1, 0, 11), ("jpeg 2000", 64, 48, 1, 12, "")),
    "sRGB box": (boxed(16), ("jpeg 2000", 64, 48, 3, 8, "rgb")),
    "sYCC box": (boxed(18), ("jpeg 2000", 64, 48, 3, 8, "ybr")),
    "RLE gray": (rle(b"\0\1"), ("rle", 0, 0, 1, 8, "")),
    "RLE 16 bits": (rle(b"\0\1", b"\0\1"), ("rle", 0, 0, 1, 16, "")),
    "RLE color": (rle(*[b"\0\1"] * 3), ("rle", 0, 0, 3, 8, "")),
    "MPEG-2": (b"\0\0\1\xb3" + bytes(60), ("video", 0, 0, 0, 0, "")),
    "MP4": (b"\0\0\0\x18ftypmp42" + bytes(60), ("video", 0, 0, 0, 0, "")),
    "JPEG XL": (b"\xff\x0a" + bytes(60), ("jpeg xl", 0, 0, 0, 0, "")),
    "none": (bytes(64), ("", 0, 0, 0, 0, "")),
    "cut in its header": (jpeg_2000(3, 0)[:20], ("", 0, 0, 0, 0, "")),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_the_markers_tell_size_samples_and_color(name: str) -> None:
    data, expected = STREAMS[name]
    facts = read_stream(data)
    assert (facts.codec, facts.width, facts.height, facts.samples, facts.bits, facts.color) == expected
    assert (facts.because == "") == (facts.color == "") and not facts.signed


def test_the_sign_stands_in_the_highest_bit_of_the_depth() -> None:
    assert read_stream(jpeg_2000(1, 0, 0x8F)) == StreamFacts("jpeg 2000", 64, 48, 1, 16, True)


def test_a_new_marker_takes_the_place_of_the_old_ones() -> None:
    changed = with_color(jpeg(0xC0, *EVEN, before=JFIF + adobe(1)), 0)
    assert changed == jpeg(0xC0, *EVEN, before=adobe(0))


def test_a_frame_of_rle_begins_with_its_header_and_has_a_length() -> None:
    # Three copies of 7, then 1, 2, then a byte that pads: 5 values.
    data = rle(b"\xfe\x07\x01\x01\x02\0", b"\0\1")
    assert rle_segments(data) == 2 and begins_frame(data[:64]) and rle_pixels(data) == 5
    assert rle_segments(bytes(64)) == 0 and not begins_frame(bytes(64))


def test_images_of_other_formats_are_told_by_their_first_bytes() -> None:
    starts = (b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0AVI ", b"GIF89a", jpeg_2000(1, 0))
    assert [foreign_image(start) for start in starts] == ["PNG", "WebP", "", "GIF", ""]


def test_boxes_are_taken_off() -> None:
    assert code_stream(boxed(16)) == jpeg_2000(3, 0) and code_stream(b"abc") == b"abc"


SYNTAXES = {
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.70": "lossless jpeg",
    "1.2.840.10008.1.2.4.201": "jpeg 2000",
    "1.2.840.10008.1.2.4.102.1": "video",
    "1.3.46.670589.33.1.4.1": "",
    "": "",
}


def test_a_transfer_syntax_names_its_codec() -> None:
    assert {uid: codec_of_syntax(uid) for uid in SYNTAXES} == SYNTAXES
