"""A set that was kept: the very same, and never that of other files or labels."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support.drawn import labelled_folder

from seqcls.datasets import frame_cache, image_rows, image_spool
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.frame_table import CACHE_FOLDER
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.geometry import Geometry

SMALL = Geometry(size=32)
Clips = list[tuple[Path, ClipLabels]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_cache, "MIN_FRAMES", 20)
    monkeypatch.setattr(image_spool, "BLOCK_BYTES", 10 * 32 * 32)
    monkeypatch.setattr(image_rows, "MAX_MAPPED", 1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder, labels = labelled_folder(tmp_path_factory.mktemp("labelled"))
    return match_clips(with_patients(read_labels(labels), None), folder, labels)


def alike(one: FrameSet, other: FrameSet) -> None:
    """In every field; images to the byte."""
    for field in fields(FrameSet):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "facts":
            for name in ("name", "width", "height", "colour", "ultrasound", "found"):
                assert np.array_equal(getattr(left, name), getattr(right, name)), name
            assert (left.clips, left.unreadable) == (right.clips, right.unreadable)
        elif left is None or right is None or not hasattr(left, "shape"):
            assert left == right, field.name
        else:
            left, right = np.asarray(left), np.asarray(right)
            assert left.dtype == right.dtype and left.tobytes() == right.tobytes(), field.name


def test_clips_are_read_once_and_are_the_same(clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = frames_from_clips(clips, SMALL)
    first = frames_from_clips(clips, SMALL, cache=tmp_path)
    assert first.is_mapped and not plain.is_mapped
    monkeypatch.setattr("seqcls.datasets.dataset.LabelledClip", None)
    monkeypatch.setattr("seqcls.datasets.dataset.with_layouts", None)
    second = frames_from_clips(clips, SMALL, cache=tmp_path)
    alike(plain, first)
    alike(plain, second)
    assert sorted(path.suffix for path in (tmp_path / CACHE_FOLDER).iterdir()) == [".npy", ".npz"]


@pytest.mark.parametrize("change", ["content", "label", "size", "images", "cut", "gone", "column"])
def test_clips_or_labels_that_changed_are_read_anew(clips: Clips, tmp_path: Path, change: str) -> None:
    geometry, told = SMALL, "its files or labels have changed"
    frames_from_clips(clips, SMALL, cache=tmp_path)
    kept = next((tmp_path / CACHE_FOLDER).glob("*.npz"))
    images = next((tmp_path / CACHE_FOLDER).glob("*.npy"))
    if change == "content":  # in the middle, of the same size and time
        path, labels = clips[0]
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / path.name).write_bytes(content)
        clips = [(tmp_path / path.name, labels), *clips[1:]]
    elif change == "label":
        path, labels = clips[0]
        clips = [(path, replace(labels, patient="somebody else")), *clips[1:]]
    elif change == "size":
        geometry, told = Geometry(size=16), ""
    elif change == "images":
        content = bytearray(images.read_bytes())
        content[-1] ^= 1
        images.write_bytes(content)
        told = "its images are not what was written"
    elif change == "cut":
        kept.write_bytes(kept.read_bytes()[:-100])
        told = "is out of date"
    elif change == "gone":
        images.unlink()
        told = "is out of date"
    else:
        with np.load(kept) as found:
            parts = {name: found[name] for name in found.files}
        parts["time_s"] = parts["time_s"][:-1]
        np.savez(kept, **parts)
        told = "different lengths"
    found = frames_from_clips(clips, geometry, cache=tmp_path)
    assert any("out of date" in message and told in message for message in found.messages) == bool(told), found.messages
    plain = frames_from_clips(clips, geometry)
    alike(plain, replace(found, messages=plain.messages))
    alike(plain, frames_from_clips(clips, geometry, cache=tmp_path))
    assert len(list((tmp_path / CACHE_FOLDER).glob("*.npy"))) == (2 if change == "size" else 1)


def test_clips_that_are_no_files_and_few_frames_are_not_kept(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_cache, "MIN_FRAMES", 1000)
    alike(frames_from_clips(clips, SMALL), frames_from_clips(clips, SMALL, cache=tmp_path))
    assert not (tmp_path / CACHE_FOLDER).exists()
