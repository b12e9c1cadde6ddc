"""How unlike everything that a model was trained on a frame looks inside the network, and which frames are called so.

The reference is a Gaussian of the features behind the first three stages, fitted on the frames trained on, of which the
strongest axes are kept and the rest counts as one variance (Tipping and Bishop 1999, 10.1111/1467-9868.00196). The
distance to it is Mahalanobis' (Lee et al. 2018, arXiv 1807.03888); not behind the last stage, where all that does not
tell the organs apart is gone (Anthony and Kamnitsas 2023, arXiv 2309.01488). docs/novelty.md says what it is worth.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError
from seqcls.files.json_record import at_most, between
from seqcls.smoothing import SmoothingOptions, open_smoother, smooth_windows
from seqcls.text.wording import count_of
from seqcls.types import UNLIKE_TRAINING, FrameScore, ScoreTable

Floats = NDArray[np.float64]

#: The features are means over the planes behind these stages of a ResNet-18, 1 to 4, one after the other; so many.
STAGES, FEATURES = (1, 2, 3), 448
#: Behind which stages so many features are found. 256 are those of a model of an older seqcls.
_STAGES_OF = {FEATURES: STAGES, 256: (3,)}
#: Axes that a reference keeps.
MAX_AXES = 128
#: From here on a frame is unlike: its novelty, averaged over the last WINDOW_S, is that of the limit.
LIMIT = 0.5
#: Over how much of the past the novelty is averaged, in seconds: no single odd frame interrupts a presence.
WINDOW_S = 0.5
_WARNING = " unlike anything that the model was trained on: unknown there (novelty=False scores them all the same)"
#: How the novelty of one frame after the other is averaged.
SMOOTHING = SmoothingOptions(kind="mean", window_s=WINDOW_S, look_ahead_s=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """What a model keeps of the frames it was trained on. Raises ModelError where the parts do not fit each other.

    Vectors of D features are texts: base64 of float32, little endian.
    """

    centre: str
    """(D,), the mean of the features' square roots, which lie closer to a Gaussian than they do."""
    scale: str
    """(D,), what each is divided by."""
    axes: tuple[str, ...] = field(metadata=at_most(MAX_AXES))
    """The strongest axes of what is left, each (D,) and of length 1."""
    deviations: tuple[float, ...] = field(metadata=between(1e-9, 1e9))
    """Standard deviation along each axis, and last that along every other direction."""
    limit: float = field(metadata=between(1e-9, 1e9))
    """The distance from which on a frame is unlike them."""
    false_alarms: float = field(metadata=between(0, 1))
    """Share of frames that were held out, of the same kind, which lie beyond the limit."""
    held_out: str = ""
    """Which frames the limit was chosen by, for a person."""

    def __post_init__(self) -> None:
        centre = _vector(self.centre)
        if len(centre) not in _STAGES_OF:
            raise ModelError(f"novelty: {len(centre)} features instead of {' or '.join(map(str, _STAGES_OF))}")
        if any(len(_vector(text)) != len(centre) for text in (self.scale, *self.axes)):
            raise ModelError("novelty: its vectors differ in length")
        if len(self.deviations) != len(self.axes) + 1:
            raise ModelError(f"novelty: {len(self.deviations)} deviations of {len(self.axes)} axes")
        if not (_vector(self.scale) > 0).all():
            raise ModelError("novelty: a feature has no scale")

    @property
    def features(self) -> int:
        """D, how many features it takes."""
        return len(_vector(self.centre))

    @property
    def stages(self) -> tuple[int, ...]:
        """Behind which stages of the network the features are found, 1 to 4."""
        return _STAGES_OF[self.features]

    def distances(self, features: NDArray[np.floating]) -> Floats:
        """(N,) distances of (N, D) features, in standard deviations, averaged over the D directions.

        Raises ValueError for another D. A row's distance does not depend on the others.
        """
        centre, scale, axes, deviations = _arrays(self)
        if features.shape[1:] != centre.shape:
            raise ValueError(f"{features.shape} features, not (N, {len(centre)})")
        found = np.empty(len(features))
        for row, own in enumerate(np.asarray(features, np.float64)):
            # Not by BLAS, whose sums depend on where in memory a row lies.
            away = (np.sqrt(np.maximum(own, 0)) - centre) / scale
            along = (axes * away).sum(axis=-1)  # (R,)
            rest = max(0.0, float((away * away).sum() - (along * along).sum()))
            weighed = (along / deviations[:-1]) ** 2
            found[row] = math.sqrt((float(weighed.sum()) + rest / deviations[-1] ** 2) / len(centre))
        return found

    def scores(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N,) novelty of (N, D) features, 0 to 1: 0.5 at the limit, 0.8 at twice the limit.

        Raises ValueError for another D.
        """
        squared = (self.distances(features) / self.limit) ** 2
        result: NDArray[np.float32] = (squared / (1 + squared)).astype(np.float32)
        return result


class NoveltyFilter:
    """Which frames of one run are unlike training: those whose novelty, averaged over the last WINDOW_S, reaches LIMIT.

    The answer comes at once: the look-back is the price of no delay.
    """

    def __init__(self) -> None:
        self._smoother = open_smoother(SMOOTHING)

    def is_unlike(self, frame: FrameScore) -> bool:
        """Whether this, the next frame in stream order, is. Frames of which the model tells no novelty are not."""
        if math.isnan(frame.novelty):
            return False
        novelty = np.array([frame.novelty], np.float32)
        (smoothed,) = self._smoother.push(FrameScore(frame.index, frame.time_s, frame.duration_s, novelty))
        assert isinstance(smoothed, FrameScore) and smoothed.scores is not None, "a frame comes back at once"
        return bool(smoothed.scores[0] >= LIMIT)

    def apply(self, frame: FrameScore) -> FrameScore:
        """The frame, without scores where it is unlike."""
        if not self.is_unlike(frame):
            return frame
        return FrameScore(
            frame.index, frame.time_s, frame.duration_s, None, UNLIKE_TRAINING, frame.measured, frame.novelty
        )


def unlike_rows(time_s: Floats, novelty: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T,) what ``NoveltyFilter`` says of many frames, whose times do not run backwards, one by one."""
    unlike, known = np.zeros(len(time_s), np.bool_), ~np.isnan(novelty)
    if known.any():
        unlike[known] = smooth_windows(time_s[known], novelty[known, None], SMOOTHING)[:, 0] >= LIMIT
    return unlike


def with_novelty(warnings: tuple[str, ...], scores: ScoreTable) -> tuple[str, ...]:
    """The warnings, with one line about the frames that are unlike training, where there are any."""
    kept = tuple(warning for warning in warnings if not warning.endswith(_WARNING))
    count, total = scores.reason.count(UNLIKE_TRAINING), len(scores.reason)
    return (*kept, f"{count_of(count, 'frame')} of {total:,}{_WARNING}") if count else kept


def text_of(vector: NDArray[np.floating]) -> str:
    """A vector as ``Novelty`` keeps it."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode("ascii")


@lru_cache(maxsize=1024)
def _vector(text: str) -> Floats:
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise ModelError("novelty: a vector is no base64 of float32") from error
    if not np.isfinite(values).all():
        raise ModelError("novelty: a vector holds NaN or infinite values")
    return values


@lru_cache(maxsize=8)
def _arrays(novelty: Novelty) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre, scale, axes (R, D) and deviations (R + 1,)."""
    axes = np.stack([_vector(text) for text in novelty.axes]) if novelty.axes else np.zeros((0, novelty.features))
    return _vector(novelty.centre), _vector(novelty.scale), axes, np.array(novelty.deviations)
