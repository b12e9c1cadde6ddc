"""Compressed DICOM frames whose header disagrees with their stream: what comes out is what was drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless
from support.dicom_files import in_color, read, tiny, ultrasound
from support.lossless_jpeg import lossless_jpeg

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.types import Frame

GRAY = ultrasound()
LABELS = ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "MONOCHROME2", None]


def jpeg(image: np.ndarray, *, markers: bool = False, adobe: int = -1, ids: bytes = b"\1\2\3", **options: Any) -> bytes:
    """Baseline, without the JFIF and Adobe markers that Pillow writes unless ``markers``."""
    held = io.BytesIO()
    Image.fromarray(image).save(held, "JPEG", quality=97, **options)
    data = held.getvalue()
    while not markers and data[3] in (0xE0, 0xEE):
        data = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    if adobe >= 0:
        data = data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([adobe]) + data[2:]
    if image.ndim == 3:
        changed, frame, scan = bytearray(data), data.index(b"\xff\xc0"), data.index(b"\xff\xda")
        changed[frame + 10 : frame + 19 : 3], changed[scan + 5 : scan + 11 : 2] = ids, ids
        data = bytes(changed)
    return data


def jpeg_2000(image: np.ndarray, transform: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, "JPEG2000", mct=transform, no_jp2=True)
    return held.getvalue()


def jpeg_ls(image: np.ndarray) -> bytes:
    import jpeg_ls

    return bytes(jpeg_ls.encode_array(image))


def rle(image: np.ndarray) -> bytes:
    facts = {"rows": 48, "columns": 64, "samples_per_pixel": 1 if image.ndim == 2 else 3, "number_of_frames": 1}
    bits = 8 * image.itemsize
    facts |= {"bits_allocated": bits, "bits_stored": bits, "pixel_representation": 0, "planar_configuration": 0}
    meaning = "RGB" if image.ndim == 3 else "MONOCHROME2"
    return bytes(get_encoder(RLELossless).encode(image, photometric_interpretation=meaning, **facts))


RGB, YBR = in_color(GRAY, "rgb"), in_color(GRAY, "ybr")
STREAMS: dict[str, tuple[str, list[bytes]]] = {
    "JPEG, chroma halved": (JPEGBaseline8Bit, [jpeg(f, subsampling="4:2:2") for f in RGB]),
    "JPEG, chroma quartered": (JPEGBaseline8Bit, [jpeg(f, subsampling="4:2:0") for f in RGB]),
    "JPEG, YBR without a mark": (JPEGBaseline8Bit, [jpeg(f, subsampling="4:4:4") for f in RGB]),
    "JPEG, YBR with JFIF": (JPEGBaseline8Bit, [jpeg(f, subsampling="4:4:4", markers=True) for f in RGB]),
    "JPEG, YBR with Adobe's": (JPEGBaseline8Bit, [jpeg(f, subsampling="4:4:4", adobe=1) for f in RGB]),
    "JPEG, RGB without a mark": (JPEGBaseline8Bit, [jpeg(f, keep_rgb=True) for f in RGB]),
    "JPEG, RGB by its names": (JPEGBaseline8Bit, [jpeg(f, keep_rgb=True, ids=b"RGB") for f in RGB]),
    "JPEG, RGB with Adobe's": (JPEGBaseline8Bit, [jpeg(f, keep_rgb=True, adobe=0) for f in RGB]),
    "JPEG, gray": (JPEGBaseline8Bit, [jpeg(f) for f in GRAY]),
    "lossless JPEG, RGB": (JPEGLosslessSV1, [lossless_jpeg(f, 8) for f in RGB]),
    "lossless JPEG, YBR": (JPEGLosslessSV1, [lossless_jpeg(f, 8, b"\0\1\2") for f in YBR]),
    "lossless JPEG, gray": (JPEGLosslessSV1, [lossless_jpeg(f, 8) for f in GRAY]),
    "JPEG 2000, transformed": (JPEG2000, [jpeg_2000(f, 1) for f in RGB]),
    "JPEG 2000, RGB": (JPEG2000, [jpeg_2000(f, 0) for f in RGB]),
    "JPEG 2000, YBR": (JPEG2000, [jpeg_2000(f, 0) for f in YBR]),
    "JPEG 2000, gray": (JPEG2000, [jpeg_2000(f, 0) for f in GRAY]),
    "JPEG-LS, RGB": (JPEGLSLossless, [jpeg_ls(f) for f in RGB]),
    "JPEG-LS, YBR": (JPEGLSLossless, [jpeg_ls(f) for f in YBR]),
    "JPEG-LS, gray": (JPEGLSLossless, [jpeg_ls(f) for f in GRAY]),
    "RLE, RGB": (RLELossless, [rle(f) for f in RGB]),
    "RLE, YBR": (RLELossless, [rle(f) for f in YBR]),
    "RLE, gray": (RLELossless, [rle(f) for f in GRAY]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_every_stream_gives_the_drawn_gray_under_every_label(name: str, tmp_path: Path) -> None:
    uid, frames = STREAMS[name]
    for label in LABELS:
        samples = {"SamplesPerPixel": 1 if label == "MONOCHROME2" else 3}
        path = tiny(tmp_path / "a.dcm", frames, uid, photometric=label or "RGB", **samples)
        if label is None:
            path = tiny(path, frames, uid, PhotometricInterpretation=None, SamplesPerPixel=3)
        images, report = read(path)
        # Read as the wrong color, gray is off by 60 levels and more.
        assert np.abs(images - GRAY).mean() < (2 if name.startswith("JPEG, ") else 0.5), label
        assert report.verdict == "complete" and report.delivered == 4, label


def test_what_is_settled_against_the_label_is_a_note(tmp_path: Path) -> None:
    uid, frames = STREAMS["JPEG, chroma halved"]
    with open_source(tiny(tmp_path / "a.dcm", frames, uid, photometric="RGB", SamplesPerPixel=3)) as source:
        list(source)
        (note,) = source.report().reasons
    assert note == "the header says RGB, but the frames are YBR (their chroma is subsampled): read as that"
    assert ("read as", "YBR, 3 x 8 bits") in source.info.details
    _, report = read(tiny(tmp_path / "b.dcm", frames, uid, photometric="YBR_FULL_422", SamplesPerPixel=3))
    assert report.reasons == ()


def test_colors_that_are_no_gray_stay_what_the_markers_say(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    for frame, photometric in ((jpeg(red, keep_rgb=True, adobe=0), "YBR_FULL"), (jpeg(red, adobe=1), "RGB")):
        path = tiny(
            tmp_path / "a.dcm", [frame], JPEGBaseline8Bit, photometric=photometric, SamplesPerPixel=3, NumberOfFrames=1
        )
        with open_source(path, color=True) as source:
            (item,) = source
        assert isinstance(item, Frame) and np.abs(item.image[24, 32].astype(int) - [0, 0, 200]).max() <= 4


@pytest.mark.parametrize("name", ["JPEG, gray", "JPEG 2000, gray", "JPEG-LS, gray", "lossless JPEG, gray"])
def test_the_size_of_the_stream_is_believed(name: str, tmp_path: Path) -> None:
    uid, frames = STREAMS[name]
    for size in ({"Rows": 64, "Columns": 48}, {"Rows": 10, "Columns": 10}, {"Rows": None, "Columns": None}):
        images, report = read(tiny(tmp_path / "a.dcm", frames, uid, **size))
        assert np.abs(images - GRAY).mean() < 2 and report.verdict == "complete"
        assert ("64x48" in " ".join(report.reasons)) == (size["Rows"] is not None)


def test_rle_that_holds_another_size_is_refused(tmp_path: Path) -> None:
    path = tiny(tmp_path / "a.dcm", STREAMS["RLE, gray"][1], RLELossless, Rows=40)
    with pytest.raises(SourceError, match=r"64x40, but a frame holds 3,072 pixels"):
        open_source(path)


DEEP = GRAY.astype(np.uint16) * 16
WINDOW = {"WindowCenter": 2040, "WindowWidth": 4081}  # 0 is black and 4080 white


@pytest.mark.parametrize(
    "bits", [{"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, {}, {"BitsAllocated": 16, "BitsStored": 8}]
)
@pytest.mark.parametrize(
    ("uid", "encode"),
    [
        (JPEGLosslessSV1, lambda f: lossless_jpeg(f, 12)),
        (JPEG2000, lambda f: jpeg_2000(f, 0)),
        (JPEGLSLossless, jpeg_ls),
        (RLELossless, rle),
    ],
    ids=["lossless JPEG", "JPEG 2000", "JPEG-LS", "RLE"],
)  # fmt: skip
def test_12_bits_are_read_whatever_the_header_says_of_them(
    uid: str, encode: Callable[[np.ndarray], bytes], bits: dict[str, int], tmp_path: Path
) -> None:
    images, report = read(tiny(tmp_path / "a.dcm", [encode(f) for f in DEEP], uid, **bits, **WINDOW))
    assert np.abs(images - GRAY).max() <= 1 and report.verdict == "complete"


@pytest.mark.parametrize("stated", [uid for uid, _ in STREAMS.values()][::3])
def test_the_stream_is_decoded_as_what_it_is_and_not_as_the_syntax_says(stated: str, tmp_path: Path) -> None:
    for name in ("JPEG, gray", "JPEG 2000, gray", "JPEG-LS, gray", "RLE, gray", "lossless JPEG, gray"):
        uid, frames = STREAMS[name]
        images, report = read(tiny(tmp_path / "a.dcm", frames, stated))
        assert np.abs(images - GRAY).mean() < 2 and report.verdict == "complete"
        assert ("decoded as that" in " ".join(report.reasons)) == (uid != stated)


def test_four_samples_are_refused_in_words(tmp_path: Path) -> None:
    held = io.BytesIO()
    Image.fromarray(RGB[0]).convert("CMYK").save(held, "JPEG")
    path = tiny(tmp_path / "a.dcm", [held.getvalue()] * 4, JPEGBaseline8Bit, SamplesPerPixel=4)
    with pytest.raises(SourceError, match="4 samples per pixel"):
        open_source(path)
