"""`--serve`: the live run as a page for browsers on this machine, and for nobody else.

Whoever can reach the port may try: other web pages in the same browser (therefore Host, Origin and a token), other
users of the machine (the token), clients that say nothing, too much or too slowly (limits and deadlines).
"""

from __future__ import annotations

import hmac
import math
import os
import re
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import parse_qs

from seqcls.errors import UsageError, one_line
from seqcls.live.display.publisher import SnapshotPublisher
from seqcls.live.snapshot import LiveView

HOST = "127.0.0.1"  # nobody from outside of this machine
#: Connections at one time that have shown the token; and that have not yet, from one address and in all. Beyond these
#: the oldest stranger has to go, so that whoever comes with the token is heard.
MAX_CLIENTS = 16
MAX_PER_PEER, MAX_STRANGERS = 48, 64
#: How long a connection may last: for a client to send its request with the token, and then to take what it is sent.
HEAD_S, PATIENCE_S = 2.0, 5.0
#: A client that asks for news waits for them at least and at most so long.
EVERY_S, BEAT_S = 0.2, 0.5
#: How long the end of the run waits for a page to ask.
LINGER_S = 1.0

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TOKEN = re.compile("[A-Za-z0-9_-]{16,200}")
_HOW = "open the address that seqcls printed, with its token, in the address bar"


class PageServer:
    """Serves the page at ``url`` from threads of its own until ``close``.

    ``token`` is random unless given; whoever has it sees the run. The first visit turns it into a cookie. Raises
    UsageError when the port is not available, or the token cannot be used.
    """

    def __init__(self, port: int = 0, *, token: str | None = None) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            raise UsageError("the page's token must be 16 to 200 of the letters A-Z a-z 0-9 _ -; make a random one")
        token = secrets.token_urlsafe(24) if token is None else token
        self._publisher = SnapshotPublisher()
        try:
            self._server = _Server(port, token, self._publisher)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} is not available ({one_line(error)}); choose another, or 0 for any"
            ) from None
        self.port = self._server.port
        self.url = f"http://{HOST}:{self.port}/?token={token}"
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="seqcls-page", daemon=True)
        self._thread.start()

    def publish(self, view: LiveView) -> None:
        """Show this from now on; never waits for those who look."""
        self._publisher.put(view)

    def close(self) -> None:
        """End every connection and the thread, within about a second; idempotent."""
        with self._closing:
            if self._publisher.closed:
                return
            self._publisher.close()
            if self._server.watched and self._server.informed.wait(LINGER_S):
                time.sleep(EVERY_S)  # for other pages that were just about to ask
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections(before_s=math.inf)
            self._thread.join()


@dataclass(slots=True)
class _Connection:
    """From where it is, until when it may last, and whether it has shown the token."""

    peer: str
    until_s: float
    admitted: bool = False


_Key = TypeVar("_Key")


def crowded_out(open_ones: Mapping[_Key, _Connection], peer: str) -> list[_Key]:
    """Who has to go before another stranger from ``peer`` comes in: the oldest one from there, or of all, or nobody.

    ``open_ones``: the oldest first.
    """
    strangers = {key: known for key, known in open_ones.items() if not known.admitted}
    own = [key for key, known in strangers.items() if known.peer == peer]
    return own[:1] if len(own) >= MAX_PER_PEER else list(strangers)[: len(strangers) >= MAX_STRANGERS]


class _Server(socketserver.ThreadingTCPServer):
    # On Windows the option would let another program take the same port.
    allow_reuse_address = os.name != "nt"
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int, token: str, publisher: SnapshotPublisher) -> None:
        self.token, self.publisher = token, publisher
        folder = files("seqcls.live.display") / "page"
        self.page = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        self.watched, self.informed = False, threading.Event()  # whether a page asks; and knows how the run ended
        self.open: dict[socket.socket, _Connection] = {}  # the oldest first
        self._counting = threading.Lock()
        super().__init__((HOST, port), _Request)
        self.port = int(self.server_address[1])
        self.hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        if self.port == 80:  # browsers leave it out
            self.hosts |= {HOST, "localhost"}
        self.cookie = f"seqcls_{self.port}"  # cookies do not know ports: two runs must not overwrite each other's

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, in the place of the oldest stranger where there are too many."""
        peer = str(client_address[0])
        with self._counting:
            for other in crowded_out(self.open, peer):
                del self.open[other]
                with suppress(OSError):
                    other.shutdown(socket.SHUT_RDWR)  # its thread hears the end and closes it
            self.open[request] = _Connection(peer, time.monotonic() + HEAD_S)
        super().process_request(request, client_address)

    def admit(self, request: socket.socket) -> bool:
        """Whether one that has shown the token may stay; then no stranger takes its place."""
        with self._counting:
            known = self.open.get(request)
            if known is None or sum(other.admitted for other in self.open.values()) >= MAX_CLIENTS:
                return False
            known.admitted, known.until_s = True, time.monotonic() + PATIENCE_S
            return True

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.open.pop(request, None)

    def service_actions(self) -> None:
        """Called by ``serve_forever`` every 0.1 s: end connections that have lasted too long."""
        self.end_connections(before_s=time.monotonic())

    def end_connections(self, before_s: float) -> None:
        for request, known in self.open.copy().items():
            if known.until_s < before_s:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away; and the terminal, which shows the run, is no place for a traceback."""


class _Request(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    server_version, sys_version = "seqcls", ""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        host = self.headers.get_all("Host", [])
        origin = self.headers.get_all("Origin", [])
        if len(host) != 1 or host[0].lower() not in self.server.hosts:
            self._refuse(403, f"wrong Host; {_HOW}")
        elif origin and origin != [f"http://{host[0].lower()}"]:
            self._refuse(403, f"wrong Origin; {_HOW}")
        elif path == "/" and "token" in (asked := parse_qs(query)):
            self._enter(asked["token"])
        elif not self._known(self._cookies()):
            self._refuse(403, f"no valid token; {_HOW}")
        elif not self.server.admit(self.connection):
            self._refuse(503, f"{MAX_CLIENTS} connections are open already; close other pages")
        elif path in self.server.page:
            self._send(200, *self.server.page[path])
        elif path == "/picture.jpg":
            jpeg = self.server.publisher.jpeg()
            self._send(200 if jpeg else 204, jpeg, "image/jpeg")
        elif path == "/view":
            self._news(query)
        else:
            self._refuse(404, "no such page")

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def _enter(self, tokens: list[str]) -> None:
        """Token against cookie, and on to an address without it."""
        if not self._known(tokens):
            self._refuse(403, f"wrong token; {_HOW}")
            return
        cookie = f"{self.server.cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
        self._send(303, b"", "text/plain", ("Location", "/"), ("Set-Cookie", cookie))

    def _known(self, tokens: list[str]) -> bool:
        right = self.server.token.encode()
        return any([hmac.compare_digest(token.encode(errors="replace"), right) for token in tokens])

    def _cookies(self) -> list[str]:
        pairs = [pair.strip().partition("=") for pair in ";".join(self.headers.get_all("Cookie", [])).split(";")]
        return [value for name, _, value in pairs if name == self.server.cookie]

    def _news(self, query: str) -> None:
        """The newest snapshot, once it is another than ``?seen=VERSION`` or half a second has passed."""
        self.server.watched = True
        number = query.removeprefix("seen=")
        seen = int(number) if re.fullmatch("[0-9]{1,18}", number) else -1
        self.server.publisher.wait(seen, EVERY_S, BEAT_S)
        ended = self.server.publisher.closed
        self._send(200, self.server.publisher.news(seen), "application/json")
        if ended:
            self.server.informed.set()

    def _headers(self, status: int, *more: tuple[str, str]) -> None:
        self.request_version = "HTTP/1.1"  # a client that names none would be taken for one that knows no headers
        self.send_response(status)
        for name, value in (*HEADERS.items(), *more, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, body: bytes, kind: str, *more: tuple[str, str]) -> None:
        self._headers(status, ("Content-Type", kind), ("Content-Length", str(len(body))), *more)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, why: str, *more: tuple[str, str]) -> None:
        self._send(status, f"seqcls: {why}\n".encode(), "text/plain; charset=utf-8", *more)
        # To close on unread bytes would reset the connection, and the answer with it.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.2)
            self.connection.recv(64 * 1024)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses: in our form, without echoing anything."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._refuse(405, "only GET and HEAD", ("Allow", "GET, HEAD"))
        else:
            self._refuse(int(code), "the request cannot be understood")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests hold the token."""
