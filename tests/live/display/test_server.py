"""The live page's server: who gets in, what is served, and what clients that behave badly can do."""

from __future__ import annotations

import http.client
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.certificates import certificate
from support.pages import PICTURE, THYROID, TOKEN, VIEW, ask, news, status, threads, until

from seqcls import local_server
from seqcls.errors import UsageError
from seqcls.live.display import server as server_module
from seqcls.live.display.publisher import LARGEST, SnapshotPublisher, view_json
from seqcls.live.display.server import PageServer
from seqcls.live.snapshot import Span
from seqcls.local_server import MAX_CLIENTS, crowded_out


@pytest.fixture(scope="module")
def steady() -> Iterator[PageServer]:
    """One server for all that only ask: it shows VIEW and outlives every question."""
    served = PageServer(token=TOKEN)
    served.publish(VIEW)
    yield served
    served.close()


# --- who gets in ------------------------------------------------------------------------------------------------------


def test_the_token_becomes_a_cookie_and_leaves_the_address(steady: PageServer) -> None:
    assert steady.url == f"http://127.0.0.1:{steady.port}/?token={TOKEN}"
    answer = ask(steady, f"/?token={TOKEN}", cookie=None)
    assert answer.status == 303 and answer.getheader("Location") == "/"
    cookie = str(answer.getheader("Set-Cookie"))
    assert cookie == f"seqcls_{steady.port}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert status(steady, "/") == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/icon.svg", "/picture.jpg", "/view", "/nothing"])
@pytest.mark.parametrize("cookie", [None, "wrong", TOKEN[:-1], TOKEN + "x", "ü", ""])
def test_nothing_without_the_right_cookie(steady: PageServer, path: str, cookie: str | None) -> None:
    answer = ask(steady, path, cookie=cookie)
    assert answer.status == 403 and TOKEN.encode() not in answer.body  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "%FF", "%C3%BC", f"x&token={TOKEN[1:]}", "x&token=" * 50]
)
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
    with pytest.raises(UsageError, match="is not available"):
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
        assert wanted in notify(steady, raw.encode()).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://localhost:{port}", "http://127.0.0.1"]
)
def test_another_origin_is_refused(steady: PageServer, origin: str) -> None:
    assert status(steady, "/view", "HEAD", Origin=origin.format(port=steady.port)) == 403


def test_its_own_origin_is_taken(steady: PageServer) -> None:
    assert status(steady, "/", Origin=f"http://127.0.0.1:{steady.port}") == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_only_get_head_and_post(steady: PageServer, method: str) -> None:
    answer = ask(steady, "/", method)
    assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD, POST"


def test_what_a_button_asks_for_reaches_the_run() -> None:
    """With the cookie and from the page's own origin alone; and nothing else can be posted."""
    asked: list[str] = []

    def act(name: str) -> None:
        if name == "fly":
            raise UsageError("nothing that a run does")
        asked.append(name)

    page = PageServer(token=TOKEN, on_act=act)
    try:
        own = {"Origin": f"http://127.0.0.1:{page.port}", "Content_Type": "application/json"}
        assert status(page, "/act", "POST", body=b'{"act": "mark"}', **own) == 204 and asked == ["mark"]
        for body in (b"", b"{}", b"[1]", b'{"act": 1}', b'{"act": "fly"}'):
            assert status(page, "/act", "POST", body=body, **own) == 400
        assert status(page, "/view", "POST", body=b"{}", **own) == 404
        assert status(page, "/act", "POST", body=b"{}", cookie=None, **own) == 403
        assert status(page, "/act", "POST", body=b"{}", Content_Type="application/json") == 403
        assert asked == ["mark"]
    finally:
        page.close()


def test_all_presences_are_there_for_who_asks(page: PageServer) -> None:
    many = tuple(Span("present", float(k), k + 0.5) for k in range(500))
    page.publish(replace(VIEW, organs=(replace(THYROID, latest=many, presences=500),)))
    whole = json.loads(ask(page, "/presences").body)  # type: ignore[attr-defined]
    assert len(whole["thyroid"]) == 500 and whole["thyroid"][-1] == [499.0, 499.5]
    assert len(news(page)["view"]["organs"][0]["latest"]) == 20


def test_a_page_of_the_network_has_tls_and_its_own_name(tmp_path: Path) -> None:
    """127.0.0.2 stands for an address in the network. Without TLS it is refused."""
    with pytest.raises(UsageError, match="from outside: state --tls FILE"):
        PageServer(token=TOKEN, host="127.0.0.2")
    pem = certificate(tmp_path, "127.0.0.2")
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="certificate and key"):
        PageServer(token=TOKEN, host="127.0.0.2", tls=tmp_path / "no.pem")
    page = PageServer(token=TOKEN, host="127.0.0.2", tls=pem)
    try:
        assert page.url == f"https://127.0.0.2:{page.port}/?token={TOKEN}"
        trusted = ssl.create_default_context(cafile=pem)
        answers = []
        for host, path in (
            (f"127.0.0.2:{page.port}", f"/?token={TOKEN}"),
            (f"127.0.0.1:{page.port}", "/"),
            (f"127.0.0.2:{page.port}", "/"),
        ):
            connection = http.client.HTTPSConnection("127.0.0.2", page.port, timeout=30, context=trusted)
            connection.request("GET", path, headers={"Host": host})
            answers.append(connection.getresponse())
            connection.close()
        assert [answer.status for answer in answers] == [303, 403, 403]
        assert str(answers[0].getheader("Set-Cookie")).endswith("SameSite=Strict; Secure")
        with pytest.raises(OSError):  # without TLS nothing is said
            ask_plainly(page)
    finally:
        page.close()


def ask_plainly(page: PageServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.2", page.port, timeout=30)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except http.client.HTTPException as error:
        raise OSError from error
    finally:
        connection.close()


# --- what is served ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/../server.py", "/page/../../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/page.js/", "/server.py", "/index.html", "/page.js%00", "http://127.0.0.1/"]
)  # fmt: skip
def test_nothing_but_the_page(steady: PageServer, path: str) -> None:
    assert status(steady, path) == 404


@pytest.mark.parametrize(
    "path, kind",
    [("/", "text/html"), ("/view", "application/json"), ("/page.js", "text/javascript"), ("/page.css", "text/css"), ("/icon.svg", "image/svg+xml"), ("/picture.jpg", "image/jpeg"), ("/nothing", "text/plain")],
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


def test_headers_also_for_a_client_that_names_no_version(steady: PageServer) -> None:
    raw = f"GET /\r\nHost: 127.0.0.1:{steady.port}\r\nCookie: seqcls_{steady.port}={TOKEN}\r\n\r\n"
    heard = notify(steady, raw.encode())
    assert heard.startswith(b"HTTP/1.1 200 ") and b"\r\nContent-Security-Policy: default-src 'none'" in heard


def test_no_outside_resources() -> None:
    folder = Path(server_module.__file__).parent / "page"
    names = set(server_module.PAGE.values())
    assert names == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "") and "innerHTML" not in text and "style=" not in text, path


def test_the_picture_shows_the_region_alone_and_small(page: PageServer) -> None:
    assert status(page, "/picture.jpg") == 204  # no snapshot yet
    page.publish(VIEW)
    shown = cv2.imdecode(np.frombuffer(ask(page, "/picture.jpg").body, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[attr-defined]
    assert shown.shape == PICTURE.shape and np.abs(shown.astype(int) - PICTURE).max() < 12
    page.publish(replace(VIEW, image=None))
    assert status(page, "/picture.jpg") == 204  # and not the last one


def test_pictures_are_bounded_in_size_and_made_once() -> None:
    board = SnapshotPublisher()
    board.put(replace(VIEW, image=np.full((1500, 1920), 9, np.uint8)))
    first = board.jpeg()
    assert cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_UNCHANGED).shape == (750, LARGEST)
    assert board.jpeg() is first
    board.put(VIEW)
    assert board.jpeg() != first
    board.put(replace(VIEW, image=np.zeros((0, 5), np.uint8)))
    assert board.jpeg() == b""


def test_a_snapshot_as_json() -> None:
    record = json.loads(view_json(replace(VIEW, rate_hz=math.inf)))
    assert record["now_s"] - record["last_frame_s"] == 99.0 and record["has_picture"] and record["image"] is None
    assert record["rate_hz"] is None and record["latency_ms"] == [20.0, 30.0, None]
    organ = record["organs"][0]
    assert organ["trace"][0] == [40.0, None] and organ["trace"][-1] == [99.9, 0.9]
    assert organ["spans"][1] == {"state": "present", "start_s": 90.0, "end_s": 100.0, "reason": ""}
    odd = replace(THYROID, score=math.nan, trace=((99.0, math.nan),), spans=())
    organ = json.loads(view_json(replace(VIEW, organs=(odd,))))["organs"][0]
    assert organ["score"] is None and organ["trace"] == [[99.0, None]]


def test_the_page_hears_the_newest_and_signs_of_life(page: PageServer) -> None:
    assert news(page)["view"] is None  # nothing yet
    for now_s in (1.0, 2.0, 3.0):
        page.publish(replace(VIEW, now_s=now_s))
    newest = news(page)
    assert newest["view"]["now_s"] == 3.0
    beat = news(page, newest["version"])
    assert beat["view"] is None and beat["version"] == newest["version"] and beat["quiet_s"] > newest["quiet_s"] + 0.4
    assert news(page, "no-number")["view"]["now_s"] == 3.0  # type: ignore[arg-type]


def test_how_the_run_ended_is_told_to_who_waits(page: PageServer) -> None:
    page.publish(VIEW)
    heard: list[dict[str, object]] = []
    version = news(page)["version"]
    asking = threading.Thread(target=lambda: heard.append(news(page, version)))
    asking.start()
    until(lambda: page.watched)
    page.publish(replace(VIEW, feed="stopped"))
    page.close()
    asking.join(30)
    assert heard[0]["view"]["feed"] == "stopped"  # type: ignore[index]


# --- clients that behave badly ----------------------------------------------------------------------------------------


def notify(page: PageServer, raw: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with connected(page) as connection:
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
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n", b" 431 "),
        (b"GET /" + b"a" * 70000, b" 414 "),
        (b"nonsense\r\n\r\n", b" 400 "),
        (b"GET / HTTP/9.9\r\n\r\n", b" 505 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
        (b"\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b" 431 "),
    ],
    ids=["long header", "endless line", "nonsense", "version", "TLS", "empty", "many headers"],
)
def test_what_cannot_be_understood(steady: PageServer, raw: bytes, wanted: bytes) -> None:
    heard = notify(steady, raw)
    assert wanted in heard.split(b"\r\n")[0]
    assert b"aaaa" not in heard and b"nonsense" not in heard
    assert status(steady, "/") == 200


def connected(page: PageServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", page.port), timeout=30)


def test_strangers_keep_nobody_out(page: PageServer) -> None:
    """60 that say nothing, and as many that begin and do not end: the oldest go, who has the token is heard at once."""
    page.publish(VIEW)
    with ExitStack() as strangers:
        silent = [strangers.enter_context(connected(page)) for _ in range(60)]
        assert status(page, "/") == 200 and news(page)["view"]["now_s"] == 100.0
        for _ in range(60):
            strangers.enter_context(connected(page)).sendall(b"GET / HTTP/1.1\r\nHost:")
        assert status(page, "/") == 200 and news(page)["view"]["now_s"] == 100.0
        assert len(page.server.connections.open) <= local_server.MAX_PER_PEER + 1
        assert silent[0].recv(1) == b""


def test_one_address_leaves_room_for_others() -> None:
    made = {number: local_server.Connection("a" if number < 10 else "b", 0.0) for number in range(57)}
    made[0].admitted = made[10].admitted = True
    assert crowded_out(made, "b") == crowded_out({}, "b") == []  # 46 from there
    made |= {number: local_server.Connection("b", 0.0) for number in (57, 58)}
    assert crowded_out(made, "b") == [11]  # 48: the oldest from there that has not shown the token
    assert crowded_out(made, "c") == []  # 57 in all
    made |= {number: local_server.Connection("c", 0.0) for number in range(59, 66)}
    assert crowded_out(made, "c") == [1]  # 64: the oldest of all


def test_the_seventeenth_with_the_token_is_turned_away(page: PageServer) -> None:
    known = [connected(page) for _ in range(MAX_CLIENTS)]
    page.publish(VIEW)
    head = f"GET /view?seen=1 HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: seqcls_{page.port}={TOKEN}\r\n\r\n"
    page.publisher.wait = lambda *_: page.informed.wait(60)  # type: ignore[method-assign]
    for connection in known:
        connection.sendall(head.encode())
    until(lambda: sum(one.admitted for one in page.server.connections.open.values()) == MAX_CLIENTS)
    answer = ask(page, "/")
    assert answer.status == 503 and b"16 connections" in answer.body  # type: ignore[attr-defined]
    page.informed.set()
    until(lambda: status(page, "/") == 200)
    for connection in known:
        connection.close()


def test_silent_and_trickling_clients_hold_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "HEAD_S", 0.5)
    page = PageServer(token=TOKEN)
    try:
        with (
            connected(page) as silent,
            connected(page) as trickling,
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
    monkeypatch.setattr(local_server, "PATIENCE_S", 0.3)
    page = PageServer(token=TOKEN)
    page.publish(replace(VIEW, messages=("x" * 20_000_000,)))
    with connected(page) as connection:
        head = f"GET /view HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: seqcls_{page.port}={TOKEN}\r\n\r\n"
        connection.sendall(head.encode())
        until(lambda: page.watched)
        until(lambda: not page.server.connections.open)
    page.close()


def test_close_leaves_nothing_behind(capfd: pytest.CaptureFixture[str]) -> None:
    before = threads()
    page = PageServer(token=TOKEN)
    page.publish(VIEW)
    silent = [connected(page) for _ in range(3)]
    assert news(page)["view"]["now_s"] == 100.0
    page.close()
    page.close()
    assert threads() == before
    until(lambda: not page.server.connections.open)
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        connected(page)
    page.publish(VIEW)  # too late, and harmless
    assert capfd.readouterr() == ("", "")  # nothing was logged: requests hold the token
