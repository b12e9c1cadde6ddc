"""One engine for the clips of many processes: each asks as if the engine were its own, and what waits goes in together.

An image's result does not depend on the others (see ``Engine``), so a clip's scores are those that it gets alone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqcls.engines.base import Engine, answers
from seqcls.models.file import ModelHeader

Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
#: So many images go in together at most; a GPU takes them by 16, a processor one by one.
TOGETHER = 256
#: From this share of the time on that the engine waited, it is what feeds it that sets the pace.
_WAITS = 0.1


class About(NamedTuple):
    """What an engine says of itself."""

    precision: str
    description: str


class BorrowedEngine:
    """See ``Engine``. ``ask``: (N, S, S) uint8 to what ``answers`` gives of the engine itself; ``about``: tells what it
    is, which may take until it is opened. Both raise EngineError. Not for several threads at once.
    """

    def __init__(self, header: ModelHeader, ask: Callable[[Images], Scores], about: Callable[[], About]) -> None:
        self.header = header
        self._ask, self._about = ask, about
        self._known: About | None = None

    @property
    def precision(self) -> str:
        return self._told().precision

    @property
    def description(self) -> str:
        return self._told().description

    def scores(self, images: Images) -> Scores:
        return self._ask(images)[:, : len(self.header.organs)]

    def answers(self, images: Images) -> Scores:
        return self._ask(images)

    def _told(self) -> About:
        if self._known is None:
            self._known = self._about()
        return self._known


@dataclass(frozen=True, slots=True)
class Pace:
    """How an engine was kept busy, from its first answer to its last."""

    images: int
    busy_s: float
    waited_s: float

    def __str__(self) -> str:
        """For a person: the rate, and which of the two sets it. Empty where nothing was scored."""
        length_s = self.busy_s + self.waited_s
        if not self.images or length_s <= 0:
            return ""
        waited = self.waited_s / length_s
        limit = "decoding" if waited >= _WAITS else "the engine"
        return (
            f"{self.images:,} frames scored, {self.images / length_s:,.0f}/s;"
            f" {limit} was the limit: {waited:.0%} of the time the engine waited"
        )


class _Request(NamedTuple):
    images: Images
    reply: Future[Scores]


class SharedEngine:
    """Puts an engine at the disposal of many threads. Close it in any case."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._requests = queue.SimpleQueue[_Request | None]()
        self._images, self._busy_s, self._waited_s = 0, 0.0, 0.0
        self._thread = threading.Thread(target=self._serve, name="seqcls-shared-engine", daemon=True)
        self._thread.start()

    @property
    def pace(self) -> Pace:
        """So far."""
        return Pace(self._images, self._busy_s, self._waited_s)

    def about(self) -> About:
        """Once the engine is open; raises EngineError."""
        return About(self.engine.precision, self.engine.description)

    def ask(self, images: Images) -> Scores:
        """(N, S, S) uint8 to (N, K) or (N, K + 1) as ``answers`` gives them. Raises what the engine raises."""
        request = _Request(images, Future())
        self._requests.put(request)
        return request.reply.result()

    def close(self) -> None:
        """Nobody asks any more."""
        self._requests.put(None)
        self._thread.join()

    def _serve(self) -> None:
        ended_s: float | None = None
        while (request := self._requests.get()) is not None:
            began_s = time.perf_counter()
            together = [request, *self._waiting(TOGETHER - len(request.images))]
            self._answer(together)
            if ended_s is not None:
                self._waited_s += began_s - ended_s
            ended_s = time.perf_counter()
            self._busy_s += ended_s - began_s
            self._images += sum(len(each.images) for each in together)

    def _waiting(self, room: int) -> list[_Request]:
        found: list[_Request] = []
        with suppress(queue.Empty):
            while room > 0:
                request = self._requests.get_nowait()
                if request is None:
                    self._requests.put(None)
                    break
                found.append(request)
                room -= len(request.images)
        return found

    def _answer(self, requests: Sequence[_Request]) -> None:
        images = [each.images for each in requests]
        try:
            found = answers(self.engine, images[0] if len(images) == 1 else np.concatenate(images))
        except BaseException as error:
            for each in requests:
                each.reply.set_exception(error)
            return
        ends = np.cumsum([len(each) for each in images])
        for each, own in zip(requests, np.split(found, ends[:-1]), strict=True):
            each.reply.set_result(own)
