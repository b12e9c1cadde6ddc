"""The page of a review: its files, the clip's frames, and the edits that it posts; for who is let in see
``local_server``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from seqcls.errors import OutputError, SeqclsError
from seqcls.files.json_text import json_line, parse_json
from seqcls.files.named_files import open_regular
from seqcls.local_server import JSON, Answer, LocalServer, Request, page_files, refusal
from seqcls.review.session import NotYetError, ReviewSession
from seqcls.review.store import StaleEditError

_OWN = "review.css review.js edit.js history.js labels.js frames.js saving.js keys.js icon.svg"
PAGE = {"/": "index.html", **{f"/{name}": name for name in _OWN.split()}}
#: What draws the timeline, as in a report.
_SHOWN = (
    "page.css view.js intervals.js paint.js traces.js words.js run.js smoothing.js replay.js where.js theme.js"
    " vendor/uPlot.iife.min.js vendor/uPlot.min.css vendor/uPlot-LICENSE.txt"
)
SHARED = {f"/{name}": name for name in _SHOWN.split()}
#: Of a clip's file at a time, so that who does not read on holds no memory.
MAX_PART_BYTES = 2 << 20
_VIDEO = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}


class ReviewServer:
    """Serves ``session`` at ``url`` until ``close``; raises as ``LocalServer`` does."""

    def __init__(self, session: ReviewSession, port: int = 0, *, token: str | None = None) -> None:
        self._session = session
        self._page = page_files("seqcls.report", SHARED) | page_files("seqcls.review", PAGE)
        self.server = LocalServer(self._answer, port, token=token, posts=True)
        self.port, self.url = self.server.port, self.server.url

    def close(self) -> None:
        """End every connection; idempotent. The session stays open."""
        self.server.close()

    def _answer(self, request: Request) -> Answer:
        try:
            if request.posted is not None:
                return self._posted(request.path, request.posted)
            if request.path in self._page:
                return self._page[request.path]
            return self._asked(request)
        except ValueError as error:
            return refusal(400, " ".join(str(error).split())[:300])
        except NotYetError as error:
            return refusal(503, str(error))
        except OutputError as error:
            return refusal(507, str(error))
        except SeqclsError as error:
            return refusal(500, str(error))

    def _asked(self, request: Request) -> Answer:
        session, asked = self._session, parse_qs(request.query)
        if request.path == "/state":
            return _json(session.state())
        if request.path == "/queue":
            return _json(session.queue())
        if request.path not in ("/clip", "/frame", "/media", "/progress"):
            return refusal(404, "no such page")
        place = _number(asked, "n")
        if place >= len(session.clips):
            return refusal(404, "no such clip")
        if request.path == "/clip":
            return _json(session.clip(place))
        if request.path == "/progress":
            return _json(session.progress(place))
        if request.path == "/media":
            path = session.media(place)
            return refusal(404, "the browser does not play it") if path is None else _part(path, request.range)
        jpeg = session.frame(place, _number(asked, "k"))
        if jpeg is None:
            return Answer(202, str(session.progress(place)["read"]).encode("ascii"), "text/plain")
        return Answer(200 if jpeg else 204, jpeg, "image/jpeg")

    def _posted(self, path: str, posted: bytes) -> Answer:
        plain = parse_json(posted)
        if path == "/view":
            self._session.note_view(plain)
            return _json({})
        if path != "/edit":
            return refusal(404, "no such page")
        try:
            return _json({"number": self._session.edit(plain).number})
        except StaleEditError as error:
            return Answer(200, json_line({"stale": self._session.stale(error)}).encode(), JSON)


def _json(value: Any) -> Answer:
    return Answer(200, json_line(value).encode("ascii"), JSON)


def _number(asked: dict[str, list[str]], name: str) -> int:
    values = asked.get(name, [])
    if len(values) != 1 or not re.fullmatch("[0-9]{1,12}", values[0]):
        raise ValueError(f"{name}: a whole number is needed")
    return int(values[0])


def _part(path: Path, wanted: str) -> Answer:
    """Of a file what a header Range asks for, as far as MAX_PART_BYTES go."""
    kind = _VIDEO.get(path.suffix.lower(), "application/octet-stream")
    try:
        with open_regular(path) as stream:
            size = stream.seek(0, 2)
            found = re.fullmatch("bytes=([0-9]{1,15})-([0-9]{0,15})", wanted) if wanted else None
            first = int(found[1]) if found else 0
            last = min(size - 1, int(found[2]) if found and found[2] else size - 1, first + MAX_PART_BYTES - 1)
            if (wanted and not found) or first > last:
                return Answer(416, b"no such part", headers=(("Content-Range", f"bytes */{size}"),))
            stream.seek(first)
            body = stream.read(last - first + 1)
    except OSError:
        return refusal(404, "the clip is gone")
    whole = first == 0 and len(body) == size
    headers = (("Accept-Ranges", "bytes"), ("Content-Range", f"bytes {first}-{first + len(body) - 1}/{size}"))
    return Answer(200 if whole and not wanted else 206, body, kind, headers)
