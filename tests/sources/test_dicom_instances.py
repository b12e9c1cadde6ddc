"""Whether files of one image each are a clip."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydicom import Dataset

from seqcls.sources.dicom_instances import Instance, InstanceTimes, instance_of, instance_times

FORM = (480, 640, 1, 8)


def series(stamps: Sequence[float | None], period_s: float = 0.0, numbers: Sequence[int] = ()) -> list[Instance]:
    """One instance per stamp, which stands in AcquisitionTime."""
    return [
        Instance(number, FORM, (None, stamp, None), period_s)
        for number, stamp in zip(numbers or range(1, len(stamps) + 1), stamps, strict=True)
    ]


CLIPS = {
    "times at a pace": (
        series([10.0, 10.04, 10.08]),
        InstanceTimes((0, 1, 2), (0, 0.04, 0.08), origin="AcquisitionTime"),
    ),
    "names in another order": (
        series([10.08, 10.0, 10.04], numbers=[3, 1, 2]),
        InstanceTimes((1, 2, 0), (0, 0.04, 0.08), origin="AcquisitionTime"),
    ),
    "over midnight": (
        series([86399.96, 0.0, 0.04]),
        InstanceTimes((0, 1, 2), (0, 0.04, 0.08), origin="AcquisitionTime"),
    ),
    "a pace and no times": (series([None] * 3, 0.04), InstanceTimes((0, 1, 2), period_s=0.04, origin="FrameTime")),
    "a pace and one time": (series([9.0] * 3, 0.04), InstanceTimes((0, 1, 2), period_s=0.04, origin="FrameTime")),
    "a pace and whole seconds": (
        series([9.0, 9.0, 9.0, 10.0, 10.0], 0.3),
        InstanceTimes((0, 1, 2, 3, 4), period_s=0.3, origin="FrameTime"),
    ),
}
STILLS = {
    "minutes apart": (series([0.0, 60.0, 130.0]), "their times are not those of a clip"),
    "minutes apart, whatever pace is stated": (series([0, 60, 130], 0.04), "their times are not those of a clip"),
    "no times": (series([None] * 4), "they state no times"),
    "one time for all": (series([9.0] * 4), "their times are not those of a clip"),
    "times against the numbers": (series([10.08, 10.0, 10.04], 0.04), "their times are not those of a clip"),
    "a number twice": (series([0, 0.04, 0.08], numbers=[1, 1, 2]), "their instance numbers do not count up"),
    "no numbers": (series([0, 0.04, 0.08], numbers=[-1, -1, -1]), "their instance numbers do not count up"),
    "a number far from the others": (
        series([None] * 3, 0.04, [1, 2, 2**31 - 1]),
        "their instance numbers do not count up",
    ),
    "two": (series([0, 0.04]), "they are too few to show a pace"),
    "two sizes": ([*series([0, 0.04]), Instance(3, (1, 2, 1, 8), (None, 0.08, None), 0)], "their sizes differ"),
}


@pytest.mark.parametrize("name", CLIPS)
def test_times_at_the_pace_of_a_clip_make_one(name: str) -> None:
    instances, times = CLIPS[name]
    assert instance_times(instances) == times


@pytest.mark.parametrize("name", STILLS)
def test_what_nothing_shows_to_be_a_clip_stays_single(name: str) -> None:
    instances, why = STILLS[name]
    assert instance_times(instances) == why


def test_who_knows_that_it_is_a_clip_may_say_so() -> None:
    known = instance_times(series([0.0, 60.0, 130.0]), as_clip=True)
    assert known == InstanceTimes((0, 1, 2))
    assert instance_times(series([None] * 2, 0.04), as_clip=True) == InstanceTimes((0, 1), (), 0.04, "FrameTime")


def test_what_a_header_says_of_its_place() -> None:
    header = Dataset()
    header.Rows, header.Columns, header.SamplesPerPixel, header.BitsAllocated = FORM
    assert instance_of(header) == Instance(-1, FORM, (None, None, None), 0.0)
    header.InstanceNumber, header.FrameTime, header.Modality = 7, "40", "US"
    header.AcquisitionDateTime, header.AcquisitionTime, header.ContentTime = "20240101120001.5+0100", "120002.25", "12"
    assert instance_of(header) == Instance(7, FORM, (43201.5, 43202.25, None), 0.04)
    header.NumberOfFrames = 2
    assert instance_of(header) is None
    header.NumberOfFrames, header.Modality = 1, "CT"
    assert instance_of(header) is None, "its images lie side by side in space"
