"""What may be posted to a server of ours, and by whom; who gets in at all: tests/live/display/test_server.py."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from seqcls import local_server
from seqcls.local_server import JSON, Answer, LocalServer, Request, refusal

TOKEN = "a-token-of-this-test_0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """Answers with what was posted."""

    def answer(request: Request) -> Answer:
        if request.posted is None:
            return Answer(206 if request.range else 200, request.range.encode())
        return Answer(200, request.posted, JSON) if request.path == "/edit" else refusal(404, "no such page")

    served = LocalServer(answer, token=TOKEN, posts=True)
    yield served
    served.close()


def post(
    server: LocalServer, body: bytes = b"{}", *, method: str = "POST", path: str = "/edit", **headers: str | None
) -> tuple[int, bytes]:
    """With all that is right, and ``headers`` in place of it; None leaves one out."""
    right: dict[str, str | None] = {
        "Host": f"127.0.0.1:{server.port}",
        "Origin": f"http://127.0.0.1:{server.port}",
        "Cookie": f"seqcls_{server.port}={TOKEN}",
        "Content-Type": JSON,
        "Content-Length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in right.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_what_the_page_posts_is_taken(server: LocalServer) -> None:
    assert post(server, b'{"a": 1}') == (200, b'{"a": 1}')
    assert post(server, path="/other") == (404, b"seqcls: no such page\n")


@pytest.mark.parametrize(
    "status, headers",
    [
        (403, {"Origin": None}),
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Host": "evil.example"}),
        (403, {"Cookie": None}),
        (403, {"Cookie": "seqcls_1=" + TOKEN}),
        (415, {"Content-Type": None}),
        (415, {"Content-Type": "text/plain"}),
        (415, {"Content-Type": "application/x-www-form-urlencoded"}),
        (411, {"Content-Length": None}),
        (411, {"Content-Length": "-1"}),
        (411, {"Content-Length": "1e3"}),
        (411, {"Transfer-Encoding": "chunked"}),
        (413, {"Content-Length": str(local_server.MAX_BODY_BYTES + 1)}),
    ],
)
def test_what_nobody_else_posts(server: LocalServer, status: int, headers: dict[str, str | None]) -> None:
    """A form of another page has another type, a page of another origin says so, and nothing is read without end."""
    answer, content = post(server, **headers)
    assert answer == status and TOKEN.encode() not in content


def test_the_token_in_the_address_lets_nobody_post(server: LocalServer) -> None:
    assert post(server, path=f"/?token={TOKEN}", Cookie=None)[0] == 403


def test_other_methods(server: LocalServer) -> None:
    status, content = post(server, method="PUT")
    assert status == 405 and b"GET and HEAD and POST" in content


def test_a_part_of_a_file_may_be_asked_for(server: LocalServer) -> None:
    assert post(server, method="GET", path="/x", Range="bytes=0-9") == (206, b"bytes=0-9")


def test_who_ends_within_its_body_is_let_go(server: LocalServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    head = {"Origin": f"http://127.0.0.1:{server.port}", "Cookie": f"seqcls_{server.port}={TOKEN}"}
    connection.putrequest("POST", "/edit")
    for name, value in (head | {"Content-Type": JSON, "Content-Length": "10"}).items():
        connection.putheader(name, value)
    connection.endheaders(b"{}")
    assert connection.sock is not None
    connection.sock.shutdown(1)  # no more comes
    answer = connection.getresponse()
    assert answer.status == 400 and b"cut short" in answer.read()
    connection.close()
