"""`--serve`: the live run as a page for browsers on this machine, and for nobody else.

Whoever can reach the port may try: other web pages in the same browser (therefore Host, Origin and a token), other
users of the machine (the token), clients that say nothing, too much or too slowly (limits and deadlines).
"""

from __future__ import annotations

import hmac
import io
import os
import re
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from seqcls.errors import UsageError, one_line
from seqcls.live.display.publisher import SnapshotPublisher
from seqcls.live.snapshot import LiveView

MAX_CLIENTS = 16
#: Request line and headers together.
MAX_HEAD = 16 * 1024
#: For a client to send its request, and to take what it is sent.
PATIENCE_S = 5.0
#: Between two messages to one client, and the longest silence.
EVERY_S, BEAT_S = 0.2, 1.0
CLOSE_WITHIN_S = 1.0

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
_HOW = "open the address that seqcls printed, with its token, in the address bar"


class PageServer:
    """Serves the page at ``url`` from threads of its own until ``close``.

    ``token`` (16 characters or more of A-Z a-z 0-9 _ -) is random unless given; whoever has it sees the run. The
    first visit turns it into a cookie. Raises UsageError when the port is not available.
    """

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", token: str | None = None) -> None:
        if host != "127.0.0.1":
            raise UsageError(f"the page is for this machine alone: 127.0.0.1, not {host}; use an SSH tunnel from afar")
        if token is None:
            token = secrets.token_urlsafe(24)
        if not re.fullmatch(r"[A-Za-z0-9_-]{16,}", token):
            raise UsageError("a token is 16 characters or more of A-Z, a-z, 0-9, _ and -")
        self._publisher = SnapshotPublisher()
        try:
            self._server = _Server(host, port, token, self._publisher)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} is not available ({one_line(error)}); choose another, or 0 for any"
            ) from None
        self.port = self._server.port
        self.url = f"http://{host}:{self.port}/?token={token}"
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="seqcls-page", daemon=True)
        self._thread.start()

    def publish(self, view: LiveView) -> None:
        """Show this from now on; never waits for those who look."""
        self._publisher.put(view)

    def close(self) -> None:
        """End every connection and thread, within about a second; idempotent."""
        with self._closing:
            if self._publisher.closed:
                return
            self._publisher.close()
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections(CLOSE_WITHIN_S)
            self._thread.join(CLOSE_WITHIN_S)


class _Server(socketserver.ThreadingTCPServer):
    # On Windows the option would let another program take the same port.
    allow_reuse_address = os.name != "nt"
    request_queue_size = 32

    def __init__(self, host: str, port: int, token: str, publisher: SnapshotPublisher) -> None:
        self.token, self.publisher = token, publisher
        folder = files("seqcls.live.display") / "page"
        self.page = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        self._lock = threading.Lock()
        self._connections: dict[Any, threading.Thread] = {}  # oldest first
        super().__init__((host, port), _Request)
        self.port = int(self.server_address[1])
        self.hosts = {f"{name}:{self.port}" for name in (host, "localhost")}
        if self.port == 80:  # browsers leave it out
            self.hosts |= {host, "localhost"}
        self.cookie = f"seqcls_{self.port}"  # cookies do not know ports: two runs must not overwrite each other's

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection; beyond the limit one that says so, and beyond twice the limit none."""
        with self._lock:
            if len(self._connections) >= 2 * MAX_CLIENTS or self.publisher.closed:
                self.shutdown_request(request)
                return
            thread = threading.Thread(
                target=self.process_request_thread, args=(request, client_address), name="seqcls-client", daemon=True
            )
            thread.start()  # it waits for the lock before it takes itself off the list
            self._connections[request] = thread

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(request, None)

    def is_crowded(self, request: Any) -> bool:
        """Whether as many connections as may be are older than this one."""
        with self._lock:
            return request not in list(self._connections)[:MAX_CLIENTS]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away; and the terminal, which shows the run, is no place for a traceback."""

    def end_connections(self, within_s: float) -> None:
        with self._lock:
            connections = dict(self._connections)
        _join(connections.values(), within_s / 2)  # those that follow the run say how it ended and go by themselves
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        _join(connections.values(), within_s / 2)


def _join(threads: Iterable[threading.Thread], within_s: float) -> None:
    until_s = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))


class _Request(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "seqcls", ""

    def handle(self) -> None:
        head = self._head()
        self.connection.settimeout(PATIENCE_S)
        self.close_connection = True
        if len(head) > MAX_HEAD:
            self.requestline, self.command = "", "GET"  # it was never parsed
            self._refuse(431, "the request is too long")
        elif head.endswith(b"\r\n\r\n"):
            self.rfile = io.BufferedReader(io.BytesIO(head))
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                self._answer()

    def _head(self) -> bytes:
        """Request line and headers: all of it within the time, however it trickles in; else what there is."""
        until_s = time.monotonic() + PATIENCE_S
        head = b""
        with suppress(OSError):
            while (end := head.find(b"\r\n\r\n")) < 0 and len(head) <= MAX_HEAD:
                self.connection.settimeout(max(0.001, until_s - time.monotonic()))
                piece = self.connection.recv(4096)
                if not piece:
                    return b""
                head += piece
            return head if end < 0 else head[: end + 4]
        return b""

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        host = self.headers.get_all("Host", [])
        origin = self.headers.get_all("Origin", [])
        if self.server.is_crowded(self.request):
            self._refuse(503, f"{MAX_CLIENTS} connections are open already; close other pages")
        elif self.command not in ("GET", "HEAD"):
            self._refuse(405, "only GET and HEAD", ("Allow", "GET, HEAD"))
        elif len(host) != 1 or host[0].lower() not in self.server.hosts:
            self._refuse(403, f"wrong Host; {_HOW}")
        elif origin and origin != [f"http://{host[0].lower()}"]:
            self._refuse(403, f"wrong Origin; {_HOW}")
        elif path == "/" and "token" in (asked := parse_qs(query)):
            self._enter(asked["token"])
        elif not self._known(self._cookies()):
            self._refuse(403, f"no valid token; {_HOW}")
        elif path in self.server.page:
            self._send(200, *self.server.page[path])
        elif path == "/picture.jpg":
            jpeg = self.server.publisher.jpeg()
            self._send(200 if jpeg else 204, jpeg, "image/jpeg")
        elif path == "/events":
            self._events()
        else:
            self._refuse(404, "no such page")

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

    def _events(self) -> None:
        """Server-sent events until somebody goes: the newest snapshot at most every 0.2 s, a sign of life every second.

        ``sent_s`` tells a page that lags, ``quiet_s`` how long ago the run last gave a snapshot.
        """
        self._headers(200, ("Content-Type", "text/event-stream"))
        if self.command == "HEAD":
            return
        publisher, seen, last = self.server.publisher, -1, False
        self.wfile.write(b"retry: 1000\n\n")
        while not last:
            last = publisher.closed  # how the run ended is sent all the same
            version, quiet_s, view = publisher.state()
            news = view if version != seen else b"null"
            times = f'"sent_s":{time.monotonic():.3f},"quiet_s":{quiet_s:.3f}'.encode()
            self.wfile.write(b"data: {" + times + b',"view":' + news + b"}\n\n")
            seen = version
            publisher.wait(seen, EVERY_S, BEAT_S)

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
        """What the standard library refuses while parsing: in our form, without echoing anything."""
        self._refuse(int(code), "the request cannot be understood")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests hold the token."""
