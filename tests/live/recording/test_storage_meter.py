"""What is recorded and how long there is room for more, by a clock and a disk of the test's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seqcls.errors import OutputError
from seqcls.live.recording.presence_clips import PresenceClips
from seqcls.live.recording.recorder import Recorder
from seqcls.live.recording.storage_meter import StorageMeter
from seqcls.live.snapshot import Storage

MB = 1_000_000


class Disk:
    """A journal, a recording and clips that grow by hand."""

    def __init__(self, folder: Path, free: int) -> None:
        self.folder, self.free, self.now_s, self.messages = folder, free, 0.0, []  # type: ignore[var-annotated]
        self.recorder: Any = SimpleNamespace(files=(folder / "feed.mp4",), failed="")
        self.clips: Any = SimpleNamespace(files=())
        self.meter = StorageMeter(
            folder / "run.journal", self.recorder, self.clips, notify=self.messages.append,
            free_bytes=lambda folder: self.free, clock=lambda: self.now_s,
        )  # fmt: skip

    def grow(self, name: str, size: int) -> None:
        with (self.folder / name).open("ab") as stream:
            stream.truncate(stream.tell() + size)
        self.free -= size

    def measured(self, after_s: float) -> Any:
        self.now_s += after_s
        self.meter.measure()
        return self.meter.latest


def test_size_clips_room_and_time_left(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 10_000 * MB)
    disk.grow("feed.mp4", 50 * MB)
    shown = disk.measured(0.0)
    assert shown.text == "REC 50.0 MB  0 clips  disk 9.9 GB free, time left not known yet" and not shown.nearly_full
    disk.grow("feed.mp4", 9 * MB)
    disk.grow("run.journal", 1 * MB)
    disk.grow("a.mp4", 10 * MB)
    disk.clips.files = (tmp_path / "a.mp4", tmp_path / "gone.mp4")
    shown = disk.measured(10.0)  # 20 MB in 10 s, 9,930 MB left
    assert (shown.written_bytes, shown.clips, shown.left_s) == (69 * MB, 2, pytest.approx(9930 / 2))
    assert shown.text == "REC 69.0 MB  2 clips  disk 9.9 GB free, 82 min left"
    assert disk.measured(70.0).left_s == float("inf")  # the last minute counts, in which nothing was written
    disk.recorder.failed = "the recording stopped"
    assert not disk.measured(1.0).recording and disk.messages == []


def test_before_anything_is_recorded_that_is_said_in_words_and_no_rate_is_made_up(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 40_000 * MB)
    for _ in range(50):  # the feed has not come: the journal alone grows, by 4 kB a second
        disk.grow("run.journal", 4000)
        shown = disk.measured(1.0)
        assert shown.text == "REC nothing recorded yet  0 clips  disk 40.0 GB free"
    for _ in range(6):  # then 10 MB/s
        disk.grow("feed.mp4", 10 * MB)
        shown = disk.measured(1.0)
    assert shown.left_s == pytest.approx((40_000 - 60) / 10, rel=0.01) and shown.text.endswith("free, 66 min left")


def test_the_sign_of_a_recording_stands_while_it_grows_alone() -> None:
    grows = Storage(recording=True, written_bytes=5 * MB, free_bytes=40_000 * MB)
    assert grows.is_recording and grows.text.startswith("REC 5.0 MB  ")
    for still, said in (
        (replace(grows, waiting=True), "REC waits for frames  5.0 MB  "),
        (replace(grows, paused=True, waiting=True), "REC paused  5.0 MB  "),
        (replace(grows, written_bytes=0), "REC nothing recorded yet  "),
        (replace(grows, recording=False, clips=2), "5.0 MB  2 clips  "),
    ):
        assert not still.is_recording and still.text.startswith(said)


def test_a_journal_alone_lasts_for_longer_than_anybody_asks(tmp_path: Path) -> None:
    alone = Storage(free_bytes=40_000 * MB, left_s=2733 * 86_400.0)
    assert alone.text == "disk 40.0 GB free" and replace(alone, left_s=7200.0).text == "disk 40.0 GB free, 2 h left"
    slow = replace(alone, recording=True, written_bytes=5 * MB)
    assert slow.text == "REC 5.0 MB  disk 40.0 GB free, over a month left"


def test_a_disk_that_is_nearly_full_is_announced_once_before_it_is(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 2000 * MB)
    for _ in range(30):  # 1 MB/s: 2000 s at first
        disk.grow("feed.mp4", 10 * MB)
        shown = disk.measured(10.0)
    assert disk.messages == [] and shown.left_s == pytest.approx(1700)
    for _ in range(90):
        disk.grow("feed.mp4", 10 * MB)
        shown = disk.measured(10.0)
    assert disk.messages == ["disk nearly full: 890 MB free, 14 min left; make room, or end the recording"]
    assert shown.nearly_full and shown.free_bytes == 800 * MB
    disk.free = 90_000 * MB
    assert not disk.measured(10.0).nearly_full
    disk.free = 400 * MB
    assert disk.measured(10.0).nearly_full and len(disk.messages) == 2


def test_a_disk_that_is_gone_leaves_what_was_known(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 10_000 * MB)
    before = disk.measured(0.0)

    def gone(folder: Path) -> int:
        raise OutputError

    disk.meter._free_bytes = gone
    assert disk.measured(1.0) is before


def test_what_lies_there_from_before_a_resume_counts(tmp_path: Path) -> None:
    for name in (
        "feed.mp4",
        "feed-2.mp4",
        "feed-4.mp4",
        "clips/liver-00-00-01.000.mp4",
        "clips/liver-00-00-09.000.mp4",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1000)
    recorder, clips = Recorder(tmp_path / "feed.mp4", resume=True), PresenceClips(tmp_path / "clips")
    meter = StorageMeter(tmp_path / "run.journal", recorder, clips, free_bytes=lambda folder: 10**12)
    meter.start()
    meter.close()
    meter.close()
    recorder.close()
    clips.close()
    assert meter.latest is not None and meter.latest.clips == len(list((tmp_path / "clips").iterdir())) == 2
    assert meter.latest.written_bytes == 4000 and [path.name for path in recorder.files] == ["feed.mp4", "feed-2.mp4"]
