"""From what people type to a live source: which kind it is, and a clip played at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.feeds import (
    DEADLINE_S,
    PATIENT,
    ignore,
    nothing_left,  # noqa: F401 - a fixture
    take,
)
from support.media import recipe, write_clip

from seqcls.errors import SourceError, UsageError
from seqcls.feeds.connection import Arrival, FeedTiming
from seqcls.feeds.open import Paced, is_live, open_live
from seqcls.sources import open_source
from seqcls.types import Frame, Gap, SourceInfo, SourceReport


@pytest.mark.parametrize(
    ("spec", "live"),
    [
        ("0", True),
        ("/dev/video2", True),
        ("rtsp://cam/1", True),
        ("HTTP://cam/1", True),
        ("igtl://scanner:18944", True),
        ("ftp://cam/1", True),
        ("clip.mp4", False),
        ("C:/clips/clip.mp4", False),
        ("C:\\clips\\clip.mp4", False),
        ("clips/*.mp4", False),
    ],
)
def test_what_is_live(spec: str, live: bool) -> None:
    assert is_live(spec) is live


@pytest.mark.parametrize(
    ("spec", "options", "error", "words"),
    [
        ("ftp://me:s3cret@cam/1", {}, SourceError, "igtl://, rtsp://, http://"),
        (" ftp://me: a @ s3cret @cam/1 ", {}, SourceError, "ftp://***@cam/1: ftp:// is not known"),
        ("file:///etc/passwd", {}, SourceError, "file:// is not known"),
        ("clip.mp4", {}, SourceError, "--realtime"),
        ("rtsp://me:s3cret@cam/1", {"realtime": True}, UsageError, "leave --realtime out"),
        ("0", {"backend": "magic"}, UsageError, "v4l2"),
        ("0", {"size": (0, 480)}, UsageError, "0x480"),
        ("0", {"camera_rate": 0.0}, UsageError, "rate"),
        ("rtsp://cam/1", {"reader": "vlc"}, UsageError, "pyav or opencv"),
        ("none.mp4", {"realtime": True}, SourceError, "no such file"),
        ("rtsp://", {}, SourceError, "names no host"),
        ("http:///video", {}, SourceError, "names no host"),
        ("http://cam:99999/video", {}, SourceError, "port from 1 to 65535"),
        ("http://cam:0/video", {}, SourceError, "port from 1 to 65535"),
        ("http://::1/video", {}, SourceError, "IPv6 in brackets"),
        ("http://[::1/video", {}, SourceError, "IPv6 in brackets"),
        ("rtsp://me:s3cret/cret@cam/1", {}, SourceError, "as %XX"),
        ("igtl://probe:99999", {}, SourceError, "write igtl://host:18944/device"),
    ],
)
def test_what_cannot_be_watched_is_told_in_one_line(
    spec: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        open_live(spec, on_state=ignore, environ={}, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["http://cam/1", "RTSP://[::1]:554/1", "Http://me:s[3]@cam:80?x=y", "https://[fe80::1%25eth0]/1", "rtmp://cam"],
)
def test_what_can_be_watched_is_opened_with_its_scheme_in_small_letters(spec: str) -> None:
    with open_live(spec, on_state=ignore, environ={}) as source:
        assert source.info.name.partition(":")[0] == spec.partition(":")[0].lower()


class Clock:
    """Moves only when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now_s += seconds
        return event.is_set()


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
def test_a_clip_in_real_time_gives_the_very_frames_of_the_file(tmp_path: Path, reader: str) -> None:
    clip = write_clip(tmp_path / "clip.mp4", recipe("mp4 h264 variable rate"))
    clock, states = Clock(), list[str]()
    timing = FeedTiming(clock=clock, wait=clock.wait)
    source = open_live(str(clip), realtime=True, reader=reader, on_state=lambda s, _: states.append(s), timing=timing)
    with open_source(clip, reader=reader) as plain, source:
        came = []
        for expected, item in zip(plain, source, strict=True):
            came.append(clock.now_s - 50)
            assert isinstance(item, Frame) and isinstance(expected, Frame)
            assert (item.index, item.time_s, item.duration_s) == (expected.index, expected.time_s, expected.duration_s)
            assert np.array_equal(item.image, expected.image)
            assert came[-1] == pytest.approx(item.time_s)  # each at its time, not before
        assert source.report() == plain.report() and source.info == plain.info
    assert states == ["connecting", "running", "stopped"] and came[-1] > 1


class Items:
    """A source made of items."""

    def __init__(self, items: list[Frame | Gap]) -> None:
        self.info = SourceInfo(name="clip", kind="file")
        self.items, self.closed = items, False

    def __iter__(self) -> Iterator[Frame | Gap]:
        return iter(self.items)

    def report(self) -> SourceReport:
        return SourceReport("complete")

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Items:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_gap_of_a_clip_is_known_when_it_is_over() -> None:
    image = np.zeros((8, 8), np.uint8)
    items: list[Frame | Gap] = [Frame(0, 0.0, 0.1, image), Gap(0.1, 0.5, "lost"), Frame(1, 0.5, 0.1, image)]
    clock, came = Clock(), []
    paced = Paced(Items(items), on_state=ignore, timing=FeedTiming(clock=clock, wait=clock.wait))
    for item in paced:
        came.append((item, clock.now_s - 50))
    assert [item for item, _ in came] == items and [at_s for _, at_s in came] == [0.0, 0.5, 0.5]


def test_closing_ends_a_clip_that_waits_for_its_next_frame() -> None:
    image = np.zeros((8, 8), np.uint8)
    clip = Items([Frame(0, 0.0, 0.1, image), Frame(1, 1000.0, 0.1, image)])
    first = threading.Event()
    got: list[Frame | Gap] = []

    def consume() -> None:
        for item in paced:
            got.append(item)
            first.set()

    paced = Paced(clip, on_state=ignore)
    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    assert first.wait(DEADLINE_S)
    paced.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and len(got) == 1 and clip.closed


def test_an_openigtlink_feed_is_opened_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []

    class IgtlConnection:
        def __init__(self, *address: object, **_: object) -> None:
            events.append(address)

        device = "Probe"

        def __iter__(self) -> Iterator[Arrival]:
            events.append("opened")
            for number in range(3):
                yield Arrival(time.monotonic(), np.full((8, 8), number, np.uint8))
            raise SourceError("igtl://me:s3cret@scanner: lost")

        def close(self) -> None:
            events.append("closed")

    monkeypatch.setattr("seqcls.feeds.openigtlink.IgtlConnection", IgtlConnection)
    source = open_live("igtl://scanner:18944/Probe", on_state=ignore, **PATIENT)
    assert events == [] and (source.info.kind, source.info.name) == ("openigtlink", "igtl://scanner:18944/Probe")
    items = take(source, 5)
    assert [i.image[0, 0] for i in items if isinstance(i, Frame)] == [0, 1, 2, 0, 1]
    assert [i.reason for i in items if isinstance(i, Gap)] == ["igtl://***@scanner: lost"]
    assert events[:4] == [("scanner", 18944, "Probe"), "opened", "closed", ("scanner", 18944, "Probe")]
    with pytest.raises(SourceError, match="knows no user or password") as caught:
        open_live("igtl://me:s3cret@bad", on_state=ignore, environ={})
    assert "s3cret" not in str(caught.value)
