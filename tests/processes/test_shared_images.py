"""Images through memory that two processes see."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from seqcls.processes.shared_images import SLOTS, SharedImages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory without a name is Linux's")


@pytest.fixture
def ends() -> Iterator[tuple[SharedImages, SharedImages]]:
    """The parent's, and the child's in the same process."""
    parent = SharedImages.for_parent()
    assert parent is not None
    child = SharedImages.for_child([os.dup(fd) for fd in parent.fds])
    yield parent, child
    child.close()
    parent.close()


def test_images_come_as_they_were_put_and_slots_are_used_again(ends: tuple[SharedImages, SharedImages]) -> None:
    parent, child = ends
    kept = []
    for k in range(3 * SLOTS):
        image = np.full((20 + k, 30, 3) if k % 2 else (20 + k, 30), k, np.uint8)
        image[0, 0] = 200
        slot = child.put(image[:, ::-1])
        assert slot == k % SLOTS
        kept.append((parent.take(slot, image.shape), image[:, ::-1].copy()))
    assert all(np.array_equal(taken, put) for taken, put in kept)  # also after their slots were written again


def test_a_child_waits_for_a_free_slot_and_notices_that_the_parent_has_gone() -> None:
    parent = SharedImages.for_parent()
    assert parent is not None
    child = SharedImages.for_child([os.dup(fd) for fd in parent.fds])
    image = np.ones((4, 4), np.uint8)
    for _ in range(SLOTS):
        child.put(image)
    parent.take(0, image.shape)
    assert child.put(image) == 0  # the only one that is free
    parent.close()
    with pytest.raises(BrokenPipeError):
        child.put(image)
    child.close()


def test_what_is_no_slot_is_refused_and_the_memory_keeps_its_size(ends: tuple[SharedImages, SharedImages]) -> None:
    parent, child = ends
    for slot in (-1, SLOTS):
        with pytest.raises(ValueError, match="in no place"):
            parent.take(slot, (2, 2))
    with pytest.raises(PermissionError):  # else reading it would kill the parent
        os.ftruncate(child.fds[0], 0)
