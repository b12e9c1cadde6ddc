"""Uncompressed DICOM pixels that do not lie as the header says: what comes out is what was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from support.dicom_files import in_color, read, tiny, ultrasound

from seqcls.errors import SourceError
from seqcls.sources import open_source

GRAY = ultrasound()
SCREEN = GRAY // 2  # as dark as most ultrasound, with a white letter
SCREEN[:, 2:9, 4:8] = 255
RGB, YBR = in_color(GRAY, "rgb"), in_color(GRAY, "ybr")
PAIRS = GRAY.reshape(4, 48, 32, 2)
PACKED = np.concatenate([PAIRS, np.full_like(PAIRS, 128)], -1)  # Y Y Cb Cr
LAYOUTS: dict[str, np.ndarray] = {
    "gray": GRAY,
    "RGB by pixel": RGB,
    "RGB by plane": RGB.transpose(0, 3, 1, 2).copy(),
    "YBR by pixel": YBR,
    "YBR by plane": YBR.transpose(0, 3, 1, 2).copy(),
    "4:2:2": PACKED,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_drawn_gray_under_every_label(name: str, tmp_path: Path) -> None:
    for photometric in ("RGB", "YBR_FULL", "YBR_FULL_422", "MONOCHROME2"):
        for planar in (0, 1):
            samples = 1 if photometric == "MONOCHROME2" else 3
            fields: dict[str, Any] = {"SamplesPerPixel": samples, "PlanarConfiguration": planar}
            images, report = read(tiny(tmp_path / "a.dcm", LAYOUTS[name], photometric=photometric, **fields))
            assert images.shape == GRAY.shape and np.abs(images - GRAY).max() <= 1, (photometric, planar)
            assert report.verdict == "complete"


DEEP = GRAY.astype("<u2") * 16
BITS_12 = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "WindowCenter": 2040, "WindowWidth": 4081}
BITS_16 = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "WindowCenter": 32767.5, "WindowWidth": 65536}
HIGH_BYTE = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "WindowCenter": 32640.5, "WindowWidth": 65281}
SIGNED = {"PixelRepresentation": 1}
BIG, LITTLE = ExplicitVRBigEndian, ExplicitVRLittleEndian

# data, fields of the header, part of the note ("" for none)
CASES: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "12 bits": (DEEP, BITS_12, ""),
    "12 bits big endian": (DEEP.astype(">u2"), {"uid": BIG, **BITS_12}, ""),
    "high byte first": (DEEP.astype(">u2"), BITS_12, "the other order"),
    "low byte first": (DEEP, {"uid": BIG, **BITS_12}, "the other order"),
    "more bits than said": (DEEP, {**BITS_12, "BitsStored": 8}, "8 bits are in use, but 12"),
    "16 bits said to be signed": (GRAY.astype("<u2") * 257, {**BITS_16, "PixelRepresentation": 1}, "are signed, but"),
    "signed": ((DEEP.astype("<i2") - 2000), {**BITS_16, "PixelRepresentation": 1, "WindowCenter": 40.5, "WindowWidth": 4081}, ""),
    "8 bits said to be signed": (GRAY, {"PixelRepresentation": 1}, "are signed, but"),
    "8 bits said to be 16": (GRAY, BITS_16, "in gray of 8 bits"),
    "12 bits said to be 8": (DEEP, {"WindowCenter": 2040, "WindowWidth": 4081}, "in gray of 16 bits"),
    "RGB said to have 16": (RGB, {**BITS_16, "photometric": "RGB", "SamplesPerPixel": 3}, "in color of 8 bits"),
    "big endian bytes": (GRAY, {"uid": BIG}, ""),
    "big endian words": (GRAY.view(np.uint16).byteswap(), {"uid": BIG, "vr": "OW"}, ""),
    "big endian words that are none": (GRAY, {"uid": BIG, "vr": "OW"}, "they stand in single bytes"),
    "big endian bytes that are words": (GRAY.view(np.uint16).byteswap(), {"uid": BIG, "vr": "OB"}, "they stand in words"),
    "big endian RGB in words": (RGB.ravel().view(np.uint16).byteswap(), {"uid": BIG, "vr": "OW", "photometric": "RGB", "SamplesPerPixel": 3}, ""),
    "implicit words": (GRAY, {"uid": ImplicitVRLittleEndian}, ""),
    "rows and columns exchanged": (GRAY, {"Rows": 64, "Columns": 48}, "says 48x64, but the rows are those of 64x48"),
    "columns that are wrong": (GRAY, {"Columns": 61}, "says 61x48, but the data is 64 wide"),
    "rows that are wrong": (GRAY, {"Rows": 45}, "says 64x45, but the data is 48 high"),
    "no samples": (GRAY, {"SamplesPerPixel": None}, ""),
    "no photometric interpretation": (GRAY, {"PhotometricInterpretation": None}, ""),
    "no bits": (GRAY, {"BitsAllocated": None, "BitsStored": None, "HighBit": None}, ""),
    "no number of frames": (GRAY, {"NumberOfFrames": None}, ""),
    "no number, 4:2:2 said, RGB held": (RGB, {"NumberOfFrames": None, "photometric": "YBR_FULL_422", "SamplesPerPixel": 3}, "in color of 8 bits"),
    "one sample, said to be RGB": (GRAY, {"photometric": "RGB"}, "read as gray"),
    "8 in the high byte, a window": (GRAY.astype("<u2") << 8, HIGH_BYTE, ""),
    "8 in the high byte, big endian": ((GRAY.astype("<u2") << 8).astype(">u2"), {"uid": BIG, **HIGH_BYTE}, ""),
    "8 in the other byte, a window": (GRAY.astype("<u2"), HIGH_BYTE, "the other order"),
    "12 in the highest bits": (DEEP << 4, {**BITS_12, "HighBit": 15}, ""),
    "12 in the highest bits, unsaid": (DEEP << 4, BITS_12, "bits 0 to 11 hold the value, but bits 4 to 15 do"),
    "12 in the lowest bits, unsaid": (DEEP, {**BITS_12, "HighBit": 15}, "bits 4 to 15 hold the value, but bits 0 to 11 do"),
    "an overlay above 12 bits": (np.where(np.arange(48)[:, None] < 9, DEEP | 0x8000, DEEP), BITS_12, ""),
    "7 bits in 8": (GRAY >> 1, {"BitsStored": 7, "HighBit": 6}, ""),
    "6 bits in 8": (GRAY >> 2, {"BitsStored": 6, "HighBit": 5}, ""),
    "7 bits in the highest of 8": (GRAY & 254, {"BitsStored": 7, "HighBit": 7}, ""),
    "8 bits said to be 7": (GRAY, {"BitsStored": 7, "HighBit": 6}, "7 bits are in use, but 8"),
    "RGB of 7 bits in 8": (RGB >> 1, {"BitsStored": 7, "HighBit": 6, "photometric": "RGB", "SamplesPerPixel": 3}, ""),
    "RGB of 12 bits in 16": (RGB.astype("<u2") * 16, {**BITS_12, "photometric": "RGB", "SamplesPerPixel": 3}, ""),
    "RGB, high byte first": ((RGB.astype("<u2") * 16).astype(">u2"), {**BITS_12, "photometric": "RGB", "SamplesPerPixel": 3}, "the other order"),
    "signed 8": (GRAY ^ 128, SIGNED, ""),
    "signed 12, masked": ((DEEP - 2048) & 0xFFF, {**BITS_12, **SIGNED, "WindowCenter": -7.5}, ""),
    "signed 12, spread": (DEEP.astype("<i2") - 2048, {**BITS_12, **SIGNED, "WindowCenter": -7.5}, ""),
    "signed 16": ((GRAY.astype("<u2") * 257) ^ 0x8000, {**BITS_16, **SIGNED, "WindowCenter": 0}, ""),
    "signed 14, high byte first": ((GRAY.astype("<i2") * 60 - 8000).astype(">i2"), {**BITS_16, **SIGNED, "WindowCenter": -349.5, "WindowWidth": 15301}, "the other order"),
    "signed 8 said to have no sign": (GRAY ^ 128, {}, "have no sign, but the image"),
    "said to be inverted": (GRAY, {"photometric": "MONOCHROME1"}, "would be white around: read as MONOCHROME2"),
    "a corner like a video's begin": (np.where(np.arange(GRAY.size).reshape(GRAY.shape) == 3, 1, GRAY).astype(np.uint8), {}, ""),
    "padded by a row": (np.concatenate([GRAY.ravel(), np.zeros(100, np.uint8)]), {}, ""),
    "inverted": (255 - GRAY, {"photometric": "MONOCHROME1"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_header_that_is_wrong_costs_nothing_but_a_note(name: str, tmp_path: Path) -> None:
    data, fields, note = CASES[name]
    images, report = read(tiny(tmp_path / "a.dcm", data, **fields))
    assert images.shape == GRAY.shape and np.abs(images - GRAY).mean() < 0.5
    assert report.verdict == "complete"
    assert note in " ".join(report.reasons) and (report.reasons == ()) == (note == "")


QUARTERED = np.concatenate([GRAY.reshape(4, -1), np.full((4, 48 * 32), 128, np.uint8)], 1)
COLOR: dict[str, Any] = {"SamplesPerPixel": 3}
# data, fields of the header, part of the note ("" for none)
SUBSAMPLED: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "Cb Y Cr Y": (PACKED[..., [2, 0, 3, 1]], {"photometric": "YBR_FULL_422", **COLOR}, "4:2:2 stands as Cb Y Cr Y"),
    "Y Cb Y Cr": (PACKED[..., [0, 2, 1, 3]], {"photometric": "YBR_FULL_422", **COLOR}, "4:2:2 stands as Y Cb Y Cr"),
    "Cb Y Cr Y said to be RGB": (PACKED[..., [2, 0, 3, 1]], {"photometric": "RGB", **COLOR}, "4:2:2 stands as Cb Y Cr Y"),
    "4:2:0": (QUARTERED, {"photometric": "YBR_PARTIAL_420", **COLOR}, ""),
    "4:2:0 said to be gray": (QUARTERED, {}, "in 4:2:0 YBR of 8 bits"),
    "4:2:0 said to be 4:2:2": (QUARTERED, {"photometric": "YBR_FULL_422", **COLOR}, "in 4:2:0 YBR of 8 bits"),
    "gray said to be 4:2:0": (GRAY, {"photometric": "YBR_PARTIAL_420"}, "one sample per pixel: read as gray"),
    "RGB said to be 4:2:0": (RGB, {"photometric": "YBR_PARTIAL_420", **COLOR}, "RGB"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUBSAMPLED)
def test_subsampled_color_is_read_as_it_lies(name: str, tmp_path: Path) -> None:
    data, fields, note = SUBSAMPLED[name]
    images, report = read(tiny(tmp_path / "a.dcm", np.ascontiguousarray(data), **fields))
    assert images.shape == GRAY.shape and np.abs(images - GRAY).max() <= 1 and report.verdict == "complete"
    assert note in " ".join(report.reasons) and (report.reasons == ()) == (note == "")


def test_420_that_lies_in_no_planes_is_refused(tmp_path: Path) -> None:
    blocks = np.concatenate([GRAY.reshape(4, -1, 4), np.full((4, 48 * 16, 2), 128, np.uint8)], -1)  # Y Y Y Y Cb Cr
    path = tiny(tmp_path / "a.dcm", blocks, photometric="YBR_PARTIAL_420", SamplesPerPixel=3)
    with pytest.raises(SourceError, match="do not lie in planes of Y, Cb and Cr"):
        open_source(path)


# data, fields of the header, part of the note ("" for none)
INVERTED: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "inverted, unsaid": (255 - SCREEN, {}, "says MONOCHROME2, but then the image would be white around: read as MONOCHROME1"),
    "inverted by its shape": (255 - SCREEN, {"PresentationLUTShape": "INVERSE"}, "would be white around"),
    "said to be inverted by its shape": (SCREEN, {"PresentationLUTShape": "INVERSE"}, ""),
    "inverted twice over": (255 - SCREEN, {"photometric": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, ""),
    "inverted, 12 bits": (4080 - SCREEN.astype("<u2") * 16, BITS_12, "read as MONOCHROME1"),
    "a slope below zero": (4080 - SCREEN.astype("<u2") * 16, {**BITS_12, "RescaleSlope": "-1", "RescaleIntercept": "4080"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", INVERTED)
def test_ultrasound_is_black_around(name: str, tmp_path: Path) -> None:
    data, fields, note = INVERTED[name]
    images, report = read(tiny(tmp_path / "a.dcm", data, **fields))
    assert np.abs(images - SCREEN).max() <= 1 and report.verdict == "complete"
    assert note in " ".join(report.reasons) and (report.reasons == ()) == (note == "")


def test_what_is_bright_is_not_turned_over(tmp_path: Path) -> None:
    bright = np.clip(GRAY[:, 16:, 24:40].astype(int) * 3 // 2 + 60, 0, 255).astype(np.uint8)
    page = np.full((4, 96, 128), 255, np.uint8)  # a white page with ultrasound on it
    page[:, 20:76, 30:98] = 0
    page[:, 24:72, 32:96] = GRAY
    flash = np.concatenate([SCREEN[:2], 255 - SCREEN[:2]])
    for data in (bright, page, flash):
        images, _ = read(tiny(tmp_path / "a.dcm", data, Rows=data.shape[1], Columns=data.shape[2]))
        assert (images == data).all()


def test_a_shape_that_the_image_does_not_bear_out_is_noted(tmp_path: Path) -> None:
    data = np.ascontiguousarray(90 + GRAY[:, 24:, 28:36] // 2)
    images, report = read(tiny(tmp_path / "a.dcm", data, Rows=24, Columns=8, PresentationLUTShape="INVERSE"))
    assert (images == data).all() and "INVERSE, and the image does not show which" in " ".join(report.reasons)


def test_samples_and_frames_outweigh_the_name_where_the_image_does_not_tell(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (4, 48, 64, 3), np.uint8)
    path = tiny(tmp_path / "a.dcm", noise, photometric="YBR_FULL_422", SamplesPerPixel=3)
    with open_source(path) as source:
        assert len(list(source)) == 4 and source.report().verdict == "complete"


def test_tinted_images_are_told_from_more_frames_of_another_kind(tmp_path: Path) -> None:
    tinted = (RGB * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    gray = np.rint(tinted @ np.array([0.299, 0.587, 0.114]))
    for data in (tinted, tinted.transpose(0, 3, 1, 2).copy()):
        for photometric in ("RGB", "YBR_FULL_422"):
            images, report = read(tiny(tmp_path / "a.dcm", data, photometric=photometric, SamplesPerPixel=3))
            assert images.shape == gray.shape and np.abs(images - gray).max() <= 1 and report.verdict == "complete"


@pytest.mark.parametrize("tint", [(1, 0.85, 0.6), (1, 0.95, 0.9), (1, 0.98, 0.95)])
def test_a_wrong_planar_configuration_is_seen_in_tinted_images(tint: tuple[float, ...], tmp_path: Path) -> None:
    tinted = (RGB * np.array(tint)).astype(np.uint8)
    # PS3.3 C.7.6.3.1.2, (N, H, W, 3).
    luma = tinted @ np.array([0.299, 0.587, 0.114])
    blue, red = 128 + (tinted[..., 2] - luma) / 1.772, 128 + (tinted[..., 0] - luma) / 1.402
    ybr = np.rint(np.stack([luma, blue, red], -1)).astype(np.uint8)
    for photometric, pixels in (("RGB", tinted), ("YBR_FULL", ybr)):
        for held, data in enumerate((pixels, pixels.transpose(0, 3, 1, 2).copy())):
            for said in (0, 1):
                fields: dict[str, Any] = {"photometric": photometric, "SamplesPerPixel": 3, "PlanarConfiguration": said}
                images, report = read(tiny(tmp_path / "a.dcm", data, **fields))
                assert np.abs(images - luma).max() <= 2, (photometric, held, said)
                assert len(report.reasons) == (held != said)
                assert held == said or "but it stands by" in report.reasons[0]


def test_a_layout_that_the_image_does_not_show_is_the_stated_one_with_a_note(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (4, 48, 64, 3), np.uint8)
    images, report = read(tiny(tmp_path / "a.dcm", noise, photometric="RGB", SamplesPerPixel=3))
    assert np.abs(images - noise @ np.array([0.299, 0.587, 0.114])).max() <= 1
    (note,) = report.reasons
    assert "does not show whether color stands by pixel or by plane: read by pixel" in note


def test_single_bits_of_whole_bytes_are_read(tmp_path: Path) -> None:
    bits = np.packbits(GRAY > 50, bitorder="little")  # 48 x 64 = 3,072 pixels are 384 bytes
    images, report = read(tiny(tmp_path / "a.dcm", bits, BitsAllocated=1, BitsStored=1, HighBit=0))
    assert ((images > 0) == (GRAY > 50)).all() and report.verdict == "complete"


def test_odd_frames_of_words_are_cut_where_they_end(tmp_path: Path) -> None:
    odd = GRAY[:3, :47, :63].copy()
    words = np.frombuffer(odd.tobytes() + b"\0", np.uint16).byteswap()
    fields: dict[str, Any] = {"vr": "OW", "Rows": 47, "Columns": 63, "NumberOfFrames": 3}
    images, report = read(tiny(tmp_path / "a.dcm", words, BIG, **fields))
    assert (images == odd).all() and report.reasons == ()


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (GRAY, {"Rows": 37, "Columns": 41}),
        (GRAY, {"Rows": None, "Columns": None}),
        (np.concatenate([RGB, np.full_like(RGB[..., :1], 255)], -1), {"photometric": "ARGB", "SamplesPerPixel": 4}),
        (GRAY, {"photometric": "PALETTE COLOR"}),
        (GRAY, {"BitsAllocated": 12}),
        (RGB, {"photometric": "HSV", "SamplesPerPixel": 3}),
        (np.packbits(GRAY[:, :47, :63] > 50, bitorder="little"), {"BitsAllocated": 1, "Rows": 47, "Columns": 63}),
    ],
    ids=[
        "no such size",
        "no size",
        "four samples",
        "a palette that is not there",
        "12 bits packed",
        "HSV",
        "single bits that run on",
    ],
)
def test_what_cannot_be_settled_is_refused_in_one_line(
    data: np.ndarray, fields: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(tiny(tmp_path / "a.dcm", data, **fields))
    assert "\n" not in str(caught.value) and "a.dcm" in str(caught.value)
