"""Images that come one by one: the same array whether they stay in memory, go into a file, or have to come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqcls.datasets import frame_cache, image_spool
from seqcls.datasets.image_rows import ImageRows
from seqcls.datasets.image_spool import ImageSpool

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 4, 4), np.uint8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file from 6 images on, blocks of 3."""
    monkeypatch.setattr(frame_cache, "MIN_FRAMES", 6)
    monkeypatch.setattr(image_spool, "BLOCK_BYTES", 3 * 16)


def spooled(count: int, stem: Path | None) -> tuple[np.ndarray, list[str]]:  # type: ignore[type-arg]
    with ImageSpool(4, stem) as spool:
        for image in IMAGES[:count]:
            spool.add(image)
        return spool.finish(), spool.messages


@pytest.mark.parametrize("count", [1, 3, 5, 6, 7, 9, 11])
def test_what_comes_in_comes_out(tmp_path: Path, count: int) -> None:
    images, messages = spooled(count, tmp_path / "cache/clips-1")
    assert np.array_equal(np.asarray(images), IMAGES[:count]) and not messages
    assert isinstance(images, ImageRows) == (count >= 6) == (tmp_path / "cache").exists()
    if count >= 6:
        (path,) = (tmp_path / "cache").iterdir()
        assert np.array_equal(np.load(path), IMAGES[:count])
    assert type(spooled(count, None)[0]) is np.ndarray


class FullDisk:
    """A file on a disk that takes so many writes more."""

    def __init__(self, stream: Any, left: int) -> None:
        self.stream, self.left = stream, left

    def write(self, data: Any) -> int:
        if not self.left:
            raise OSError(28, "No space left on device")
        self.left -= 1
        return self.stream.write(data)  # type: ignore[no-any-return]

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@pytest.mark.parametrize("writes", [0, 1, 2, 3, 4, 5])
def test_what_a_full_disk_does_not_take_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The header, two blocks, a third one, the rest, and the header anew."""
    with monkeypatch.context() as patch:
        opened = Path.open
        patch.setattr(Path, "open", lambda path, mode: FullDisk(opened(path, mode), writes))
        images, messages = spooled(11, tmp_path / "cache/clips-1")
    assert type(images) is np.ndarray and np.array_equal(images, IMAGES)
    assert len(messages) == 1 and "held in memory: No space left" in messages[0]
    assert not list((tmp_path / "cache").iterdir())


def test_the_header_has_one_length() -> None:
    assert len(image_spool._header(0, 4)) == len(image_spool._header(10**9, 4))


def test_where_there_is_no_folder_to_write_into(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    images, messages = spooled(11, tmp_path / "cache/clips-1")
    assert np.array_equal(images, IMAGES) and len(messages) == 1


def test_a_spool_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ImageSpool(4, tmp_path / "clips-1") as spool:
        for image in IMAGES:
            spool.add(image)
        raise KeyError
    assert not list(tmp_path.iterdir())
