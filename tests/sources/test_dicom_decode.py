"""Samples as they were stored, from every decoder."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian
from support.dicom_files import dataset, save, ultrasound
from support.lossless_jpeg import lossless_jpeg

from seqcls.errors import SourceError
from seqcls.sources import dicom_decode, open_source
from seqcls.sources.dicom_decode import decoder_for, native_samples, to_rgb
from seqcls.sources.dicom_evidence import PixelReading, in_use


def reading(**changes: Any) -> PixelReading:
    return PixelReading(**{"codec": "native", "width": 2, "height": 1, "samples": 1, "bits": 8, "stored": 8, **changes})


NATIVE: dict[str, tuple[PixelReading, bytes, list[Any]]] = {
    "8 bits": (reading(), b"\x01\x02", [[1, 2]]),
    "8 bits signed": (reading(signed=True), b"\x01\xff", [[1, -1]]),
    "16 bits": (reading(bits=16, stored=16), b"\x01\x02\x03\x04", [[0x0201, 0x0403]]),
    "16 bits big": (reading(bits=16, stored=16, big=True), b"\x01\x02\x03\x04", [[0x0102, 0x0304]]),
    "12 bits below an overlay": (reading(bits=16, stored=12), b"\x01\x12\x03\xf4", [[0x0201, 0x0403]]),
    "12 bits signed": (reading(bits=16, stored=12, signed=True), b"\xff\x0f\x01\x00", [[-1, 1]]),
    "1 bit": (reading(bits=1, stored=1), b"\x02", [[0, 1]]),
    "by pixel": (reading(samples=3), bytes(range(6)), [[[0, 1, 2], [3, 4, 5]]]),
    "by plane": (reading(samples=3, layout="plane"), bytes(range(6)), [[[0, 2, 4], [1, 3, 5]]]),
    "4:2:2": (reading(samples=3, layout="422"), bytes(range(4)), [[[0, 2, 3], [1, 2, 3]]]),
}


@pytest.mark.parametrize("name", NATIVE)
def test_native_samples_are_laid_out(name: str) -> None:
    how, data, expected = NATIVE[name]
    assert native_samples(data, how).tolist() == expected


def test_each_frame_is_looked_at_before_a_decoder_makes_room_for_it() -> None:
    """Only the size of the first is known from opening the file."""
    gray = ultrasound(1)[0]
    decode = decoder_for(reading(codec="jpeg", width=gray.shape[1], height=gray.shape[0]), "a")
    data = cv2.imencode(".jpg", gray)[1].tobytes()
    assert decode(data).shape == gray.shape
    place = data.index(b"\xff\xc0") + 5
    for size in (b"\xff\xff\xff\xff", b"\0\0\0\0"):
        with pytest.raises(ValueError, match="no size, or more than an image can have"):
            decode(data[:place] + size + data[place + 4 :])
    with pytest.raises(ValueError, match="no size"):
        decode(b"\xff\xd8\xff\xd9")


def test_an_rle_frame_is_no_longer_than_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bytes of it unpack to 128."""
    decode = decoder_for(reading(codec="rle", width=128, height=8), "a")
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    assert decode(head + b"\x81\7" * 8).tolist() == [[7] * 128] * 8
    for data in (head + b"\x81\7" * 4000, head + b"\x81\7" * 64):
        with pytest.raises(ValueError, match="longer than its image"):
            decode(data)
        monkeypatch.setattr(dicom_decode, "_HARMLESS_BYTES", 100)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("ids", [b"\1\2\3", b"RGB", b"\0\1\2"])
def test_lossless_jpeg_gives_what_was_stored(bits: int, ids: bytes) -> None:
    gray = ultrasound(1)[0].astype(np.int64) * ((1 << bits) - 1) // 255
    depth = {"bits": 8 if bits == 8 else 16, "stored": bits, "codec": "lossless jpeg"}
    assert (decoder_for(reading(**depth), "a")(lossless_jpeg(gray, bits, ids)) == gray).all()
    color = np.stack([gray, gray[::-1], gray // 2], -1)
    assert (decoder_for(reading(samples=3, **depth), "a")(lossless_jpeg(color, bits, ids)) == color).all()


def test_ybr_becomes_rgb_as_the_standard_has_it() -> None:
    # R = 100 + 1.402 * 20, G = 100 - 0.344136 * 40 - 0.714136 * 20, B = 100 + 1.772 * 40
    assert to_rgb(np.array([[[100, 168, 148], [77, 128, 128]]], np.uint8)).tolist() == [[[128, 72, 171], [77, 77, 77]]]


def test_what_nothing_decodes_is_refused_in_words() -> None:
    with pytest.raises(SourceError, match="a: pixel data as jpeg xl cannot be decoded"):
        decoder_for(reading(codec="jpeg xl"), "a")


def test_bits_above_those_stored_are_left_out() -> None:
    assert in_use(np.array([[0xF123]], np.uint16), reading(bits=16, stored=12)).tolist() == [[0x123]]


def test_lossy_jpeg_of_12_bits_is_refused_with_what_to_do() -> None:
    path = get_testdata_file("JPGExtended.dcm", download=False)
    with pytest.raises(SourceError, match=r"JPEG of 12 bits cannot be decoded here; uncompress it first"):
        open_source(str(path))


@pytest.mark.parametrize(
    ("samples", "bits", "words"),
    [
        (4, 8, "has 4 samples per pixel, which is neither gray"),
        (2, 8, "has 2 samples per pixel, which is neither gray"),
        (1, 1, "some begin within a byte; convert it to 8 bits first"),
    ],
)
def test_pixels_that_are_not_read_are_refused_with_what_to_do(
    samples: int, bits: int, words: str, tmp_path: Path
) -> None:
    """Frames of 33 x 31 single bits run on within bytes."""
    frames = np.random.default_rng(0).integers(0, 256, 3 * 33 * 31 * samples * bits // 8 + 1).astype(np.uint8)
    ds = dataset(ExplicitVRLittleEndian, "MONOCHROME2", bits=bits, count=3, Rows=33, Columns=31)
    ds.SamplesPerPixel = samples
    path = save(ds, tmp_path / "a.dcm", frames.tobytes() + bytes(frames.size % 2))
    with pytest.raises(SourceError, match=words) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)
