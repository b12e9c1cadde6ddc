"""The newest snapshot of a live run as a browser takes it: JSON and JPEG, made once however many look."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache

import cv2
import numpy as np

from seqcls.files.json_text import json_line
from seqcls.live.snapshot import LiveView
from seqcls.text.foreign_text import for_page
from seqcls.text.wording import without_name

#: Longest side of the image in pixels.
LARGEST = 960
_QUALITY = 85
#: Presences of each organ in every snapshot; all of them are asked for apart.
MAX_LATEST = 20


class SnapshotPublisher:
    """Holds the latest snapshot for any number of readers; putting one up waits for nobody."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, first_version: int | None = None) -> None:
        first_version = secrets.randbelow(1 << 40) if first_version is None else first_version
        self.closed = False
        self._clock = clock
        self._changed = threading.Condition()
        # With its version and when it was put up. Versions begin anywhere: a page that was open before a restart must
        # not take its old snapshot for the newest.
        self._latest: tuple[LiveView | None, int, float] = (None, first_version, clock())
        self._json, self._jpeg = lru_cache(maxsize=1)(view_json), lru_cache(maxsize=1)(view_jpeg)

    def put(self, view: LiveView) -> None:
        with self._changed:
            self._latest = (view, self._latest[1] + 1, self._clock())
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
                self._changed.wait_for(lambda: self._latest[1] != seen or self.closed, max_s - min_s)

    def news(self, seen: int) -> bytes:
        """``version``, ``quiet_s`` (how many seconds ago it was put up) and ``view`` as JSON in ASCII; the view is null
        before the first, and where ``seen`` is the version."""
        view, version, put_s = self._latest
        text = "null" if view is None or version == seen else self._json(view)
        return f'{{"version":{version},"quiet_s":{self._clock() - put_s:.3f},"view":{text}}}'.encode("ascii")

    def presences(self) -> bytes:
        """Every presence so far as JSON, by organ: ``[[start_s, end_s], ...]``, ``end_s`` null where it still grows."""
        view = self._latest[0]
        organs = () if view is None else view.organs
        spans = {organ.organ: [[round(s.start_s, 3), s.end_s] for s in organ.latest] for organ in organs}
        return for_page(json_line(spans)).encode("ascii")

    def jpeg(self) -> bytes:
        """The ultrasound region as JPEG; empty where there is none."""
        view = self._latest[0]
        return b"" if view is None or view.image is None or view.image.size == 0 else self._jpeg(view)


def view_json(view: LiveView) -> str:
    """The view's fields, ``has_picture`` in place of the image, ``spans`` without holes, the newest presences, and what
    follows from them; what is not a number becomes null."""
    organs = tuple(
        replace(
            organ,
            spans=organ.past(view.now_s, view.known_s),
            latest=organ.latest[-MAX_LATEST:],
            reason=without_name(organ.reason, view.source),
        )
        for organ in view.organs
    )
    derived = {name: getattr(view, name) for name in ("holds", "word", "why", "outage", "outage_s", "checklist")}
    derived["has_picture"] = view.image is not None
    body = asdict(replace(view, image=None, organs=organs)) | derived
    if view.storage is not None:
        body["storage"] |= {name: getattr(view.storage, name) for name in ("text", "nearly_full", "is_recording")}
    for organ, shown in zip(view.organs, body["organs"], strict=True):
        shown["missing_s"] = organ.missing_s
    return for_page(json_line(body))


def view_jpeg(view: LiveView) -> bytes:
    """Its image, no larger than ``LARGEST``."""
    image = view.image
    assert image is not None
    scale = LARGEST / max(image.shape)
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
