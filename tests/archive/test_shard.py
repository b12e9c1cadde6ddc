"""Parts of a list of clips."""

from __future__ import annotations

import pytest

from seqcls.archive.shard import Shard
from seqcls.errors import UsageError

PATHS = [f"patient {n // 10}/sweep {n}.mp4" for n in range(1600)]


def test_every_clip_is_in_one_part_and_parts_are_of_about_one_size() -> None:
    owners = [[s for s in range(1, 17) if Shard(s, 16).takes(path)] for path in PATHS]
    assert all(len(one) == 1 for one in owners)
    sizes = [owners.count([s]) for s in range(1, 17)]
    assert sum(sizes) == 1600 and min(sizes) > 60 and max(sizes) < 140  # 100 each, give or take four times the spread


def test_the_part_is_the_same_for_ever_and_however_a_name_is_spelt() -> None:
    # sha256(b"a.mp4") begins with e6d48eab...
    assert [s for s in (1, 2, 3) if Shard(s, 3).takes("a.mp4")] == [2]
    assert Shard(1, 7).takes("u\u0308.mp4") == Shard(1, 7).takes("\u00fc.mp4")
    assert Shard(1, 1).takes("anything\udc80")


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "3", "3/", "a/b", "-1/4", "1/1000000", "3 of 16"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_how_it_is_written() -> None:
    assert Shard.parse("3/16") == Shard(3, 16) and str(Shard(3, 16)) == "3/16"
