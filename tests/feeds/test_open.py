"""From what people type to a live source: which kind it is, and a clip played at its own pace."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support import fakes
from support.feeds import (
    DEADLINE_S,
    PATIENT,
    ignore,
    nothing_left,  # noqa: F401 - a fixture
    numbers,
    take,
    threads,
)
from support.media import draw, recipe, write_clip
from support.mjpeg import MjpegServer, numbered
from support.rtsp import RtspServer

from seqcls.cli import main
from seqcls.errors import FinalError, SourceError, UsageError
from seqcls.feeds.camera_options import CameraOptions
from seqcls.feeds.connection import Arrival, FeedTiming
from seqcls.feeds.open import Paced, is_live, open_live
from seqcls.journal import read_journal
from seqcls.sources import Source, open_source
from seqcls.steady_clock import steady_s
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
        ("ftp://me:s3cret@cam/1", {}, UsageError, "igtl://, rtsp://, http://"),
        (" ftp://me: a @ s3cret @cam/1 ", {}, UsageError, "ftp://***@cam/1: ftp:// is not known"),
        ("file:///etc/passwd", {}, UsageError, "file:// is not known"),
        ("clip.mp4", {}, UsageError, "a clip with realtime=True"),
        ("rtsp://me:s3cret@cam/1", {"realtime": True}, UsageError, "leave out realtime=True"),
        ("rtsp://cam/1", {"camera": CameraOptions(rate_hz=25)}, UsageError, "leave the camera's options out"),
        ("none.mp4", {"realtime": True}, SourceError, "no such file"),
        ("rtsp://", {}, UsageError, "names no host"),
        ("http:///video", {}, UsageError, "names no host"),
        ("http://cam:99999/video", {}, UsageError, "port from 1 to 65535"),
        ("http://cam:0/video", {}, UsageError, "port from 1 to 65535"),
        ("http://::1/video", {}, UsageError, "IPv6 in brackets"),
        ("http://[::1/video", {}, UsageError, "IPv6 in brackets"),
        ("rtsp://me:s3cret/cret@cam/1", {}, UsageError, "as %XX"),
        ("rtsps://cam:65536/1", {}, UsageError, "port from 1 to 65535"),
        ("rtmp://cam:-1/1", {}, UsageError, "port from 1 to 65535"),
        ("igtl://probe:99999", {}, UsageError, "write igtl://host:18944/device"),
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


def test_a_clip_in_real_time_gives_the_very_frames_of_the_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", recipe("mp4 h264 variable rate"))
    clock, states = Clock(), list[str]()
    timing = FeedTiming(clock=clock, wait=clock.wait)
    source = open_live(str(clip), realtime=True, on_state=lambda s, _: states.append(s), timing=timing)
    with open_source(clip) as plain, source:
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
                yield Arrival(steady_s(), np.full((8, 8), number, np.uint8))
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
    with pytest.raises(UsageError, match="no user or password") as caught:
        open_live("igtl://me:s3cret@bad", on_state=ignore, environ={})
    assert "s3cret" not in str(caught.value)


def test_opening_connects_nothing_and_names_are_fit_to_be_shown() -> None:
    environ = {"SEQCLS_SOURCE_USER": "s3me", "SEQCLS_SOURCE_PASSWORD": "s3cret"}
    for spec, name, kind in (
        ("rtsp://s3:s3@cam/1?k=s3", "rtsp://***@cam/1?k=***", "stream"),
        ("rtsp://s3:s 3@s 3@cam/1", "rtsp://***@cam/1", "stream"),
        ("http://cam/1", "http://cam/1", "stream"),
        ("rtmp://cam/app/s3cret", "rtmp://cam/app/***", "stream"),
        ("3", "camera 3", "camera"),
        ("/dev/video7", "/dev/video7", "camera"),
    ):
        source = open_live(spec, on_state=ignore, environ=environ)
        assert (source.info.name, source.info.kind) == (name, kind)
        assert "s3" not in repr(source) + repr(source.info) + repr(source.report())
        assert isinstance(source, Source)
        source.close()


# --- What no second try can mend ends the run in one line: a clip where a feed should be, a login that is refused


@contextmanager
def served(files: dict[str, bytes], ranges: bool = True) -> Iterator[str]:
    """Files over HTTP, by parts if asked for and ``ranges``. Gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files[self.path.partition("?")[0].strip("/")]
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if ranges else None
            first = int(asked[1]) if asked else 0
            last = min(int(asked[2]) if asked and asked[2] else len(body), len(body) - 1)
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
            self.send_header("Content-Length", str(last + 1 - first))
            self.end_headers()
            self.wfile.write(body[first : last + 1])

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # the client went away, as it may

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("mp4 h264 faststart", True),
        ("mp4 h264 faststart", False),
        ("webm vp9", True),
        ("webm vp9", False),
        ("avi mjpeg", True),
        ("avi mjpeg", False),
    ],
)
def test_a_clip_behind_an_address_is_no_feed(tmp_path: Path, name: str, ranges: bool) -> None:
    clip = write_clip(
        tmp_path / "clip", recipe(name, frames=50, muxer={"webm vp9": "webm", "avi mjpeg": "avi"}.get(name, "mp4"))
    )
    states: list[str] = []
    with served({"clip": clip.read_bytes()}, ranges) as address:
        url = f"http://s3me:s3cret@{address}/clip?token=s3"
        source = open_live(url, on_state=lambda s, _: states.append(s), **PATIENT)
        with pytest.raises(FinalError) as caught:
            list(source)
    shown = f"http://***@{address}/clip?token=***: is a clip of 2.0 seconds, not a feed; download it and run seqcls on"
    assert shown in str(caught.value) and "\n" not in str(caught.value)
    assert states == ["connecting", "stopped"] and source.report().delivered == 0


def test_a_picture_behind_an_address_is_no_feed() -> None:
    picture = cv2.imencode(".jpg", draw(3))[1].tobytes()
    with served({"now.jpg": picture}) as address:
        source = open_live(f"http://{address}/now.jpg", on_state=ignore, **PATIENT)
        with pytest.raises(FinalError, match=r"now\.jpg: is a single image, not a feed; use the camera's video"):
            list(source)


def play_list(seconds: float, end: str = "") -> bytes:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:30\n#EXT-X-MEDIA-SEQUENCE:7\n"
    return f"{head}#EXTINF:{seconds},\nclip.ts\n{end}".encode()


@pytest.mark.parametrize("name", ["ts h264", "ts mpeg2"])
def test_a_live_play_list_is_a_feed(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / "clip.ts", recipe(name, frames=50)).read_bytes()
    with served({"live.m3u8": play_list(2.0), "clip.ts": clip}) as address:
        items = take(open_live(f"http://{address}/live.m3u8", on_state=ignore, **PATIENT), 30)
    assert numbers(items) == list(range(30))


def test_a_play_list_that_has_ended_is_no_feed(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", recipe("ts h264", frames=50)).read_bytes()
    with served({"clip.m3u8": play_list(12.0, "#EXT-X-ENDLIST\n"), "clip.ts": clip}) as address:
        source = open_live(f"http://{address}/clip.m3u8", on_state=ignore, **PATIENT)
        with pytest.raises(FinalError, match=r"is a clip of 12\.0 seconds, not a feed"):
            list(source)


@pytest.mark.parametrize(
    ("scheme", "code"),
    [("http", 401), ("http", 403), ("rtsp", 401), ("rtsp", 403)],
)
def test_a_refused_login_is_not_tried_again_and_again(scheme: str, code: int) -> None:
    states: list[str] = []
    web = MjpegServer(lambda _: ([], True), refusals=[code] * 99)
    probe = RtspServer(b"", status=f"{code} Refused")
    with web, probe:
        server = web if scheme == "http" else probe
        url = f"{scheme}://s3me:s3wrong@{server.address}/1"
        source = open_live(url, on_state=lambda s, _: states.append(s), **PATIENT)
        with pytest.raises(FinalError) as caught:
            list(source)
        assert server.asked <= 2  # FFmpeg answers a challenge once
    assert f"{scheme}://***@{server.address}/1: the server refuses the login ({code}); check user" in str(caught.value)
    assert "in a file of credentials, or in $SEQCLS_SOURCE_USER and $SEQCLS_SOURCE_PASSWORD" in str(caught.value)
    assert "s3" not in str(caught.value) and states == ["connecting", "stopped"]


def test_a_wrong_password_is_told_without_it() -> None:
    with RtspServer(b"", userinfo="me:right") as server:
        source = open_live(f"rtsp://me:s3wrong@{server.address}/1", on_state=ignore, **PATIENT)
        with pytest.raises(FinalError, match=r"refuses the login \(401\)") as caught:
            list(source)
    assert "s3wrong" not in str(caught.value)


def test_a_login_refused_after_frames_and_a_page_not_found_are_tried_again() -> None:
    reasons: list[str] = []
    with MjpegServer(lambda k: (numbered(4 * k, 4), False), refusals=[404]) as server:

        def on_state(state: str, reason: str) -> None:
            if state == "retrying":
                reasons.append(reason)
                if len(reasons) == 2:
                    server._refusals = iter([401, 403])

        items = take(open_live(f"http://{server.address}/", on_state=on_state, **PATIENT), 8)
    assert numbers(items) == list(range(8))
    assert ["404" in reasons[0], "the connection" in reasons[1], "(401)" in reasons[2], "(403)" in reasons[3]] == [
        True
    ] * 4


def test_the_run_ends_with_the_line_and_its_journal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: fakes.detector())
    monkeypatch.chdir(tmp_path)
    with RtspServer(b"", userinfo="me:right") as server:
        address = f"rtsp://me:s3wrong@{server.address}/1"
        monkeypatch.setattr(sys, "argv", ["seqcls", "run", address, "-m", "m.safetensors", "-o", "out"])
        monkeypatch.setattr("seqcls.cli.hide_arguments.cover_arguments", ignore)
        with pytest.raises(SystemExit) as stop:
            main()
    said = capsys.readouterr().err
    assert stop.value.code == 1 and "s3wrong" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("seqcls: ")]
    assert "refuses the login (401); check user and password" in line
    journal = read_journal(tmp_path / "out" / "run.journal")
    assert journal.closed is not None and "refuses the login" in " ".join(journal.closed.reasons)
    assert "s3wrong" not in (tmp_path / "out" / "run.journal").read_text(encoding="utf-8", errors="replace")
    assert not threads()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("0", "--camera", "size=1280"), "--camera size is WIDTHxHEIGHT in pixels, such as 1280x720, not '1280'"),
        (("0", "--camera", "size=1280x-720"), "WIDTHxHEIGHT"),
        (("0", "--camera", "size=0x480"), "0x480"),
        (("0", "--camera", "rate=0"), "rate must lie between"),
        (("0", "--camera", "backend=magic"), "v4l2"),
        (("rtsp://cam/1", "--camera", "size=640x480"), "rtsp://cam/1 is no camera; leave the camera's options out"),
        (("clip.mp4", "--camera", "rate=25"), "--camera is for cameras"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wishes_to_a_camera_that_cannot_be_right(
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: fakes.detector())
    monkeypatch.setattr("seqcls.cli.hide_arguments.cover_arguments", ignore)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seqcls", "run", *arguments, "-m", "m.safetensors", "-o", "out"])
    with pytest.raises(SystemExit) as stop:
        main()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seqcls: ")]
    assert stop.value.code == UsageError.exit_code and words in line


def test_wishes_reach_the_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, object]] = []

    def open_and_stop(spec: str, **options: object) -> None:
        asked.append({"spec": spec, **options})
        raise UsageError("enough")

    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: fakes.detector())
    monkeypatch.setattr("seqcls.feeds.open.open_live", open_and_stop)
    monkeypatch.chdir(tmp_path)
    wishes = ["--camera", "size=1280X720,rate=29.97,backend=v4l2"]
    monkeypatch.setattr(sys, "argv", ["seqcls", "run", "3", *wishes, "-m", "m.safetensors", "-o", "out"])
    with pytest.raises(SystemExit):
        main()
    (given,) = asked
    assert given["spec"] == "3"
    assert given["camera"] == CameraOptions(size=(1280, 720), rate_hz=29.97, backend="v4l2")
