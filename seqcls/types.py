"""The records that pass between the stages; frozen, slotted, without behaviour beyond what derives from their fields.

Times are float seconds named ``*_s`` on the clip's clock, which is that of a player; positions are ints named
``index``, counted from 0 in presentation order. Nothing accepts both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.files.json_record import at_most, between
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of

State = Literal["present", "absent", "unknown"]
Verdict = Literal["complete", "truncated", "damaged", "interrupted", "unknown"]
FeedState = Literal["connecting", "running", "stalled", "retrying", "stopped"]

#: Where PyTorch computes, and in which numbers; ``auto`` is decided there.
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

#: Durations are compared with this tolerance: PTS in 1/90000 s units do not add up exactly in float seconds.
TIME_TOLERANCE_S = 1e-6
#: No time lies further from 0: up to here float64 tells times apart to that tolerance. It is 126 years, also of a clock
#: that counts from 1970; what a file or a feed states beyond it is refused before anything is drawn or counted by it.
MAX_TIME_S = 4e9
#: No frame has a higher number: one each millisecond for 30 years.
MAX_INDEX = 10**12
#: Images of more pixels are refused before they are decoded: 25 times what scanners make, and 0.8 GB while 16 bits of
#: each become 8.
MAX_PIXELS = 50_000_000
#: Frames per second, and seconds per frame, of anything that seqcls reads; frames at the clock of MPEG's times come at
#: a tenth of it.
MAX_RATE_HZ = 1_000_000
#: How many times a pixel is as wide as high, or as high as wide.
MAX_PIXEL_ASPECT = 100
#: Facts that a source states for a person; FFmpeg's and DICOM's have up to a dozen.
MAX_DETAILS = 1000
#: Organs of one model, label file or timeline: each is a column, a row of the picture, a strip of the display.
MAX_ORGANS = 100
#: Characters of an organ's name, which becomes a folder's.
MAX_ORGAN_LETTERS = 100
#: Why a frame is unknown that looks unlike everything the model was trained on; see ``novelty``.
UNLIKE_TRAINING = "unlike training"
#: An organ's name becomes a folder's name, on Windows too.
UNFIT_IN_ORGANS = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029]')
_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)


def require_seconds(value: object, name: str) -> None:
    """Raises UsageError unless ``value`` is a number of 0 to MAX_TIME_S seconds."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} must be 0 or more seconds, not {value!r}")
    if value > MAX_TIME_S:
        raise UsageError(f"{name} must be at most {MAX_TIME_S:g} seconds, not {value!r}")


def require_organs(organs: Sequence[str]) -> None:
    """Raises UsageError for more organs than MAX_ORGANS, or a name longer than MAX_ORGAN_LETTERS."""
    if len(organs) > MAX_ORGANS:
        raise UsageError(f"{len(organs):,} organs are more than the {MAX_ORGANS} that seqcls takes; leave some out")
    for organ in organs:
        if len(organ) > MAX_ORGAN_LETTERS:
            raise UsageError(
                f"the name of organ {organ[:20] + '…'!r} has {len(organ):,} characters, more than {MAX_ORGAN_LETTERS};"
                " shorten it"
            )


def require_image(image: object, name: str) -> None:
    """Raise UsageError, which says what to do, unless this is (H, W) uint8 gray or (H, W, 3) uint8 BGR, not empty."""
    if not isinstance(image, np.ndarray):
        raise UsageError(f"{name} is a {type(image).__name__}, not a NumPy array: convert it with numpy.asarray")
    shape = image.shape
    if image.dtype != np.uint8:
        raise UsageError(f"{name} is {image.dtype}: scale it to 0..255 and convert it with astype('uint8')")
    if image.size == 0:
        raise UsageError(f"{name} has shape {shape}, which holds no pixel: leave it out")
    if image.ndim == 2 or (image.ndim == 3 and shape[2] == 3):
        return
    if image.ndim == 3 and shape[2] == 4:
        raise UsageError(f"{name} has four channels {shape}: drop the fourth with image[..., :3], in the order B, G, R")
    if image.ndim == 3 and shape[0] in (1, 3):
        raise UsageError(f"{name} has its channels first {shape}: turn it with image.transpose(1, 2, 0), B, G, R")
    raise UsageError(f"{name} has shape {shape}: give (H, W) gray or (H, W, 3) in the order B, G, R")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of a clip or a feed, with its time.

    Raises UsageError for an image of another type or shape, and for times that are no numbers.
    """

    index: int
    """Its number in the clip, from 0."""
    time_s: float
    """When a player shows it, in seconds from the clip's beginning; the first frame may come later than 0."""
    duration_s: float
    """How long it is shown, in seconds; 0 where nobody knows."""
    image: NDArray[np.uint8]
    """(H, W) uint8 gray or (H, W, 3) uint8 BGR; later stages never write into it."""
    damaged: str = ""
    """Why the decoder distrusts the image; empty where it does not."""

    def __post_init__(self) -> None:
        require_image(self.image, f"the image of frame {self.index}")
        numbers: tuple[object, ...] = (self.index, self.time_s, self.duration_s)
        if not (isinstance(numbers[0], _INTEGERS) and all(isinstance(number, _NUMBERS) for number in numbers)):
            raise UsageError(f"a frame needs a whole number, a time and a duration in seconds, not {numbers}")
        if not (abs(self.time_s) <= MAX_TIME_S and 0 <= self.duration_s <= MAX_TIME_S):
            raise UsageError(
                f"frame {self.index} at {self.time_s} s for {self.duration_s} s: a time must be finite and within"
                f" {MAX_TIME_S:g} s of 0, a duration 0 or more"
            )

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image.shape))
        return f"Frame(index={self.index}, time_s={self.time_s:g}, duration_s={self.duration_s:g}, image={shape} uint8)"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch [start_s, end_s) for which there is no frame to judge, and why."""

    start_s: float
    end_s: float
    reason: str

    @property
    def time_s(self) -> float:
        """Its place in the stream, among frames."""
        return self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class FrameScore:
    """What the engine (or a smoother) says of one frame."""

    index: int
    """Number of the frame, from 0."""
    time_s: float
    """When it is shown, in seconds."""
    duration_s: float
    """How long it is shown, in seconds."""
    scores: NDArray[np.float32] | None
    """(K,) float32 in 0..1, one per organ; None where the frame is not scorable."""
    reason: str = ""
    """Why the frame is not scorable; empty where it is."""
    measured: bool = True
    """False where the engine did not see this frame and other frames' scores stand in (sampling)."""
    novelty: float = math.nan
    """How unlike the model's training frames it looks, 0..1; NaN where the model does not tell."""


@dataclass(frozen=True, slots=True)
class Event:
    """From ``start_s`` on the organ's state is ``state``; this was certain at ``final_s`` and never changes after."""

    organ: str
    """Name of the organ."""
    state: State
    """Its state from now on."""
    start_s: float
    """When the state begins, in seconds."""
    index: int
    """The first frame of the new state (for a gap: the first frame after it)."""
    final_s: float
    """Time of the frame that made it certain, in seconds."""
    reason: str = ""
    """Why the state is unknown; empty for the other two."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One stretch [start_s, end_s) of one state of one organ; an organ's intervals cover the clip without holes."""

    organ: str
    """Name of the organ."""
    state: State
    """Its state all the time."""
    start_s: float
    """Begin, in seconds."""
    end_s: float
    """End, in seconds, not inside."""
    start_index: int
    """The first frame inside, -1 when no frame lies inside."""
    end_index: int
    """The last frame inside, -1 when no frame lies inside."""
    mean_score: float
    """Mean of the smoothed scores of the frames inside, NaN when there is none."""
    peak_score: float
    """Highest of these scores, NaN when there is none."""
    reason: str = ""
    """Why the state is unknown; empty for the other two."""

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Where every received frame went: ``received == classified + skipped + dropped + rejected``.

    Raises UsageError for negative numbers.
    """

    received: int = 0
    """Frames that the source delivered."""
    classified: int = 0
    """Scored by the engine."""
    skipped: int = 0
    """Scored by other frames' scores (sampling)."""
    dropped: int = 0
    """Thrown away because the machine could not keep up (live)."""
    rejected: int = 0
    """Not scorable: lost, black, frozen, no contact."""

    def __post_init__(self) -> None:
        if min(self.received, self.classified, self.skipped, self.dropped, self.rejected) < 0:
            raise UsageError(f"frames are counted from 0 on, not {self}")

    @property
    def balanced(self) -> bool:
        return self.received == self.classified + self.skipped + self.dropped + self.rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What a source says of itself before the first frame; declared values are hints, often wrong."""

    name: str
    """Fit to be shown: no credentials, and control characters escaped."""
    kind: Literal["file", "dicom", "images", "camera", "stream", "openigtlink", "frames"]
    """What kind of input it is."""
    path: str = ""
    """Which file it was, with slashes and relative to what was asked for, so that two clips of one name are told apart;
    empty where it is no file."""
    container: str = ""
    """File format, as FFmpeg calls it."""
    codec: str = ""
    """How the images are compressed."""
    width: int = field(default=0, metadata=between(0, MAX_PIXELS))
    """Of the images, in pixels; 0 where not known."""
    height: int = field(default=0, metadata=between(0, MAX_PIXELS))
    """Of the images, in pixels; 0 where not known."""
    pixel_aspect: float = field(default=1.0, metadata=between(1 / MAX_PIXEL_ASPECT, MAX_PIXEL_ASPECT))
    """Width of a stored pixel divided by its height. The source stretches its images where that is not 1: the pixels of
    a frame are square."""
    declared_frames: int | None = field(default=None, metadata=between(0, MAX_INDEX))
    """How many frames the file says it holds."""
    declared_duration_s: float | None = field(default=None, metadata=between(0, MAX_TIME_S))
    """How long the file says it lasts, in seconds."""
    rate_hz: float | None = field(default=None, metadata=between(1 / MAX_RATE_HZ, MAX_RATE_HZ))
    """Frames per second, as declared or stated."""
    region: tuple[int, int, int, int] | None = field(default=None, metadata=between(0, MAX_PIXELS))
    """An ultrasound region stated by the source itself (DICOM), in pixels (x0, y0, x1, y1), half-open."""
    has_clock: bool = True
    """Whether frames carry times of their own, rather than times by their rate."""
    details: tuple[tuple[str, str], ...] = field(default=(), metadata=at_most(MAX_DETAILS))
    """Other facts for a person, as pairs of name and value."""

    def __post_init__(self) -> None:
        for name in ("name", "path"):
            own = getattr(self, name)
            shown = for_terminal(own)
            if shown != own:
                object.__setattr__(self, name, shown)
        for f in _DECLARED:
            value = getattr(self, f.name)
            low, high = f.metadata["between"]
            if value is not None and not low <= value <= high:  # a file may declare anything
                object.__setattr__(self, f.name, None)

    @property
    def title(self) -> str:
        """What tells it from others, for a person: its path where it has one."""
        return self.path or self.name


_DECLARED = [f for f in fields(SourceInfo) if f.name in ("declared_frames", "declared_duration_s", "rate_hz")]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a source says of itself after the last frame."""

    verdict: Verdict
    """Whether all of the input was read."""
    reasons: tuple[str, ...] = ()
    """Why it is not complete; for a person."""
    delivered: int = field(default=0, metadata=between(0, MAX_INDEX))
    """How many frames came."""
    gaps: tuple[Gap, ...] = ()
    """Stretches without frames."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Every frame's scores, before and after smoothing, so that post-processing can be replayed without the model.

    ``index`` (T,) int64, ``time_s`` and ``duration_s`` (T,) float64, ``raw`` and ``smooth`` (T, K) float32 with rows of
    NaN where a frame cannot be judged; ``reason`` holds T strings, empty where it can. ``measured`` (T,) bool is False
    where a frame's raw score was inferred from other frames' (adaptive sampling). A frame
    that is unlike training keeps its raw scores.
    """

    organs: tuple[str, ...]
    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    raw: NDArray[np.float32]
    smooth: NDArray[np.float32]
    reason: tuple[str, ...]
    measured: NDArray[np.bool_]
    novelty: NDArray[np.float32] | None = None
    """(T,) of each frame, before it is averaged; NaN where there is none. None where the model tells none at all."""

    def frame_counts(self, dropped: int = 0) -> FrameCounts:
        """Where these frames went, with others that were ``dropped``. Raises UsageError for fewer than none."""
        rejected = sum(reason not in ("", UNLIKE_TRAINING) for reason in self.reason)  # the others were scored
        skipped = int(np.count_nonzero(~self.measured))
        received = len(self.index)
        return FrameCounts(received + dropped, received - rejected - skipped, skipped, dropped, rejected)

    def __repr__(self) -> str:
        stretch = f", {self.time_s[0]:.2f} to {self.time_s[-1]:.2f} s" if len(self.time_s) else ""
        return f"ScoreTable({', '.join(self.organs)}: {count_of(len(self.index), 'frame')}{stretch})"
