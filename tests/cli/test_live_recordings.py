"""What is said of a live run's recordings and clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.cli.live_recordings import clips_told, tell_recordings
from seqcls.timeline import VideoPart


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["liver-00-00-00.400", "liver-00-00-01.200", "spleen-00-00-00.000"], ""),
        (
            ["liver-00-00-00.400", "liver-00-00-00.400-2", "liver-00-00-00.400-3", "spleen-00-00-00.000"],
            ", and 3 presences in the table: 2 further parts of a clip whose image changed its size, 1 presence without a"
            " clip",
        ),
        (
            ["liver-00-00-00.400", "liver-00-00-01.200", "liver-00-00-09.000", "spleen-00-00-00.000"],
            ", and 3 presences in the table: 1 clip of presences that the journal lacks",
        ),
        ([], ", and 3 presences in the table: 3 presences without a clip"),
    ],
)
def test_as_many_clips_as_presences_or_the_reason(names: list[str], why: str) -> None:
    found = timeline(liver="....PPPP....PPPP", spleen="PPPP............")
    told = clips_told([Path("clips", f"{name}.mp4") for name in names], Path("clips"), found)
    assert told == f"{len(names)} clip{'s' * (len(names) != 1)} of presences in clips{why}"


def test_where_recordings_lie_is_known_from_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "feed.mp4").touch()
    (tmp_path / "other").mkdir()
    parts = (
        VideoPart("feed.mp4", 0.5), VideoPart("clips/liver-00-00-00.400.mp4", 0.0, "liver"),
        VideoPart("far.mp4", 60.0), VideoPart("gone.mp4", 70.25),
    )  # fmt: skip
    tell_recordings(parts, tmp_path, tmp_path / "other" / "far.mp4")
    assert capsys.readouterr().err.splitlines() == [
        f"recorded {tmp_path / 'feed.mp4'}, whose 0 is 0.50 s of the run",
        f"recorded {tmp_path / 'other' / 'far.mp4'}, whose 0 is 60.00 s of the run",
        "recorded gone.mp4, whose 0 is 70.25 s of the run",
    ]
