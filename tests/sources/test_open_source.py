"""Addresses where a clip is expected: refused in one line that shows no credentials."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqcls.errors import SourceError
from seqcls.sources import expand, open_source

ADDRESSES = (
    "rtsp://s3me:s3cret@cam/1",
    "ftp://s3me:s3cret@cam/clip.mp4",
    "rtsp://s3me:s3cret@cam/%d.png",
    "http://cam/clip.mp4?token=s3cret",
    "igtl://s3me:s3cret@scanner:18944",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_clip_and_keeps_its_secrets(address: str) -> None:
    with pytest.raises(SourceError, match="is an address") as caught:
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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep arguments out of reach")
def test_other_people_do_not_see_the_password_in_the_list_of_processes() -> None:
    code = (
        "import sys; from pathlib import Path; from seqcls.cli.hide_arguments import cover_arguments\n"
        "assert cover_arguments()\n"
        "print(Path('/proc/self/cmdline').read_bytes().replace(bytes(1), b' ').decode(), sys.argv[1])"
    )
    secret = "rtsp://user:hunter2@probe/live?token=hunter2"
    done = subprocess.run([sys.executable, "-c", code, secret], capture_output=True, text=True, check=True)
    shown, own = done.stdout.strip().rsplit(" ", 1)
    assert "hunter2" not in shown and "rtsp://" in shown and own == secret


def test_an_address_among_clips_is_passed_on_as_it_is() -> None:
    address = "rtsp://user:hunter2@probe/live"
    assert expand([address]) == [address]
