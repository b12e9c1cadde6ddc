"""The answer: it refuses what it cannot know, and is shown in a few lines."""

from __future__ import annotations

import pytest
from support.fakes import detector, frames

from seqcls.errors import UsageError


def test_a_timeline_is_asked_for_organs_that_it_knows() -> None:
    made = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    with pytest.raises(UsageError, match="knows no 'spleen': choose one of liver, kidney"):
        made.of("spleen")
    with pytest.raises(UsageError, match="'seen' is no state: choose one of present, absent, unknown"):
        made.of("liver", "seen")  # type: ignore[arg-type]


def test_a_timeline_is_shown_in_a_few_lines() -> None:
    made = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    assert repr(made) == (
        "Timeline of frames: 0.00 to 1.50 s, 100% scorable, complete\n"
        "  liver: present 0.50-1.10 s (1 intervals, 0.60 s)\n"
        "  kidney: present 0.00-0.50, 1.10-1.50 s (2 intervals, 0.90 s)"
    )
    long = detector().analyze(frames(([0.1] * 5 + [0.9] * 5) * 200))
    assert len(repr(long)) < 400 and "and 192 more s (200 intervals" in repr(long)
    assert repr(long.scores) == "ScoreTable(liver, kidney: 2000 frames, 0.00 to 199.90 s)"
