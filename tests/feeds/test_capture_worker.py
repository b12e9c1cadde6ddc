"""Network streams with real processes and sockets of 127.0.0.1."""

from __future__ import annotations

import gc
import itertools
import socket
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.feeds import (
    DEADLINE_S,
    PATIENT,
    BlackHole,
    add,
    black_hole,  # noqa: F401 - a fixture
    children,
    descriptors,
    ignore,
    nothing_left,  # noqa: F401 - a fixture
    numbers,
    stream,
    take,
    until,
)
from support.media import draw, read_number, recipe, write_clip
from support.mjpeg import MjpegServer, numbered
from support.rtsp import RtspServer

from seqcls.feeds.capture import StreamTarget
from seqcls.feeds.capture_worker import _container, _stream
from seqcls.feeds.open import open_live
from seqcls.feeds.reconnect import ReconnectingSource
from seqcls.types import Frame, Gap


def test_a_stream_of_pixels_that_are_not_square_is_stretched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "clip.ts", recipe("ts mpeg2", frames=2, width=192, aspect=Fraction(8, 9)))
    monkeypatch.setattr("seqcls.feeds.capture_worker._container", lambda _: av.open(str(path)))
    images = [image for image, _ in _stream(StreamTarget(url="http://probe/", timeout_s=1.0))]
    assert [read_number(image) for image in images] == [0, 1] and images[0].shape == (144, 192)


@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
def test_a_stream_with_a_password_brings_every_picture(color: bool) -> None:
    states: list[tuple[str, str]] = []
    with MjpegServer(lambda _: (numbered(5, 30), True), userinfo="me:s3 @/cret") as server:
        url = f"http://{server.address}/video"
        environ = {"SEQCLS_SOURCE_USER": "me", "SEQCLS_SOURCE_PASSWORD": "s3 @/cret"}
        options = {**PATIENT, "environ": environ}
        source = open_live(url, on_state=lambda *s: states.append(s), color=color, **options)
        items = take(source, 30)
    assert numbers(items) == list(range(5, 35)) and not any(isinstance(i, Gap) for i in items)
    frames = [item for item in items if isinstance(item, Frame)]
    assert frames[0].image.shape == ((128, 160, 3) if color else (128, 160))
    assert [f.index for f in frames] == list(range(30))
    assert np.all(np.diff([f.time_s for f in frames]) >= 0) and frames[0].time_s > 0
    assert states == [("connecting", ""), ("running", ""), ("stopped", "")]


def test_rtsp_with_a_password_brings_every_picture(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "probe.ts", recipe("ts mpeg2", frames=40)).read_bytes()
    with RtspServer(clip, userinfo="me:s3 @/cret") as server:
        url = f"rtsp://me:s3%20%40%2Fcret@{server.address}/1"
        items = take(open_live(url, on_state=ignore, **PATIENT), 36)
    # A decoder holds the last pictures back until more come.
    assert numbers(items) == list(range(36))


def h264(count: int, **options: str) -> list[bytes]:
    """Packets of an encoder, one for each numbered picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 160, 128, "yuv420p", Fraction(1, 25)
    encoder.thread_count, encoder.options = 1, {"preset": "veryfast", "tune": "zerolatency", "g": "12", **options}
    packets = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(draw(number), format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


class PerImageEngine:
    """Gives the next item when it is asked for."""

    def __init__(self, items: Iterable[Any], at_first: int) -> None:
        self.items, self.asked = items, threading.Semaphore(at_first)

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            if not self.asked.acquire(timeout=DEADLINE_S):
                return
            yield item


def pass_as_they_come(url: str, sent: PerImageEngine) -> None:
    """Each picture is asked for when the one before has come: held back ones would never be."""
    came: list[int | None] = []
    source = open_live(
        url,
        on_state=lambda state, _: state == "retrying" and source.close(),
        **{**PATIENT, "timing": replace(PATIENT["timing"], connect_s=5.0)},
    )
    for item in source:
        assert isinstance(item, Frame)
        came.append(read_number(item.image))
        sent.asked.release()
        if len(came) == 25:
            source.close()
    sent.asked.release(30)
    assert came == list(range(25))


def test_the_first_pictures_of_h264_pass_as_they_come() -> None:
    """FFmpeg knows that a picture is whole when the next one begins, and is given no other reason to wait."""
    packets = PerImageEngine(h264(30), at_first=2)
    with RtspServer(packets) as server:
        pass_as_they_come(f"rtsp://{server.address}/1", packets)


def test_the_first_pictures_of_mjpeg_pass_as_they_come() -> None:
    pictures = PerImageEngine(numbered(0, 30), at_first=2)
    with MjpegServer(lambda _: (pictures, False)) as server:
        pass_as_they_come(f"http://{server.address}/", pictures)


def test_a_feed_entered_between_two_key_pictures() -> None:
    packets = h264(60, g="20")
    first = next(number for number in range(5, 60) if b"\0\0\1\x67" in packets[number])  # parameters, and a key picture
    with RtspServer(packets[5:]) as server:
        came = numbers(take(open_live(f"rtsp://{server.address}/1", on_state=ignore, **PATIENT), 30))
    assert came == list(range(first, first + 30))


@pytest.mark.parametrize("how", ["no video", "invalid"])
def test_what_a_quick_look_does_not_find_is_looked_for_with_patience(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    asked: list[dict[str, str]] = []

    class Container:
        duration = None

        def __init__(self, *video: str) -> None:
            self.streams = types.SimpleNamespace(video=list(video))
            self.format = types.SimpleNamespace(name="mpegts")

        def close(self) -> None:
            asked.append({})

    def opened(url: str, *, options: dict[str, str], **_: object) -> Container:
        asked.append(options)
        if len(asked) > 1:
            return Container("video")
        if how == "invalid":
            raise av.error.InvalidDataError(1, "Invalid data")
        return Container()

    monkeypatch.setattr(av, "open", opened)
    container = _container(stream("rtsp://cam/1"))
    quick, *closed, patient = asked
    assert container.streams.video == ["video"] and closed == ([{}] if how == "no video" else [])
    assert (quick["probesize"], quick["analyzeduration"]) == ("32", "1")
    assert "probesize" not in patient and patient["analyzeduration"] == "500000"


def test_a_stalled_stream_is_replaced() -> None:
    states: list[str] = []
    with MjpegServer(lambda k: (numbered(7 * k, 7), True)) as server:
        source = open_live(
            f"http://{server.address}/",
            on_state=lambda s, _: states.append(s),
            **{**PATIENT, "timing": replace(PATIENT["timing"], stall_s=0.3)},
        )
        items = take(source, 14)
        assert numbers(items) == list(range(14)) == server.sent[:14]
    (gap,) = (item for item in items if isinstance(item, Gap))
    assert gap is items[7] and gap.reason == "no frame within 0.3 s" and gap.end_s - gap.start_s > 0.2
    assert states == ["connecting", "running", "stalled", "retrying", "running", "stopped"]


def test_a_server_killed_and_restarted_again_and_again() -> None:
    each, times = 4, 5
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
    assert children() == set()
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


@pytest.mark.parametrize("color", [False, True])
def test_a_broken_jpeg_is_a_damaged_frame(color: bool) -> None:
    """FFmpeg by itself hands over what came out of it, as if it were a picture."""
    with MjpegServer(lambda _: (numbered(0, 10), True), spoilt=(0, 3, 8)) as server:
        items = take(open_live(f"http://{server.address}/", on_state=ignore, color=color, **PATIENT), 9)
    damaged = [item.damaged for item in items if isinstance(item, Frame)]
    assert damaged == ["", "", "damaged picture", "", "", "", "", "damaged picture", ""]
    assert numbers(items) == [1, 2, 2, 4, 5, 6, 7, 7, 9]  # nothing can be shown for the very first


def test_what_the_decoder_calls_damaged_is_a_damaged_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "probe.ts", recipe("ts h264", frames=40)).read_bytes()
    packet = 188 * (len(clip) // 188 // 2)
    with RtspServer(clip[:packet] + clip[packet + 2 * 188 :]) as server:
        items = take(open_live(f"rtsp://{server.address}/1", on_state=ignore, **PATIENT), 30)
    damaged = [item.damaged for item in items if isinstance(item, Frame)]
    assert 1 <= damaged.count("damaged picture") <= 25 and damaged[0] == ""


def test_a_wrong_address_is_tried_again_and_told_without_secrets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reasons: list[str] = []

    def on_state(state: str, reason: str) -> None:
        if state == "retrying":
            reasons.append(reason)
            if len(reasons) == 2:
                source.close()

    url = f"http://s3me:s3cret@127.0.0.1:{port}/video?token=s3"
    source = open_live(url, on_state=on_state, **PATIENT)
    assert list(source) == []
    assert all(f"http://***@127.0.0.1:{port}/video?token=***: cannot be opened" in reason for reason in reasons)
    assert "s3" not in "".join(reasons) and source.report().delivered == 0


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_closing_while_native_code_waits(black_hole: BlackHole, scheme: str) -> None:  # noqa: F811 - the fixture
    source = open_live(f"{scheme}://{black_hole.address}/1", on_state=ignore, **PATIENT)
    consumer = threading.Thread(target=lambda: list(source), daemon=True)
    consumer.start()
    black_hole.swallow()
    (pid,) = children() if sys.platform == "linux" else (0,)
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and children() == set()
    assert not Path(f"/proc/{pid}").exists()


def test_a_stream_is_watched_for_two_seconds_and_retried_from_half_a_second_to_ten() -> None:
    source = open_live("rtsp://cam/1", on_state=ignore, environ={})
    assert isinstance(source, ReconnectingSource)
    assert (source._timing.stall_s, source._timing.backoff_s) == (2.0, (0.5, 10.0))
