"""One engine for many: each gets the scores of its own images, whatever waits beside them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fakes import SIZE, BrightnessEngine, detector
from support.feeds import until

from seqcls.engines.shared import TOGETHER, About, BorrowedEngine, Pace, SharedEngine
from seqcls.errors import EngineError


def images(level: int, count: int) -> NDArray[np.uint8]:
    return np.full((count, SIZE, SIZE), level, np.uint8)


class Held(BrightnessEngine):
    """Does not answer before it is let; black images fail."""

    def __init__(self) -> None:
        super().__init__(detector().header)
        self.begun, self.let = threading.Event(), threading.Event()

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.begun.set()
        assert self.let.wait(20)
        if (images == 0).all(axis=(1, 2)).any():
            raise EngineError("black")
        return super().scores(images)


def test_what_waits_goes_in_together_and_each_gets_its_own() -> None:
    engine = Held()
    with closing(SharedEngine(engine)) as shared, ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(shared.ask, images(51, 1))]
        assert engine.begun.wait(60)
        asked += [threads.submit(shared.ask, images(51 * level, level)) for level in range(2, 6)]
        until(lambda: shared._requests.qsize() == 4)
        engine.let.set()
        for level, one in enumerate(asked, 1):
            assert np.allclose(one.result(), [[level / 5, 1 - level / 5]] * level)
    assert sum(engine.batches) == 15 and len(engine.batches) == 2
    assert shared.pace.images == 15


def test_no_more_go_in_together_than_are_good_for_it() -> None:
    engine = Held()
    with closing(SharedEngine(engine)) as shared, ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(shared.ask, images(100, TOGETHER - 1))]
        assert engine.begun.wait(60)
        asked += [threads.submit(shared.ask, images(100, TOGETHER - 1)) for _ in range(3)]
        until(lambda: shared._requests.qsize() == 3)
        engine.let.set()
        assert all(len(one.result()) == TOGETHER - 1 for one in asked)
    assert max(engine.batches) <= 2 * TOGETHER


def test_an_error_of_the_engine_is_for_who_asked_and_it_goes_on() -> None:
    engine = Held()
    engine.let.set()
    with closing(SharedEngine(engine)) as shared:
        with pytest.raises(EngineError, match="black"):
            shared.ask(images(0, 2))
        assert shared.ask(images(255, 1)).tolist() == [[1.0, 0.0]]


def test_a_borrowed_engine_is_like_the_engine_itself() -> None:
    for novelty in (False, True):
        own = detector(novelty=novelty).engine
        with closing(SharedEngine(own)) as shared:
            borrowed = BorrowedEngine(own.header, shared.ask, shared.about)
            some = np.concatenate([images(level, 1) for level in (10, 128, 250)])
            assert np.array_equal(borrowed.scores(some), own.scores(some))
            if novelty:
                assert np.array_equal(borrowed.answers(some), own.answers(some))
            assert (borrowed.precision, borrowed.description) == ("fp32", "brightness")
    told: list[int] = []
    asked = BorrowedEngine(own.header, shared.ask, lambda: told.append(1) or About("int8", "x"))  # type: ignore[func-returns-value]
    assert {asked.description, asked.precision, asked.description} == {"x", "int8"} and told == [1]


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(0, 0.0, 0.0), ""),
        (
            Pace(9200, 0.5, 0.5),
            "9,200 frames scored, 9,200/s; decoding was the limit: 50% of the time the engine waited",
        ),
        (Pace(300, 1.9, 0.1), "300 frames scored, 150/s; the engine was the limit: 5% of the time the engine waited"),
    ],
)
def test_which_of_the_two_was_the_limit(pace: Pace, expected: str) -> None:
    assert str(pace) == expected
