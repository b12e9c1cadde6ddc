"""Single images that have nothing to do with each other: each is found its region and scored by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from seqcls.adaptive import SamplingOptions
from seqcls.detector import Detector
from seqcls.errors import SourceError
from seqcls.files.without_folders import without_folders
from seqcls.smoothing import SmoothingOptions
from seqcls.sources import Source, open_found
from seqcls.sources.found import FoundSource, singles
from seqcls.sources.images import ASSUMED_RATE_HZ, deep_sample
from seqcls.sources.levels import SetLevels
from seqcls.text.foreign_text import for_name
from seqcls.timeline import Timeline
from seqcls.types import FrameCounts, Interval, ScoreTable, SourceInfo, SourceReport

#: So long an image is shown where it is taken for a clip of one frame.
_DURATION_S = 1 / ASSUMED_RATE_HZ


def score_pictures(
    detector: Detector,
    pictures: FoundSource,
    *,
    on_progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    open_image: Callable[[FoundSource], Source] | None = None,
) -> list[Timeline]:
    """One timeline of one frame for each image, without smoothing: its score against the thresholds is its state.

    An image that cannot be read is unknown, with the reason. ``on_progress`` is called with the number done,
    ``open_image`` opens an image in place of ``open_found``. Raises EngineError, GeometryError, ModelError.
    """
    alone = _for_single_images(detector)
    if open_image is None:  # as in training: one scale for the set
        open_image = partial(open_found, levels=SetLevels(partial(deep_sample, pictures.images)))
    timelines: list[Timeline] = []
    for image in singles(pictures):
        if should_stop is not None and should_stop():
            break
        try:
            with open_image(image) as source:
                timeline = alone.analyze(source, batch_size=1)
            timelines.append(replace(timeline, thumbnails=()))  # there may be many
        except SourceError as error:
            timelines.append(_unreadable(alone, image, without_folders(str(error))))
        if on_progress is not None:
            on_progress(len(timelines))
    return timelines


def _for_single_images(detector: Detector) -> Detector:
    """The same thresholds; what needs other frames is switched off."""
    return replace(
        detector,
        smoothing=SmoothingOptions(kind="none"),
        intervals=tuple(
            replace(options, min_present_s=0.0, min_absent_s=0.0, pad_s=0.0) for options in detector.intervals
        ),
        sampling=SamplingOptions(),
    )


def _unreadable(detector: Detector, image: FoundSource, reason: str) -> Timeline:
    organs = detector.organs
    nothing = np.full((1, len(organs)), math.nan, np.float32)
    zero = np.zeros(1)
    return Timeline(
        source=SourceInfo(name=for_name(image.images[0].name), kind="images", path=for_name(image.path)),
        organs=organs,
        start_s=0.0,
        end_s=_DURATION_S,
        intervals=tuple(
            Interval(organ, "unknown", 0.0, _DURATION_S, 0, 0, math.nan, math.nan, reason) for organ in organs
        ),
        scores=ScoreTable(
            organs=organs,
            index=np.zeros(1, np.int64),
            time_s=zero,
            duration_s=zero + _DURATION_S,
            raw=nothing,
            smooth=nothing,
            reason=(reason,),
            measured=np.ones(1, np.bool_),
        ),
        frame_counts=FrameCounts(received=1, rejected=1),
        report=SourceReport("damaged", (reason,)),
        provenance=detector.provenance,
    )
