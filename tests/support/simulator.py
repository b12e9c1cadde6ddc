"""A probe simulator: a phantom sweep with exact truth, played at its own pace over OpenIGTLink, MJPEG/HTTP or RTSP.

Every picture carries what an ideal network would say of it (a block per organ, white where it is in view) and its own
number (``media.draw``), so that live and offline can be compared picture by picture, whatever codec lies between.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from support import media, mjpeg
from support.igtlserver import image_body, packed, server
from support.rtsp import RtspServer

from seqcls.detector import Detector
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, to_gray
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.phantom import ORGANS, SweepOptions, sweep
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Frame

RATE_HZ = 25.0
SIDE = 128
Picture = NDArray[np.uint8]
#: Opens a server that plays pictures; ``source`` for ``open_live``.
Probe = Callable[[list[Picture], Callable[[int], None]], Any]


@dataclass(frozen=True)
class Sweep:
    """The pictures, (128, 128) uint8, and per organ whether it is in view in each."""

    pictures: list[Picture]
    truth: dict[str, list[bool]]

    def frames(self) -> Iterator[Frame]:
        for index, picture in enumerate(self.pictures):
            yield Frame(index, index / RATE_HZ, 1 / RATE_HZ, picture)


@cache
def phantom(frames: int = 60, patient: int = 3) -> Sweep:
    """A hand that hurries: both organs come and go."""
    options = SweepOptions(
        patient=patient, width=SIDE, height=SIDE, rate_hz=RATE_HZ, duration_s=frames / RATE_HZ, station_s=0.5,
        overlay=False, contact_loss=False,
    )  # fmt: skip
    pictures: list[Picture] = []
    truth: dict[str, list[bool]] = {organ: [] for organ in ORGANS}
    for item in sweep(options):
        picture = item.image.copy()
        for column, organ in enumerate(ORGANS):
            present = item.states[organ] == "present"
            truth[organ].append(present)
            picture[:32, column * 64 : (column + 1) * 64] = media.WHITE if present else media.BLACK
        picture[64:, 64:] = media.draw(item.index, 64, 64)
        pictures.append(picture)
    assert len(pictures) == frames
    return Sweep(pictures, truth)


def number(image: Picture) -> int:
    """Which picture of the sweep it is."""
    plane = to_gray(image)
    found = media.read_number(plane[64:, 64:])
    assert found is not None, "the number cannot be read"
    return found


class BlockEngine:
    """The scores are the brightness of the organs' blocks."""

    description = "blocks"

    def __init__(self, header: ModelHeader) -> None:
        self.header = header

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images.shape[1:] == (16, 16)
        blocks = [images[:, 1:3, 8 * k + 2 : 8 * k + 6].mean(axis=(1, 2)) / 255 for k in range(len(ORGANS))]
        return np.stack(blocks, axis=1).astype(np.float32)


def detector() -> Detector:
    """No smoothing and no least durations: an interval's edges are then pictures, not times."""
    header = ModelHeader(organs=ORGANS, geometry=Geometry(size=16, region="none"), version="test")
    return Detector(
        header=header,
        engine=BlockEngine(header),
        smoothing=SmoothingOptions(kind="none"),
        intervals=(IntervalOptions(min_present_s=0.0, min_absent_s=0.0),) * len(ORGANS),
        gate=GateOptions(enabled=False),
    )


class Pace:
    """Waits until the k-th picture is due."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def __call__(self, index: int) -> None:
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
        time.sleep(max(0.0, self._began_s + index / RATE_HZ - now_s))


@contextmanager
def over_igtl(pictures: list[Picture]) -> Iterator[str]:
    def play(client: Any, over: Any) -> None:
        pace = Pace()
        for index, picture in enumerate(pictures):
            pace(index)
            client.sendall(packed(b"IMAGE", image_body(picture), seconds=1000 + index / RATE_HZ))
        over.wait(60)

    with server(play) as port:
        yield f"igtl://127.0.0.1:{port}/Probe"


@contextmanager
def over_pyigtl(pictures: list[Picture]) -> Iterator[str]:
    """Its server drops what is sent while nobody is connected: it begins when somebody is."""
    import threading

    import pyigtl

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}  # it replaces them
    peer = pyigtl.OpenIGTLinkServer(port=0, local_server=True)
    over = threading.Event()

    def play() -> None:
        while not peer.is_connected():
            if over.wait(0.01):
                return
        pace = Pace()
        for index, picture in enumerate(pictures):
            pace(index)
            message = pyigtl.ImageMessage(picture[None], device_name="Probe", timestamp=1000 + index / RATE_HZ)
            if over.is_set() or not peer.send_message(message, wait=True):
                return

    playing = threading.Thread(target=play, daemon=True)
    playing.start()
    try:
        yield f"igtl://127.0.0.1:{peer.server_address[1]}/Probe"
    finally:
        over.set()
        playing.join(20)
        peer.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def over_mjpeg(pictures: list[Picture]) -> Iterator[str]:
    def paced(client: int) -> tuple[Iterator[tuple[int, int, int]], bool]:
        def each() -> Iterator[tuple[int, int, int]]:
            pace = Pace()
            for index in range(len(pictures)):
                pace(index)
                yield index, SIDE, SIDE

        return each(), True

    drawn, mjpeg.draw = mjpeg.draw, lambda index, *_: pictures[index]
    try:
        with mjpeg.MjpegServer(paced) as camera:
            yield f"http://{camera.address}/video"
    finally:
        mjpeg.draw = drawn


@contextmanager
def over_rtsp(pictures: list[Picture]) -> Iterator[str]:
    """H.264; the last pictures come twice, since a decoder may hold what came last back until more comes."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = SIDE, SIDE, "yuv420p", Fraction(1, 25)
    encoder.thread_count, encoder.options = 1, {"preset": "veryfast", "tune": "zerolatency", "g": "12"}
    packets: list[bytes] = []
    for index, picture in enumerate([*pictures, *pictures[-4:]]):
        frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, encoder.time_base
        packets += [bytes(packet) for packet in encoder.encode(frame)]

    class Paced:
        def __iter__(self) -> Iterator[bytes]:
            pace = Pace()
            for index, packet in enumerate(packets):
                pace(index)
                yield packet

    with RtspServer(Paced()) as camera:
        yield f"rtsp://{camera.address}/1"
