"""Frames kept in a file: the same as those that are read, and never those of yesterday."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.frame_sets import QUICK, SIZE

from seqcls.datasets import frame_cache as module
from seqcls.datasets import image_rows
from seqcls.datasets.dataset import FrameSet, load_frames
from seqcls.datasets.frame_table import CACHE_FOLDER
from seqcls.datasets.image_rows import ImageRows, blocks, picked
from seqcls.geometry import Geometry


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve images of discs, and a file that cannot be read."""
    monkeypatch.setattr(module, "MIN_FRAMES", 10)
    random = np.random.default_rng(0)
    for side, state in ((s, t) for s in ("train", "validation") for t in ("disc present", "disc absent")):
        folder = tmp_path / "data" / side / state
        folder.mkdir(parents=True)
        for number in range(3):
            image = random.integers(30, 200, (60, 80), np.uint8)
            cv2.imwrite(str(folder / f"{side}{number}_000001.png"), image)
    (tmp_path / "data/train/disc absent/bad_000001.png").write_bytes(b"no")
    return tmp_path / "data"


def load(root: Path, *, cache: bool = True) -> FrameSet:
    return load_frames(root, Geometry(size=SIZE), skip_corrupt=True, cache=cache)


def alike(one: FrameSet, other: FrameSet) -> None:
    assert np.array_equal(np.asarray(one.images), np.asarray(other.images))
    for name in ("targets", "mask", "clip", "patient", "split", "time_s"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name in ("targets", "time_s"))
    assert (one.hash, one.regions, one.organs) == (other.hash, other.regions, other.organs)
    assert one.facts is not None and other.facts is not None
    for name in ("name", "width", "height", "colour", "ultrasound", "found"):
        assert np.array_equal(getattr(one.facts, name), getattr(other.facts, name))
    assert one.facts.unreadable == other.facts.unreadable == ("train/disc absent/bad_000001.png",)


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a frame was read")

    for name in ("seqcls.datasets.folder_images.read", "seqcls.datasets.folder_images.image_facts"):
        monkeypatch.setattr(name, read)


def only_frames(root: Path) -> Path:
    """What is known of each file, without the set that was made of them."""
    next((root / CACHE_FOLDER).glob("folder-*.npz")).unlink()
    return next((root / CACHE_FOLDER).glob("frames-*.npz"))


def test_the_second_start_reads_no_frame_and_gives_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(root, cache=False)
    assert not (root / CACHE_FOLDER).exists()
    first = load(root)
    assert any("13 frames are kept in" in message for message in first.messages)
    alike(plain, first)
    assert sorted(path.name[:7] for path in (root / CACHE_FOLDER).iterdir()) == ["folder-", "frames-", "frames-"]
    no_reading(monkeypatch)
    second = load(root)
    alike(plain, second)
    assert isinstance(second.images, ImageRows) and isinstance(second.images.images, np.memmap)
    assert not any("kept" in message or "out of date" in message for message in second.messages)


@pytest.mark.parametrize(
    "change", ["content", "touched", "new", "gone", "size", "images", "header", "version", "index", "set"]
)
def test_a_cache_that_does_not_hold_any_more_is_not_taken(root: Path, change: str) -> None:
    load(root)
    one, geometry = root / "train/disc present/train0_000001.png", Geometry(size=SIZE)
    told = "out of date"
    if change == "content":
        cv2.imwrite(str(one), np.full((60, 80), 77, np.uint8))
        told = "1 of 13 files have changed"
    elif change == "touched":
        os.utime(one, ns=(1, 1))
    elif change == "new":
        (root / "train/disc present/x_000001.png").write_bytes(one.read_bytes())
        told = "other files than before"
    elif change == "gone":
        one.unlink()
    elif change == "size":
        geometry, told = Geometry(size=2 * SIZE), "frames are kept"
    elif change == "images":
        images = np.lib.format.open_memmap(next((root / CACHE_FOLDER).glob("*.npy")), mode="r+")
        images[1, 0, 0] ^= 1
        images.flush()
        told = "its images are not what was written"
    elif change == "header":  # NumPy raises tokenize.TokenError
        images = next((root / CACHE_FOLDER).glob("*.npy"))
        images.write_bytes(images.read_bytes().replace(b"{'descr'", b"('descr'", 1))
    elif change == "version":  # zipfile raises NotImplementedError
        index = only_frames(root)
        content = bytearray(index.read_bytes())
        content[content.index(b"PK\x01\x02") + 6] = 173
        index.write_bytes(content)
    elif change == "set":  # the images still hold, and are taken
        kept = next((root / CACHE_FOLDER).glob("folder-*.npz"))
        kept.write_bytes(kept.read_bytes()[:1000])
        told = "the set is made anew"
    else:
        index = only_frames(root)
        index.write_bytes(index.read_bytes()[:-200])
    found = load_frames(root, geometry, skip_corrupt=True, cache=True)
    assert any(told in message for message in found.messages), found.messages
    assert sum("out of date" in message for message in found.messages) == (change != "size")  # one line for both files
    alike(load_frames(root, geometry, skip_corrupt=True), found)
    again = load_frames(root, geometry, skip_corrupt=True, cache=True)
    assert not any("out of date" in message for message in again.messages)
    stale = {path.name[:23] for path in (root / CACHE_FOLDER).glob("*.npy")}
    assert len(list((root / CACHE_FOLDER).glob("*.npy"))) == len(stale)  # none is left over


def swap(one: Path, other: Path) -> None:
    """Their contents, each keeping its name and what it says of itself."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.mark.skipif(os.name == "nt", reason="Windows notes no renaming")
def test_files_that_changed_places_are_noticed_and_files_that_were_copied_are_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of one size and time, as some programs unpack them."""
    folder = root / "train/disc present"
    for number, level in enumerate((60, 200)):
        cv2.imwrite(str(folder / f"flat_{number:06d}.bmp"), np.full((60, 80), level, np.uint8))
    images = sorted(root.rglob("*.png")) + sorted(root.rglob("*.bmp"))
    for path in images:
        os.utime(path, ns=(10**18, 10**18))
    load(root)
    for path in images:  # as a copy with its times has them
        os.utime(path, ns=(10**18, 10**18))
    no_reading(monkeypatch)
    copied = load(root)
    assert not any("files have changed" in message for message in copied.messages)
    kept = dict(np.load(next((root / CACHE_FOLDER).glob("frames-*.npz"))))
    assert (kept["state"][:, 2] == [path.stat().st_ctime_ns for path in images_of(root, kept)]).all()
    monkeypatch.undo()
    monkeypatch.setattr(module, "MIN_FRAMES", 10)
    swap(folder / "flat_000000.bmp", folder / "flat_000001.bmp")
    for path in images:
        os.utime(path, ns=(10**18, 10**18))
    found = load(root)
    assert any("2 of 15 files have changed" in message for message in found.messages), found.messages
    alike(load(root, cache=False), found)


def images_of(root: Path, kept: dict[str, np.ndarray]) -> list[Path]:  # type: ignore[type-arg]
    """In the order of a cache."""
    return [root / name for name in kept["names"].tobytes().decode().split("\n")]


def test_a_few_frames_leave_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_FRAMES", 14)
    load(root)
    assert not (root / CACHE_FOLDER).exists()
    assert module.is_worth_it(100, 1024) and not module.is_worth_it(13, 224)


def test_where_nothing_can_be_written_frames_stay_in_memory(root: Path) -> None:
    (root / CACHE_FOLDER).write_text("in the way")
    found = load(root)
    assert any("the frames are held in memory: cannot" in message for message in found.messages), found.messages
    alike(load(root, cache=False), found)
    assert isinstance(found.images, np.ndarray) and not isinstance(found.images, np.memmap)


def test_a_full_disk_is_noticed_before_anything_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", full)
    found = load(root)
    assert any("No space left" in message for message in found.messages)
    alike(load(root, cache=False), found)
    assert not list((root / CACHE_FOLDER).glob("frames*"))


def test_training_is_the_same_with_and_without(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from support import tiny_network

    from seqcls.training import train as training

    monkeypatch.setattr(training, "build", tiny_network.build)
    load(root)
    options = replace(QUICK, epochs=1)
    one, other = training.train(load(root, cache=False), options), training.train(load(root), options)
    assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert one.header == other.header


def test_rows_of_a_file_are_looked_up(tmp_path: Path) -> None:
    images = np.arange(5 * 2 * 2, dtype=np.uint8).reshape(5, 2, 2)
    np.save(tmp_path / "a.npy", images)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    some = picked(picked(mapped, np.array([4, 2, 0])), np.array([2, 0]))
    assert isinstance(some, ImageRows) and some.shape == (2, 2, 2) and len(some) == 2 and some.ndim == 3
    assert np.array_equal(np.asarray(some), images[[0, 4]])
    assert np.array_equal(some[1], images[4]) and np.array_equal(some[:1], images[:1])
    assert [image.tolist() for image in some] == images[[0, 4]].tolist()
    assert type(picked(images, np.array([1]))) is np.ndarray
    assert some.nbytes == 8 and [part.tolist() for part in blocks(some)] == [images[[0, 4]].tolist()]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says what is mapped")
@pytest.mark.parametrize("given_back", [True, False])
def test_what_was_looked_at_does_not_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_back: bool
) -> None:
    def resident_kb() -> int:
        lines = Path("/proc/self/smaps").read_text().splitlines()
        (at,) = (number for number, line in enumerate(lines) if line.endswith(str(tmp_path / "a.npy")))
        return next(int(line.split()[1]) for line in lines[at:] if line.startswith("Rss:"))

    images = np.random.default_rng(0).integers(0, 256, (64, 256, 256), np.uint8)  # 4 MB
    np.save(tmp_path / "a.npy", images)
    monkeypatch.setattr(image_rows, "MAX_MAPPED", (1 << 20) if given_back else (1 << 30))
    rows = ImageRows(np.load(tmp_path / "a.npy", mmap_mode="r"), np.arange(64))
    assert sum(int(image.sum()) for image in rows) == images.sum()
    assert np.array_equal(rows[np.arange(64)[::-1]], images[::-1])
    assert (resident_kb() < 2048) == given_back


def test_many_scattered_rows_are_copied_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 rows, 8 at a time, each of which counts as 2 MB: with 10 MB allowed they are given back after each part."""
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4), np.uint8)
    np.save(tmp_path / "a.npy", images)
    given = list[int]()
    monkeypatch.setattr(image_rows, "give_back", lambda images: given.append(1))
    monkeypatch.setattr(image_rows, "AT_A_TIME", 8)
    monkeypatch.setattr(image_rows, "MAX_MAPPED", 10 << 20)
    rows, order = ImageRows(np.load(tmp_path / "a.npy", mmap_mode="r"), np.arange(64)), np.arange(64)[::-1]
    assert np.array_equal(rows[order], images[order]) and len(given) == 8
    assert np.array_equal(rows[order.reshape(8, 8)], images[order.reshape(8, 8)])
    assert np.array_equal(rows[order > 60], images[order > 60]) and rows[5:5].shape == (0, 4, 4)
