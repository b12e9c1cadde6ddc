"""The newest snapshot of a live run as a browser takes it: JSON and JPEG, made once however many look."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.json_text import json_line
from seqcls.live.snapshot import LiveView, OrganView

#: How much of the past the page draws; ``page.js`` has the same figures.
TRACE_S, STRIP_S = 60.0, 300.0
#: Longest side of the image in pixels.
LARGEST = 960
PICTURE_EVERY_S = 0.1
_MAX_POINTS, _MAX_SPANS = 1200, 500
_QUALITY = 85


class SnapshotPublisher:
    """Holds the latest snapshot for any number of readers; putting one up waits for nobody."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._view: LiveView | None = None
        self._version = 0
        self._put_s = clock()
        self.closed = False
        self._coding = threading.Lock()
        self._coded = (0, b"null")
        self._drawing = threading.Lock()
        self._drawn = (0, -math.inf, b"")  # version, when, JPEG

    def put(self, view: LiveView) -> None:
        with self._changed:
            self._view = view
            self._version += 1
            self._put_s = self._clock()
            self._changed.notify_all()

    def close(self) -> None:
        """Wakes every reader."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def wait(self, seen: int, min_s: float, max_s: float) -> None:
        """At least ``min_s``, then until the newest version is another than ``seen``, ``max_s`` at most; not once
        closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.closed, min_s):
                self._changed.wait_for(lambda: self._version != seen or self.closed, max_s - min_s)

    def state(self) -> tuple[int, float, bytes]:
        """Version, how many seconds ago it was put up, and its JSON in ASCII (``null`` before the first)."""
        with self._coding:
            with self._changed:
                view, version, quiet_s = self._view, self._version, self._clock() - self._put_s
            if view is not None and version != self._coded[0]:
                self._coded = (version, view_json(view, version))
            return version, quiet_s, self._coded[1]

    def jpeg(self) -> bytes:
        """The ultrasound region as JPEG, encoded at most every 0.1 s; empty where there is none."""
        with self._drawing:
            with self._changed:
                image, version = None if self._view is None else self._view.image, self._version
            if image is None or image.size == 0:
                return b""
            known, at_s, _ = self._drawn
            now_s = self._clock()
            if version != known and now_s - at_s >= PICTURE_EVERY_S:
                self._drawn = (version, now_s, _jpeg(image))
            return self._drawn[2]


def view_json(view: LiveView, version: int) -> bytes:
    """ASCII without line ends. Times are seconds before now (0 or negative); what is not a number becomes null."""
    frame_counts = view.frame_counts
    record = {
        "version": version,
        "source": view.source,
        "feed": view.feed,
        "feed_reason": view.feed_reason,
        "feed_for_s": _number(max(0.0, view.now_s - view.feed_since_s)),
        "now_s": _number(view.now_s),
        "started": view.started,
        "rate_hz": _number(view.rate_hz),
        "latency_ms": [_number(ms) for ms in view.latency_ms],
        "received": frame_counts.received,
        "classified": frame_counts.classified,
        "skipped": frame_counts.skipped,
        "dropped": frame_counts.dropped,
        "rejected": frame_counts.rejected,
        "messages": list(view.messages),
        "has_picture": view.image is not None,
        "disclaimer": seqcls.DISCLAIMER,
        "organs": [_organ(organ, view.now_s) for organ in view.organs],
    }
    return json_line(record).encode("ascii")


def _organ(organ: OrganView, now_s: float) -> dict[str, object]:
    trace = organ.trace[-_MAX_POINTS:]
    spans = [span for span in organ.spans if span.end_s is None or span.end_s > now_s - STRIP_S]
    return {
        "organ": organ.organ,
        "state": organ.state,
        "reason": organ.reason,
        "for_s": _number(max(0.0, now_s - organ.since_s)),
        "score": _number(organ.score),
        "onset": _number(organ.onset),
        "offset": _number(organ.offset),
        "presences": organ.presences,
        "latest": [[_number(s.start_s), _number(s.end_s)] for s in organ.latest],
        "trace": [[_number(at - now_s, 2), _number(score)] for at, score in trace if at > now_s - TRACE_S],
        "spans": [
            [s.state, _number(s.start_s - now_s, 2), None if s.end_s is None else _number(s.end_s - now_s, 2)]
            for s in spans[-_MAX_SPANS:]
        ],
    }


def _number(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(float(value), digits)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    scale = LARGEST / max(image.shape[:2])
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return coded.tobytes() if done else b""
