"""The live page: who may see it, and what a real browser shows of it."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from browser import Browser, find

from seqcls.live.server import PageServer
from seqcls.live.view import LiveView, OrganView, Span
from seqcls.types import Ledger

LIVER = OrganView(
    organ="liver",
    state="present",
    since_s=100.0,
    score=0.93,
    onset=0.5,
    offset=0.35,
    trace=tuple((60.0 + i / 10, None if 200 <= i < 300 else (0.1 if i < 400 else 0.9)) for i in range(600)),
    spans=(Span("absent", 0.0, 80.0), Span("unknown", 80.0, 90.0, "stalled"), Span("present", 90.0, None)),
    presences=3,
)
VIEW = LiveView(
    source="rtsp://***@probe",
    feed="running",
    feed_since_s=0.0,
    now_s=120.0,
    organs=(LIVER, replace(LIVER, organ="trachea", state="absent", score=0.1)),
    ledger=Ledger(received=10, classified=7, dropped=2, rejected=1),
    rate_hz=29.9,
    latency_ms=(20.0, float("nan"), 40.0),
    picture=np.tile(np.arange(160, dtype=np.uint8), (120, 1)),
)
STALLED = replace(
    VIEW,
    feed="stalled",
    feed_reason="no frame for 2 s",
    feed_since_s=118.0,
    organs=tuple(replace(o, state="unknown", score=None, reason="feed stalled") for o in VIEW.organs),
)


@pytest.fixture
def server() -> Iterator[PageServer]:
    made = PageServer(0)
    made.publish(VIEW)
    yield made
    made.close()


def port(server: PageServer) -> int:
    found = urlparse(server.url).port
    assert found is not None
    return found


def ask(server: PageServer, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def cookie(server: PageServer) -> str:
    status, headers, _ = ask(server, "/?" + urlparse(server.url).query)
    assert status == 303 and headers["location"] == "/"
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=Strict" in headers["set-cookie"]
    return headers["set-cookie"].split(";")[0]


def test_the_token_opens_the_page_and_leaves_the_address(server: PageServer) -> None:
    assert urlparse(server.url).hostname == "127.0.0.1"
    key = cookie(server)
    for path, kind in (("/", "text/html"), ("/page.js", "javascript"), ("/page.css", "text/css")):
        status, headers, body = ask(server, path, Cookie=key)
        assert status == 200 and kind in headers["content-type"] and body
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/page.js", "/?token=", "/?token=wrong", "/../../etc/passwd"])
def test_without_the_token_there_is_nothing(server: PageServer, path: str) -> None:
    status, _, body = ask(server, path)
    assert status == 403 and len(body) < 200
    assert ask(server, path, Cookie="seqcls=wrong")[0] == 403


def test_other_hosts_origins_methods_and_paths_are_refused(server: PageServer) -> None:
    key = cookie(server)
    own = f"127.0.0.1:{port(server)}"
    assert ask(server, "/", Cookie=key, Host=own, Origin=f"http://{own}")[0] == 200
    assert ask(server, "/", Cookie=key, Host="rebound.example")[0] == 403
    assert ask(server, "/", Cookie=key, Origin="https://evil.example")[0] == 403
    assert ask(server, "/", Cookie=key, method="POST")[0] == 405
    for path in ("/nope", "/../server.py", "/page/../../server.py", "/%2e%2e/server.py"):
        assert ask(server, path, Cookie=key)[0] == 404
    assert ask(server, "/", Cookie=key, **{"X-Long": "x" * 100_000})[0] in (400, 413, 414, 431)


def test_nobody_is_kept_waiting_by_silent_clients_and_closing_leaves_nothing() -> None:
    before = threading.active_count()
    server = PageServer(0)
    server.publish(VIEW)
    silent = [socket.create_connection(("127.0.0.1", port(server)), timeout=20) for _ in range(8)]
    assert ask(server, "/?" + urlparse(server.url).query)[0] == 303
    server.close()
    server.close()
    for one in silent:
        one.close()
    until(lambda: threading.active_count() <= before)
    with pytest.raises(OSError):
        ask(server, "/")


def test_publishing_never_waits(server: PageServer) -> None:
    for _ in range(5000):
        server.publish(VIEW)


def until(right: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not right():
        assert time.monotonic() < end_s
        time.sleep(0.02)


# In a browser

TEXT = "document.body ? document.body.innerText : ''"


class Page:
    """A server that goes on publishing, and a browser that looks at it."""

    def __init__(self, server: PageServer, browser: Browser) -> None:
        self.server, self.browser = server, browser
        self.view = VIEW
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        while not self._stop.wait(0.1):
            self.view = replace(self.view, now_s=self.view.now_s + 0.1)
            self.server.publish(self.view)

    def signs(self) -> list[str]:
        found = self.browser.evaluate("[...document.querySelectorAll('[data-state]')].map((e) => e.dataset.state)")
        assert isinstance(found, list)
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.server.close()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    path = find()
    if path is None:
        pytest.skip("needs Chromium")
    browser = Browser(path, tmp_path)
    shown = Page(PageServer(0), browser)
    try:
        yield shown
    finally:
        shown.close()
        browser.close()


def test_a_browser_shows_running_stall_recovery_and_loss(page: Page) -> None:
    browser = page.browser
    browser.screen(1280, 800)
    browser.open(page.server.url)
    browser.until(TEXT, lambda text: "PRESENT" in text and "ABSENT" in text)
    assert "token" not in browser.evaluate("location.href")
    text = browser.evaluate(TEXT)
    assert "liver" in text and "trachea" in text and "medical device" in text and "running" in text
    assert page.signs() == ["present", "absent"]
    drawn = "(() => { const c = document.querySelector('#picture'); return c.width > 10; })()"
    browser.until(drawn)

    page.view = replace(STALLED, now_s=page.view.now_s)
    browser.until(TEXT, lambda text: "stalled" in text and "PRESENT" not in text)
    assert page.signs() == ["unknown", "unknown"]
    page.view = replace(VIEW, now_s=page.view.now_s)
    browser.until(TEXT, lambda text: "PRESENT" in text)

    page.close()
    browser.until(TEXT, lambda text: "connection to seqcls lost" in text and "PRESENT" not in text)
    assert set(page.signs()) == {"unknown"}


def test_names_stay_text_on_every_screen(page: Page) -> None:
    evil = '<img src=x onerror="document.title=1">'
    page.view = replace(VIEW, source=evil, messages=(evil,), organs=(replace(LIVER, organ=evil),))
    browser = page.browser
    browser.open(page.server.url)
    browser.until(TEXT, lambda text: "<img src=x" in text)
    assert browser.evaluate("document.images.length") == 0 and browser.evaluate("document.title") != "1"
    for width, height in ((360, 740), (1280, 800), (1920, 1080)):
        browser.screen(width, height, phone=width < 500)
        browser.until(f"document.documentElement.scrollWidth <= {width}")
    assert browser.errors == []
