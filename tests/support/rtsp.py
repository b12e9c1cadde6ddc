"""A probe that speaks RTSP on 127.0.0.1: MPEG-TS or H.264 in RTP, interleaved on the TCP connection (RFC 2326, RFC 2250,
RFC 6184)."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO

_MEDIA = {33: "", 96: "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"}
_CHUNK = 7 * 188
_STEP = 3600  # of the clock of 90 kHz: 25 pictures/s
HEADERS = {
    "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "DESCRIBE": "Content-Type: application/sdp\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
}


class RtspServer:
    """Plays one clip to each client, then keeps the connection open.

    ``clip``: an MPEG transport stream, or the packets of an H.264 encoder in Annex B form, each sent as soon as the
    iterable gives it. ``status`` instead of 200 refuses every client.
    """

    def __init__(self, clip: bytes | Iterable[bytes], userinfo: str = "", status: str = "") -> None:
        self._clip = clip
        self._expected = "Basic " + base64.b64encode(userinfo.encode()).decode() if userinfo else ""
        self._status = status
        self.asked = 0
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
        described = request[0] == "DESCRIBE"
        self.asked += described
        status = "200 OK"
        if described and self._status:
            status = self._status
        elif described and self._expected and given.get("authorization") != self._expected:
            status = "401 Unauthorized"
        well = status == "200 OK"
        body = self._session() if described and well else ""
        more = HEADERS.get(request[0], "Session: 1\r\n") if well else ""
        if status.startswith("401"):
            more = 'WWW-Authenticate: Basic realm="probe"\r\n'
        head = f"RTSP/1.0 {status}\r\nCSeq: {given['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        peer.sendall((head + body).encode())
        if request[0] == "PLAY":
            self._play(peer)
        return True

    def _session(self) -> str:
        media = 33 if isinstance(self._clip, bytes) else 96
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=probe\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {media}\r\n{_MEDIA[media]}a=control:track1\r\n"
        )

    def _play(self, peer: socket.socket) -> None:
        for number, (head, payload) in enumerate(self._payloads()):
            kind, time = head
            packet = struct.pack(">BBHII", 0x80, kind, number & 0xFFFF, time, 7) + payload
            peer.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)

    def _payloads(self) -> Iterator[tuple[tuple[int, int], bytes]]:
        """(type with the mark of a picture's last packet, time of the clock of 90 kHz), what the packet holds."""
        if isinstance(self._clip, bytes):
            for number, place in enumerate(range(0, len(self._clip), _CHUNK)):
                yield (33, number * 900), self._clip[place : place + _CHUNK]
            return
        for number, packet in enumerate(self._clip):
            payloads = [piece for unit in _units(packet) for piece in _fragments(unit)]
            for payload in payloads[:-1]:
                yield (96, number * _STEP), payload
            yield (96 | 0x80, number * _STEP), payloads[-1]

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


def _units(packet: bytes) -> list[bytes]:
    """The NAL units between start codes; none ends in a zero byte."""
    return [piece.rstrip(b"\0") for piece in packet.split(b"\0\0\1") if piece.rstrip(b"\0")]


def _fragments(unit: bytes) -> Iterator[bytes]:
    if len(unit) <= _CHUNK:
        yield unit
        return
    for place in range(1, len(unit), _CHUNK):
        first, last = place == 1, place + _CHUNK >= len(unit)
        yield bytes([unit[0] & 0xE0 | 28, first << 7 | last << 6 | unit[0] & 0x1F]) + unit[place : place + _CHUNK]
