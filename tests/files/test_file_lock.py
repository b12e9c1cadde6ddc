"""One writer at a time, for as long as its process lives."""

from __future__ import annotations

import os
from pathlib import Path

from seqcls.files.file_lock import lock, unlock


def test_a_second_one_does_not_get_the_lock_until_the_first_gives_it_up(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    first, second = (os.open(tmp_path / "f", os.O_RDWR) for _ in range(2))
    assert lock(first) is True and lock(second) is False
    unlock(first)
    os.close(first)
    assert lock(second) is True
    unlock(second)
    os.close(second)
