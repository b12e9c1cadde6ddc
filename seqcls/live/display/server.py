"""`--serve`: the live run as a page for browsers; see ``local_server`` for who is let in."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.files.json_text import parse_json
from seqcls.live.background import nothing
from seqcls.live.display.publisher import SnapshotPublisher
from seqcls.live.snapshot import LiveView
from seqcls.local_server import HOST, JSON, Answer, LocalServer, Request, page_files, refusal

#: A client that asks for news waits for them at least and at most so long.
EVERY_S, BEAT_S = 0.2, 0.5
#: How long the end of the run waits for a page to ask.
LINGER_S = 1.0

PAGE = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/icon.svg": "icon.svg"}


class PageServer:
    """Serves the page at ``url`` from threads of its own until ``close``.

    ``token`` is random unless given; whoever has it sees the run. The first visit turns it into a cookie. Raises
    UsageError when the port is not available, or the token cannot be used. ``on_act`` gets what is asked for with a
    button of the page, and may raise UsageError. ``host``, ``tls``: as for ``LocalServer``.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        token: str | None = None,
        on_act: Callable[[str], None] = nothing,
        host: str = HOST,
        tls: Path | None = None,
    ) -> None:
        self._on_act = on_act
        self.publisher = SnapshotPublisher()
        self.watched, self.informed = False, threading.Event()  # whether a page asks; and knows how the run ended
        self._page = page_files("seqcls.live.display", PAGE)
        self._closing = threading.Lock()
        self.server = LocalServer(self._answer, port, token=token, posts=True, host=host, tls=tls)
        self.port, self.url = self.server.port, self.server.url

    def publish(self, view: LiveView) -> None:
        """Show this from now on; never waits for those who look."""
        self.publisher.put(view)

    def close(self) -> None:
        """End every connection and the thread, within about a second; idempotent."""
        with self._closing:
            if self.publisher.closed:
                return
            self.publisher.close()
            if self.watched and self.informed.wait(LINGER_S):
                time.sleep(EVERY_S)  # for other pages that were just about to ask
            self.server.close()

    def _answer(self, request: Request) -> Answer:
        if request.posted is not None:
            return self._act(request.posted) if request.path == "/act" else refusal(404, "nothing is posted there")
        if request.path == "/picture.jpg":
            jpeg = self.publisher.jpeg()
            return Answer(200 if jpeg else 204, jpeg, "image/jpeg")
        if request.path == "/view":
            return self._news(request.query)
        if request.path == "/presences":
            return Answer(200, self.publisher.presences(), JSON)
        return self._page.get(request.path, refusal(404, "no such page"))

    def _act(self, posted: bytes) -> Answer:
        """``{"act": NAME}``."""
        try:
            act = parse_json(posted)["act"]
            if not isinstance(act, str):
                raise ValueError
            self._on_act(act)
        except UsageError as error:
            return refusal(400, str(error))
        except (ValueError, LookupError, TypeError):
            return refusal(400, "what was posted names no act")
        return Answer(204)

    def _news(self, query: str) -> Answer:
        """The newest snapshot, once it is another than ``?seen=VERSION`` or half a second has passed."""
        self.watched = True
        number = query.removeprefix("seen=")
        seen = int(number) if re.fullmatch("[0-9]{1,18}", number) else -1
        self.publisher.wait(seen, EVERY_S, BEAT_S)
        ended = self.publisher.closed
        return Answer(200, self.publisher.news(seen), JSON, then=self.informed.set if ended else None)
