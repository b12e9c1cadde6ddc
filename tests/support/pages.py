"""What the live page is given to show, and ways to ask its server."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np

from seqcls.live.display.server import PageServer
from seqcls.live.snapshot import LiveView, OrganView, Span
from seqcls.types import FrameCounts

TOKEN = "a-token-of-this-test_0123456789"
EVIL = "<img src=x onerror=alert(1)>"
PICTURE = np.tile(np.arange(0, 240, dtype=np.uint8), (180, 1))

THYROID = OrganView(
    organ="thyroid",
    state="present",
    since_s=90.0,
    score=0.93,
    onset=0.5,
    offset=0.35,
    trace=tuple((40.0 + i / 10, None if i < 100 else 0.9) for i in range(600)),
    spans=(Span("unknown", 0.0, 90.0, "no contact"), Span("present", 90.0, None)),
    presences=3,
    latest=(Span("present", 7.0, 12.0), Span("present", 61.0, 66.5), Span("present", 90.0, None)),
)
VIEW = LiveView(
    source="probe",
    feed="running",
    last_frame_s=1.0,
    now_s=100.0,
    organs=(THYROID, replace(THYROID, organ=EVIL, state="absent", score=0.04, reason=EVIL)),
    frame_counts=FrameCounts(received=10, classified=7, dropped=2, rejected=1),
    rate_hz=29.9,
    latency_ms=(20.0, 30.0, math.nan),
    image=PICTURE,
    messages=("the disk is nearly full", EVIL),
    started="2026-01-02T03:04:05+00:00",
)


def ask(
    page: PageServer,
    path: str,
    method: str = "GET",
    *,
    cookie: str | None = "right",
    body: bytes | None = None,
    **headers: str,
) -> http.client.HTTPResponse:
    """One request; the answer's body is read already, as ``answer.body``."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    sent = {"Host": f"127.0.0.1:{page.port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie is not None:
        sent["Cookie"] = f"other=1; seqcls_{page.port}={TOKEN if cookie == 'right' else cookie}"
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def status(*args: Any, **options: Any) -> int:
    return ask(*args, **options).status


def news(page: PageServer, seen: int = -1) -> dict[str, Any]:
    """What the page is told when it asks."""
    message: dict[str, Any] = json.loads(ask(page, f"/view?seen={seen}").body)  # type: ignore[attr-defined]
    return message


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("seqcls")}


def until(right: Any) -> None:
    end_s = time.monotonic() + 60
    while not right():
        assert time.monotonic() < end_s
        time.sleep(0.02)
