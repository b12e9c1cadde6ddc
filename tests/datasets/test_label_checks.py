"""Labels that do not fit their clip: 60 frames of 40 ms, so that it ends at 2.40 s."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.datasets.label_checks import clip_messages
from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.errors import DataError
from seqcls.types import SourceReport, Verdict

Rows = list[tuple[float, float]]


def check(
    rows: Rows, verdict: Verdict = "complete", start_s: float = 0.0, *, frames: int = 60, rate_hz: float = 25
) -> list[str]:
    spans = [
        LabelledSpan("c.mp4", "liver", "absent", a, b, where=f"l.csv, line {at}") for at, (a, b) in enumerate(rows, 2)
    ]
    labels = ClipLabels("c.mp4", "P1", tuple(spans))
    time_s = start_s + np.arange(frames) / rate_hz
    return clip_messages("c.mp4", labels, time_s, start_s + frames / rate_hz, SourceReport(verdict))


@pytest.mark.parametrize(
    "rows", [[(0, 0.8), (0.8, 1.6), (1.6, 2.4)], [(0, 2.5)], [(0.04, 0.08)], [(2.36, 2.4)]], ids=str
)
def test_what_fits_is_passed_in_silence(rows: Rows) -> None:
    assert check(rows) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 0.8), (1.6, 9)], "c.mp4 ends at 2.40 s, but is labelled up to 9 s (l.csv, line 3)"),
        ([(0, 2.6)], "c.mp4 ends at 2.40 s, but is labelled up to 2.6 s (l.csv, line 2)"),
        (
            [(0, 0.8), (0.8, 1.6), (500, 700)],
            "c.mp4 ends at 2.40 s, but is labelled up to 700 s (l.csv, line 4); 1 of 3 rows lie wholly behind the end",
        ),
        (
            [(1, 2), (40, 60)],
            "c.mp4 ends at 2.40 s, but is labelled up to 60 s (l.csv, line 3); 1 of 2 rows lie wholly behind the end:"
            " are these numbers of frames?",
        ),
        (
            [(0, 1), (1, 45413)],
            "c.mp4 ends at 2.40 s, but is labelled up to 45413 s (l.csv, line 3);"
            " 45413 is how a spreadsheet keeps a date, type it again as text",
        ),
        (
            [(0, 1), (1.001, 1.002)],
            "c.mp4 runs from 0.00 to 2.40 s, but 1 of 2 rows cover no frame, the first from 1.001 to 1.002 s"
            " (l.csv, line 3)",
        ),
    ],
    ids=["beyond", "a little beyond", "behind", "frames perhaps", "date", "between two frames"],
)
def test_rows_that_do_not_fit_are_warned_of(rows: Rows, message: str) -> None:
    assert check(rows) == [message]


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([(0, 0.0133), (0.0133, 0.0267), (0.0267, 0.04)], "are these minutes?"),
        ([(0, 0.01), (0.01, 0.02)], ""),
        ([(0.04, 0.08)], ""),
    ],
    ids=["minutes", "half of it in minutes", "a frame"],
)
def test_labels_within_the_clip_that_would_fill_it_in_another_unit_are_warned_of(rows: Rows, cause: str) -> None:
    messages = check(rows, frames=1500, rate_hz=625)  # 2.40 s in steps of 1.6 ms
    assert [cause in message for message in messages] == [True] * (cause != "")


@pytest.mark.parametrize(
    ("rows", "causes"),
    [
        ([(0, 0.3333), (0.3333, 0.6667), (0.6667, 1)], "minutes or shares of the clip"),  # 60 s: both fit
        ([(20, 21), (22, 23)], ""),
        ([(0, 1)], ""),  # the first second alone
    ],
)
def test_a_minute_labelled_up_to_its_first_second(rows: Rows, causes: str) -> None:
    messages = check(rows, frames=300, rate_hz=5)
    expected = f"c.mp4 ends at 60.00 s, but is labelled up to 1 s only (l.csv, line 4): are these {causes}?"
    assert messages == [expected] * (causes != "")


@pytest.mark.parametrize(
    ("rows", "unit"),
    [
        ([(0, 800), (800, 1600)], "milliseconds"),
        ([(0, 2), (800, 1600), (1600, 2400)], "milliseconds"),
        ([(0, 2_400_000)], "microseconds"),
        ([(0, 144_000)], "ticks of 1/90000 s"),
        ([(0.002, 0.0133), (0.0133, 0.0399)], "minutes"),
        ([(1700000000, 1700000001), (1700000001, 1700000002)], "seconds from another start than the clip's"),
        ([(0, 20), (20, 40), (40, 60)], "numbers of frames"),
        ([(0, 80), (80, 160), (160, 240)], "hundredths of a second"),
        ([(0, 24), (24, 48), (48, 72)], "numbers of frames at 30 per second"),
        ([(60, 120)], "hours:minutes, meant as minutes:seconds"),  # 1:00 to 2:00 in Excel, of 1 to 2 s
        ([(0, 0.8 / 86400), (0.8 / 86400, 1.6 / 86400)], "fractions of a day, as a spreadsheet keeps times"),
    ],
    ids=[
        "ms",
        "ms, one short",
        "us",
        "ticks",
        "minutes",
        "Unix time",
        "frames",
        "1/100 s",
        "frames of 30",
        "Excel's minutes",
        "Excel's days",
    ],
)
def test_another_unit_is_refused_by_name(rows: Rows, unit: str) -> None:
    with pytest.raises(DataError, match=rf"c\.mp4 .*2\.40 s, but .*: are these {unit}\?"):
        check(rows)


def test_a_clip_that_is_cut_short_is_no_reason_to_refuse() -> None:
    first, second = check([(0, 800), (800, 1600)], verdict="truncated")
    assert first.startswith("c.mp4 is truncated") and second.endswith("are these milliseconds?")


def test_rows_before_a_late_first_frame() -> None:
    (message,) = check([(0, 1.4), (1.5, 3.9)], start_s=1.5)
    assert message.startswith(
        "c.mp4 runs from 1.50 to 3.90 s, but 1 of 2 rows cover no frame, the first from 0 to 1.4 s"
    )


@pytest.mark.parametrize(
    ("last", "tail"),
    [
        (59, None),
        (60, "60; frames count from 0, do these count from 1?"),
        (99, "99; 1 of 2 segments lie wholly behind the end"),
    ],
)
def test_segments_by_frame(last: int, tail: str | None) -> None:
    spans = [LabelledSpan("c.mp4", "liver", "absent", start_index=0, end_index=9)]
    spans.append(LabelledSpan("c.mp4", "liver", "present", start_index=10 if last < 61 else 80, end_index=last))
    labels = ClipLabels("c.mp4", "P1", tuple(spans), frames=60)
    messages = clip_messages("c.mp4", labels, np.arange(60) / 25, 2.4, SourceReport("complete"))
    assert messages == ([] if tail is None else [f"c.mp4 has 60 frames, but is labelled up to frame {tail}"])


def test_segments_in_milliseconds_are_refused() -> None:
    spans = [LabelledSpan("c.mp4", "liver", "absent", start_index=a, end_index=b) for a, b in ((0, 799), (800, 1600))]
    labels = ClipLabels("c.mp4", "P1", tuple(spans))
    with pytest.raises(DataError, match=r"60 frames, but is labelled up to frame 1600; .* are these milliseconds\?"):
        clip_messages("c.mp4", labels, np.arange(60) / 25, 2.4, SourceReport("complete"))


def test_labels_made_on_another_version_of_the_clip() -> None:
    labels = ClipLabels("c.mp4", "P1", (), frames=120, notes=("of the label file",))
    assert clip_messages("c.mp4", labels, np.arange(60) / 25, 2.4, SourceReport("complete")) == [
        "c.mp4 has 60 frames, its labels were made on 120: check that they fit",
        "of the label file",
    ]
