"""The time map of a proxy: exact to the frame both ways, whatever the clip's clock does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqcls.errors import DataError, UsageError
from seqcls.timemap import MAX_FRAMES, MAX_LAG_S, MAX_RATE_HZ, MIN_RATE_HZ, TimeMap
from seqcls.types import MAX_TIME_S

RATES = [1.0, 7.3, 12.5, 24000 / 1001, 25.0, 30000 / 1001, 30.003, 59.94, 119.0]


def shown(first: TimeMap) -> list[int]:
    return list(map(int, first.source_index))


def require_exact(mapped: TimeMap, times: np.ndarray) -> None:
    """Each frame that has one of its own goes to its first proxy frame and comes back as the same float."""
    for index in sorted(set(shown(mapped))):
        own = shown(mapped).index(index)
        if index and times[index] == times[index - 1]:
            continue  # of equal times the first frame's
        assert mapped.to_proxy_s(times[index]) == own / mapped.rate_hz
        assert mapped.to_source_s(own / mapped.rate_hz) == times[index]
        assert mapped.proxy_frame_at(times[index]) == own and mapped.source_frame(own) == index
        in_milliseconds = round(own / mapped.rate_hz, 3)  # as ELAN keeps it
        assert mapped.to_source_s(in_milliseconds) == times[index]
    assert mapped.to_proxy_s(mapped.source_end_s) == mapped.proxy_end_s
    assert mapped.to_source_s(mapped.proxy_end_s) == mapped.source_end_s


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_regular_clip_keeps_its_rate_and_its_frames(rate_hz: float) -> None:
    times = 0.2 + np.arange(300) / rate_hz
    mapped = TimeMap.of_frames(times, times[-1] + 1 / rate_hz)
    assert shown(mapped) == list(range(300)) and mapped.repeated == 0 and mapped.not_shown == ()
    assert mapped.rate_hz == pytest.approx(rate_hz, rel=2e-4)  # 30 for 30.003: a twelfth of a frame in ten seconds
    require_exact(mapped, times)


@pytest.mark.parametrize("rate_hz", [24000 / 1001, 25.0, 30000 / 1001, 30.0])
def test_times_rounded_to_milliseconds_keep_the_rate_for_hours(rate_hz: float) -> None:
    times = np.round(np.arange(int(3600 * rate_hz)) / rate_hz, 3)
    mapped = TimeMap.of_frames(times, times[-1] + 0.04)
    assert mapped.rate_hz == pytest.approx(rate_hz) and mapped.repeated == 0 and mapped.not_shown == ()


def test_jitter_of_a_quarter_of_a_frame_changes_nothing() -> None:
    times = np.arange(500) / 30 + np.random.default_rng(1).uniform(-0.007, 0.007, 500)
    times[0] = 0.0
    mapped = TimeMap.of_frames(times, times[-1] + 1 / 30)
    assert mapped.rate_hz == pytest.approx(30, rel=1e-3) and shown(mapped) == list(range(500))
    require_exact(mapped, times)


def test_a_gap_repeats_the_frame_before_it() -> None:
    times = np.array([0, 1, 2, 6, 7]) / 25
    mapped = TimeMap.of_frames(times, 8 / 25)
    assert shown(mapped) == [0, 1, 2, 2, 2, 2, 3, 4] and mapped.rate_hz == 25 and mapped.repeated == 3
    assert mapped.to_proxy_s(4 / 25) == pytest.approx(4 / 25)  # the time inside of a gap
    require_exact(mapped, times)


def test_variable_rate_takes_the_grid_that_all_times_lie_in() -> None:
    waits = [4, 5, 11, 4, 7, 5, 4, 11, 13, 4, 5, 4, 7]
    times = np.cumsum([0, *waits]) / 100
    mapped = TimeMap.of_frames(times, times[-1] + 0.04)
    assert mapped.rate_hz == 100
    assert shown(mapped) == [n for n, wait in enumerate([*waits, 4]) for _ in range(wait)]
    require_exact(mapped, times)


@pytest.mark.parametrize("seed", range(30))
def test_any_clock_comes_back_equal(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    waits = random.choice([1 / 25, 1 / 30, 1 / 60, 0.0101, 0.2, 1.7], size=60, p=[0.3, 0.2, 0.2, 0.2, 0.07, 0.03])
    waits *= random.choice([1.0, 1.003, 0.97], size=60)
    waits[random.integers(0, 60, seed % 4)] = 0.0  # repeated times
    times = random.uniform(0, 5) + np.cumsum(waits)
    mapped = TimeMap.of_frames(times, times[-1] + random.uniform(0, 0.1))
    assert mapped.not_shown == () and set(shown(mapped)) == set(range(60))
    assert mapped.rate_hz <= MAX_RATE_HZ
    require_exact(mapped, times)
    off_s = mapped.proxy_time_s - (mapped.source_time_s - times[0])
    first = np.flatnonzero(np.diff(mapped.source_index, prepend=-1))
    assert abs(off_s[first]).max() <= MAX_LAG_S + 1 / mapped.rate_hz
    any_s = random.uniform(times[0], mapped.source_end_s, 200)
    assert mapped.to_source_s(mapped.to_proxy_s(any_s)) == pytest.approx(
        any_s, abs=0.003
    )  # near a frame, it is the frame's
    assert (np.diff(mapped.to_proxy_s(np.sort(any_s))) >= 0).all()
    mapped.write(tmp_path / "timemap.csv")
    again = TimeMap.read(tmp_path / "timemap.csv")
    assert (again.source_index == mapped.source_index).all() and (again.source_time_s == mapped.source_time_s).all()
    assert (again.rate_hz, again.source_end_s) == (mapped.rate_hz, mapped.source_end_s)


def test_frames_faster_than_any_proxy_for_long_have_none_of_their_own() -> None:
    times = np.arange(400) / 200
    mapped = TimeMap.of_frames(times, 2.0)
    assert mapped.rate_hz == MAX_RATE_HZ and mapped.not_shown
    lost = sum(last - first + 1 for first, last in mapped.not_shown)
    assert len(set(shown(mapped))) + lost == 400
    require_exact(mapped, times)
    last = mapped.not_shown[0][0]
    assert mapped.to_source_s(mapped.to_proxy_s(times[last])) == pytest.approx(times[last], abs=0.005)


def test_a_short_burst_is_shown_a_little_late() -> None:
    times = np.array([0.0, 0.1, 0.101, 0.102, 0.103, 0.2, 0.3])
    mapped = TimeMap.of_frames(times, 0.4)
    assert mapped.not_shown == () and mapped.rate_hz == 120
    assert [shown(mapped).index(n) for n in range(7)] == [0, 12, 13, 14, 15, 24, 36]


def test_one_frame_lasts_as_long_as_it_does() -> None:
    assert shown(TimeMap.of_frames([3.0], 3.5)) == [0] and TimeMap.of_frames([3.0], 3.5).rate_hz == 2
    assert shown(TimeMap.of_frames([3.0], 3.0)) == [0]
    still = TimeMap.of_frames([3.0], 13.0)
    assert still.rate_hz == 1 and still.proxy_end_s == 10


def test_times_outside_of_the_clip_are_its_ends() -> None:
    mapped = TimeMap.of_frames([1.0, 1.1, 1.2], 1.3)
    assert mapped.to_proxy_s(0.5) == 0 and mapped.to_proxy_s(9.0) == mapped.proxy_end_s
    assert mapped.to_source_s(-1.0) == 1.0 and mapped.to_source_s(99.0) == 1.3
    assert mapped.proxy_frame_at(0.0) == 0 and mapped.proxy_frame_at(9.0) == 2
    with pytest.raises(UsageError, match="not nan"):
        mapped.proxy_frame_at(float("nan"))
    with pytest.raises(UsageError, match="0 to 2"):
        mapped.source_frame(3)


def test_equal_times_are_the_first_frame_s() -> None:
    mapped = TimeMap.of_frames([0.0, 0.0, 0.04, 0.04, 0.08], 0.12)
    assert set(shown(mapped)) == set(range(5))
    assert mapped.source_frame(mapped.proxy_frame_at(0.0)) == 0
    assert mapped.source_frame(mapped.proxy_frame_at(0.04)) == 2


@pytest.mark.parametrize(
    ("times", "end_s"),
    [([], 0.0), ([0.0, -1.0], 1.0), ([float("nan")], 1.0), ([0.0, 3e9], 3e9), ([0.0, 0.04], 3e9)],
    ids=["none", "back", "nan", "years apart", "a last frame of years"],
)
def test_what_has_no_proxy_is_refused(times: list[float], end_s: float) -> None:
    with pytest.raises(UsageError):
        TimeMap.of_frames(times, end_s)


def test_the_file_says_a_row_per_proxy_frame(tmp_path: Path) -> None:
    TimeMap.of_frames(np.array([0, 1, 3]) / 25, 4 / 25).write(tmp_path / "timemap.csv")
    assert (tmp_path / "timemap.csv").read_text() == (
        "proxy_frame,source_frame,source_time_s,source_end_s,rate_hz\n"
        "0,0,0.0,0.04,25.0\n1,1,0.04,0.12,25.0\n2,1,0.04,0.12,25.0\n3,2,0.12,0.16,25.0\n"
    )


HEAD = "proxy_frame,source_frame,source_time_s,source_end_s,rate_hz\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the column proxy_frame"),
        ("proxy_frame,source_frame,source_time_s\n0,0,0\n", "lacks the column source_end_s"),
        (HEAD, "no row"),
        (HEAD + "0,0,0,1,x\n", "line 2: .* must be numbers"),
        (HEAD + "0,0,0\n", "line 2: .* must be numbers"),
        (HEAD + f"0,0,0,1,{'2' * 5000}\n", "line 2: .* must be numbers"),
        (HEAD + "1,0,0,1,25\n", "line 2: proxy frame 0"),
        (HEAD + "0,-1,0,1,25\n", "line 2: proxy frame 0"),
        (HEAD + "0,0,0,1,25\n1,1,0.04,1,24\n", "not the same"),
        (HEAD + "0,1,0,1,25\n1,0,0.04,1,25\n", "count upwards"),
        (HEAD + "0,0,1,2,25\n1,1,0,2,25\n", "never decrease"),
        (HEAD + "0,0,nan,1,25\n", "finite"),
        (HEAD + "0,0,0,nan,25\n", "ends at nan"),
        (HEAD + "0,0,0,1,0\n", "frames per second"),
        (HEAD + "0,0,0,1,1e9\n", "frames per second"),
        (HEAD + "0,0,0,1,1e-300\n", "0.01 to 120 frames per second"),
        (HEAD + "0,0,0,1,0.009\n", "0.01 to 120 frames per second"),
        (HEAD + '0,0,0,"1\n', "line|numbers"),
        (HEAD + "," * 10**6, "a line of 10,000 characters"),
    ],
)
def test_what_is_no_time_map_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "timemap.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        TimeMap.read(path)


def test_one_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "timemap.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + "0,0,0,0.04,25\n1,1,0.04,0.08,25\n").replace(",", ";").encode())
    assert shown(TimeMap.read(path)) == [0, 1]


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no time map at"):
        TimeMap.read(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="is a folder"):
        TimeMap.read(tmp_path)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        TimeMap.read(tmp_path / "binary.csv")


def test_a_map_of_too_many_frames_is_refused() -> None:
    with pytest.raises(UsageError, match=f"{MAX_FRAMES:,}"):
        TimeMap(np.zeros(MAX_FRAMES + 1, np.int64), np.zeros(MAX_FRAMES + 1), 25.0, 0.0)


def test_a_clip_slower_than_any_proxy_repeats_its_frames() -> None:
    """A frame in 200 s, 0.005 Hz: at 1 Hz each is shown 200 times. Times of the slowest stay those of any file."""
    made = TimeMap.of_frames(np.array([0.0, 200.0, 400.0]), 600.0)
    assert made.rate_hz == 1 and len(made.source_index) == 600 and made.repeated == 597
    assert MAX_FRAMES / MIN_RATE_HZ < MAX_TIME_S
