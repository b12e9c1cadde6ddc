"""The page: who gets in, what is served, and what a real browser shows, above all when something is wrong."""

from __future__ import annotations

import http.client
import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import browser
import cv2
import numpy as np
import pytest

from seqcls.errors import UsageError
from seqcls.live import server as server_module
from seqcls.live.board import LARGEST, Board, view_json
from seqcls.live.server import MOST_CLIENTS, PageServer
from seqcls.live.view import LiveView, OrganView, Span
from seqcls.types import Ledger

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
)
VIEW = LiveView(
    source="probe",
    feed="running",
    feed_since_s=1.0,
    now_s=100.0,
    organs=(THYROID, replace(THYROID, organ=EVIL, state="absent", score=0.04, reason=EVIL)),
    ledger=Ledger(received=10, classified=7, dropped=2, rejected=1),
    rate_hz=29.9,
    latency_ms=(20.0, 30.0, math.nan),
    picture=PICTURE,
    messages=("the disk is nearly full", EVIL),
    started="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def page() -> Iterator[PageServer]:
    served = PageServer(token=TOKEN)
    yield served
    served.close()


@pytest.fixture(scope="module")
def steady() -> Iterator[PageServer]:
    """One server for all that only ask: it shows VIEW and outlives every question."""
    served = PageServer(token=TOKEN)
    served.publish(VIEW)
    yield served
    served.close()


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


def events(page: PageServer) -> tuple[socket.socket, Any]:
    """An open stream of events: its socket, and a file to read its lines from."""
    connection = socket.create_connection(("127.0.0.1", page.port), timeout=30)
    connection.sendall(
        f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: seqcls_{page.port}={TOKEN}\r\n\r\n".encode()
    )
    return connection, connection.makefile("rb")


def news(lines: Any) -> dict[str, Any]:
    """The next message of a stream of events."""
    for line in lines:
        if line.startswith(b"data: "):
            message: dict[str, Any] = json.loads(line[6:])
            return message
    raise AssertionError("the stream has ended")


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("seqcls")}


def until(right: Any) -> None:
    end_s = time.monotonic() + 60
    while not right():
        assert time.monotonic() < end_s
        time.sleep(0.02)


# --- who gets in ------------------------------------------------------------------------------------------------------


def test_the_token_becomes_a_cookie_and_leaves_the_address(steady: PageServer) -> None:
    assert steady.url == f"http://127.0.0.1:{steady.port}/?token={TOKEN}"
    answer = ask(steady, f"/?token={TOKEN}", cookie=None)
    assert answer.status == 303 and answer.getheader("Location") == "/"
    cookie = str(answer.getheader("Set-Cookie"))
    assert cookie == f"seqcls_{steady.port}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert status(steady, "/") == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/icon.svg", "/picture.jpg", "/events", "/nothing"])
@pytest.mark.parametrize("cookie", [None, "wrong", TOKEN[:-1], TOKEN + "x", "ü", ""])
def test_nothing_without_the_right_cookie(steady: PageServer, path: str, cookie: str | None) -> None:
    answer = ask(steady, path, cookie=cookie)
    assert answer.status == 403 and TOKEN.encode() not in answer.body  # type: ignore[attr-defined]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "%FF", "%C3%BC", f"x&token={TOKEN[1:]}"])
def test_a_wrong_token_is_refused_even_with_the_cookie(steady: PageServer, token: str) -> None:
    answer = ask(steady, f"/?token={token}" if token else "/?token=x")
    assert answer.status == 403 and answer.getheader("Set-Cookie") is None


def test_tokens_are_random_and_checked() -> None:
    first, second = PageServer(), PageServer()
    try:
        assert first.url.partition("token=")[2] != second.url.partition("token=")[2]
        assert len(first.url.partition("token=")[2]) >= 32
        with pytest.raises(UsageError, match=r"choose another, or 0"):
            PageServer(first.port)
    finally:
        first.close()
        second.close()
    for wrong in ("", "short", "with blank in between it", "line\r\nend-of-it-all"):
        with pytest.raises(UsageError, match="16 characters"):
            PageServer(token=wrong)
    with pytest.raises(UsageError, match=r"127\.0\.0\.1"):
        PageServer(host="0.0.0.0")
    with pytest.raises(UsageError, match="cannot be had"):
        PageServer(70000)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", "localhost.evil:{port}", ""],
)
def test_another_host_is_refused(steady: PageServer, host: str) -> None:
    named = host.format(port=steady.port)
    assert status(steady, "/", Host=named) == status(steady, f"/?token={TOKEN}", Host=named) == 403


def test_own_hosts_are_taken(steady: PageServer) -> None:
    for host in (f"127.0.0.1:{steady.port}", f"localhost:{steady.port}", f"LOCALHOST:{steady.port}"):
        assert status(steady, "/", Host=host) == 200


def test_exactly_one_host(steady: PageServer) -> None:
    right = f"Host: 127.0.0.1:{steady.port}\r\n"
    for hosts, wanted in ((right, b" 200 "), ("", b" 403 "), (right + "Host: evil.example\r\n", b" 403 ")):
        raw = f"GET / HTTP/1.1\r\n{hosts}Cookie: seqcls_{steady.port}={TOKEN}\r\n\r\n"
        assert wanted in say(steady, raw.encode()).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://localhost:{port}", "http://127.0.0.1"]
)
def test_another_origin_is_refused(steady: PageServer, origin: str) -> None:
    assert status(steady, "/events", "HEAD", Origin=origin.format(port=steady.port)) == 403


def test_its_own_origin_is_taken(steady: PageServer) -> None:
    assert status(steady, "/", Origin=f"http://127.0.0.1:{steady.port}") == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_only_get_and_head(steady: PageServer, method: str) -> None:
    answer = ask(steady, "/", method, body=b"x" * 2000 if method == "POST" else None)
    assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD"


# --- what is served ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/../server.py", "/page/../../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/page.js/", "/server.py", "/index.html", "/page.js%00", "http://127.0.0.1/"]
)  # fmt: skip
def test_nothing_but_the_page(steady: PageServer, path: str) -> None:
    assert status(steady, path) == 404


@pytest.mark.parametrize(
    "path, kind",
    [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"), ("/icon.svg", "image/svg+xml"), ("/picture.jpg", "image/jpeg"), ("/nothing", "text/plain")],
)  # fmt: skip
def test_headers(steady: PageServer, path: str, kind: str) -> None:
    for method in ("GET", "HEAD"):
        answer = ask(steady, path, method)
        policy = str(answer.getheader("Content-Security-Policy"))
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ):
            assert rule in policy
        assert "unsafe" not in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Referrer-Policy") == "no-referrer"
        assert answer.getheader("Cache-Control") == "no-store"
        assert str(answer.getheader("Content-Type")).startswith(kind)
        assert int(str(answer.getheader("Content-Length"))) > 0
        assert bool(answer.body) == (method == "GET")  # type: ignore[attr-defined]


def test_no_outside_resources() -> None:
    folder = Path(server_module.__file__).parent / "page"
    names = {name for name, _ in server_module.PAGE.values()}
    assert names == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "") and "innerHTML" not in text and "style=" not in text, path


def test_the_picture_shows_the_region_alone_and_small(page: PageServer) -> None:
    assert status(page, "/picture.jpg") == 204  # no snapshot yet
    page.publish(VIEW)
    shown = cv2.imdecode(np.frombuffer(ask(page, "/picture.jpg").body, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[attr-defined]
    assert shown.shape == PICTURE.shape and np.abs(shown.astype(int) - PICTURE).max() < 12
    page.publish(replace(VIEW, picture=None))
    assert status(page, "/picture.jpg") == 204  # and not the last one


def test_pictures_are_bounded_in_size_and_rate() -> None:
    now_s = [0.0]
    board = Board(clock=lambda: now_s[0])
    board.put(replace(VIEW, picture=np.full((1500, 1920), 9, np.uint8)))
    first = board.picture()
    assert cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_UNCHANGED).shape == (750, LARGEST)
    board.put(VIEW)
    assert board.picture() is first  # it is too early for another
    now_s[0] = 0.2
    second = board.picture()
    assert second != first
    now_s[0] = 0.4
    assert board.picture() is second  # nothing new: not encoded again
    board.put(replace(VIEW, picture=np.zeros((0, 5), np.uint8)))
    assert board.picture() == b""


def test_a_snapshot_as_json() -> None:
    record = json.loads(view_json(replace(VIEW, rate_hz=math.inf), 7))
    assert record["version"] == 7 and record["feed_for_s"] == 99.0
    assert record["rate_hz"] is None and record["latency_ms"] == [20.0, 30.0, None]
    organ = record["organs"][0]
    assert organ["trace"][0][0] >= -60 and organ["trace"][-1] == [-0.1, 0.9] and organ["trace"][0][1] is None
    assert organ["spans"] == [["unknown", -100.0, -10.0], ["present", -10.0, None]]
    odd = replace(THYROID, score=math.nan, trace=((99.0, math.nan),), spans=())
    organ = json.loads(view_json(replace(VIEW, organs=(odd,)), 1))["organs"][0]
    assert organ["score"] is None and organ["trace"] == [[-1.0, None]]


def test_a_long_past_is_cut() -> None:
    flicker = tuple(Span("present" if i % 2 else "absent", i / 10, (i + 1) / 10) for i in range(60000))
    view = replace(
        VIEW, now_s=6000.0, organs=(replace(THYROID, spans=flicker, trace=tuple((i / 10, 0.5) for i in range(60000))),)
    )
    organ = json.loads(view_json(view, 1))["organs"][0]
    assert len(organ["spans"]) == 500 and organ["spans"][-1][1] == -0.1
    assert 590 <= len(organ["trace"]) <= 610


def test_the_stream_tells_the_newest_and_signs_of_life(page: PageServer) -> None:
    connection, lines = events(page)
    with connection, lines:
        assert news(lines)["view"] is None  # nothing yet
        for now_s in (1.0, 2.0, 3.0):
            page.publish(replace(VIEW, now_s=now_s))
        told = news(lines)
        while told["view"] is None or told["view"]["now_s"] != 3.0:
            told = news(lines)
        beat = news(lines)
        assert beat["view"] is None and beat["quiet_s"] > told["quiet_s"] and beat["sent_s"] > told["sent_s"]
        page.publish(replace(VIEW, feed="stopped"))
        page.close()
        last = [json.loads(line[6:])["view"] for line in lines if line.startswith(b"data: ")]
        assert "stopped" in [view["feed"] for view in last if view is not None]  # how it ended is told


# --- clients that behave badly ----------------------------------------------------------------------------------------


def say(page: PageServer, raw: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as connection:
        heard = b""
        try:
            connection.sendall(raw)
            while piece := connection.recv(65536):
                heard += piece
        except ConnectionError:
            pass
        return heard


@pytest.mark.parametrize(
    "raw, wanted",
    [
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", b" 431 "),
        (b"GET /" + b"a" * 40000, b" 431 "),
        (b"nonsense\r\n\r\n", b" 400 "),
        (b"GET / HTTP/9.9\r\n\r\n", b" 505 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
        (b"\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b" 431 "),
    ],
    ids=["long header", "endless line", "nonsense", "version", "TLS", "empty", "many headers"],
)
def test_what_cannot_be_understood(steady: PageServer, raw: bytes, wanted: bytes) -> None:
    heard = say(steady, raw)
    assert wanted in heard.split(b"\r\n")[0]
    assert b"aaaa" not in heard and b"nonsense" not in heard
    assert status(steady, "/") == 200


def test_the_seventeenth_is_turned_away(page: PageServer) -> None:
    streams = [events(page) for _ in range(MOST_CLIENTS)]
    try:
        for _, lines in streams:
            news(lines)
        answer = ask(page, "/")
        assert answer.status == 503 and b"16 connections" in answer.body  # type: ignore[attr-defined]
        for end in streams.pop():
            end.close()
        until(lambda: status(page, "/") == 200)
    finally:
        for connection, lines in streams:
            lines.close()
            connection.close()


def test_silent_and_trickling_clients_hold_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.5)
    page = PageServer(token=TOKEN)
    try:
        with (
            socket.create_connection(("127.0.0.1", page.port), timeout=30) as silent,
            socket.create_connection(("127.0.0.1", page.port), timeout=30) as trickling,
        ):
            began_s = time.monotonic()
            assert silent.recv(1) == b""
            with pytest.raises(ConnectionError):
                while True:  # never done, never pausing for long
                    trickling.sendall(b"X")
                    time.sleep(0.05)
                    assert time.monotonic() - began_s < 60
    finally:
        page.close()


def test_who_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.3)
    monkeypatch.setattr(server_module, "EVERY_S", 0.001)
    before = threads()
    page = PageServer(token=TOKEN)
    connection, lines = events(page)
    try:
        until(lambda: len(threads() - before) == 2)
        end_s = time.monotonic() + 60
        while len(threads() - before) == 2:  # the stream's thread ends once nothing more fits
            page.publish(replace(VIEW, messages=("x" * 200_000,)))
            time.sleep(0.005)
            assert time.monotonic() < end_s
    finally:
        lines.close()
        connection.close()
        page.close()


def test_close_leaves_nothing_behind(capfd: pytest.CaptureFixture[str]) -> None:
    before = threads()
    page = PageServer(token=TOKEN)
    page.publish(VIEW)
    streams = [events(page) for _ in range(3)]
    silent = socket.create_connection(("127.0.0.1", page.port), timeout=30)
    for _, lines in streams:
        news(lines)
    page.close()
    page.close()
    assert threads() == before
    for connection, lines in streams:
        lines.read()  # it ends
        lines.close()
        connection.close()
    silent.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", page.port), timeout=30)
    page.publish(VIEW)  # too late, and harmless
    assert capfd.readouterr() == ("", "")  # nothing was logged: requests hold the token


# --- a real browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium here (on Debian: apt-get install chromium)")
    opened = browser.Browser(path, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


class Run:
    """Publishes a snapshot again and again, as a run does, until told to be silent."""

    def __init__(self, page: PageServer, view: LiveView) -> None:
        self.view, self._page = view, page
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def _publish(self) -> None:
        while not self._end.wait(0.1):
            self._page.publish(self.view)

    def silence(self) -> None:
        self._end.set()
        self._thread.join()


SIGNS = "[...document.querySelectorAll('.word')].map((sign) => sign.textContent).join()"
SHOWN = "document.getElementById('feed').textContent"
SEEN = "document.body.dataset.trusted"
NOTE = "document.getElementById('picture-note').textContent"
LOST_FOR = "document.getElementById('feed-for').textContent"


def errors(chromium: browser.Browser, page: PageServer) -> list[str]:
    """What the browser complained of; that an earlier test's server is gone does not count."""
    return [error for error in chromium.errors if "Failed to load" not in error or f":{page.port}/" in error]


def opened(chromium: browser.Browser, page: PageServer, view: LiveView = VIEW) -> Run:
    """The page in the browser, with both signs shown."""
    run = Run(page, view)
    chromium.errors.clear()
    chromium.screen(1280, 800)
    chromium.open(page.url)
    chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    return run


def test_it_opens_and_updates(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        assert chromium.evaluate("location.href") == f"http://127.0.0.1:{page.port}/"  # without the token
        assert chromium.evaluate("document.cookie") == ""
        assert "feed running" in chromium.evaluate(SHOWN)
        text = chromium.evaluate("document.body.innerText")
        assert "0.93" in text and "0.04" in text and "29.9 /s" in text and "20 / 30 / – ms" in text
        assert "not a medical device" in text and "the disk is nearly full" in text and "3 × present" in text
        chromium.until("[picture.width, picture.height].join()", lambda size: size == "240,180")
        chromium.until(NOTE, lambda note: note == "")
        assert chromium.evaluate("picture.getContext('2d').getImageData(200, 90, 1, 1).data[0]") == pytest.approx(
            200, abs=12
        )
        run.view = replace(
            VIEW, organs=tuple(replace(o, state=s) for o, s in zip(VIEW.organs, ("absent", "unknown"), strict=True))
        )
        chromium.until(SIGNS, lambda signs: signs == "ABSENT,UNKNOWN")
        assert "thyroid absent" in chromium.evaluate("document.getElementById('spoken').textContent")
        run.view = replace(VIEW, organs=VIEW.organs[:1])
        chromium.until(SIGNS, lambda signs: signs == "PRESENT")
        assert errors(chromium, page) == []
    finally:
        run.silence()


def test_names_stay_text(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page, replace(VIEW, source=EVIL))
    try:
        names = chromium.evaluate("[...document.querySelectorAll('.name')].map((name) => name.textContent)")
        assert names == ["thyroid", EVIL]
        assert chromium.evaluate("document.querySelectorAll('img').length") == 0
        assert EVIL in chromium.evaluate("document.getElementById('messages').textContent")
        assert EVIL in chromium.evaluate("document.getElementById('source').textContent")
        assert errors(chromium, page) == []  # nor did the content policy have to stop anything
    finally:
        run.silence()


def test_a_stall_and_the_recovery(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        # The state as the run gives it is "present" here, to see that the page does not rely on the run alone.
        run.view = replace(VIEW, feed="stalled", feed_reason="no frame for 2 s", feed_since_s=86.0)
        chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
        chromium.until(SHOWN, lambda shown: "feed stalled" in shown and "14 s" in shown)
        assert "no frame for 2 s" in chromium.evaluate("document.body.innerText")
        assert "0.93" not in chromium.evaluate("document.getElementById('organs').innerText")
        assert "not live" in chromium.evaluate(NOTE)
        run.view = replace(VIEW, feed="retrying", feed_reason="the server closed the connection")
        chromium.until(SHOWN, lambda shown: "feed retrying" in shown)
        run.view = VIEW
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
        assert "feed running" in chromium.evaluate(SHOWN)
    finally:
        run.silence()


def test_a_run_that_hangs(chromium: browser.Browser, page: PageServer) -> None:
    opened(chromium, page).silence()
    chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
    assert "no news from the run" in chromium.evaluate(SHOWN)
    run = Run(page, VIEW)
    try:
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


def test_a_lost_connection_and_its_return(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    page.close()  # as if seqcls had been killed: the port is gone
    run.silence()
    chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
    assert "connection to seqcls lost" in chromium.evaluate(SHOWN)
    assert chromium.evaluate(SEEN) == "no"
    seconds = chromium.until(LOST_FOR, lambda s: int(s.split()[0]) >= 1)
    chromium.until(LOST_FOR, lambda s: s != seconds)  # it counts
    again = PageServer(page.port, token=TOKEN)
    run = Run(again, VIEW)
    try:
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()
        again.close()


#: A run in a process of its own, which can be stopped and killed like any other.
ALONE = """
import sys, time
from seqcls.live.server import PageServer
from seqcls.live.view import LiveView, OrganView
from seqcls.types import Ledger

organ = OrganView("thyroid", "present", 0.0, 0.9, 0.5, 0.35, (), (), 1)
page = PageServer(token=sys.argv[1])
print(page.url, flush=True)
while True:
    page.publish(LiveView(source="probe", feed="running", feed_since_s=0.0, now_s=1.0, organs=(organ,),
                          ledger=Ledger(), rate_hz=25.0, latency_ms=(1.0, 2.0, 3.0)))
    time.sleep(0.1)
"""


def test_a_process_that_freezes_and_one_that_is_killed(chromium: browser.Browser) -> None:
    """Frozen, its connections stay open and no event comes; killed, they break."""
    arguments = [sys.executable, "-c", ALONE, TOKEN]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            chromium.open(process.stdout.readline().strip())
            chromium.until(SIGNS, lambda signs: signs == "PRESENT")
            chromium.evaluate("void (connect = () => {})")  # that silence alone is enough
            process.send_signal(signal.SIGSTOP)
            chromium.until(SIGNS, lambda signs: signs == "UNKNOWN")
            chromium.until(SHOWN, lambda shown: "connection to seqcls lost" in shown)
            assert int(chromium.evaluate(LOST_FOR).split()[0]) >= 3
            process.send_signal(signal.SIGCONT)
            chromium.until(SIGNS, lambda signs: signs == "PRESENT")
            process.kill()
            chromium.until(SIGNS, lambda signs: signs == "UNKNOWN")
            assert "connection to seqcls lost" in chromium.evaluate(SHOWN)
        finally:
            process.kill()


def test_the_end_of_the_run_is_no_loss(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    run.silence()
    page.publish(replace(VIEW, feed="stopped"))
    page.close()
    chromium.until(SHOWN, lambda shown: "the run has ended" in shown)
    assert chromium.evaluate(SIGNS) == "UNKNOWN,UNKNOWN"


def test_news_that_lay_on_the_way_is_not_believed(chromium: browser.Browser, page: PageServer) -> None:
    """A slow line delivers in order, but late: what arrives says PRESENT of long ago."""
    run = opened(chromium, page)
    try:
        late = f"hear({{sent_s: lag.sent - 10, quiet_s: 0, view: null}}); {SHOWN} + {SIGNS}"
        shown = chromium.evaluate(late)
        assert "this page lags behind" in shown and "UNKNOWN,UNKNOWN" in shown
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


def test_clocks_that_drift_apart_are_no_delay(chromium: browser.Browser, page: PageServer) -> None:
    """Through a tunnel the two clocks are of two machines; a delay is found all the same, and stays found."""
    run = opened(chromium, page)
    try:
        day = """(() => {
          const real = performance.now.bind(performance);
          let ms = real(), sent = lag.sent;
          performance.now = () => ms;
          const pass = (seconds, steps) => {
            for (let i = 0; i < steps; i += 1) {
              ms += 1000 * seconds;
              sent += seconds * (1 - 1e-4);
              hear({ sent_s: sent, quiet_s: 0, view: null });
            }
            return verdict().trusted;
          };
          const drifted = pass(60, 1440);
          ms += 5000;
          const late = [pass(1, 1), pass(60, 600)];
          performance.now = real;
          connect();
          return [drifted, ...late];
        })()"""
        assert chromium.evaluate(day) == [True, False, False]
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


def test_a_lagging_stream_is_opened_anew(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        # A delay that stays, and a stream that has been open for long.
        chromium.evaluate("lag.least -= 60; openedMs -= 60000; void (window.before = stream)")
        chromium.until("stream !== window.before")
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


def test_a_picture_that_stands_still_does_not_look_alive(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        chromium.until(NOTE, lambda note: note == "")
        assert chromium.evaluate("getComputedStyle(picture).opacity") == "1"
        run.view = replace(VIEW, picture=None)
        chromium.until(NOTE, lambda note: "no picture" in note)
        assert chromium.evaluate(SEEN) == "yes" and chromium.evaluate("getComputedStyle(picture).opacity") == "0.3"
        run.view = VIEW
        chromium.until(NOTE, lambda note: note == "")
        chromium.evaluate("void (fetchPicture = () => {})")  # as if every connection of the browser were taken
        chromium.until(NOTE, lambda note: note.startswith("not live") and note.endswith("s old"))
        assert chromium.evaluate(SEEN) == "yes"
    finally:
        run.silence()


def test_a_wrong_token_in_the_browser(chromium: browser.Browser, page: PageServer) -> None:
    page.publish(VIEW)
    chromium.open("about:blank")
    chromium.open(page.url.replace(TOKEN, "x" * 32))
    chromium.until("document.body && document.body.innerText", lambda text: bool(text) and "wrong token" in text)


def test_another_site_in_the_same_browser_sees_nothing(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)  # the browser has the cookie
    try:
        chromium.open(page.url.replace("127.0.0.1", browser.REBOUND))  # and the other site even knows the token
        chromium.until("document.body && document.body.innerText", lambda text: bool(text) and "wrong Host" in text)
        for address in (f"http://127.0.0.1:{page.port}/picture", f"http://127.0.0.1:{page.port}/?token={TOKEN}"):
            reach = f"fetch('{address}', {{credentials: 'include'}}).then((answer) => answer.status, () => 'refused')"
            assert chromium.evaluate(reach) == "refused"
    finally:
        run.silence()


@pytest.mark.parametrize(
    "width, height, organs",
    [(360, 740, 2), (360, 740, 8), (1280, 800, 1), (1280, 800, 2), (1280, 800, 8), (1920, 1080, 3), (3840, 2160, 2)],
)
def test_everything_fits(chromium: browser.Browser, page: PageServer, width: int, height: int, organs: int) -> None:
    view = replace(
        VIEW,
        organs=tuple(
            replace(THYROID, organ=f"{i} a long name of an organ " * 3, state="unknown") for i in range(organs)
        ),
    )
    run = Run(page, view)
    try:
        chromium.screen(width, height, phone=width < 600)
        chromium.open(page.url)
        chromium.until(SIGNS, lambda signs: signs == ",".join(["UNKNOWN"] * organs))
        chromium.until(SEEN, lambda seen: seen == "yes")
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
        boxes = (
            "[...document.querySelectorAll('.sign')].map((sign) => [sign.scrollWidth - sign.clientWidth,"
            " sign.firstChild.offsetHeight - sign.clientHeight, parseFloat(getComputedStyle(sign.firstChild).fontSize),"
            " sign.getBoundingClientRect().bottom])"
        )
        for too_wide, too_high, size, bottom in chromium.evaluate(boxes):
            assert too_wide <= 0 and too_high <= 0 and size >= 38
            if width > 600:  # nothing to scroll on a screen that stands
                assert bottom <= height
        assert chromium.evaluate("innerWidth < 600 || document.documentElement.scrollHeight <= innerHeight")
    finally:
        run.silence()
