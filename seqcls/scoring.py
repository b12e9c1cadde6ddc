"""From prepared images to raw scores: every frame, in batches. ``adaptive`` does it with fewer inferences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from seqcls.engines import Engine, answers
from seqcls.preprocess import PreprocessedFrame
from seqcls.types import FrameScore, Gap

#: Why a frame is unknown whose score is not finite: half precision that overflows, a model with broken weights.
NO_NUMBER = "the model gave no number"


def score_every(
    items: Iterable[PreprocessedFrame | Gap], engine: Engine, batch_size: int
) -> Iterator[FrameScore | Gap]:
    """Score in batches; items that need no score wait with the others, so that order is kept."""
    waiting: list[PreprocessedFrame | Gap] = []
    images: list[NDArray[np.uint8]] = []
    for item in items:
        waiting.append(item)
        if isinstance(item, PreprocessedFrame) and item.image is not None:
            images.append(item.image)
        # The last bound keeps memory flat, and events coming, through hours of frames that are not scorable.
        if len(images) == batch_size or not images or len(waiting) >= 8 * batch_size:
            yield from _release(waiting, images, engine)
            waiting, images = [], []
    yield from _release(waiting, images, engine)


def _release(
    waiting: list[PreprocessedFrame | Gap], images: list[NDArray[np.uint8]], engine: Engine
) -> Iterator[FrameScore | Gap]:
    found = iter(answers(engine, np.stack(images)) if images else ())
    for item in waiting:
        if isinstance(item, Gap):
            yield item
        else:
            reason, novelty = item.reason, math.nan
            own = None if item.image is None else next(found)
            if own is not None and not np.isfinite(own).all():  # in a filter's memory it would stay for ever
                own, reason = None, NO_NUMBER
            if own is not None and engine.header.novelty is not None:
                own, novelty = own[:-1], float(own[-1])
            yield FrameScore(item.index, item.time_s, item.duration_s, own, reason, novelty=novelty)
