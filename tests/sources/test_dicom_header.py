"""Data sets read as they are written, whatever the file says of itself."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset

from seqcls.errors import SourceError
from seqcls.sources import dicom_header
from seqcls.sources.dicom_header import looks_like_dicom, read_header

IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99")
)  # PS3.6 A: transfer syntaxes


def body(*, implicit: bool = False, little: bool = True) -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.Modality, ds.Rows, ds.Columns, ds.FrameTime = "1.2.3", "US", 6, 8, "40"
    ds.PixelData = bytes(48)
    ds["PixelData"].VR = "OW"
    held: Any = io.BytesIO()
    from pydicom.filebase import DicomIO

    target = DicomIO(held)
    target.is_implicit_VR, target.is_little_endian = implicit, little
    write_dataset(target, ds)
    return held.getvalue()


def meta(uid: str) -> bytes:
    """The file meta group with nothing but a transfer syntax in it."""
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return b"\x02\0\x10\0UI" + struct.pack("<H", len(value)) + value if uid else b""


PREAMBLE = bytes(128) + b"DICM"
RAW = zlib.compressobj(wbits=-15)
PACKED = RAW.compress(body()) + RAW.flush()

# what lies in the file -> implicit, little endian, part of the note ("" for none)
FILES: dict[str, tuple[bytes, bool, bool, str]] = {
    "as the standard wants it": (PREAMBLE + meta(EXPLICIT) + body(), False, True, ""),
    "big endian": (PREAMBLE + meta(BIG) + body(little=False), False, False, ""),
    "nothing but an implicit data set": (body(implicit=True), True, True, "no transfer syntax: read as implicit"),
    "nothing but an explicit data set": (body(), False, True, "no transfer syntax: read as explicit"),
    "nothing but big endian": (body(little=False), False, False, "read as explicit VR big endian"),
    "mark without meta": (PREAMBLE + body(implicit=True), True, True, "no transfer syntax"),
    "meta without preamble": (meta(IMPLICIT) + body(implicit=True), True, True, ""),
    "mark without preamble": (b"DICM" + meta(EXPLICIT) + body(), False, True, ""),
    "behind foreign bytes": (b"--part\r\n\r\n" + PREAMBLE + meta(EXPLICIT) + body(), False, True, "begins with 10 bytes that are no DICOM"),
    "behind half a preamble": (bytes(60) + b"DICM" + meta(EXPLICIT) + body(), False, True, ""),
    "preamble without mark": (bytes(128) + meta(EXPLICIT) + body(), False, True, ""),
    "says implicit, is explicit": (PREAMBLE + meta(IMPLICIT) + body(), False, True, "says implicit VR little endian but"),
    "says explicit, is implicit": (PREAMBLE + meta(EXPLICIT) + body(implicit=True), True, True, "is written as implicit"),
    "says big, is little": (PREAMBLE + meta(BIG) + body(), False, True, "says explicit VR big endian but"),
    "says little, is big": (PREAMBLE + meta(EXPLICIT) + body(little=False), False, False, "is written as explicit VR big"),
    "deflated": (PREAMBLE + meta(DEFLATED) + PACKED, False, True, ""),
    "deflated without a word": (PREAMBLE + meta(EXPLICIT) + PACKED, False, True, "is deflated though"),
    "says deflated, is not": (PREAMBLE + meta(DEFLATED) + body(), False, True, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_way_to_write_a_data_set_is_read(name: str, tmp_path: Path) -> None:
    content, implicit, little, note = FILES[name]
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    header = read_header(path)
    assert (header.data.Rows, header.data.Columns, float(header.data.FrameTime)) == (6, 8, 40.0)
    assert (header.implicit, header.little) == (implicit, little)
    assert note in " ".join(header.notes) and (header.notes == ()) == (note == "")
    with header.open() as stream:
        stream.seek(header.position)
        assert stream.read(4) == (b"\xe0\x7f\x10\0" if little else b"\x7f\xe0\0\x10")


def test_a_damaged_deflated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(PREAMBLE + meta(DEFLATED) + b"\xff" * 400)
    with pytest.raises(SourceError, match="cannot be inflated"):
        read_header(path)


def element(number: int, value: bytes, length: int | None = None) -> bytes:
    """A private one of OB."""
    return struct.pack("<HH2s2xI", 0x19, number, b"OB", len(value) if length is None else length) + value


def test_what_stands_in_front_of_the_pixels_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long values are passed over; what is stated beyond the file's end is not made room for; the rest is counted."""
    whole, path = body(), tmp_path / "a.dcm"
    place = whole.index(struct.pack("<HH", 0x28, 0x10))
    monkeypatch.setattr(dicom_header, "MAX_VALUE_BYTES", 100)

    def with_front(*elements: bytes) -> Any:
        path.write_bytes(PREAMBLE + meta(EXPLICIT) + whole[:place] + b"".join(elements) + whole[place:])
        return read_header(path).data

    assert with_front(element(0x1001, bytes(5000)), element(0x1002, b"ab")).Rows == 6
    assert "Rows" not in with_front(element(0x1001, b"ab", 0xFFFFFFF0))
    for name, most in (("MAX_HEADER_BYTES", 2000), ("MAX_READS", 100)):
        monkeypatch.setattr(dicom_header, name, most)
        assert with_front(*(element(0x1001 + k, b"ab") for k in range(10))).Rows == 6
        with pytest.raises(SourceError, match=r"a\.dcm: holds too much in front of its pixels"):
            with_front(*(element(0x1001 + k, b"ab" * 20) for k in range(60)))
        monkeypatch.undo()


def test_a_deflated_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(PREAMBLE + meta(DEFLATED) + PACKED)
    monkeypatch.setattr(dicom_header, "MAX_INFLATED_BYTES", 1 << 20)
    assert read_header(path).data.Rows == 6
    monkeypatch.setattr(dicom_header, "MAX_INFLATED_BYTES", len(PACKED))
    with pytest.raises(SourceError, match="is deflated DICOM of more than 0 MB"):
        read_header(path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_as_dicom_by_what_it_begins_with(name: str) -> None:
    assert looks_like_dicom(FILES[name][0][:1024])


OTHERS = {
    "nothing": b"",
    "two bytes": b"\x08\0",
    "half an element": b"\x08\0\x05\0",
    "one element": b"\x08\0\x05\0CS\x0a\0ISO_IR",
    "zeros": bytes(1024),
    "the same again and again": b"\x08\0" * 400,
    "a TIFF": b"II*\0" + bytes(99),
    "a table": b"frame,organ\n1,liver\n" * 20,
    "an MPEG stream": b"\0\0\x01\xba" + bytes(200),
    "every byte": b"\x08\0" + bytes(range(200)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_not_taken_for_dicom(name: str) -> None:
    assert not looks_like_dicom(OTHERS[name])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Not found\r\n" * 40, "it holds text"),
        (b"<!DOCTYPE html><p>Sign in</p>" * 9, "it holds a web page"),
        (b"%PDF-1.7\n" + bytes(99), "it holds a PDF"),
        (b"PK\3\4" + bytes(range(99)), "it holds a ZIP archive"),
        (bytes(9999), "it holds nothing but zeros"),
        (bytes(range(200, 255)) * 9, "it holds nothing that is known"),
    ],
)
def test_what_is_no_dicom_is_called_what_it_is(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=rf"a.dcm: is no DICOM, whatever its name says: {message}; get a fresh copy"):
        read_header(path)
