"""Stored values to 0..255: windows, the range in use, palettes of every kind."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian
from support.dicom_files import in_color, read, tiny, ultrasound

from seqcls.errors import SourceError
from seqcls.sources.dicom_evidence import PixelReading
from seqcls.sources.dicom_levels import levels_of, palette_of

GRAY = ultrasound()
RAMP = np.arange(256)


def palette(table: np.ndarray, bits: int = 16, first: int = 0, kind: str = "<u2") -> dict[str, Any]:
    fields: dict[str, Any] = {"photometric": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        fields[f"{color}PaletteColorLookupTableDescriptor"] = [len(table), first, bits]
        fields[f"{color}PaletteColorLookupTableData"] = table.astype(kind).tobytes()
    return fields


# data, the header's fields, part of the note ("" for none)
PALETTES: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "16 bits": (GRAY, palette(RAMP * 257), ""),
    "16 bits said, 8 held": (GRAY, palette(RAMP), "the palette says 16 bits"),
    "16 bits said, bytes held": (GRAY, palette(RAMP, kind="u1"), "the palette says 16 bits"),
    "8 bits in words": (GRAY, palette(RAMP, bits=8), ""),
    "8 bits in bytes": (GRAY, palette(RAMP, bits=8, kind="u1"), ""),
    "from dark to light": (255 - GRAY, palette((255 - RAMP) * 257), ""),
    "a first value": (GRAY // 2 + 100, palette(np.arange(128) * 2 * 257, first=100), ""),
    "big endian": (GRAY, {"uid": ExplicitVRBigEndian, **palette(RAMP * 257, kind=">u2")}, ""),
    "a palette for what is RGB": (in_color(GRAY, "rgb"), palette(255 * 257 - RAMP), "in color of 8 bits"),
}  # fmt: skip


@pytest.mark.parametrize("name", PALETTES)
def test_a_palette_gives_the_gray_that_it_holds(name: str, tmp_path: Path) -> None:
    data, fields, note = PALETTES[name]
    images, report = read(tiny(tmp_path / "a.dcm", data, **{"uid": ExplicitVRLittleEndian, **fields}))
    assert np.abs(images - GRAY).max() <= 1 and report.verdict == "complete"
    assert note in " ".join(report.reasons) and (report.reasons == ()) == (note == "")


LINEAR = struct.pack("<3H", 1, 65535, 9)


@pytest.mark.parametrize(
    ("count", "first", "segments", "message"),
    [
        (256, 0, struct.pack("<3H", 0, 1, 0) + 4000 * LINEAR, "its palette unpacks to more than 65,536 colors"),
        (256, 0, LINEAR + struct.pack("<4H", 2, 60_000, 0, 0), "its palette unpacks to more than 65,536 colors"),
        (10**12, 0, b"", "states a palette of 1,000,000,000,000 colors from 0 on, more than 16 bits can name"),
        (256, 10**9, b"", "colors from 1,000,000,000 on"),
        (256, 0, bytes(1 << 18), "holds no palette"),
    ],
    ids=["linear", "repeated", "count", "first", "long"],
)
def test_a_palette_is_counted_before_it_is_made(count: int, first: int, segments: bytes, message: str) -> None:
    fields: dict[str, Any] = {}
    for color in ("Red", "Green", "Blue"):
        fields[f"{color}PaletteColorLookupTableDescriptor"] = [count, first, 16]
        fields[f"Segmented{color}PaletteColorLookupTableData"] = segments
    with pytest.raises(SourceError, match=message):
        palette_of(fields, little=True, name="a")


def test_a_palette_beside_gray_is_not_applied(tmp_path: Path) -> None:
    fields = {**palette((255 - RAMP) * 257), "photometric": "MONOCHROME2"}
    images, _ = read(tiny(tmp_path / "a.dcm", GRAY, **fields))
    assert (images == GRAY).all()


def test_a_palette_beside_what_is_no_gray_is_applied(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(256)  # as indices the image is noise
    table = np.empty(256, np.int64)
    table[order] = RAMP
    for photometric in ("MONOCHROME2", "RGB"):
        fields = {**palette(table * 257), "photometric": photometric}
        images, report = read(tiny(tmp_path / "a.dcm", order[GRAY].astype(np.uint8), **fields))
        assert np.abs(images - GRAY).max() <= 1 and "PALETTE COLOR" in " ".join(report.reasons)


def reading(**changes: Any) -> PixelReading:
    return PixelReading(
        **{"codec": "native", "width": 2, "height": 1, "samples": 1, "bits": 16, "stored": 12, **changes}
    )


def test_levels_come_from_the_window_else_from_the_range_in_use() -> None:
    frames = [np.array([[100, 300]], np.uint16), np.array([[200, 500]], np.uint16)]
    least = levels_of({}, reading(), frames)
    assert least is not None and (least.low, least.high) == (100, 500)
    assert least.apply(np.array([[100, 300, 500, 900]])).tolist() == [[0, 128, 255, 255]]
    window = levels_of(
        {"WindowCenter": 2040.5, "WindowWidth": 4081, "RescaleSlope": 2, "RescaleIntercept": -100}, reading(), []
    )
    assert window is not None and (window.low, window.high) == (50, 2090)  # (0 + 100) / 2 and (4080 + 100) / 2
    every = levels_of({}, reading(), [])
    assert every is not None and (every.low, every.high, every.origin) == (0, 4095, "all stored bits")


def test_a_window_that_shows_nothing_is_not_used() -> None:
    frames = [np.array([[1000, 3000]], np.uint16)]
    levels = levels_of({"WindowCenter": 127, "WindowWidth": 255}, reading(), frames)
    assert levels is not None and (levels.low, levels.high) == (1000, 3000)
    assert levels.notes == ("the window 127/255 shows nothing of the values: their range is used instead",)


def test_levels_of_8_bits_stand_as_they_are() -> None:
    assert levels_of({}, reading(bits=8, stored=8), []) is None
    assert levels_of({}, reading(bits=8, stored=8, samples=3, meaning="rgb"), []) is None
    binary = levels_of({}, reading(bits=1, stored=1), [])
    assert binary is not None and binary.apply(np.array([[0, 1]])).tolist() == [[0, 255]]
