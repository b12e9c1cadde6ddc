"""frames.csv decides what extracted frames show: what their folders say otherwise is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.drawn import labelled_folder

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.frame_table import read_table
from seqcls.datasets.labels import read_labels, with_patients
from seqcls.datasets.table_folders import contradictions
from seqcls.geometry import Geometry


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder, labels = labelled_folder(tmp_path / "clips")
    clips = match_clips(with_patients(read_labels(labels), None), folder, labels)
    extract(clips, tmp_path / "data", ExtractOptions(validation=0.0))
    return tmp_path / "data"


def told(data: Path) -> list[str]:
    return contradictions(data, read_table(data))


def states(data: Path) -> list[Path]:
    return sorted(path for path in (data / "train").iterdir() if any(path.iterdir()))


def test_what_extract_wrote_is_alike(data: Path) -> None:
    assert told(data) == []


def test_images_in_the_folder_of_another_state(data: Path) -> None:
    """As somebody does who labels by moving: their states stay those of frames.csv, and it is said."""
    absent, present = (one for one in states(data) if one.name.startswith("node"))
    before = load_frames(data, Geometry(size=32))
    moved = sorted(present.iterdir())[:2]
    for path in moved:
        (absent / path.name).write_bytes(path.read_bytes())  # its row still finds it
    [line] = told(data)
    assert "frames.csv decides, not the folders: 2 images in the folder of a state that it does not say" in line
    assert f"the first is train/{absent.name}/{moved[0].name}; correct its columns" in line
    after = load_frames(data, Geometry(size=32))
    assert line in after.messages and line not in before.messages and (after.targets == before.targets).all()


def test_images_that_no_row_names_or_that_are_gone(data: Path) -> None:
    folder = next(one for one in states(data) if one.name == "node absent")
    kept, *_ = sorted(folder.iterdir())
    (folder / "new_000001.png").write_bytes(kept.read_bytes())
    (data / "train/lung present").mkdir()
    (data / "train/lung present/other.png").write_bytes(kept.read_bytes())
    (folder / "._new_000002.png").write_bytes(b"what a file manager leaves")
    [line] = told(data)
    assert "2 images that it does not name, the first is train/lung present/other.png; they are left out" in line
    for path in (folder / "new_000001.png", data / "train/lung present/other.png", kept):
        path.unlink()
    [line] = told(data)
    assert f"1 image no longer in the folder of their state, the first is node absent/{kept.name};" in line


def test_a_table_of_frames_that_lie_elsewhere(data: Path) -> None:
    """Somebody's own, of one folder: nothing is contradicted."""
    (data / "images").mkdir()
    table = data / "frames.csv"
    text = table.read_text()
    for row in read_table(data):
        row.path.rename(data / "images" / row.path.name)
        text = text.replace(row.path.relative_to(data).as_posix(), f"images/{row.path.name}")
    shutil.rmtree(data / "train")
    table.write_text(text)
    assert told(data) == []
