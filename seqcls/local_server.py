"""A page for browsers on this machine, or of the network where its owner wants that: the guards of all servers.

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
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from seqcls.errors import UsageError, one_line

HOST = "127.0.0.1"  # nobody from outside of this machine, unless another address is asked for
#: Connections at one time that have shown the token; and that have not yet, from one address and in all. Beyond these
#: the oldest stranger has to go, so that whoever comes with the token is heard.
MAX_CLIENTS = 16
MAX_PER_PEER, MAX_STRANGERS = 48, 64
#: How long a connection may last: for a client to send its request with the token, and then to take what it is sent.
HEAD_S, PATIENCE_S = 2.0, 5.0
#: Of what is posted: the edits of a day in a label file have less.
MAX_BODY_BYTES = 4 << 20

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
_TOKEN = re.compile("[A-Za-z0-9_-]{16,200}")
_ON = b'<!doctype html><link rel="icon" href="/icon.svg"><meta http-equiv="refresh" content="0; url=/">\n'
_HOW = "open the address that seqcls printed, with its token, in the address bar"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client that has shown the token asks for."""

    path: str
    query: str = ""
    """What follows the question mark, as it came."""
    posted: bytes | None = None
    """JSON, as it came; None where nothing was posted."""
    range: str = ""
    """The header of this name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gets. A status from 400 on has ``body`` as its reason, in one line."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    then: Callable[[], None] | None = None
    """Called once it was sent."""


def refusal(status: int, why: str) -> Answer:
    return Answer(status, why.encode())


def page_files(package: str, names: Mapping[str, str]) -> dict[str, Answer]:
    """By the path that is asked for: the file of that name in ``page`` below a package."""
    folder = files(package) / "page"
    return {
        path: Answer(200, (folder / name).read_bytes(), KINDS[name[name.rindex(".") :]]) for path, name in names.items()
    }


class LocalServer:
    """Answers what ``answer`` gives, from threads of its own until ``close``.

    ``token`` is random unless given; whoever has it is let in. The first visit turns it into a cookie. ``posts``:
    whether anything may be posted: JSON, of the page's own origin, up to MAX_BODY_BYTES. ``host``: the address of this
    machine to listen at; from outside it is reached through TLS alone, with ``tls``, a file of its certificate and key.
    Raises UsageError when the port is not available, or the token or the certificate cannot be used.
    """

    def __init__(
        self,
        answer: Callable[[Request], Answer],
        port: int = 0,
        *,
        token: str | None = None,
        posts: bool = False,
        host: str = HOST,
        tls: Path | None = None,
    ) -> None:
        if host != HOST and tls is None:
            raise UsageError(f"{host} can be reached from outside: state --tls FILE, or let a proxy lead to {HOST}")
        if token is not None and not _TOKEN.fullmatch(token):
            raise UsageError("the page's token must be 16 to 200 of the letters A-Z a-z 0-9 _ -; make a random one")
        self.token = secrets.token_urlsafe(24) if token is None else token
        try:
            self.connections = Connections(
                port, self.token, answer, posts, host, None if tls is None else _context(tls)
            )
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port}{'' if host == HOST else f' of {host}'} is not available ({one_line(error)}); choose"
                " another, or 0 for any"
            ) from None
        self.port = self.connections.port
        self.url = f"{self.connections.scheme}://{host}:{self.port}/?token={self.token}"
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self.connections.serve_forever, args=(0.1,), name="seqcls-page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End every connection and the thread, within about a second; idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self.connections.shutdown()
            self.connections.server_close()
            self.connections.end(before_s=math.inf)
            self._thread.join()


def _context(file: Path) -> ssl.SSLContext:
    """For the certificate and the key in one PEM file. Raises UsageError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(file, password=lambda: "")  # else it would ask for one on the terminal
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} cannot be used ({one_line(error)}): it has to hold certificate and key as PEM, not encrypted"
        ) from None
    return context


@dataclass(slots=True)
class Connection:
    """From where it is, until when it may last, and whether it has shown the token."""

    peer: str
    until_s: float
    admitted: bool = False


_Key = TypeVar("_Key")


def crowded_out(open_ones: Mapping[_Key, Connection], peer: str) -> list[_Key]:
    """Who has to go before another stranger from ``peer`` comes in: the oldest one from there, or of all, or nobody.

    ``open_ones``: the oldest first.
    """
    strangers = {key: known for key, known in open_ones.items() if not known.admitted}
    own = [key for key, known in strangers.items() if known.peer == peer]
    return own[:1] if len(own) >= MAX_PER_PEER else list(strangers)[: len(strangers) >= MAX_STRANGERS]


class Connections(socketserver.ThreadingTCPServer):
    """The sockets of one server."""

    # On Windows the option would let another program take the same port.
    allow_reuse_address = os.name != "nt"
    daemon_threads = True
    request_queue_size = 32

    def __init__(
        self,
        port: int,
        token: str,
        answer: Callable[[Request], Answer],
        posts: bool,
        host: str = HOST,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.token, self.answer, self.posts, self.tls = token, answer, posts, tls
        self.scheme = "http" if tls is None else "https"
        self.open: dict[socket.socket, Connection] = {}  # the oldest first
        self._counting = threading.Lock()
        super().__init__((host, port), _Handler)
        self.port = int(self.server_address[1])
        names = {HOST, "localhost"} if host == HOST else {host.lower()}
        self.hosts = {f"{name}:{self.port}" for name in names}
        if self.port == (80 if tls is None else 443):  # browsers leave it out
            self.hosts |= names
        self.cookie = f"seqcls_{self.port}"  # cookies do not know ports: two runs must not overwrite each other's

    def get_request(self) -> tuple[Any, Any]:
        """The handshake waits for the connection's own thread: one that says nothing holds up nobody."""
        request, peer = super().get_request()
        if self.tls is None:
            return request, peer
        return self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False), peer

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, in the place of the oldest stranger where there are too many."""
        peer = str(client_address[0])
        with self._counting:
            for other in crowded_out(self.open, peer):
                del self.open[other]
                with suppress(OSError):
                    other.shutdown(socket.SHUT_RDWR)  # its thread hears the end and closes it
            self.open[request] = Connection(peer, time.monotonic() + HEAD_S)
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
        self.end(before_s=time.monotonic())

    def end(self, before_s: float) -> None:
        """Those that may last no longer than ``before_s``."""
        for request, known in self.open.copy().items():
            if known.until_s < before_s:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away; and the terminal is no place for a traceback."""


class _Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: Connections
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    server_version, sys_version = "seqcls", ""

    def setup(self) -> None:
        super().setup()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if (why := self._foreign()) is not None:
            self._refuse(403, f"{why}; {_HOW}")
        elif path == "/" and self.command != "POST" and "token" in (asked := parse_qs(query)):
            self._enter(asked["token"])
        elif not self._known(self._cookies()):
            self._refuse(403, f"no valid token; {_HOW}")
        elif not self.server.admit(self.connection):
            self._refuse(503, f"{MAX_CLIENTS} connections are open already; close other pages")
        else:
            posted = self._posted() if self.command == "POST" else None
            if isinstance(posted, Answer):
                self._give(posted)
            else:
                self._give(self.server.answer(Request(path, query, posted, self.headers.get("Range", ""))))

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def do_POST(self) -> None:
        if self.server.posts:
            self.do_GET()
        else:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)

    def _foreign(self) -> str | None:
        """What shows that another page, or another name of this machine, asks. Who posts must say its origin."""
        host = self.headers.get_all("Host", [])
        origin = self.headers.get_all("Origin", [])
        if len(host) != 1 or host[0].lower() not in self.server.hosts:
            return "wrong Host"
        if (origin or self.command == "POST") and origin != [f"{self.server.scheme}://{host[0].lower()}"]:
            return "wrong Origin"
        return None

    def _posted(self) -> bytes | Answer:
        """The body, or why it is refused."""
        lengths = self.headers.get_all("Content-Length", [])
        if self.headers.get_all("Content-Type", []) != [JSON]:
            return refusal(415, f"only {JSON} may be posted")
        if self.headers.get_all("Transfer-Encoding") or not (
            len(lengths) == 1 and re.fullmatch("[0-9]{1,10}", lengths[0])
        ):
            return refusal(411, "what is posted must state its length")
        if (length := int(lengths[0])) > MAX_BODY_BYTES:
            return refusal(413, f"more than {MAX_BODY_BYTES >> 20} MB cannot be posted")
        body = self.rfile.read(length)
        return body if len(body) == length else refusal(400, "what was posted is cut short")

    def _enter(self, tokens: list[str]) -> None:
        """Token against cookie, and on to an address without it."""
        if not self._known(tokens):
            self._refuse(403, f"wrong token; {_HOW}")
            return
        flags = "Path=/; HttpOnly; SameSite=Strict" + ("" if self.server.tls is None else "; Secure")
        cookie = ("Set-Cookie", f"{self.server.cookie}={self.server.token}; {flags}")
        if self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            self._send(Answer(303, headers=(("Location", "/"), cookie)))
        else:  # it came by a link, as ``opener`` is one: what follows from that is not given a strict cookie
            self._send(Answer(200, _ON, KINDS[".html"], (cookie,)))

    def _known(self, tokens: list[str]) -> bool:
        right = self.server.token.encode()
        return any([hmac.compare_digest(token.encode(errors="replace"), right) for token in tokens])

    def _cookies(self) -> list[str]:
        pairs = [pair.strip().partition("=") for pair in ";".join(self.headers.get_all("Cookie", [])).split(";")]
        return [value for name, _, value in pairs if name == self.server.cookie]

    def _give(self, answer: Answer) -> None:
        if answer.status < 400:
            self._send(answer)
        else:
            self._refuse(answer.status, answer.body.decode(), *answer.headers)
        if answer.then is not None:
            answer.then()

    def _send(self, answer: Answer) -> None:
        self.request_version = "HTTP/1.1"  # a client that names none would be taken for one that knows no headers
        self.send_response(answer.status)
        stated = (("Content-Type", answer.kind), ("Content-Length", str(len(answer.body))))
        for name, value in (*HEADERS.items(), *stated, *answer.headers, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _refuse(self, status: int, why: str, *more: tuple[str, str]) -> None:
        self._send(Answer(status, f"seqcls: {why}\n".encode(), TEXT, more))
        # To close on unread bytes would reset the connection, and the answer with it.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.2)
            self.connection.recv(64 * 1024)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses: in our form, without echoing anything."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            methods = ("GET", "HEAD", "POST") if self.server.posts else ("GET", "HEAD")
            self._refuse(405, f"only {' and '.join(methods)}", ("Allow", ", ".join(methods)))
        else:
            self._refuse(int(code), "the request cannot be understood")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests hold the token."""
