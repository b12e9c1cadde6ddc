"""A camera on the network: multipart MJPEG over HTTP on 127.0.0.1, each picture carrying its own number."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
from support.media import draw

#: What a client is given: numbers of pictures to send, then whether the connection stays open.
Plan = Callable[[int], "tuple[Iterable[tuple[int, int, int]], bool]"]


def numbered(start: int, count: int, width: int = 160, height: int = 128) -> list[tuple[int, int, int]]:
    return [(number, width, height) for number in range(start, start + count)]


class MjpegServer:
    """Serves ``plan(k)`` to its k-th client. ``kill`` and ``restart`` keep the port. ``refusals`` are the codes that the
    first requests get instead. Of the pictures with the numbers in ``spoilt`` only half is sent."""

    def __init__(
        self, plan: Plan, userinfo: str = "", refusals: Iterable[int] = (), spoilt: Iterable[int] = ()
    ) -> None:
        self.plan = plan
        self._spoilt = frozenset(spoilt)
        self._refusals = iter(refusals)
        self.asked = 0
        self.expected = "Basic " + base64.b64encode(userinfo.encode()).decode() if userinfo else ""
        self.clients = 0
        self.sent: list[int] = []
        self._lock = threading.Lock()
        self._port = 0
        self._start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def _start(self) -> None:
        outer = self
        self._stop = threading.Event()
        self._sockets: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = True
            request_queue_size = 16

            def handle_error(self, *_: object) -> None:
                pass  # the client went away, as it may

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        if self.expected and handler.headers.get("Authorization") != self.expected:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="probe"')
            handler.end_headers()
            return
        if (code := next(self._refusals, None)) is not None:
            handler.send_response(code)
            handler.end_headers()
            return
        with self._lock:
            client, self.clients = self.clients, self.clients + 1
            self._sockets.append(handler.connection)
            stop = self._stop
        pictures, stays = self.plan(client)
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for number, width, height in pictures:
            jpeg = cv2.imencode(".jpg", draw(number, width, height))[1].tobytes()
            if number in self._spoilt:
                jpeg = jpeg[: len(jpeg) // 2]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.sent.append(number)  # before it goes: who gets it may compare at once
            handler.wfile.write(head.encode() + jpeg + b"\r\n")
        if stays:
            stop.wait()

    def kill(self) -> None:
        """As when the machine's process dies: the system closes its sockets."""
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._server.server_close()

    def restart(self) -> None:
        self.kill()
        self._start()

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
