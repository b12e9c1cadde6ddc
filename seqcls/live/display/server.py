"""`--serve`: the live run as a page for browsers on this machine; see ``local_server`` for who is let in."""

from __future__ import annotations

import re
import threading
import time

from seqcls.live.display.publisher import SnapshotPublisher
from seqcls.live.snapshot import LiveView
from seqcls.local_server import JSON, Answer, LocalServer, Request, page_files, refusal

#: A client that asks for news waits for them at least and at most so long.
EVERY_S, BEAT_S = 0.2, 0.5
#: How long the end of the run waits for a page to ask.
LINGER_S = 1.0

PAGE = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/icon.svg": "icon.svg"}


class PageServer:
    """Serves the page at ``url`` from threads of its own until ``close``.

    ``token`` is random unless given; whoever has it sees the run. The first visit turns it into a cookie. Raises
    UsageError when the port is not available, or the token cannot be used.
    """

    def __init__(self, port: int = 0, *, token: str | None = None) -> None:
        self.publisher = SnapshotPublisher()
        self.watched, self.informed = False, threading.Event()  # whether a page asks; and knows how the run ended
        self._page = page_files("seqcls.live.display", PAGE)
        self._closing = threading.Lock()
        self.server = LocalServer(self._answer, port, token=token)
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
        if request.path == "/picture.jpg":
            jpeg = self.publisher.jpeg()
            return Answer(200 if jpeg else 204, jpeg, "image/jpeg")
        if request.path == "/view":
            return self._news(request.query)
        return self._page.get(request.path, refusal(404, "no such page"))

    def _news(self, query: str) -> Answer:
        """The newest snapshot, once it is another than ``?seen=VERSION`` or half a second has passed."""
        self.watched = True
        number = query.removeprefix("seen=")
        seen = int(number) if re.fullmatch("[0-9]{1,18}", number) else -1
        self.publisher.wait(seen, EVERY_S, BEAT_S)
        ended = self.publisher.closed
        return Answer(200, self.publisher.news(seen), JSON, then=self.informed.set if ended else None)
