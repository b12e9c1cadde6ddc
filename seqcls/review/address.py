"""Where a reader's page is, kept while it is served: after a crash the same address leads to it again, so that a page
which is still open finds its server and sends what was not kept yet."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.files.json_text import json_line, parse_json
from seqcls.files.safe_names import safe
from seqcls.review.server import ReviewServer

_MAX_BYTES = 4096


class Address:
    """The file with port and token of a reader's page: its owner's alone, gone once the review ends by itself."""

    def __init__(self, folder: Path, reader: str) -> None:
        self.path = folder / f".{safe(reader)}.address"
        self._opener = folder / f"{safe(reader)}-open.html"

    def serve(self, start: Callable[[int, str | None], ReviewServer], port: int, token: str) -> ReviewServer:
        """Serve at ``port`` (0: any) with ``token`` ("": any); else where the page was before a crash.

        Raises UsageError as ``start`` does.
        """
        known = self._read()
        server: ReviewServer | None = None
        if known is not None and port in (0, known[0]) and token in ("", known[1]):
            with suppress(UsageError):  # the port was taken meanwhile
                server = start(*known)
        if server is None:
            server = start(port, token or None)
        self._write(server)
        return server

    def opener(self, server: ReviewServer) -> Path:
        """A file that leads a browser to the page: in the arguments of a browser every user could read the token.

        Raises OSError.
        """
        self._remove(self._opener)
        link = f'<!doctype html><title>seqcls</title><meta http-equiv="refresh" content="0; url={server.url}">\n'
        _write_privately(self._opener, link)
        return self._opener

    def close(self) -> None:
        """The next review has another address."""
        self._remove(self.path, self._opener)

    @staticmethod
    def _remove(*paths: Path) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _read(self) -> tuple[int, str] | None:
        """Only what nobody else can have written."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        try:
            state = os.fstat(descriptor)
            own = not hasattr(os, "getuid") or (state.st_uid == os.getuid() and not state.st_mode & 0o077)
            if not (stat.S_ISREG(state.st_mode) and own):
                return None
            known = parse_json(os.read(descriptor, _MAX_BYTES))
            port, token = known["port"], known["token"]
            return (port, token) if type(port) is int and 0 < port < 1 << 16 and isinstance(token, str) else None
        except (OSError, ValueError, LookupError, TypeError):
            return None
        finally:
            os.close(descriptor)

    def _write(self, server: ReviewServer) -> None:
        """A page is served without it too: then a crash ends its address."""
        self.close()
        with suppress(OSError):
            _write_privately(self.path, json_line({"port": server.port, "token": server.server.token}))


def _write_privately(path: Path, text: str) -> None:
    """A new file, its owner's alone. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
