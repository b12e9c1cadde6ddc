"""Times as people and spreadsheets write them: 83.5 s in many forms, and one line for what could mean two things."""

from __future__ import annotations

import pytest

from seqcls.datasets.label_times import seconds_of
from seqcls.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        "83.5", "83,5", "8.35e1", "+83.5", "83.5 s", "83,5s", "83.5\u00a0sec", "83500 ms",
        "00:01:23.5", "0:01:23,5", "1:23.5", "01:23.50", "00:01:23.500000",
        "12:01:23.5 AM", "0 days 00:01:23.500000", "1899-12-30 00:01:23.5", "1900-01-00 00:01:23.5",
        "1900-01-01T00:01:23.5",
    ],
)  # fmt: skip
def test_eighty_three_and_a_half_seconds(text: str) -> None:
    assert seconds_of(text, "start_s", "l.csv, line 2") == pytest.approx(83.5, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), (".5", 0.5), ("5.", 5), ("1:00:00", 3600), ("75:00", 4500), ("1:00:05 pm", 13 * 3600 + 5), ("0:07", 7)],
)
def test_other_times(text: str, seconds: float) -> None:
    assert seconds_of(text, "end_s", "here") == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "'soon' is not a number of seconds, nor a time such as 00:01:23.5"),
        ("1.234,5", "is not a number of seconds"),
        ("12 frames", "is not a number of seconds"),
        ("-1:23", "is not a number of seconds"),
        ("-0.5", "must be 0 or more seconds, not -0.5"),
        ("nan", "must be 0 or more"),
        ("1" * 65, "has 65 characters, which is no time"),  # trying all its parts took 17 minutes for 100,000
        ("4000000001", r"is more than 4e\+09 seconds; are they another unit"),
        ("1111112:00:00", r"is more than 4e\+09 seconds; write h:min:s"),
        ("-inf", "must be 0 or more"),
        ("1e400", "must be 0 or more"),
        ("1:75", "minutes and seconds end at 59"),
        ("0:75:00", "minutes and seconds end at 59"),
        ("13:00:00 am", "is no time of day"),
        ("00:01:23:12", "ends in a number of frames"),
        ("00:01:23;12", "ends in a number of frames"),
        ("01. Mai", "is a date; format the column as text"),
        ("5-Jan", "is a date"),
        ("Jan 05", "is a date"),
        ("01.05.2024", "is a date"),
        ("2024-05-01 00:00:00", "is a date"),
        ("1.5.", "is a date"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        seconds_of(text, "start_s", "l.csv, line 2")
    assert str(caught.value).startswith("l.csv, line 2: start_s") and "\n" not in str(caught.value)
