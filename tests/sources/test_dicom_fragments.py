"""Frames found in the pixel data, whatever the header declares and wherever the file ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import JPEGBaseline8Bit
from support.dicom_files import COUNT, ENCODINGS, dataset, jpeg, native, save
from support.media import numbers

from seqcls.errors import SourceError
from seqcls.sources import dicom_fragments, open_source
from seqcls.types import Frame


@pytest.mark.parametrize("declared", [COUNT - 2, COUNT + 5, 1])
@pytest.mark.parametrize("encoding", ["native", "jpeg"])
def test_a_lying_number_of_frames_is_reported_and_not_believed(encoding: str, declared: int, tmp_path: Path) -> None:
    path = tmp_path / "lie.dcm"
    native(path, NumberOfFrames=declared) if encoding == "native" else jpeg(path, "MONOCHROME2", declared=declared)
    with open_source(path) as source:
        assert numbers([item.image for item in source if isinstance(item, Frame)]) == list(range(COUNT))
        report = source.report()
    assert report.verdict == ("truncated" if declared > COUNT else "damaged")
    assert f"says that it has {declared}" in report.reasons[0]


@pytest.mark.parametrize("encoding", ["native", "jpeg", "one fragment"])
def test_frames_are_counted_before_they_are_listed(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 MB of images of one pixel took 1.7 GB."""
    path = tmp_path / "many.dcm"
    if encoding == "native":
        native(path)
    elif encoding == "jpeg":
        jpeg(path, "MONOCHROME2")
    else:
        end = b"\xff\xd9\xff\xd8\xff"
        save(dataset(JPEGBaseline8Bit, count=99), path, [b"\xff\xd8\xff\xe0" + end * (COUNT - 1)])
    monkeypatch.setattr(dicom_fragments, "MAX_FRAMES", COUNT)
    with open_source(path) as source:
        assert len(list(source)) == COUNT
    monkeypatch.setattr(dicom_fragments, "MAX_FRAMES", COUNT - 1)
    with pytest.raises(SourceError, match=f"many.dcm: it holds more than {COUNT - 1} frames or pieces of frames"):
        open_source(path)


@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg gray", "jpeg-ls"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_cut_file_gives_what_it_has_and_is_truncated(name: str, kept: float, tmp_path: Path) -> None:
    path = ENCODINGS[name](tmp_path / "cut.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with open_source(path) as source:
        found = numbers([item.image for item in source if isinstance(item, Frame)])
        report = source.report()
    assert found == list(range(len(found))) and int(COUNT * kept) - 2 <= len(found) < COUNT
    assert report.verdict == "truncated"
