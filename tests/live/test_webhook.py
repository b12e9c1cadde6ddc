"""A web address that events are posted to: in order, each until it arrives, whatever fails there."""

from __future__ import annotations

import http.server
import json
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from support.events import LOST, NOON, PRESENT, no_thread_is_left, noon  # noqa: F401 - a fixture
from support.feeds import until

from seqcls.errors import UsageError
from seqcls.live.event_queue import EventQueue
from seqcls.live.notify import event_json
from seqcls.live.webhook import Webhook
from seqcls.types import Event


class Server(http.server.ThreadingHTTPServer):
    """Answers with ``answers`` in turn, the last one for ever; None hangs until the end."""

    def __init__(self, *answers: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append(dict(self.headers))
        self.server.paths.append(self.path)
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer is None:
            self.server.ended.wait()
            return
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("Location", f"file://{Path(__file__).resolve()}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def post(
    server: Server, *events: Event, path: str = "/private", tries: int = 100, **options: Any
) -> tuple[Webhook, list[str], list[float]]:
    """After ``tries`` of them it is closed, which is one more."""
    said: list[str] = []
    slept: list[float] = []

    def pause(pause_s: float) -> None:
        slept.append(pause_s)
        if len(slept) == tries:
            outlet._ending.wait()

    url = f"http://doctor:s%20cret@127.0.0.1:{server.port}{path}"
    options = {"timeout_s": 30.0, **options}
    outlet = Webhook(url, notify=said.append, wall=noon, pause=pause, **options)
    for event in events:
        outlet.event(event)
    until(lambda: outlet.delivered + outlet.lost == len(events) or len(slept) == tries)
    outlet.close()
    assert not any(secret in line for line in said for secret in ("doctor", "s%20cret", "s cret", "token", "private"))
    return outlet, said, slept


def test_a_webhook_gets_events_as_json_in_order() -> None:
    with Server(200) as server:
        outlet, said, slept = post(server, PRESENT, LOST, path="/private?token=a+bü")
    assert server.bodies == [json.loads(event_json(event, NOON)) for event in (PRESENT, LOST)]
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.headers[0]["Authorization"] == "Basic ZG9jdG9yOnMgY3JldA=="
    assert server.headers[0]["Host"] == f"127.0.0.1:{server.port}"
    assert server.paths[0] == "/private?token=a+b%C3%BC"
    assert (outlet.delivered, outlet.lost, said, slept) == (2, 0, [], [])


def test_a_webhook_sends_its_headers() -> None:
    with Server(200) as server:
        post(server, PRESENT, headers=[("authorization", "Bearer x"), ("X-Key", "y")])
    assert server.headers[0]["Authorization"] == "Bearer x" and server.headers[0]["X-Key"] == "y"


def test_a_webhook_is_tried_until_it_is_back_and_gets_all_in_order_with_the_same_id() -> None:
    with Server(500, 429, 503, 502, 500, 204) as server:
        outlet, said, slept = post(server, PRESENT, LOST)
    assert slept == [0.5, 2.0, 8.0, 30.0, 30.0] and (outlet.delivered, outlet.lost) == (2, 0)
    assert server.bodies == [json.loads(event_json(PRESENT, NOON))] * 6 + [json.loads(event_json(LOST, NOON))]
    name = f"webhook http://127.0.0.1:{server.port}"
    assert said == [f"{name} answers 500; events wait, the run goes on", f"{name} takes events again"]


@pytest.mark.parametrize(
    ("answer", "why"), [(404, "answers 404"), (302, "answers 302, a redirect"), (307, "answers 307, a redirect")]
)
def test_what_a_webhook_refuses_for_good_is_not_tried_again(answer: int, why: str) -> None:
    with Server(answer) as server:
        outlet, said, slept = post(server, PRESENT, LOST)
    assert len(server.bodies) == 2 and slept == []  # a redirect is followed nowhere
    assert (outlet.delivered, outlet.lost) == (0, 2)
    assert len(said) == 2 and why in said[0] and "left out; the run goes on" in said[0] and "2 of 2 events" in said[1]


def test_a_webhook_that_hangs_is_given_up() -> None:
    with Server(None) as server:
        outlet, said, _ = post(server, PRESENT, timeout_s=0.1, tries=2)
    name = f"webhook http://127.0.0.1:{server.port}"
    assert len(server.bodies) == 3 and outlet.delivered == 0
    assert said == [
        f"{name} cannot be reached: no answer within 0.1 s; events wait, the run goes on",
        f"{name}: 1 of 1 events were not delivered",
    ]


def test_events_wait_on_the_disk_for_a_webhook_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "webhook.queue"
    with Server(200) as server:
        pass
    outlet, said, slept = post(server, PRESENT, LOST, tries=2, queue=EventQueue(path))
    assert slept == [0.5, 2.0] and outlet.delivered == 0 and "URLError" not in said[0]
    assert len(said) == 2 and "cannot be reached: " in said[0]
    assert said[1].endswith(f": 2 events not delivered yet in {path}: --resume goes on")
    held = path.read_bytes()
    assert b"left lobe" in held and not any(secret in held for secret in (b"doctor", b"cret", b"private", b"127.0"))
    with Server(200) as server:
        outlet, said, _ = post(server, queue=EventQueue(path))
        assert (outlet.delivered, said) == (2, [])
    assert server.bodies == [json.loads(event_json(event, NOON)) for event in (PRESENT, LOST)]


def test_a_webhook_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(200) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("no_proxy", "")
        outlet = Webhook("http://receiver.invalid/x", timeout_s=30)
        outlet.event(PRESENT)
        until(lambda: outlet.delivered + outlet.lost == 1)
        outlet.close()
    assert server.paths == ["http://receiver.invalid/x"] and outlet.delivered == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://u:secret@host/",
        "host/secret",
        "http://",
        "http://u:secret@/x",
        "http://u:secret@host:99999/",
        "http://u:secret@host:port/",
        "http://host/a secret",
        "http://host/secret\r\nX: y",
        "http://[secret/",
        "http://" + "x" * 70 + "secret.com/",
    ],
)
def test_addresses_that_cannot_be_right(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Webhook(url)
    shown = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
    assert "secret" not in shown and "\n" not in str(caught.value)
