"""One image at a time: single images are spread over all threads once that is seen to give the same."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from support.networks import HEADER_OF_3 as HEADER

from seqcls.engines.base import LIVE_AFTER, PerImageEngine
from seqcls.errors import EngineError


class Counting(PerImageEngine):
    """Answers with each image's mean, plus ``error`` where a single one is spread; notes how it was asked."""

    def __init__(self, error: float = 0.0) -> None:
        self.asked: list[str] = []

        def means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.asked.append("stream")
            return np.repeat(images.mean(axis=(1, 2), dtype=np.float64)[:, None] / 100 - 1, 3, axis=1)

        def spread(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.asked.append("spread")
            return np.repeat(images.mean(axis=(1, 2), dtype=np.float64)[:, None] / 100 - 1 + error, 3, axis=1)

        super().__init__(HEADER, "Counting", "1", "fp32", forward=means, spread=lambda: spread)


@pytest.mark.parametrize(
    ("processors", "error", "expected"),
    [("2", 0.0, "spread"), ("1", 0.0, "stream"), ("2", 1e-6, "stream")],
    ids=["agrees", "one processor", "differs in the last bits"],
)
def test_single_images_are_spread_once_that_is_the_same(
    processors: str, error: float, expected: str, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", processors)
    engine = Counting(error)
    for image in images[: LIVE_AFTER - 1]:
        engine.scores(image[None])
    assert set(engine.asked) == {"stream"}  # a clip's last few do not pay for a second network
    engine.scores(images[:1])
    single = engine.scores(images[:1])
    assert engine.asked[-1] == expected
    assert np.array_equal(single, engine.scores(images[:4])[:1])
    assert engine.asked[-1] == "stream"


def test_a_library_that_fails_is_reported_in_one_line(images: NDArray[np.uint8]) -> None:
    def broken(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("out of\n  memory")

    engine = PerImageEngine(HEADER, "Library", "1", "fp32", forward=broken, spread=lambda: broken)
    with pytest.raises(EngineError, match=r"Library failed \(out of memory\); try engine=torch"):
        engine.scores(images[:2])


@pytest.mark.parametrize("rows", [4, 0])
def test_a_graph_that_makes_something_else_of_an_image_is_refused(rows: int, images: NDArray[np.uint8]) -> None:
    def reshaped(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros((rows, 3), np.float32)

    engine = PerImageEngine(HEADER, "Library", "1", "fp32", forward=reshaped, spread=lambda: reshaped)
    with pytest.raises(EngineError, match=rf"Library makes \({rows}, 3\) of an image instead of \(1, 3\)"):
        engine.scores(images[:2])


def test_the_first_image_of_all_goes_alone(images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's binding hung where two threads used it for the first time at once."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ended, together = threading.Event(), threading.Barrier(2, timeout=20)

    def forward(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if ended.is_set():
            together.wait()
        ended.set()
        return np.zeros((1, 3), np.float32)

    engine = PerImageEngine(HEADER, "Library", "1", "fp32", forward=forward, spread=lambda: forward)
    assert engine.scores(images[:3]).shape == (3, 3) and ended.is_set(), "the other two at the same time"
    assert engine.scores(images[:0]).shape == (0, 3)
