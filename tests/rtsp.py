"""A probe that speaks RTSP on 127.0.0.1: MPEG-TS in RTP, interleaved on the TCP connection (RFC 2326, RFC 2250)."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from contextlib import suppress
from typing import IO

SESSION = "\r\n".join(
    [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=probe",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "m=video 0 RTP/AVP 33",
        "a=control:track1",
        "",
    ]
)
_CHUNK = 7 * 188
HEADERS = {
    "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "DESCRIBE": "Content-Type: application/sdp\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
}


class RtspServer:
    """Plays one transport stream to each client, then keeps the connection open."""

    def __init__(self, transport_stream: bytes, userinfo: str = "") -> None:
        self._clip = transport_stream
        self._expected = "Basic " + base64.b64encode(userinfo.encode()).decode() if userinfo else ""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._peers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer = self._listening.accept()[0]
            except OSError:
                return
            self._peers.append(peer)
            try:
                with peer.makefile("rb") as lines:
                    while self._answer(peer, lines):
                        pass
            except OSError:
                continue  # the client went away, as it may

    def _answer(self, peer: socket.socket, lines: IO[bytes]) -> bool:
        request = lines.readline().decode().split()
        if not request:
            return False
        given: dict[str, str] = {}
        while line := lines.readline().decode().strip():
            key, _, value = line.partition(":")
            given[key.lower()] = value.strip()
        refused = request[0] == "DESCRIBE" and self._expected and given.get("authorization") != self._expected
        status = "401 Unauthorized" if refused else "200 OK"
        body = SESSION if request[0] == "DESCRIBE" and not refused else ""
        more = 'WWW-Authenticate: Basic realm="probe"\r\n' if refused else HEADERS.get(request[0], "Session: 1\r\n")
        head = f"RTSP/1.0 {status}\r\nCSeq: {given['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        peer.sendall((head + body).encode())
        if request[0] == "PLAY":
            self._play(peer)
        return True

    def _play(self, peer: socket.socket) -> None:
        for number, place in enumerate(range(0, len(self._clip), _CHUNK)):
            packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, number * 900, 7)
            packet += self._clip[place : place + _CHUNK]
            peer.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for peer in self._peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        self._thread.join()
