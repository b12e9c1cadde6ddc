"""Files that somebody named: read whole up to a bound; pipes, devices and folders are refused and never waited for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from seqcls.datasets.frame_table import read_description, read_table
from seqcls.datasets.labels import read_labels
from seqcls.datasets.split_file import read_split
from seqcls.errors import DataError, GeometryError, ModelError, SeqclsError, SourceError, one_line
from seqcls.exports import read_run
from seqcls.files.named_files import open_regular, read_regular
from seqcls.journal import read_journal
from seqcls.layouts import read_layouts
from seqcls.models.file import read_header
from seqcls.sources import open_source
from seqcls.sources.images import image_facts
from seqcls.training.fold_scores import read_fold_scores

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="no pipes with a name there")


def why_not(path: Path, most_bytes: int = 9) -> str:
    with pytest.raises(OSError) as caught:
        read_regular(path, most_bytes)
    return one_line(caught.value)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1024)
    assert read_regular(tmp_path / "a", 1024) == b"x" * 1024
    assert why_not(tmp_path / "a", 1023) == "it has more than the 0 KB that such a file can have"
    (tmp_path / "empty").write_bytes(b"")
    assert read_regular(str(tmp_path / "empty"), 0) == b""
    with open_regular(tmp_path / "a", buffering=0) as stream:
        assert stream.read(2) == b"xx"
    assert why_not(tmp_path) == "it is a folder"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no such files there")
def test_no_more_memory_is_asked_for_than_the_file_is_long(tmp_path: Path) -> None:
    """2^60 bytes are allowed, which no computer has: reading so many at once ended a run under a limit of memory."""
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_regular(tmp_path / "a", 1 << 60) == b"x" * 100


def test_the_bound_holds_where_the_system_states_no_size() -> None:
    assert why_not(Path("/proc/self/environ"), 1) == "it has more than the 0 KB that such a file can have"


@UNIX
def test_a_pipe_or_a_device_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link"):
        assert why_not(tmp_path / name) == "it is a pipe or a device, no regular file"


@UNIX
def test_what_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"")
    regular = (tmp_path / "a").stat()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(os, "stat", lambda path: regular)
    assert why_not(tmp_path / "pipe") == "it is a pipe or a device, no regular file"


READERS = {
    "labels.csv": (read_labels, DataError),
    "labels.json": (read_labels, DataError),
    "timeline.json": (read_run, DataError),
    "run.journal": (read_journal, DataError),
    "frames.csv": (lambda path: read_table(path.parent), DataError),
    "dataset.json": (lambda path: read_description(path.parent, 32), DataError),
    "split.json": (read_split, DataError),
    "cross-validation.csv": (read_fold_scores, DataError),
    "layouts.json": (read_layouts, GeometryError),
    "model.safetensors": (read_header, ModelError),
    "model.xml": (read_header, ModelError),
    "model.onnx": (read_header, ModelError),
    "clip.mp4": (open_source, SourceError),
    "clip.dcm": (open_source, SourceError),
    "image.png": (image_facts, SourceError),
}


@UNIX
@pytest.mark.parametrize("name", READERS)
def test_every_kind_of_file_refuses_them_in_one_line(name: str, tmp_path: Path) -> None:
    read, error = READERS[name]
    os.mkfifo(tmp_path / name)
    refused = []
    for target in (None, "/dev/zero"):
        if target is not None:
            (tmp_path / name).unlink()
            (tmp_path / name).symlink_to(target)
        with pytest.raises(error) as caught:
            read(tmp_path / name)
        assert isinstance(caught.value, SeqclsError)
        refused.append(str(caught.value))
    assert refused[0] == refused[1] and "\n" not in refused[0]
