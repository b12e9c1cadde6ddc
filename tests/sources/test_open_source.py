"""Addresses and cameras where a clip is expected: refused in one line that shows no credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clips import stills

from seqcls.errors import SourceError
from seqcls.sources import expand, open_source

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
