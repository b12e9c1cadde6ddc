"""Frames found and decoded however they are wrapped: items, lengths, offsets and transfer syntaxes that are wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless
from support.dicom_files import in_color, read, tiny, ultrasound

from seqcls.errors import NoFramesError, SourceError
from seqcls.sources import open_source

GRAY = ultrasound()
JPEGS = [cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes() for f in GRAY]
EVEN = [data + b"\0" * (len(data) % 2) for data in JPEGS]
HALVES = [part for data in EVEN for part in (data[: len(data) // 4 * 2], data[len(data) // 4 * 2 :])]
ELEMENT = b"\xe0\x7f\x10\0OB\0\0"


def item(data: bytes) -> bytes:
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(data)) + data


def pixels(value: bytes, length: int = -1) -> Callable[[bytes], bytes]:
    """The file with this value of the pixel data; a length of -1 is the true one."""

    def changed(data: bytes) -> bytes:
        head = data[: data.index(ELEMENT) + len(ELEMENT)]
        return head + struct.pack("<I", len(value) if length == -1 else length) + value

    return changed


def syntax(old: str, new: str) -> Callable[[bytes], bytes]:
    def element(uid: str) -> bytes:
        return b"UI" + struct.pack("<H", len(uid) + len(uid) % 2) + uid.encode() + b"\0" * (len(uid) % 2)

    return lambda data: data.replace(b"\x02\0\x10\0" + element(old), b"\x02\0\x10\0" + element(new), 1)


END = b"\xfe\xff\xdd\xe0\0\0\0\0"
OPEN = 0xFFFFFFFF
ITEMS = b"".join(map(item, EVEN))
JPEG, EXPLICIT, IMPLICIT = str(JPEGBaseline8Bit), str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)

# whether the frames are JPEG, what is done to the file, part of the note ("" for none)
CASES: dict[str, tuple[bool, Callable[[bytes], bytes], str]] = {
    "two fragments a frame": (True, pixels(item(b"") + b"".join(map(item, HALVES)) + END, OPEN), ""),
    "all frames in one fragment": (True, pixels(item(b"") + item(b"".join(EVEN)) + END, OPEN), ""),
    "wrong offsets": (True, pixels(item(struct.pack("<4I", 0, 6, 99, 9999)) + ITEMS + END, OPEN), ""),
    "offsets of zero": (True, pixels(item(bytes(16)) + ITEMS + END, OPEN), ""),
    "items with a length": (True, pixels(item(b"") + ITEMS), ""),
    "JPEG without items": (True, pixels(b"".join(EVEN)), ""),
    "something behind": (True, lambda data: data + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd", ""),
    "native without a length": (False, pixels(GRAY.tobytes(), OPEN), ""),
    "JPEG said to be native": (True, syntax(JPEG, EXPLICIT), "Explicit VR Little Endian, but the frames are jpeg"),
    "JPEG said to be implicit": (True, syntax(JPEG, IMPLICIT), "but the frames are jpeg"),
    "JPEG said to be RLE": (True, syntax(JPEG, str(RLELossless)), "RLE Lossless, but the frames are jpeg"),
    "JPEG of a private kind": (True, syntax(JPEG, "1.3.46.670589.33.1.4.1"), "but the frames are jpeg"),
    "native said to be JPEG": (False, syntax(EXPLICIT, JPEG), "but the pixels are not compressed"),
    "native said to be MPEG-4": (False, syntax(EXPLICIT, "1.2.840.10008.1.2.4.102"), "but the pixels are not compressed"),
    "native said to be JPEG XL": (False, syntax(EXPLICIT, "1.2.840.10008.1.2.4.110"), "but the pixels are not compressed"),
    "JPEG without file meta": (True, lambda data: data[data.index(b"\x08\0\x16\0UI") :], "states no transfer syntax"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_frames_are_found_in_every_wrapping(name: str, tmp_path: Path) -> None:
    compressed, change, note = CASES[name]
    path = tiny(tmp_path / "a.dcm", JPEGS, JPEGBaseline8Bit) if compressed else tiny(tmp_path / "a.dcm", GRAY)
    path.write_bytes(change(path.read_bytes()))
    images, report = read(path)
    assert images.shape == GRAY.shape and np.abs(images - GRAY).mean() < 2
    assert report.verdict == "complete"
    assert note in " ".join(report.reasons) and (report.reasons == ()) == (note == "")


def test_a_number_of_frames_that_is_wrong_is_not_believed_whatever_it_would_fit(tmp_path: Path) -> None:
    # Half of 4 gray frames is 2 of 16 bits; a third of 4 in color is no number. The rows tell.
    for data, photometric, samples in ((GRAY, "MONOCHROME2", 1), (in_color(GRAY, "rgb"), "RGB", 3)):
        path = tiny(tmp_path / "a.dcm", data, photometric=photometric, SamplesPerPixel=samples, NumberOfFrames=2)
        images, report = read(path)
        assert np.abs(images - GRAY).max() <= 1
        assert (report.verdict, report.reasons) == ("damaged", ("holds 4 frames but says that it has 2",))


def test_a_cut_file_is_settled_by_what_is_left(tmp_path: Path) -> None:
    path = tiny(tmp_path / "a.dcm", in_color(GRAY, "rgb"), photometric="YBR_FULL_422", SamplesPerPixel=3)
    path.write_bytes(path.read_bytes()[:-10_000])  # of 4 frames of 9,216 bytes
    images, report = read(path)
    assert (images == GRAY[:2]).all() and report.verdict == "truncated"


def test_a_file_without_an_image_holds_no_frames(tmp_path: Path) -> None:
    path = tiny(tmp_path / "a.dcm", GRAY, Rows=None, Columns=None)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(ELEMENT)])
    with pytest.raises(NoFramesError, match="without an image"):
        open_source(path)


def test_no_warning_of_pydicom_reaches_the_screen(tmp_path: Path) -> None:
    # Warnings are errors in the tests: a value that breaks the standard makes pydicom warn when it is asked for.
    path = tiny(tmp_path / "a.dcm", GRAY)
    path.write_bytes(
        path.read_bytes().replace(b"DS\x02\x0040", b"DS\x02\x004,").replace(b"CS\x02\x00US", b"CS\x02\x00u\xe4")
    )
    images, _ = read(path)
    assert (images == GRAY).all()


def test_frames_of_another_format_are_refused_by_its_name(tmp_path: Path) -> None:
    frames = [cv2.imencode(".png", f)[1].tobytes() for f in GRAY]
    with pytest.raises(SourceError, match=r"a\.dcm: its frames are PNG images, which DICOM does not know"):
        open_source(tiny(tmp_path / "a.dcm", frames, JPEGBaseline8Bit))
