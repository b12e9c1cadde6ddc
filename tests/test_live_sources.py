"""Live sources with real processes and sockets of 127.0.0.1, and nothing secret in anything that they say."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media import read_number, recipe, write_clip
from mjpeg import MjpegServer, numbered
from rtsp import RtspServer

from seqcls.errors import SourceError, UsageError
from seqcls.live.child import ChildConnection
from seqcls.live.source import Paced, is_live, open_live
from seqcls.live.watch import Watched
from seqcls.sources import Source, open_source
from seqcls.sources.redact import credentials, redact
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

DEADLINE_S = 20.0
PATIENT: dict[str, Any] = {"stall_s": DEADLINE_S, "connect_s": DEADLINE_S, "backoff_s": (0.01, 0.05), "environ": {}}

# Whatever in them is secret contains "s3" and so does nothing else.
SECRET_URLS = (
    "rtsp://s3user:s3cret@192.168.1.20/live",
    "rtsp://s3user:s3cret@192.168.1.20:554/live?channel=s3",
    "RTSP://s3user:s3cret@CAM/live",
    "rtsps://s3user:s3cret@cam.example/1",
    "rtsp+tls://s3user:s3cret@cam/1",
    "x-probe.2://s3user:s3cret@cam/1",
    "igtl://s3user:s3cret@scanner:18944/Probe",
    "http://s3user@cam/video.mjpg",
    "http://:s3cret@cam/video.mjpg",
    "http://s3user:@cam/video.mjpg",
    "https://s3user:p@s3cret@cam/video.mjpg",
    "https://s3user@clinic.org:s3@cret@cam/video.mjpg",
    "http://s3user%40clinic:s3%3A%2F%3F%23@cam/video.mjpg",
    "http://s3us%65r:%73s3cret@[::1]:8080/video.mjpg",
    "http://s3user:s3cret@[fe80::1%25eth0]/video.mjpg",
    "http://[2001:db8::7]:81/video.mjpg?user=s3&pwd=s3",
    "http://cam/video.mjpg?token=s3cret",
    "http://cam/video.mjpg?s3cret",
    "http://cam/video.mjpg?a=s3&b=&c=s3;d=s3",
    "http://cam/video.mjpg?mail=s3me@s3clinic.org&token=s3cret",
    "http://cam/video.mjpg?u=rtsp://s3a:s3b@s3inner/x",
    "http://cam/video.mjpg;sid=s3cret/low?x=s3",
    "http://cam/video.mjpg#access_token=s3cret",
    "http://cam?token=s3=s3==",
    "rtmp://s3user:s3cret@cam/app/stream?sign=s3",
    "rtsp://s3user:s3/cret@cam/live",
    "rtsp://s3user:s3?cret@cam/live",
    "rtsp://s3user:s3#cret@cam/live",
    "rtsp://s3user:s3 cret@cam/live",
    "rtsp://s3user:s3'cr\"et@cam/live",
    "rtsp://s3user:s3cret",
    "rtsp:/s3user:s3cret@cam/live",
    "rtsp:\\\\s3user:s3cret@cam/live",
    "s3user:s3cret@cam/live",
    "ftp://s3user:s3cret@cam/clip.mp4",
    "rtsp://s3user:12/s3@cam:554/live",
)


@pytest.mark.parametrize("url", SECRET_URLS)
@pytest.mark.parametrize(
    "frame", ["{}", "cannot open '{}': refused", "a b@c {} (timed out), then {}.", '{{"url": "{}"}}']
)
def test_secrets_are_hidden_in_any_text(url: str, frame: str) -> None:
    shown = redact(frame.format(url, url))
    assert "s3" not in shown and "***" in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://a:b@cam:554/live?x=1&y=2", "rtsp://***@cam:554/live?x=***&y=***"),
        ("'http://a@[::1]:80/v.mjpg': refused", "'http://***@[::1]:80/v.mjpg': refused"),
        ("http://cam/v?mail=a@b.c", "http://cam/v?mail=***"),
        ("see http://cam:80/v.", "see http://cam:80/v."),
        ("igtl://[::1]:18944/Probe", "igtl://[::1]:18944/Probe"),
        ("C:/clips/a.mp4 and /dev/video0, 12:30", "C:/clips/a.mp4 and /dev/video0, 12:30"),
        ("rtsp://cam/1 failed, mail it@clinic", "rtsp://cam/1 failed, mail it@clinic"),
        ("", ""),
    ],
)
def test_the_rest_stays_readable(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_credentials_come_from_the_url_then_the_file_then_the_environment(tmp_path: Path) -> None:
    environ = {"SEQCLS_SOURCE_USER": "me", "SEQCLS_SOURCE_PASSWORD": "p@s/s:?#%"}
    file = tmp_path / "camera.txt"
    file.write_text("you\nother word\n", encoding="utf-8")
    assert credentials("rtsp://cam/1", {}) == "rtsp://cam/1"
    assert credentials("rtsp://cam/1?a=b", environ) == "rtsp://me:p%40s%2Fs%3A%3F%23%25@cam/1?a=b"
    assert credentials("rtsp://cam/1", environ, file) == "rtsp://you:other%20word@cam/1"
    assert credentials("rtsp://own:word@cam/1", environ, file) == "rtsp://own:word@cam/1"
    assert credentials("http://cam?mail=a@b", environ).startswith("http://me:")
    assert credentials("rtsp://cam/1", {"SEQCLS_SOURCE_USER": "me"}) == "rtsp://me@cam/1"


@pytest.mark.parametrize(
    "content",
    [b"secret1\n", b"secret1\nsecret2\nsecret3\n", b"\nsecret2\n", b"\xff\xfe\nsecret\n", None],
    ids=["one line", "three lines", "no user", "no text", "no file"],
)
def test_a_bad_file_of_credentials_is_told_without_them(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "camera.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        credentials("rtsp://cam/1", {}, file)
    assert "secret" not in str(caught.value) and "camera.txt" in str(caught.value)


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
    ],
)
def test_what_cannot_be_watched_is_told_in_one_line(
    spec: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        open_live(spec, on_state=ignore, environ={}, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value) and "s3cret" not in str(caught.value)


def test_opening_connects_nothing_and_names_are_fit_to_be_shown() -> None:
    environ = {"SEQCLS_SOURCE_USER": "s3me", "SEQCLS_SOURCE_PASSWORD": "s3cret"}
    for spec, name, kind in (
        ("rtsp://s3:s3@cam/1?k=s3", "rtsp://***@cam/1?k=***", "stream"),
        ("rtsp://s3:s 3@s 3@cam/1", "rtsp://***@cam/1", "stream"),
        ("http://cam/1", "http://cam/1", "stream"),
        ("3", "camera 3", "camera"),
        ("/dev/video7", "/dev/video7", "camera"),
    ):
        source = open_live(spec, on_state=ignore, environ=environ)
        assert (source.info.name, source.info.kind) == (name, kind)
        assert "s3" not in repr(source) + repr(source.info) + repr(source.report())
        assert isinstance(source, Source)
        source.close()


def ignore(*_: object) -> None:
    pass


def add(items: list[Frame | Gap], item: Frame | Gap) -> None:
    """Append; an outage, told in parts, is one gap."""
    last = items[-1] if items else None
    if isinstance(item, Gap) and isinstance(last, Gap) and last.end_s == item.start_s and last.reason == item.reason:
        items[-1] = Gap(last.start_s, item.end_s, item.reason)
    else:
        items.append(item)


def take(source: Source, frames: int) -> list[Frame | Gap]:
    """Until so many frames came, then closed."""
    items: list[Frame | Gap] = []
    for item in source:
        add(items, item)
        if sum(isinstance(i, Frame) for i in items) == frames:
            source.close()
    return items


def numbers(items: list[Frame | Gap]) -> list[int | None]:
    return [read_number(item.image) for item in items if isinstance(item, Frame)]


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("seqcls")}


def descriptors() -> int:
    """How many are open; where the system does not tell, always the same."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def until(condition: Any) -> None:
    limit_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < limit_s, "it never came about"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    until(lambda: not threads() and not multiprocessing.active_children())


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    with BlackHole() as hole:
        yield hole


class BlackHole:
    """Accepts and never answers."""

    def __enter__(self) -> BlackHole:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(DEADLINE_S)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._victims: list[socket.socket] = []
        return self

    def swallow(self) -> None:
        """Returns when somebody has connected and waits for an answer."""
        victim = self._socket.accept()[0]
        self._victims.append(victim)
        victim.settimeout(DEADLINE_S)
        assert victim.recv(1)

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._victims):
            each.close()


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
def test_a_stream_with_a_password_brings_every_picture(reader: str, color: bool) -> None:
    states: list[tuple[str, str]] = []
    with MjpegServer(lambda _: (numbered(5, 30), True), userinfo="me:s3 @/cret") as server:
        url = f"http://{server.address}/video"
        environ = {"SEQCLS_SOURCE_USER": "me", "SEQCLS_SOURCE_PASSWORD": "s3 @/cret"}
        options = {**PATIENT, "environ": environ}
        source = open_live(url, on_state=lambda *s: states.append(s), reader=reader, color=color, **options)
        items = take(source, 30)
    assert numbers(items) == list(range(5, 35)) and not any(isinstance(i, Gap) for i in items)
    frames = [item for item in items if isinstance(item, Frame)]
    assert frames[0].image.shape == ((128, 160, 3) if color else (128, 160))
    assert [f.index for f in frames] == list(range(30))
    assert np.all(np.diff([f.time_s for f in frames]) >= 0) and frames[0].time_s > 0
    assert states == [("connecting", ""), ("running", ""), ("stopped", "")]


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
def test_rtsp_with_a_password_brings_every_picture(tmp_path: Path, reader: str) -> None:
    clip = write_clip(tmp_path / "probe.ts", recipe("ts mpeg2", frames=40)).read_bytes()
    with RtspServer(clip, userinfo="me:s3 @/cret") as server:
        url = f"rtsp://me:s3%20%40%2Fcret@{server.address}/1"
        items = take(open_live(url, on_state=ignore, reader=reader, **PATIENT), 36)
    # A decoder holds the last pictures back until more come.
    assert numbers(items) == list(range(36))


def test_a_wrong_password_is_told_without_it() -> None:
    reasons: list[str] = []

    def on_state(state: str, reason: str) -> None:
        if state == "retrying":
            reasons.append(reason)
            source.close()

    with RtspServer(b"", userinfo="me:right") as server:
        source = open_live(f"rtsp://me:s3wrong@{server.address}/1", on_state=on_state, **PATIENT)
        assert list(source) == []
        (reason,) = reasons
        assert f"rtsp://***@{server.address}/1: cannot be opened" in reason and "uthoriz" in reason
        assert "s3wrong" not in reason


def test_a_stalled_stream_is_replaced() -> None:
    states: list[str] = []
    with MjpegServer(lambda k: (numbered(7 * k, 7), True)) as server:
        source = open_live(
            f"http://{server.address}/", on_state=lambda s, _: states.append(s), **{**PATIENT, "stall_s": 0.3}
        )
        items = take(source, 14)
        assert numbers(items) == list(range(14)) == server.sent[:14]
    (gap,) = (item for item in items if isinstance(item, Gap))
    assert gap is items[7] and gap.reason == "no frame for 0.3 s" and gap.end_s - gap.start_s > 0.2
    assert states == ["connecting", "running", "stalled", "retrying", "running", "stopped"]


def test_a_server_killed_and_restarted_twenty_times() -> None:
    each, times = 4, 20
    with MjpegServer(lambda k: (numbered(each * k, each), True)) as server:
        take(open_live(f"http://{server.address}/", on_state=ignore, **PATIENT), each)  # what is made once is made
    gc.collect()
    before = threading.active_count(), descriptors()
    with MjpegServer(lambda k: (numbered(each * k, each), True)) as server:
        url = f"http://s3me:s3cret@{server.address}/"
        states: list[tuple[str, str]] = []
        source = open_live(url, on_state=lambda *s: states.append(s), **PATIENT)
        items: list[Frame | Gap] = []
        frames = 0
        for item in source:
            add(items, item)
            frames += isinstance(item, Frame)
            if isinstance(item, Frame) and frames % each == 0:
                if frames == each * (times + 1):
                    source.close()
                else:
                    server.restart()
        assert numbers(items) == list(range(each * (times + 1))) == server.sent
        assert [f.index for f in items if isinstance(f, Frame)] == list(range(len(server.sent)))
    gc.collect()
    until(lambda: threading.active_count() <= before[0] and descriptors() <= before[1])
    assert multiprocessing.active_children() == []
    assert sum(isinstance(item, Gap) for item in items) == times == len(source.report().gaps)
    assert [s for s, _ in states].count("running") == times + 1
    assert "s3" not in repr(states) + repr(source.report())
    reasons = {item.reason for item in items if isinstance(item, Gap)}
    assert all("the connection broke" in reason or "the connection ended" in reason for reason in reasons)
    for earlier, later in itertools.pairwise(items):
        if isinstance(earlier, Gap):
            assert isinstance(later, Frame) and later.time_s == earlier.end_s


def test_a_stream_that_changes_its_size() -> None:
    sizes = [(160, 128), (320, 240), (96, 80)]
    pictures = [(k, *sizes[k // 3]) for k in range(9)]
    with MjpegServer(lambda _: (pictures, True)) as server:
        items = take(open_live(f"http://{server.address}/", on_state=ignore, **PATIENT), 9)
    assert numbers(items) == list(range(9)) and not any(isinstance(i, Gap) for i in items)
    assert [i.image.shape for i in items if isinstance(i, Frame)] == [(h, w) for _, w, h in pictures]


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
def test_a_wrong_address_is_tried_again_and_told_without_secrets(reader: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reasons: list[str] = []

    def on_state(state: str, reason: str) -> None:
        if state == "retrying":
            reasons.append(reason)
            if len(reasons) == 2:
                source.close()

    url = f"http://s3me:s3cret@127.0.0.1:{port}/video?token=s3"
    source = open_live(url, on_state=on_state, reader=reader, **PATIENT)
    assert list(source) == []
    assert all(f"http://***@127.0.0.1:{port}/video?token=***: cannot be opened" in reason for reason in reasons)
    assert "s3" not in "".join(reasons) and source.report().delivered == 0


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_closing_while_native_code_waits(black_hole: BlackHole, scheme: str) -> None:
    source = open_live(f"{scheme}://{black_hole.address}/1", on_state=ignore, **PATIENT)
    consumer = threading.Thread(target=lambda: list(source), daemon=True)
    consumer.start()
    black_hole.swallow()
    (pid,) = (child.pid for child in multiprocessing.active_children())
    assert pid is not None
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and multiprocessing.active_children() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def stream(url: str) -> dict[str, Any]:
    return {"kind": "stream", "url": url, "reader": "pyav", "timeout_s": DEADLINE_S, "color": False}


@pytest.mark.skipif(sys.platform == "win32", reason="stops and kills processes by signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_reader_that_died_or_hangs(black_hole: BlackHole, name: str) -> None:
    connection = ChildConnection(stream(f"http://{black_hole.address}/"))
    (child,) = multiprocessing.active_children()
    assert child.pid is not None
    black_hole.swallow()
    os.kill(child.pid, getattr(signal, name))
    if name == "SIGKILL":
        with pytest.raises(SourceError, match="died"):
            list(connection)
    connection.close()  # a stopped process does not hear a polite request
    connection.close()
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals of this kind")
def test_ctrl_c_is_left_to_the_parent() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with MjpegServer(lambda _: (numbered(0, 3), True)) as server:
        connection = ChildConnection(stream(f"http://{server.address}/"))
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        assert [read_number(image) for _, (_, image) in zip(range(3), connection, strict=False)] == [0, 1, 2]
        connection.close()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_child_shows_no_secret_and_ends_with_a_killed_parent(black_hole: BlackHole, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from seqcls.live.child import ChildConnection\n"
        "if __name__ == '__main__':\n"
        f"    connection = ChildConnection({stream(f'http://s3me:s3cret@{black_hole.address}/')!r})\n"
        "    print(connection._process.pid, flush=True)\n"
        "    time.sleep(60)\n",
        encoding="utf-8",
    )
    root = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}) as parent:
        assert parent.stdout is not None
        place = Path("/proc") / parent.stdout.readline().strip()
        assert b"s3" not in (place / "cmdline").read_bytes() and b"s3" not in (place / "environ").read_bytes()
        until(lambda: os.readlink(place / "fd" / "2") == os.devnull)  # noqa: PTH115 - Path.readlink is the same
        black_hole.swallow()  # stuck in native code
        parent.kill()
        parent.wait(DEADLINE_S)
    # A process that nobody waits for any more may stay as a zombie.
    until(lambda: not place.exists() or "Z" in (place / "stat").read_text().rpartition(")")[2])


def test_a_camera_is_read_in_a_child(tmp_path: Path) -> None:
    """No machine has a camera in its tests: a clip stands in, by the backend that takes both."""
    clip = write_clip(tmp_path / "camera.avi", recipe("avi mjpeg", frames=12))
    camera = {"kind": "camera", "device": str(clip), "size": (160, 128), "rate_hz": 25.0, "backend": "ffmpeg"}
    items: list[Any] = []
    with pytest.raises(SourceError, match="gives no more pictures"):
        for arrival in (connection := ChildConnection({**camera, "color": False})):
            items.append(arrival)
    connection.close()
    assert [read_number(image) for _, image in items] == list(range(12))
    assert np.all(np.diff([at_s for at_s, _ in items]) >= 0) and items[-1][0] <= time.monotonic()


def test_a_camera_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="camera 77: cannot be opened; is it plugged in") as caught:
        list(connection := ChildConnection({"kind": "camera", "device": 77, "color": False}))
    connection.close()
    assert "\n" not in str(caught.value)


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
    options: dict[str, Any] = {"clock": clock, "wait": clock.wait}
    source = open_live(str(clip), realtime=True, reader=reader, on_state=lambda s, _: states.append(s), **options)
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
    paced = Paced(Items(items), on_state=ignore, clock=clock, wait=clock.wait)
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

        def __enter__(self) -> IgtlConnection:
            events.append("opened")
            return self

        def __exit__(self, *_: object) -> None:
            events.append("left")

        def __iter__(self) -> Iterator[tuple[float, Any, str, float]]:
            for number in range(3):
                yield time.monotonic(), np.full((8, 8), number, np.uint8), "Probe", 0.0
            raise SourceError("igtl://me:s3cret@scanner: lost")

        def close(self) -> None:
            events.append("closed")

    def parse_url(url: str) -> tuple[str, int, str]:
        if "bad" in url:
            raise SourceError(f"{url}: no port")
        return "scanner", 18944, "Probe"

    fake = types.ModuleType("igtl")
    fake.__dict__.update(IgtlConnection=IgtlConnection, parse_url=parse_url)
    monkeypatch.setitem(sys.modules, "seqcls.sources.igtl", fake)
    source = open_live("igtl://me:s3cret@scanner:18944/Probe", on_state=ignore, **PATIENT)
    assert events == [] and (source.info.kind, source.info.name) == ("openigtlink", "igtl://***@scanner:18944/Probe")
    items = take(source, 5)
    assert [i.image[0, 0] for i in items if isinstance(i, Frame)] == [0, 1, 2, 0, 1]
    assert [i.reason for i in items if isinstance(i, Gap)] == ["igtl://***@scanner: lost"]
    assert events[:4] == [("scanner", 18944, "Probe"), "opened", "left", "closed"]
    with pytest.raises(SourceError, match="no port") as caught:
        open_live("igtl://me:s3cret@bad", on_state=ignore, environ={})
    assert "s3cret" not in str(caught.value)


def test_a_stream_is_watched_for_two_seconds_and_retried_from_half_a_second_to_ten() -> None:
    source = open_live("rtsp://cam/1", on_state=ignore, environ={})
    assert isinstance(source, Watched)
    assert (source._stall_s, source._backoff_s) == (2.0, (0.5, 10.0))
