"""The answer: it refuses what it cannot know, and is shown in a few lines."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from support.fakes import detector, frames
from support.timelines import timeline

from seqcls.errors import UsageError
from seqcls.types import Frame, Gap, Interval


def test_a_timeline_is_asked_for_organs_that_it_knows() -> None:
    made = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    with pytest.raises(UsageError, match="knows no 'spleen': choose one of liver, kidney"):
        made.of("spleen")
    with pytest.raises(UsageError, match="'seen' is no state: choose one of present, absent, unknown"):
        made.of("liver", "seen")  # type: ignore[arg-type]


def test_an_organ_is_found_in_either_unicode_form() -> None:
    apart = {"schilddru\u0308se": "..PP"}  # not as a keyword: Python composes these
    one = timeline(**apart)
    assert one.of("schilddr\u00fcse") == one.of("schilddru\u0308se") != ()


def test_a_timeline_is_shown_in_a_few_lines() -> None:
    made = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    assert repr(made) == (
        "Timeline of frames: 0.00 to 1.50 s, 100% scorable, complete\n"
        "  liver: present 0.50-1.10 s (1 interval, 0.60 s)\n"
        "  kidney: present 0.00-0.50, 1.10-1.50 s (2 intervals, 0.90 s)"
    )
    long = detector().analyze(frames(([0.1] * 5 + [0.9] * 5) * 200))
    assert len(repr(long)) < 400 and "and 192 more s (200 intervals" in repr(long)
    assert repr(long.scores) == "ScoreTable(liver, kidney: 2,000 frames, 0.00 to 199.90 s)"


def interval(organ: str, state: str, start_s: float, end_s: float, reason: str = "") -> Interval:
    return Interval(organ, state, start_s, end_s, -1, -1, math.nan, math.nan, reason)  # type: ignore[arg-type]


def test_unknown_is_what_the_organ_with_the_least_of_it_has() -> None:
    """The liver has 1.1 s of it in one piece, the kidney 1.0 s in two; the spleen's presence does not count."""
    found = [
        interval("liver", "unknown", 0.0, 1.1, "lost"),
        interval("liver", "absent", 1.1, 5.0),
        interval("kidney", "absent", 0.0, 1.0),
        interval("kidney", "unknown", 1.0, 1.8, "black"),
        interval("kidney", "unknown", 2.0, 2.2, "frozen"),
        interval("spleen", "unknown", 0.0, 1.5, "lost"),
    ]
    drawn = timeline(liver="P")

    def gaps(found: list[Interval], *organs: str) -> tuple[Gap, ...]:
        return replace(drawn, intervals=tuple(found), organs=organs).gaps

    assert gaps(found, "liver", "kidney", "spleen") == (Gap(1.0, 1.8, "black"), Gap(2.0, 2.2, "frozen"))
    assert gaps(found, "liver", "spleen") == (Gap(0.0, 1.1, "lost"),)
    assert gaps(found[1:3], "liver", "kidney") == ()


def test_what_is_bridged_was_not_judged() -> None:
    """In 2.0 s, 0.1 s are lost and one frame of 0.1 s is damaged, all within one presence; 0.3 s at the end are lost."""
    shown = [frame for frame in frames([0.9] * 8 + [None] + [0.9] * 8) if isinstance(frame, Frame)]
    later = [replace(frame, time_s=frame.time_s + 0.1) for frame in shown[5:]]
    items = [*shown[:5], Gap(0.5, 0.6, "1 frame lost"), *later, Gap(1.8, 2.1, "the clip ends early")]
    made = detector(organs=("liver",)).analyze(iter(items))
    assert next((i.state, i.start_s, i.end_s) for i in made.intervals) == ("present", 0.0, pytest.approx(1.8))
    assert made.coverage == pytest.approx(1 - 0.5 / 2.1)
