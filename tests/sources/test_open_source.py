"""Addresses and cameras where a clip is expected: refused in one line that shows no credentials."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.clips import frames_of, stills
from support.dicom_files import COUNT, native, without_image

from seqcls.errors import SourceError
from seqcls.files import write_text
from seqcls.sources import expand, open_found, open_source
from seqcls.sources.found import singles

ADDRESSES = (
    "rtsp://s3me:s3cret@cam/1",
    "ftp://s3me:s3cret@cam/clip.mp4",
    "rtsp://s3me:s3cret@cam/%d.png",
    "http://cam/clip.mp4?token=s3cret",
    "igtl://s3me:s3cret@scanner:18944",
    "0",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_clip_and_keeps_its_secrets(address: str) -> None:
    with pytest.raises(SourceError, match="is a camera or an address, not a clip") as caught:
        open_source(address)
    assert "s3" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_may_be_named_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path("http:").mkdir()
        Path("http://cam").write_text("this is no film")
    except OSError:
        pytest.skip("no such names here")
    with pytest.raises(SourceError, match="is no clip"):
        open_source("http://cam")


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_not_the_working_directory(name: str) -> None:
    for opened in (open_source, lambda spec: expand([spec])):
        with pytest.raises(SourceError, match="name of a source is empty"):
            opened(name)


def test_the_source_says_which_file_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was asked for; never an absolute path."""
    stills(tmp_path / "P01" / "sweep", ["1.png", "2.png"])
    monkeypatch.chdir(tmp_path)
    for spec, path in (
        ("P01/sweep", "P01/sweep"),
        ("./P01/sweep/1.png", "P01/sweep/1.png"),
        (tmp_path / "P01" / "sweep" / "1.png", "1.png"),
        ("P01/../P01/sweep", "sweep"),
    ):
        with open_source(spec) as source:
            assert source.info.path == path


def test_a_name_that_is_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    """As an older system's disk has them: Latin-1, here."""
    stills(tmp_path, ["1.png"])
    name = os.fsdecode(b"Schilddr\xfcse.png")
    try:
        (tmp_path / "1.png").rename(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("no such names here")
    (found,) = expand([str(tmp_path)]).sources
    with open_found(found) as source:
        assert len(list(source)) == 1 and source.info.name == source.info.path == r"Schilddr\xfcse.png"
    write_text(tmp_path / "table.csv", name)
    assert (tmp_path / "table.csv").read_bytes() == rb"Schilddr\xfcse.png"


def test_two_clips_keep_two_names_whatever_stands_in_them(tmp_path: Path) -> None:
    stills(tmp_path, ["1.png", "2.png", "3.png", "4.png"])
    names = [os.fsdecode(name) for name in (b"a\x1b", rb"a\x1b", b"\xff", rb"\xff")]
    try:
        for number, name in enumerate(names, start=1):
            (tmp_path / f"{number}.png").rename(tmp_path / f"{name}.png")
    except (OSError, UnicodeError):
        pytest.skip("no such names here")
    kept = [r"a\x1b.png", r"a\\x1b.png", r"\xff.png", r"\\xff.png"]
    for name, shown in zip(names, kept, strict=True):
        with open_source(tmp_path / f"{name}.png") as source:
            assert source.info.name == source.info.path == shown
    (found,) = expand([str(tmp_path)], each=True).sources
    for single in singles(found):
        with open_found(single) as source:
            kept.remove(source.info.path)
    assert not kept


def test_a_folder_with_one_clip_and_the_directory_of_a_disc_stand_for_it(tmp_path: Path) -> None:
    (tmp_path / "IMAGES" / "1").mkdir(parents=True)
    native(tmp_path / "IMAGES" / "1" / "IM000001")
    without_image(tmp_path / "DICOMDIR", "1.2.840.10008.1.3.10")
    without_image(tmp_path / "report.dcm", "1.2.840.10008.5.1.4.1.1.88.33")
    for spec in (tmp_path, tmp_path / "DICOMDIR", tmp_path / "IMAGES"):
        assert len(frames_of(spec)) == COUNT
    native(tmp_path / "IMAGES" / "1" / "IM000002")
    for spec in (tmp_path, tmp_path / "DICOMDIR"):
        with pytest.raises(SourceError, match=r"holds 2 clips; name one of them, such as IMAGES/1/IM000001"):
            open_source(spec)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "clips.zip").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(SourceError, match=r"clips\.zip: is an archive; unpack it"):
        open_source(tmp_path / "clips.zip")
    native(tmp_path / "a.dcm")
    assert str(expand([str(tmp_path)]).aside) == "left aside: archives: unpack them (1)"
