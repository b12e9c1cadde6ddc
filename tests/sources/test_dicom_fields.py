"""Values of a header, whatever is wrong with them."""

from __future__ import annotations

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from seqcls.sources import dicom_fields
from seqcls.sources.dicom_fields import number, numbers, scanner_of, several, text, whole


def raw(value: bytes, vr: str = "DS") -> Dataset:
    ds = Dataset()
    ds[0x00181063] = RawDataElement(Tag(0x00181063), vr, len(value), value, 0, False, True)
    return ds


def test_the_scanner_is_named_by_its_maker_and_model() -> None:
    ds = Dataset()
    assert scanner_of(ds) == ()
    ds.Manufacturer = "ACME"
    assert scanner_of(ds) == (("scanner", "ACME"),)
    ds.ManufacturerModelName = "One\x1b[2J"
    assert scanner_of(ds) == (("scanner", r"ACME One\x1b[2J"),)


def test_values_are_read_or_left_out() -> None:
    assert number(raw(b"40.5 "), "FrameTime") == 40.5
    assert numbers(raw(b"1,5\\2,5"), "FrameTime") == [1.5, 2.5]
    assert numbers(raw(b"1\\oops"), "FrameTime") == [1.0, None]
    assert number(raw(b"nan"), "FrameTime") is None and number(raw(b"inf"), "FrameTime") is None
    assert number(raw(b""), "FrameTime") is None and number(Dataset(), "FrameTime") is None
    assert several(Dataset(), "FrameTime") == [] and text(Dataset(), "Modality") == ""


def test_a_value_that_takes_long_to_convert_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_fields, "MAX_VALUE_BYTES", 8)
    assert numbers(raw(b"40\\40\\4 "), "FrameTime") == [40.0, 40.0, 4.0]
    assert several(raw(b"40\\40\\400"), "FrameTime") == []


def test_whole_numbers_have_a_default() -> None:
    ds = Dataset()
    ds.NumberOfFrames = "12"
    assert whole(ds, "NumberOfFrames", 1) == 12 and whole(ds, "Rows", 7) == 7
