"""Recordings and clips of a feed: right times, right pictures, nothing from outside the region, readable after a kill."""

from __future__ import annotations

import errno
import gc
import io
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.media import draw, numbers, read_number

from seqcls.errors import OutputError, UsageError
from seqcls.geometry import Region
from seqcls.live.recording import fragmented_video
from seqcls.live.recording.fragmented_video import FragmentedVideoWriter, RecordedVideo, SegmentedVideoWriter
from seqcls.live.recording.presence_clips import PresenceClips, clip_name
from seqcls.live.recording.recorder import Recorder
from seqcls.live.recording.second_try import ROOM_BYTES, SecondTry
from seqcls.sources import open_source
from seqcls.types import Event, Frame, Gap, SourceReport

WIDTH, HEIGHT = 160, 128
BOX = (40, 30)  # where the numbered picture stands in the screen
SCREEN = (240, 200)
# Cuts the corners of the numbered picture off; the blocks that carry the number lie inside.
SECTOR = tuple(
    (BOX[0] + x, BOX[1] + y)
    for x, y in ((12, 0), (147, 0), (159, 10), (159, 117), (147, 127), (12, 127), (0, 117), (0, 10))
)
REGION = Region(40, 30, 200, 158, *SCREEN, SECTOR, "convex")
FULL = Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT)
UNEVEN_S = [k * 0.04 + (k % 3) * 0.007 + (3.1 if k >= 20 else 0) for k in range(40)]


def steady(count: int, rate_hz: float = 25.0) -> list[float]:
    return [k / rate_hz for k in range(count)]


def plain(number: int, time_s: float) -> Frame:
    return Frame(number, time_s, 0.04, draw(number, noise=0))


def noisy(number: int, time_s: float) -> Frame:
    """Takes some 10 kB of a recording."""
    frame = plain(number, time_s)
    frame.image[:] = np.maximum(frame.image, np.random.default_rng(number).integers(0, 90, frame.image.shape))
    return frame


def menu(number: int, time_s: float) -> Frame:
    image = np.full((HEIGHT, WIDTH), 60, np.uint8)
    image[10:100:6, 8:150:2] = 255  # strokes one pixel wide
    return Frame(number, time_s, 0.04, image)


def screen(number: int, time_s: float) -> Frame:
    """A numbered picture in the middle of a screen that is white outside: the burnt-in names."""
    image = np.full(SCREEN[::-1], 255, np.uint8)
    image[30:158, 40:200] = draw(number, noise=0)
    return Frame(number, time_s, 0.04, image)


def record(path: Path, frames: list[Frame], region: Region | None = FULL, **options: Any) -> Recorder:
    recorder = Recorder(path, **options)
    for frame in frames:
        recorder.frame(frame, region)
    recorder.close()
    return recorder


def read(path: Path) -> tuple[list[Frame], SourceReport]:
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        return frames, source.report()


def whole_number(frames: list[Frame]) -> list[int | None]:
    return numbers([frame.image for frame in frames])


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("seqcls-")}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    if threads():
        gc.collect()  # engines of earlier tests, with their threads
    yield
    assert threads() == set()


@pytest.mark.parametrize("name", ["feed.mp4", "feed.mkv", "FEED.MP4"])
def test_times_and_pictures_are_those_of_the_feed(tmp_path: Path, name: str) -> None:
    recorder = record(tmp_path / "new folder" / name, [plain(k, t) for k, t in enumerate(UNEVEN_S)])
    frames, report = read(tmp_path / "new folder" / name)
    assert whole_number(frames) == list(range(40))
    assert [f.time_s for f in frames] == pytest.approx(UNEVEN_S, abs=0.001)
    assert frames[-1].duration_s == pytest.approx(0.04, abs=0.01)
    assert (report.verdict, report.reasons) == ("complete", ())
    assert (recorder.recorded, recorder.dropped, recorder.failed) == (40, 0, "")


def test_times_that_stand_still_or_go_back_are_moved_apart_by_ticks(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [plain(k, t) for k, t in enumerate([0.0, 0.04, 0.04, 0.03, 0.16])])
    frames, report = read(tmp_path / "a.mp4")
    assert [f.time_s for f in frames] == pytest.approx([0, 0.04, 0.04, 0.04, 0.16], abs=0.001)
    assert whole_number(frames) == list(range(5)) and report.verdict == "complete"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_last_frame_lasts_as_long_as_it_says(tmp_path: Path, name: str) -> None:
    record(tmp_path / name, [*(plain(k, k / 25) for k in range(10)), Frame(10, 0.4, 0.1, draw(10))])
    frames, _ = read(tmp_path / name)
    assert frames[-1].duration_s == pytest.approx(0.1, abs=0.002)


def test_nothing_from_outside_the_region_is_recorded(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [screen(k, k / 25) for k in range(5)], REGION)
    frames, _ = read(tmp_path / "a.mp4")
    assert whole_number(frames) == list(range(5))
    for frame in frames:
        assert frame.image.shape == (128, 160)
        assert frame.image.max() < 240  # the screen is 255 outside, the drawing 220 at most
        assert frame.image[:4, :4].max() < 20 and frame.image[-4:, -4:].max() < 20  # in the box, outside the outline


def test_odd_sizes_are_padded_with_black_and_gray_values_kept(tmp_path: Path) -> None:
    image = np.repeat(np.linspace(0, 255, 161).astype(np.uint8)[None], 127, axis=0)
    record(tmp_path / "a.mkv", [Frame(0, 0.0, 0.04, image)], Region(0, 0, 161, 127, 161, 127))
    (frame,), report = read(tmp_path / "a.mkv")
    assert frame.image.shape == (128, 162) and frame.image[127].max() < 12
    assert np.abs(frame.image[:120, :150].astype(int) - image[:120, :150]).max() < 12
    assert report.verdict == "complete"


def test_without_h264_mpeg4_keeps_gray_values_and_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    record(tmp_path / "a.mp4", [plain(k, t) for k, t in enumerate(UNEVEN_S)])
    frames, report = read(tmp_path / "a.mp4")
    assert whole_number(frames) == list(range(40)) and report.verdict == "complete"
    assert [f.time_s for f in frames] == pytest.approx(UNEVEN_S, abs=0.001)
    assert np.abs(frames[3].image.astype(int) - draw(3, noise=0)).mean() < 4


def test_a_change_of_size_begins_a_new_part(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4")
    wide = Region(0, 0, 192, 128, 192, 128)
    for k in range(24):
        image = draw(k, 192 if 8 <= k < 16 else 160)
        recorder.frame(Frame(k, k / 25, 0.04, image), wide if 8 <= k < 16 else FULL)
    recorder.close()
    assert [part.path.name for part in recorder.parts] == ["a.mp4", "a-2.mp4", "a-3.mp4"]
    for number, part in enumerate(recorder.parts):
        frames, report = read(part.path)
        expected = range(8 * number, 8 * number + 8)
        assert whole_number(frames) == list(expected) and report.verdict == "complete"
        assert [part.start_s + f.time_s for f in frames] == pytest.approx([k / 25 for k in expected], abs=0.001)


def test_frames_wait_until_the_region_is_found(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4")
    for k in range(12):
        recorder.frame(screen(k, k / 25), REGION if k >= 9 else None)
    recorder.close()
    assert whole_number(read(tmp_path / "a.mp4")[0]) == list(range(12))


def test_without_a_region_nothing_is_recorded(tmp_path: Path) -> None:
    said: list[str] = []
    recorder = record(tmp_path / "a.mp4", [screen(k, k / 25) for k in range(6)], None, notify=said.append)
    assert list(tmp_path.iterdir()) == []
    assert recorder.dropped == 6 and said == [
        "6 of 6 frames are not in the recording: 6 came before their ultrasound region was known"
    ]


def test_a_region_that_is_known_at_the_end_alone_is_enough(tmp_path: Path) -> None:
    """A clip shorter than the search for it."""
    recorder = Recorder(tmp_path / "a.mp4")
    for number, time_s in enumerate(steady(6)):
        recorder.frame(screen(number, time_s), None)
    recorder.settle(None)
    recorder.settle(REGION)
    recorder.close()
    assert whole_number(read(tmp_path / "a.mp4")[0]) == list(range(6)) and recorder.dropped == 0


def test_without_ultrasound_nothing_is_recorded_and_that_is_said(tmp_path: Path) -> None:
    """A search that found nothing, and a worklist in the region; what comes after is recorded."""
    nothing = Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT, kind="none", confidence=0.0)
    notes: list[str] = []
    recorder = Recorder(tmp_path / "feed.mp4", notify=notes.append)
    for number in range(3):
        recorder.frame(plain(number, number * 0.04), None)
    for number in range(3, 6):
        recorder.frame(plain(number, number * 0.04), nothing)
    for number in range(6, 10):
        recorder.frame(menu(number, number * 0.04), FULL)
    for number in range(10, 12):
        recorder.frame(plain(number, number * 0.04), FULL)
    recorder.close()
    assert (recorder.received, recorder.recorded, recorder.not_kept, recorder.dropped) == (12, 2, 10, 0)
    assert whole_number(read(tmp_path / "feed.mp4")[0]) == [10, 11]
    assert notes == ["10 of 12 frames show no ultrasound and are not in the recording: names may stand in them"]


def test_a_name_inside_the_region_is_said_once(tmp_path: Path) -> None:
    notes: list[str] = []
    recorder = Recorder(tmp_path / "feed.mp4", notify=notes.append)
    for number in range(40):
        image = np.random.default_rng(number).integers(20, 120, (HEIGHT, WIDTH), np.uint8)
        cv2.putText(image, "DOE JANE", (10, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        recorder.frame(Frame(number, number * 0.1, 0.1, image), FULL)
    recorder.close()
    assert recorder.recorded == 40
    [note] = notes
    assert note.startswith("recording: what looks like text stands still inside the region")


def test_frames_of_another_size_than_the_region_are_left_out(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.mp4", [plain(0, 0.0), screen(1, 0.04), plain(2, 0.08)])
    assert whole_number(read(tmp_path / "a.mp4")[0]) == [0, 2]
    assert (recorder.recorded, recorder.dropped, recorder.failed) == (2, 1, "")


def test_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"name it with one of \.mp4, \.mkv"):
        Recorder(tmp_path / "a.avi")
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match="not overwritten"):
        Recorder(tmp_path / "a.mp4")
    with pytest.raises(OutputError):
        Recorder(tmp_path / "a.mp4" / "b.mp4")
    recorder = record(tmp_path / "a.mp4", [plain(0, 70.0), plain(1, 70.04)], resume=True)
    assert (tmp_path / "a.mp4").read_bytes() == b"mine"
    assert [(part.path.name, part.start_s) for part in recorder.parts] == [("a-2.mp4", 70.0)]
    assert read(tmp_path / "a-2.mp4")[0][1].time_s == pytest.approx(0.04, abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_at_every_moment_the_file_is_readable_but_for_the_last_second(tmp_path: Path, suffix: str) -> None:
    part = FragmentedVideoWriter(tmp_path / f"a{suffix}", draw(0), 0.0)
    copy, sizes = tmp_path / f"copy{suffix}", {0}
    for k in range(60):
        part.write(draw(k), k / 25, 0.04)
        data = (tmp_path / f"a{suffix}").read_bytes()
        if len(data) in sizes or k < 14:
            continue
        torn = (len(data) - max(sizes)) // 2  # killed in the middle of a write
        sizes.add(len(data))
        for cut in (0, 1, torn) if len(sizes) > 2 else (0,):
            copy.write_bytes(data[: len(data) - cut])
            frames, report = read(copy)
            assert report.verdict == "truncated", report
            assert [n for n in whole_number(frames)[:-1] if n is not None] == list(range(len(frames) - 1))
            assert cut > 1 or frames[-1].time_s >= k / 25 - 1
    assert len(sizes) >= 4
    part.close()
    frames, report = read(tmp_path / f"a{suffix}")
    assert whole_number(frames) == list(range(60)) and report.verdict == "complete"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_can_be_read_from_its_second_image_on(tmp_path: Path, suffix: str) -> None:
    """Key frames at images 0, 1, 2, 4, 8 and 16 (0.64 s), then every half a second: at 29 (1.16 s)."""
    part = FragmentedVideoWriter(tmp_path / f"a{suffix}", draw(0, noise=90), 0.0)
    for k in range(30):
        part.write(draw(k, noise=90), k / 25, 0.04)
        if (count := {1: 1, 2: 2, 3: 2, 4: 4, 7: 4, 8: 8, 15: 8, 16: 16, 24: 16, 29: 29}.get(k)) is not None:
            frames, report = read(tmp_path / f"a{suffix}")
            assert (len(frames), part.kept, part.kept_until_s) == (
                count,
                count,
                count / 25,
            ) and report.verdict == "truncated"
    part.close()
    assert part.kept == len(read(tmp_path / f"a{suffix}")[0]) == 30 and part.kept_until_s == pytest.approx(1.2)


CHILD = """
import sys, time
from pathlib import Path
from support.media import draw
from seqcls.geometry import Region
from seqcls.live.recording.recorder import Recorder
from seqcls.live.recording.second_try import ROOM_BYTES, SecondTry
from seqcls.types import Frame

recorder = Recorder(Path(sys.argv[1]))
region = Region(0, 0, 160, 128, 160, 128)
for k in range(57):
    recorder.frame(Frame(k, k / 25, 0.04, draw(k)), region)
while recorder.recorded < 57:
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_recording_is_found_and_says_that_it_was_cut(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ä feed{suffix}"
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root.parent)])}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"ready"
        child.kill()
    frames, report = read(path)
    assert whole_number(frames) == list(range(len(frames)))
    assert frames[-1].time_s >= 56 / 25 - 1
    assert report.verdict == "truncated"


class FullDisk(io.FileIO):
    """Takes ``room`` bytes, a part of the write that goes beyond, and then no more."""

    room = 0

    def write(self, data: Any) -> int:
        fits = max(0, self.room - self.tell())
        if fits == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(memoryview(data)[:fits])


def small_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    def opened(path: Path) -> FullDisk:
        file = FullDisk(path, "xb")
        file.room = room
        return file

    monkeypatch.setattr(fragmented_video, "open_new", opened)


@pytest.mark.parametrize("room", [60_000, 400, 0], ids=["later", "at once", "no byte"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, room: int
) -> None:
    small_disk(monkeypatch, room)
    said: list[str] = []
    frames = [noisy(k, k / 25) for k in range(80)]
    recorder = record(tmp_path / f"a{suffix}", frames, notify=said.append)
    assert "No space left" in recorder.failed and "\n" not in recorder.failed
    assert said == [recorder.failed]
    stopped = recorder.failed.partition(": ")[0]
    assert [part.path for part in recorder.parts] == list(tmp_path.iterdir()) and len(recorder.parts) == (room > 1000)
    shown, report = read(tmp_path / f"a{suffix}") if room > 1000 else ([], None)
    missing = f"{80 - len(shown)} of 80 frames are not in it"
    assert recorder.incomplete == f"{stopped} (No space left on device): {missing}"
    assert (recorder.recorded, recorder.dropped) == (len(shown), 80 - len(shown))
    if report is not None:
        assert whole_number(shown) == list(range(len(shown))) and len(shown) >= 8
        assert report.verdict == "truncated"


def test_a_recording_that_a_full_disk_stopped_goes_on_in_a_new_part_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is a second later at each look: one when writing fails, one with each frame that comes after. The
    disk is asked after 5, 10 and 15 s, and has room for a minute of recording the third time."""
    rooms, free, looks, said = iter([60_000, 10_000_000]), iter([0, ROOM_BYTES - 1, ROOM_BYTES]), itertools.count(), []

    def opened(path: Path) -> FullDisk:
        file = FullDisk(path, "xb")
        file.room = next(rooms)
        return file

    monkeypatch.setattr(fragmented_video, "open_new", opened)
    frames = [noisy(k, k / 25) for k in range(100)]
    again = SecondTry(tmp_path, free_bytes=lambda folder: next(free), clock=lambda: float(next(looks)))
    told: list[str] = []

    def begun(part: RecordedVideo) -> bool:
        told.append(part.path.name)
        return len(told) != 2

    recorder = record(tmp_path / "a.mp4", frames, notify=said.append, again=again, begun=begun)
    first, second = (read(part.path)[0] for part in recorder.parts)
    assert whole_number(first) == list(range(8)), "images 8 to 15 are the fragment that image 16 ends, and do not fit"
    assert whole_number(second) == list(range(31, 100)) and [part.start_s for part in recorder.parts] == [0.0, 1.24]
    assert recorder.failed == "" and recorder.recorded == 8 + 69
    why = "No space left on device"
    assert recorder.incomplete == (
        f"the recording stopped at 0.6 s ({why}) and went on at 1.2 s: 23 of 100 frames are not in it"
    )
    assert said == [
        f"the recording stopped at 0.6 s: {why}; what was written before can be read",
        "writing the recording goes on at 1.2 s in a-2.mp4: 0.9 s before are not in it",
    ]
    assert told == ["a.mp4", "a-2.mp4", "a-2.mp4"], "whoever could not take it is told again"


def test_a_disk_that_takes_nothing_is_asked_less_and_less_often(tmp_path: Path) -> None:
    """It says that it has room for a minute at 2 MB/s, and each try fails after a second; then one lasts a minute."""
    now, free = [100.0], [119_999_999]
    again = SecondTry(tmp_path, free_bytes=lambda folder: free[0], clock=lambda: now[0])

    def waits() -> float:
        again.stopped()
        began_s = now[0]
        while not again.is_due(lambda: 2e6):
            now[0] += 1.0
        return now[0] - began_s

    again.stopped()
    now[0] += 5.0
    assert not again.is_due(lambda: 2e6), "119,999,999 bytes are less than a minute"
    free[0] += 1
    found = [waits()]
    for lasts_s in (1.0, 1.0, 1.0, 1.0, 1.0, 60.0):
        now[0] += lasts_s
        found.append(waits())
    assert found == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 5.0]


class Gate:
    """A part whose encoder waits until it is let go; stands in for every FragmentedVideoWriter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fragmented_video, "FragmentedVideoWriter", self)
        self.go, self.busy = threading.Event(), threading.Event()
        self.written: list[int | None] = []
        self.kept = 0

    def __call__(self, path: Path, first: NDArray[np.uint8], start_s: float) -> Gate:
        return self

    def write(self, image: NDArray[np.uint8], time_s: float, duration_s: float) -> None:
        self.busy.set()
        self.go.wait()
        self.written.append(read_number(image))

    def close(self) -> None:
        pass


def test_a_slow_encoder_costs_the_recording_frames_and_the_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    gate = Gate(monkeypatch)
    recorder = Recorder(tmp_path / "a.mp4", queue_bytes=5 * WIDTH * HEIGHT, notify=said.append)
    recorder.frame(plain(0, 0.0), FULL)
    assert gate.busy.wait(30)
    for k in range(1, 20):
        recorder.frame(plain(k, k / 25), FULL)
    assert recorder.dropped == 20 and len(said) == 1 and "cannot keep up" in said[0]  # six of them wait
    gate.go.set()
    recorder.close()
    assert gate.written == [0, 1, 2, 3, 4, 5]
    assert recorder.recorded == 6 and recorder.dropped == 14 and recorder.failed == ""
    assert said[1:] == ["14 of 20 frames are not in the recording: 14 could not be written in time"]


def test_an_encoder_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    gate = Gate(monkeypatch)
    recorder = Recorder(tmp_path / "a.mp4", notify=said.append)
    for k in range(3):
        recorder.frame(plain(k, k / 25), FULL)
    assert gate.busy.wait(30)
    recorder.close(within_s=0.05)
    assert said == [recorder.failed] and "could not be ended" in recorder.failed
    assert recorder.dropped == 3
    gate.go.set()
    recorder.close()
    _wait_for(lambda: not threads())


def test_an_encoder_that_breaks_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, first: NDArray[np.uint8], start_s: float) -> FragmentedVideoWriter:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(fragmented_video, "FragmentedVideoWriter", broken)
    said: list[str] = []
    recorder = record(tmp_path / "a.mp4", [plain(k, k / 25) for k in range(3)], notify=said.append)
    assert "first second" in recorder.failed and said == [recorder.failed] and recorder.dropped == 3


def test_what_fails_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Gate):
        def close(self) -> None:
            raise OSError(errno.EIO, "broken disk")

    part = Broken(monkeypatch)
    part.go.set()
    recorder = record(tmp_path / "a.mp4", [plain(0, 0.0)])
    assert "at its end: broken disk" in recorder.failed


def present(organ: str, start_s: float, final_s: float) -> Event:
    return Event(organ, "present", start_s, round(start_s * 25), final_s)


def gone(organ: str, start_s: float, final_s: float, state: Any = "absent") -> Event:
    return Event(organ, state, start_s, round(start_s * 25), final_s)


def clips_of(
    folder: Path, frames: list[Frame], events: list[Event], region: Region = FULL, **options: Any
) -> PresenceClips:
    """Frames and events in the order in which a run gives them: an event right after the frame that settled it."""
    clips = PresenceClips(folder, **options)
    told = sorted(events, key=lambda e: e.final_s)
    for frame in frames:
        clips.frame(frame, region)
        while told and told[0].final_s <= frame.time_s:
            clips.event(told.pop(0))
    for event in told:
        clips.event(event)
    clips.close()
    return clips


def test_clips_hold_pre_roll_presence_and_post_roll(tmp_path: Path) -> None:
    events = [
        present("thyroid", 4.0, 4.6),
        gone("thyroid", 6.0, 6.4),
        present("trachea", 5.0, 5.4),
        gone("trachea", 5.2, 5.4, "unknown"),  # so short that both are told at once
        present("thyroid", 9.0, 9.4),  # still there at the end
    ]
    frames = [screen(k, t) for k, t in enumerate(steady(250))]
    clips = clips_of(tmp_path, frames, events, REGION, post_roll_s=0.4)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "thyroid-00-00-04.000.mp4",
        "thyroid-00-00-09.000.mp4",
        "trachea-00-00-05.000.mp4",
    ]
    expected = {4.0: range(50, 160), 5.0: range(75, 140), 9.0: range(175, 250)}
    for path in tmp_path.iterdir():
        shown, report = read(path)
        assert whole_number(shown) == list(expected[float(path.stem[-6:])]) and report.verdict == "complete"
        assert shown[0].image.shape == (128, 160) and all(f.image.max() < 240 for f in shown)
        assert [f.time_s for f in shown] == pytest.approx(steady(len(shown)), abs=0.001)
    assert {part.path.name[-10:-4]: part.start_s for part in clips.parts} == {
        "04.000": 2.0,
        "05.000": 3.0,
        "09.000": 7.0,
    }


def test_a_presence_from_the_start_has_what_pre_roll_there_is(tmp_path: Path) -> None:
    said: list[str] = []
    clips_of(
        tmp_path, [plain(k, t) for k, t in enumerate(steady(30))], [present("thyroid", 0.4, 0.8)], notify=said.append
    )
    (path,) = tmp_path.iterdir()
    assert whole_number(read(path)[0]) == list(range(30)) and said == []


def test_the_pre_roll_shrinks_where_memory_is_short_and_that_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    events = [present("thyroid", 4.0, 4.6), gone("thyroid", 4.4, 4.9), present("trachea", 4.0, 4.6)]
    frames = [plain(k, t) for k, t in enumerate(steady(150))]
    clips_of(tmp_path, frames, events, post_roll_s=0.2, ring_bytes=30 * WIDTH * HEIGHT, notify=said.append)
    assert whole_number(read(tmp_path / "thyroid-00-00-04.000.mp4")[0]) == list(range(86, 123))
    assert len(said) == 1 and "begins 1.4 s late" in said[0]


def test_the_past_is_forgotten_in_time(tmp_path: Path) -> None:
    clips = PresenceClips(tmp_path, pre_roll_s=1.0, reach_s=1.0)
    for k in range(200):
        clips.frame(plain(k, k / 25), FULL)
    clips.close()
    assert len(clips._ring.frames) == 51
    assert clips._ring.held_bytes == 51 * WIDTH * HEIGHT


def test_a_change_of_size_inside_a_presence_makes_two_files(tmp_path: Path) -> None:
    clips = PresenceClips(tmp_path)
    clips.event(present("thyroid", 0.0, 0.0))
    wide = Region(0, 0, 192, 128, 192, 128)
    for k in range(20):
        clips.frame(Frame(k, k / 25, 0.04, draw(k, 192 if k >= 10 else 160)), wide if k >= 10 else FULL)
    clips.close()
    assert whole_number(read(tmp_path / "thyroid-00-00-00.000.mp4")[0]) == list(range(10))
    assert whole_number(read(tmp_path / "thyroid-00-00-00.000-2.mp4")[0]) == list(range(10, 20))


def test_two_organs_whose_names_look_alike_get_two_files(tmp_path: Path) -> None:
    events = [present("a/b", 0.4, 0.8), present("a\\b", 0.4, 0.8)]
    clips_of(tmp_path, [plain(k, t) for k, t in enumerate(steady(30))], events)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_b-00-00-00.400-2.mp4", "a_b-00-00-00.400.mp4"]


@pytest.mark.parametrize(
    ("organ", "start_s", "name"),
    [
        ("thyroid", 3725.0625, "thyroid-01-02-05.062.mp4"),
        ("thyroid", 59.9996, "thyroid-00-01-00.000.mp4"),
        ("thyroid", -0.2, "thyroid-00-00-00.000.mp4"),
        ("../x", 0.0, "___x-00-00-00.000.mp4"),
        ("C:\\CON", 0.0, "C__CON-00-00-00.000.mp4"),
        ("left lobe: 50%\n", 0.0, "left_lobe__50__-00-00-00.000.mp4"),
        ("", 0.0, "organ-00-00-00.000.mp4"),
        ("Schilddru\u0308se", 0.0, "Schilddrüse-00-00-00.000.mp4"),
        ("甲" * 200, 0.0, "甲" * 26 + "-00-00-00.000.mp4"),
    ],
)
def test_clip_names(organ: str, start_s: float, name: str) -> None:
    assert clip_name(organ, start_s) == name


def test_a_full_disk_ends_the_clips_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_disk(monkeypatch, 60_000)
    said: list[str] = []
    events = [present("thyroid", 1.0, 1.4), present("trachea", 2.0, 2.4)]
    frames = [Frame(k, t, 0.04, draw(k, noise=60)) for k, t in enumerate(steady(100))]
    clips = clips_of(tmp_path, frames, events, notify=said.append)
    assert "No space left" in clips.failed and said == [clips.failed]


def test_clips_begin_again_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the first presence, has room from the fifth frame after that on, and the second is whole."""
    rooms, looks, said = iter([40_000, 10_000_000]), itertools.count(), list[str]()

    def opened(path: Path) -> FullDisk:
        file = FullDisk(path, "xb")
        file.room = next(rooms)
        return file

    monkeypatch.setattr(fragmented_video, "open_new", opened)
    events = [present("thyroid", 0.2, 0.4), gone("thyroid", 1.6, 1.8), present("thyroid", 3.0, 3.2)]
    frames = [noisy(k, t) for k, t in enumerate(steady(100))]
    again = SecondTry(tmp_path, free_bytes=lambda folder: ROOM_BYTES, clock=lambda: float(next(looks)))
    told: list[tuple[str, str]] = []

    def begun(part: RecordedVideo, organ: str) -> bool:
        told.append((part.path.name, organ))
        return True

    clips = clips_of(tmp_path, frames, events, pre_roll_s=0.4, notify=said.append, again=again, begun=begun)
    assert whole_number(read(tmp_path / "thyroid-00-00-03.000.mp4")[0]) == list(range(65, 100))
    stopped_s = float(said[0].removeprefix("the clips stopped at ").partition(" s")[0])
    assert said[1:] == [f"writing the clips goes on at {stopped_s + 0.2:.1f} s"] and clips.failed == ""
    assert clips.incomplete.endswith(f" and went on at {stopped_s + 0.2:.1f} s: of 2 presences 1 has no whole clip")
    assert told == [("thyroid-00-00-00.200.mp4", "thyroid"), ("thyroid-00-00-03.000.mp4", "thyroid")]
    assert clips._ring.held_bytes == sum(frame.image.nbytes for frame in clips._ring.frames)


def test_clips_to_which_nothing_more_came_do_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room again, and a menu until the end."""
    small_disk(monkeypatch, 40_000)
    looks, said, free = itertools.count(), list[str](), [ROOM_BYTES]
    frames = [noisy(k, t) if k < 40 else menu(k, t) for k, t in enumerate(steady(60))]
    again = SecondTry(tmp_path, free_bytes=lambda folder: free.pop(), clock=lambda: next(looks) / 5)
    clips = clips_of(tmp_path, frames, [present("thyroid", 0.2, 1.0)], notify=said.append, again=again)
    assert said == [clips.failed] and not free, "it was asked, after the 25 frames of 5 s"


def test_slow_clips_cost_frames_and_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    gate = Gate(monkeypatch)
    clips = PresenceClips(
        tmp_path,
        queue_bytes=3 * WIDTH * HEIGHT,
        notify=said.append,
        post_roll_s=0.0,
    )
    clips.event(present("thyroid", 0.0, 0.0))
    for k in range(2):
        clips.frame(plain(k, k / 25), FULL)
    assert gate.busy.wait(30)
    for k in range(2, 10):
        clips.frame(plain(k, k / 25), FULL)
    clips.event(gone("thyroid", 0.08, 0.4))
    gate.go.set()
    clips.close()
    assert clips.dropped == 5 and len(said) == 1 and "cannot keep up" in said[0]
    assert gate.written == [0, 1, 2, 3]  # 4 waited when the end was told


def test_presences_whose_clip_the_disk_did_not_take_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is whole; then the disk is full, in the middle of the second: the third has no file at all."""
    events = [
        present("thyroid", 0.2, 0.4), gone("thyroid", 0.8, 1.0),
        present("thyroid", 2.0, 2.4), gone("thyroid", 3.0, 3.2), present("thyroid", 4.0, 4.4),
    ]  # fmt: skip
    rooms = iter([1_000_000, 300, 0])

    def opened(path: Path) -> FullDisk:
        file = FullDisk(path, "xb")
        file.room = next(rooms)
        return file

    frames = [plain(k, t) for k, t in enumerate(steady(130))]
    monkeypatch.setattr(fragmented_video, "open_new", opened)
    clips = clips_of(tmp_path, frames, events, post_roll_s=0.2, pre_roll_s=0.0)
    assert clips.incomplete.startswith("the clips stopped at 2.") and "(No space left on device)" in clips.incomplete
    assert clips.incomplete.endswith(": of 3 presences 2 have no whole clip")


def test_clips_options(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        PresenceClips(tmp_path / "file")


def test_a_film_passes_over_names_that_are_taken(tmp_path: Path) -> None:
    for name in ("a.mp4", "a-2.mp4"):
        (tmp_path / name).write_bytes(b"")
    film = SegmentedVideoWriter(tmp_path / "a.mp4")
    film.write(draw(3), 1.0, 0.04)
    film.close()
    assert [part.path.name for part in film.parts] == ["a-3.mp4"]


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    """The reader takes a long wait for a variable rate; the times say where nothing was recorded."""
    record(tmp_path / "a.mp4", [plain(0, 0.0), plain(1, 0.04), plain(2, 600.0), plain(3, 600.04)])
    with open_source(tmp_path / "a.mp4") as source:
        items = list(source)
    assert not any(isinstance(item, Gap) for item in items)
    assert [item.time_s for item in items if isinstance(item, Frame)] == pytest.approx(
        [0, 0.04, 600, 600.04], abs=0.001
    )


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
