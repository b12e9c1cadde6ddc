"""Between a client and an S3 server of this process: passes everything on, except for objects that are to go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What may happen to a request for an object: nothing ever comes; a byte now and then ("trickle"); half of it comes; an answer of the server; or
#: something that is called before the request is passed on.
Fault = str | Callable[[], object]
_ANSWERS = {
    "forbidden": (403, "AccessDenied"),
    "gone": (404, "NoSuchKey"),
    "broken": (500, "InternalError"),
    "busy": (503, "SlowDown"),
}


class FaultyS3:
    """``faults``: by the end of an object's name, "?list" for those of a bucket, what happens to the next requests for it, one after the other; a list
    whose last entry is "..." repeats the one before for ever. ``asked``: the objects that were asked for."""

    def __init__(self, host: str, port: int) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[str] = []
        self._over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                fault = proxy._fault(self.path) if self.command == "GET" else ""
                if callable(fault):
                    fault()
                elif fault == "hang":
                    proxy._over.wait(20)
                    self.close_connection = True
                    return
                elif fault in _ANSWERS:
                    status, code = _ANSWERS[fault]
                    self.give(status, {}, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())
                    return
                connection = HTTPConnection(host, port, timeout=20)
                kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                self.give(answer.status, dict(answer.getheaders()), answer.read(), fault)
                connection.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - what http.server calls

            def give(self, status: int, headers: dict[str, str], body: bytes, fault: Fault = "") -> None:
                self.send_response(status)
                length = headers.get("Content-Length", str(len(body)))
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
                self.end_headers()
                self.close_connection |= fault in ("half", "trickle")
                if fault == "trickle":
                    with suppress(OSError):  # the other side has left
                        for place in range(len(body) - 1):
                            self.wfile.write(body[place : place + 1])
                            if proxy._over.wait(0.02):
                                break
                    return
                self.wfile.write(body[: len(body) // 2] if fault == "half" else body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _fault(self, path: str) -> Fault:
        name = "?list" if "list-type" in path else path.partition("?")[0]
        faults = next((left for end, left in self.faults.items() if name.endswith(end)), None)
        self.asked += [] if name == "?list" else [name]
        if not faults:
            return ""
        return faults[0] if faults[1:] == ["..."] else faults.pop(0)

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
