"""Names of images that count frames, and names that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clips import read, stills

from seqcls.sources.image_names import why_not_counting
from seqcls.sources.images import natural


@pytest.mark.parametrize(
    "names",
    [
        "f0001 f0002 f0005",
        "p1_f1 p1_f2 p1_f4",
        "f1_40ms f2_80ms f5_200ms",
        "scan20240101_0001 scan20240101_0002",  # one day, counted
        "20240101_100001_000 20240101_100001_001 20240101_100001_002",  # one time, counted
        "20240101_100001_960 20240101_100002_000",  # 40 ms apart
        "1704103201040 1704103201080",
        "f001_20240101_100001 f002_20240101_100001 f003_20240101_100002",  # counted, whatever the time
        "f001_00_00_00_960 f002_00_00_01_000",
        "99999999 100000000",  # no day, though it has its length
    ],
)
def test_names_of_one_clip(names: str) -> None:
    assert why_not_counting(paths(names)) == ""


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("P01_000 P01_001 P02_000 P02_001", "first number does not count them (P01_001.png, P02_000.png)"),
        ("P01_000 P01_001 P02_002", "a pattern such as P02_*.png is a clip"),  # counted on
        ("P01_17 P02_3 P03_25", "count up in one number but not in the next (P01_17.png, P02_3.png)"),
        ("20240101_120000 20240101_120001 20240101_120003", "times that are 2 s apart (20240101_120001.png"),
        ("20240101120000 20240101120009", "times that are 9 s apart"),
        ("01.03.2024_10-00-01 01.03.2024_10-00-05", "times that are 4 s apart"),
        ("2024-01-01_at_9.59.59 2024-01-01_at_10.00.01", "times that are 2 s apart"),
        ("1704103201 1704103205", "times that are 4 s apart"),
        ("2024-01-01_001 2024-01-02_002", "of several days (2024-01-01_001.png, 2024-01-02_002.png)"),
        ("20240101 20240102", "of several days"),
        ("liver neck", "do not count up (liver.png, neck.png)"),
        ("f1 f2 mask", "do not count up (f1.png, mask.png)"),
    ],
)
def test_names_of_several_clips_or_of_none(names: str, why: str) -> None:
    assert why in why_not_counting(paths(names))


def test_one_image_in_two_formats_counts_once() -> None:
    assert why_not_counting([Path(f"p1_f{number}{suffix}") for number in (1, 2) for suffix in (".jpg", ".png")]) == ""


def test_a_folder_that_is_opened_as_one_clip_tells_that_it_may_be_several(tmp_path: Path) -> None:
    stills(tmp_path, ["P01_0.png", "P01_1.png", "P02_0.png"])
    assert "read as one clip, though their first number does not count them" in read(tmp_path)[2].reasons[0]
    assert not any("though" in reason for reason in read(tmp_path / "P01_*.png")[2].reasons)


def paths(names: str) -> list[Path]:
    return sorted((Path(f"{name}.png") for name in names.split()), key=lambda path: natural(path.name))
