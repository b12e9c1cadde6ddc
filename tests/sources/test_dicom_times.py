"""Times of a DICOM cine from fields that contradict each other; every number is worked out by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydicom.dataset import Dataset

from seqcls.sources.dicom_times import clip_times


def header(**fields: Any) -> Dataset:
    ds = Dataset()
    for name, value in fields.items():
        setattr(ds, name, value)
    return ds


# fields, frames -> the end of the clip in seconds, where it comes from, part of the note ("" for none)
CASES: dict[str, tuple[dict[str, Any], int, float, str, str]] = {
    "milliseconds": ({"FrameTime": "40", "CineRate": 25}, 60, 2.4, "FrameTime", ""),
    "a rate that is rounded": ({"FrameTime": "80", "CineRate": 13}, 60, 4.8, "FrameTime", ""),
    "seconds, borne out": ({"FrameTime": "0.08", "CineRate": 13}, 60, 4.8, "FrameTime", "12,500 frames per second: taken as 0.08 s, as CineRate"),
    "seconds, alone": ({"FrameTime": "0.04"}, 60, 2.4, "FrameTime", "taken as 0.04 s, 25 frames"),
    "microseconds, borne out": ({"FrameTime": "40000", "CineRate": 25}, 60, 2.4, "FrameTime", "taken as 40,000 us, as CineRate"),
    "microseconds, alone": ({"FrameTime": "40000"}, 60, 2.4, "FrameTime", "taken as 40,000 us"),
    "zero": ({"FrameTime": "0", "CineRate": 25}, 60, 2.4, "CineRate", ""),
    "1 ms beside 25 per second": ({"FrameTime": "1", "CineRate": 25}, 60, 2.4, "CineRate", "CineRate taken"),
    "1 s beside 25 per second": ({"FrameTime": "1000", "CineRate": 25}, 60, 2.4, "CineRate", "CineRate taken"),
    "1 ms alone": ({"FrameTime": "1"}, 20, 0.02, "FrameTime", "1,000 frames per second by FrameTime alone"),
    "1 ms borne out": ({"FrameTime": "1", "CineRate": 1000}, 20, 0.02, "FrameTime", ""),
    "800 per second alone": ({"CineRate": 800}, 20, 0.025, "CineRate", "800 frames per second by CineRate alone"),
    "2 ms alone": ({"FrameTime": "2"}, 20, 0.04, "FrameTime", ""),
    "1 s alone": ({"FrameTime": "1000"}, 60, 60.0, "FrameTime", ""),
    "played slower than taken": ({"FrameTime": "40", "CineRate": 10}, 60, 2.4, "FrameTime", "25 frames per second, CineRate 10 frames"),
    "the rate in both": ({"FrameTime": "13", "CineRate": 13}, 65, 5.0, "CineRate", "the same number"),
    "outvoted": ({"FrameTime": "20", "CineRate": 25, "EffectiveDuration": 2.4}, 60, 2.4, "CineRate", "EffectiveDuration and CineRate 25"),
    "175 frames in 0.01 s": ({"FrameTime": "57", "EffectiveDuration": 0.01}, 175, 9.975, "FrameTime", "EffectiveDuration would be 17,500"),
    "175 frames in 0.01 s, twice": ({"FrameTime": "0.057", "EffectiveDuration": 0.01}, 175, 9.975, "FrameTime", "taken as 0.057 s"),
    "a duration alone": ({"EffectiveDuration": 2.4}, 60, 2.4, "EffectiveDuration", ""),
    "a duration that cannot be": ({"EffectiveDuration": 0.01}, 175, 7.0, "", "EffectiveDuration would be 17,500 frames per second: not used"),
    "milliseconds of each frame": ({"ActualFrameDuration": 40}, 60, 2.4, "ActualFrameDuration", ""),
    "a rate that cannot be": ({"CineRate": 25000}, 50, 2.0, "", "25,000 frames per second: not used"),
    "two rates": ({"CineRate": 25, "RecommendedDisplayFrameRate": 10}, 60, 2.4, "CineRate", "CineRate taken"),
    "two rates and a judge": ({"CineRate": 25, "RecommendedDisplayFrameRate": 10, "EffectiveDuration": 6.0}, 60, 6.0, "RecommendedDisplayFrameRate", "RecommendedDisplayFrameRate taken"),
    "vector": ({"FrameTimeVector": [0, *[40] * 59]}, 60, 2.4, "FrameTimeVector", ""),
    "vector in seconds": ({"FrameTimeVector": [0, *[0.04] * 59], "CineRate": 25}, 60, 2.4, "FrameTimeVector", "taken as 0.04 s"),
    "vector too short": ({"FrameTimeVector": [0, *[40] * 9]}, 60, 2.4, "FrameTimeVector", "10 entries for 60 frames"),
    "vector too long": ({"FrameTimeVector": [0, *[40] * 99]}, 60, 2.4, "FrameTimeVector", "100 entries for 60 frames"),
    "vector of steps alone": ({"FrameTimeVector": [40] * 59}, 60, 2.4, "FrameTimeVector", "59 entries"),
    "vector of times": ({"FrameTimeVector": [40 * k for k in range(60)]}, 60, 2.4, "FrameTimeVector", "times since the first frame"),
    "vector of zeros": ({"FrameTimeVector": [0] * 60, "CineRate": 25}, 60, 2.4, "CineRate", "FrameTimeVector holds times that cannot be"),
    "vector against FrameTime": ({"FrameTimeVector": [0, *[40] * 59], "FrameTime": "10"}, 60, 2.4, "FrameTimeVector", "FrameTimeVector taken"),
    "vector with its 0 at the end": ({"FrameTimeVector": [*[40] * 59, 0]}, 60, 2.4, "FrameTimeVector", "has its 0 at the end"),
    "vector with an end": ({"FrameTimeVector": [0, *[40] * 60]}, 60, 2.4, "FrameTimeVector", "61 entries"),
    "vector of one step": ({"FrameTimeVector": 40}, 60, 2.4, "FrameTimeVector", "1 entry for 60 frames"),
    "vector of one zero": ({"FrameTimeVector": 0, "FrameTime": 40}, 60, 2.4, "FrameTime", ""),
    "vector without a 0": ({"FrameTimeVector": [40] * 60}, 60, 2.4, "FrameTimeVector", ""),
    "vector below zero": ({"FrameTimeVector": [0, *[-40] * 59], "FrameTime": 40}, 60, 2.4, "FrameTime", "FrameTimeVector holds times that cannot be"),
    "vector that runs backwards": ({"FrameTimeVector": [40 * k for k in range(60)][::-1], "FrameTime": 40}, 60, 2.4, "FrameTime", "runs backwards"),
    "vector with a long first entry": ({"FrameTimeVector": [5000, *[40] * 59]}, 60, 2.4, "FrameTimeVector", ""),
    "vector with a step of zero": ({"FrameTimeVector": [0, 40, 0, 40, 40]}, 5, 0.16, "FrameTimeVector", "gives 1 frame the time of the one before"),
    "vector with one below zero": ({"FrameTimeVector": [0, 40, -40, 40], "FrameTime": 40}, 4, 0.16, "FrameTime", "FrameTimeVector holds times that cannot be"),
    "FrameTime below zero": ({"FrameTime": "-40", "CineRate": 25}, 60, 2.4, "CineRate", "FrameTime of -40 cannot be: not used"),
    "rates below zero": ({"FrameTime": "40", "CineRate": -25}, 60, 2.4, "FrameTime", "CineRate of -25 cannot be"),
    "a rate of zero": ({"FrameTime": "40", "CineRate": 0}, 60, 2.4, "FrameTime", ""),
    "nothing": ({}, 50, 2.0, "", ""),
    "a still": ({"FrameTime": "0.04"}, 1, 0.04, "FrameTime", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_plausible_time_is_taken_and_the_contradiction_noted(name: str) -> None:
    fields, count, end_s, origin, note = CASES[name]
    times = clip_times(header(**fields), count, None)
    assert len(times.times_s) == count + 1 and times.times_s[0] == 0
    assert times.times_s[-1] == pytest.approx(end_s) and times.origin == origin
    assert note in " ".join(times.notes) and (times.notes == ()) == (note == "")


@pytest.mark.parametrize(
    ("steps", "apart"),
    [
        ([40, 0, 40, 40], [40, 20, 20, 40]),
        ([0, 0, 30], [10, 10, 10]),
        ([40, 40, 0, 0], [40, 40 / 3, 40 / 3, 40 / 3]),
        ([40, 40], [40, 40]),
    ],
)
def test_no_two_frames_have_one_time(steps: list[float], apart: list[float]) -> None:
    times = clip_times(header(FrameTimeVector=[0, *steps]), len(steps) + 1, None)
    assert [(b - a) * 1000 for a, b in itertools.pairwise(times.times_s[:-1])] == pytest.approx(apart)


def test_a_vector_keeps_its_uneven_steps_in_seconds() -> None:
    times = clip_times(header(FrameTimeVector=[0, 0.02, 0.06, 0.02], FrameTime="0.03"), 4, None)
    assert times.times_s == pytest.approx([0.0, 0.02, 0.08, 0.10, 0.12])


def test_a_vector_with_its_0_at_the_end_keeps_the_order_of_its_steps() -> None:
    times = clip_times(header(FrameTimeVector=[20, 60, 40, 0]), 4, None)
    assert times.times_s == pytest.approx([0.0, 0.02, 0.08, 0.12, 0.16])  # the last frame as long as the middle step


def test_the_stated_rate_settles_a_contradiction_and_nothing_else() -> None:
    assert clip_times(header(FrameTime="40", CineRate=10), 60, 50.0).origin == "the stated rate"
    assert clip_times(header(FrameTime="40", CineRate=10), 60, 50.0).times_s[-1] == pytest.approx(1.2)
    assert clip_times(header(FrameTime="40", CineRate=25), 60, 50.0).times_s[-1] == pytest.approx(2.4)


def test_dates_of_the_frames_serve_where_nothing_else_does() -> None:
    def frame(date: str) -> Dataset:
        return header(FrameContentSequence=[header(FrameReferenceDateTime=date)])

    groups = [frame(date) for date in ("20240229235959.9", "20240301000000.0", "20240301000000.2")]
    times = clip_times(header(PerFrameFunctionalGroupsSequence=groups), 3, None)
    assert times.times_s == pytest.approx([0.0, 0.1, 0.3, 0.5]) and times.origin == "FrameReferenceDateTime"
    groups[1] = frame("20240229")
    assert clip_times(header(PerFrameFunctionalGroupsSequence=groups), 3, None).origin == ""


def test_a_decimal_comma_is_read() -> None:
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    ds = Dataset()
    ds[0x00181063] = RawDataElement(Tag(0x00181063), "DS", 4, b"33,3", 0, False, True)
    assert clip_times(ds, 10, None).times_s[-1] == pytest.approx(0.333)
