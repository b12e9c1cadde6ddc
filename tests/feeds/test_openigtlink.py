"""OpenIGTLink: a probe that fails in every way, on real sockets, and the feed behind the watchdog that goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from support.igtlserver import GENEROUS_S, HUGE, SHORT_S, Script, image, image_body, packed, picture, says, server

from seqcls.feeds.connection import FeedTiming
from seqcls.feeds.openigtlink import ProbeSource
from seqcls.sources import Source
from seqcls.types import Frame, Gap

STALL_S = 0.5
AFTER = says(image(7) + image(8) + image(9))


def probe(
    port: int,
    stall_s: float = STALL_S,
    on_state: Callable[..., None] = lambda *_: None,
    connect_s: float = GENEROUS_S,
) -> Source:
    timing = FeedTiming(stall_s=stall_s, connect_s=connect_s, backoff_s=(0.01, 0.01))
    return ProbeSource(f"igtl://127.0.0.1:{port}", on_state=on_state, timing=timing)


def take(source: Source, frames: int) -> list[Frame | Gap]:
    """Until that many frames have come."""
    found: list[Frame | Gap] = []
    with source:
        for item in source:
            found.append(item)
            frames -= isinstance(item, Frame)
            if frames == 0:
                break
    return found


def pictures(items: list[Frame | Gap]) -> list[bytes]:
    return [item.image.tobytes() for item in items if isinstance(item, Frame)]


@pytest.mark.parametrize(
    ("fault", "before", "reason"),
    [
        (says(image(1) + image(2) + image(3)), [1, 2, 3], "no image for 0.5 s"),
        (says(image(1) + image(2)[:30]), [1], "no image for 0.5 s"),
        (says(image(1) + image(2)[:100]), [1], "no image for 0.5 s"),
        (says(image(1) + HUGE), [1], "the last: a body of 1,099,511,627,776 bytes"),
        (says(image(1) + b"garbage" * 50), [1], "the last: not an OpenIGTLink header"),
        (says(image(1) + image(2)[:100], stays=False), [1], "the server closed the connection"),
        (says(image(1) + image(2)[:30], stays=False), [1], "the server closed the connection"),
    ],
    ids=["stall", "half header", "half body", "1 TiB", "garbage", "closed in a body", "closed in a header"],
)
def test_a_feed_that_breaks_goes_on_with_the_next_connection(fault: Script, before: list[int], reason: str) -> None:
    states: list[tuple[str, str]] = []
    with server(fault, AFTER) as port:
        items = take(probe(port, on_state=lambda *state: states.append(state)), len(before) + 3)
    assert pictures(items) == [picture(seed).tobytes() for seed in (*before, 7, 8, 9)]
    assert [name for name, _ in states] == ["connecting", "running", "stalled", "retrying", "running", "stopped"]
    assert reason in states[2][1]
    # A break that is shorter than a frame lasts is none of the timeline's.
    gaps = [item for item in items if isinstance(item, Gap)]
    assert (gaps or "closed" in reason) and all(reason in gap.reason for gap in gaps)
    assert all(isinstance(item, Frame) for item in items[: len(before)])
    ends = [item.end_s if isinstance(item, Gap) else item.time_s for item in items]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (b"", ""),
        (packed(b"IMAGE", image_body(picture()), crc=1), "1 message of the probe could not be read, the last: bad CRC"),
        (
            packed(b"IMAGE", image_body(picture()), crc=1, size=500),
            "1 message of the probe could not be read, the last: bad CRC",
        ),
        (HUGE, "1 message of the probe could not be read, the last: a body of 1,099,511,627,776 bytes"),
        (b"garbage" * 50, "1 message of the probe could not be read, the last: not an OpenIGTLink header"),
        (
            packed(b"IMAGE", b"", crc=1) + packed(b"IMAGE", image_body(picture(), scalar=5)) * 2,
            "3 messages of the probe could not be read, the last: pixels are uint16",
        ),
    ],
    ids=["nothing", "bad CRC", "wrong size", "1 TiB", "garbage", "several"],
)
def test_a_damaged_message_is_told_and_the_feed_goes_on(damage: bytes, told: str) -> None:
    with server(says(image(1) + damage + b"".join(image(seed) for seed in range(2, 7)))) as port:
        source = probe(port, GENEROUS_S)
        items = take(source, 6)
    assert pictures(items) == [picture(seed).tobytes() for seed in range(1, 7)]
    report = source.report()
    assert report.delivered == 6
    assert [reason for reason in report.reasons if "could not be read" in reason] == (
        [] if not told else [report.reasons[-1]]
    )
    assert told in report.reasons[-1]


def test_what_all_connections_refused_is_told_in_one_line() -> None:
    bad = packed(b"IMAGE", image_body(picture()), crc=1)
    with server(says(bad + bad + image(1), stays=False), says(image(2) + HUGE + image(3))) as port:
        source = probe(port, GENEROUS_S)
        take(source, 3)
    (line,) = (reason for reason in source.report().reasons if "could not be read" in reason)
    assert line.startswith("3 messages of the probe could not be read, the last: a body of 1,099,511,627,776 bytes")


def test_the_size_of_the_picture_may_change_while_it_is_watched() -> None:
    shapes: list[tuple[int, ...]] = [(6, 9), (30, 40, 3), (2, 2), (6, 9)]
    with server(says(b"".join(image(seed, shape) for seed, shape in enumerate(shapes)))) as port:
        items = take(probe(port, GENEROUS_S), 4)
    assert [item.image.shape for item in items if isinstance(item, Frame)] == shapes


def test_a_black_hole_is_left_again_and_again() -> None:
    """The system takes the connection, and nobody ever reads or writes."""
    states: list[tuple[str, str]] = []

    def on_state(state: str, reason: str) -> None:
        states.append((state, reason))
        if [name for name, _ in states].count("retrying") == 2:
            source.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = probe(listener.getsockname()[1], SHORT_S, on_state, 2 * SHORT_S)
        assert list(source) == []
    assert [name for name, _ in states] == ["connecting", "stalled", "retrying", "stalled", "retrying", "stopped"]
    assert "no image for 0.2 s" in states[1][1]


def test_a_server_that_has_to_start_its_probe_first_is_waited_for() -> None:
    states: list[str] = []

    def slow(client: socket.socket, over: threading.Event) -> None:
        over.wait(3 * SHORT_S)
        client.sendall(image(1))
        over.wait(GENEROUS_S)

    with server(slow) as port:
        items = take(probe(port, SHORT_S, lambda state, _: states.append(state)), 1)
    assert pictures(items) == [picture(1).tobytes()] and states == ["connecting", "running", "stopped"]


def test_the_device_that_was_taken_first_is_kept_to() -> None:
    """Two probes in one timeline would be told by nothing."""
    first = says(image(1, device=b"Liver probe"), stays=False)
    second = says(image(2, device=b"Other") + image(3, device=b"Liver probe"))
    with server(first, second) as port:
        items = take(probe(port, GENEROUS_S), 2)
    assert pictures(items) == [picture(seed).tobytes() for seed in (1, 3)]


def numbered(number: int) -> NDArray[np.uint8]:
    pixels = np.zeros((96, 128), np.uint8)
    pixels[0, :2] = divmod(number, 256)
    return pixels


def test_five_seconds_of_120_frames_per_second_at_once_all_arrive_in_order() -> None:
    done = threading.Event()

    def flood(client: socket.socket, over: threading.Event) -> None:
        for number in range(600):
            client.sendall(packed(b"IMAGE", image_body(numbered(number)), seconds=1.0 + number / 120))
        done.set()
        over.wait(GENEROUS_S)

    with server(flood) as port:
        source = probe(port, GENEROUS_S)
        items = take(source, 600)
        assert done.is_set()
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(items) == len(frames) == source.report().delivered == 600
    assert [int(frame.image[0, 0]) * 256 + int(frame.image[0, 1]) for frame in frames] == list(range(600))
    assert [frame.index for frame in frames] == list(range(600))
    assert all(a.time_s <= b.time_s for a, b in pairwise(frames))
