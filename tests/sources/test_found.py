"""What stands in front of the paths of clips that were asked for in several places."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.sources.found import Asked, labels


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["/home/anna/clips/"], [""]),
        (["/home/anna/a.mp4"], ["a.mp4"]),
        (["/home/anna/a.mp4", "/home/anna/b.mp4"], ["a.mp4", "b.mp4"]),
        # Two need a part more, the third does not: the folders in front of it are nobody's business.
        (["/d/p/clips/", "/d/q/clips/", "/home/anna/other/"], ["p/clips", "q/clips", "other"]),
        (["/d/p/x.mp4", "/d/q/x.mp4", "/home/anna/gone.mp4"], ["p/x.mp4", "q/x.mp4", "gone.mp4"]),
        # Below z/p a folder b may lie, whose paths would be those of p/b.
        (["/z/p/", "/y/p/b/", "/y/q/b/"], ["z/p", "p/b", "q/b"]),
        (["/p/", "/y/p/b/", "/q/b/"], ["p", "y/p/b", "q/b"]),
        (["/clips/", "/d/clips/"], ["clips", "d/clips"]),
    ],
)
def test_no_more_of_a_name_is_shown_than_tells_it_from_the_others(asked: list[str], shown: list[str]) -> None:
    found = labels([Asked(Path(one), one.endswith("/")) for one in asked])
    assert ["/".join(parts) for parts in found] == shown
