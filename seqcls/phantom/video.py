"""Sweeps as video files, with their truth as spans and as a label file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from seqcls.errors import OutputError, UsageError
from seqcls.files import atomic_path, write_text
from seqcls.phantom.anatomy import ORGANS
from seqcls.phantom.sweep import PhantomFrame, SweepOptions, TruthState, sweep

#: Container by suffix, and codecs in order of preference.
_CODECS = {
    ".mp4": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".avi": ("mpeg4", "mjpeg"),
}


@dataclass(frozen=True, slots=True)
class TruthSpan:
    """A run of frames of one state: first and last index (both inside), and [start_s, end_s)."""

    organ: str
    state: TruthState
    start_index: int
    end_index: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SweepTruth:
    """What a written clip shows. Each organ's ``spans`` cover the clip; ``contact_loss`` are [start_s, end_s)."""

    file: str
    patient: str
    options: SweepOptions
    spans: tuple[TruthSpan, ...]
    contact_loss: tuple[tuple[float, float], ...]

    def of(self, organ: str, state: TruthState | None = None) -> tuple[TruthSpan, ...]:
        """The organ's spans in order, of one state when stated."""
        return tuple(s for s in self.spans if s.organ == organ and (state is None or s.state == state))


def write_sweep(
    path: str | Path,
    options: SweepOptions,
    *,
    crf: int = 18,
    progress: Callable[[int, int], None] | None = None,
) -> SweepTruth:
    """Write the sweep as a video and return its truth. ``progress(done, total)`` is called after each frame.

    ``crf`` is the encoder's constant rate factor, lower is better; it is used where the codec has one. The suffix says
    which container. Raises UsageError for another suffix, OutputError where the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _CODECS:
        raise UsageError(f"cannot write a phantom as {path.name}: name it with one of {', '.join(_CODECS)}")
    spans = _Spans(options.rate_hz)
    with atomic_path(path) as temporary:
        _encode(temporary, path, options, crf, spans, progress)
    return SweepTruth(path.name, f"phantom-{options.patient:03d}", options, *spans.finish())


def write_labels(path: str | Path, truths: Iterable[SweepTruth]) -> None:
    """Write the clips' truth as a label file: ``file, organ, start_s, end_s, state, patient``.

    Every border is written a moment before its frame, so that no rounding of a container's clock moves the frame
    across.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "organ", "start_s", "end_s", "state", "patient"])
    for truth in truths:
        for span in truth.spans:
            start, end = _before(span.start_s), _before(span.end_s)
            rows.writerow([truth.file, span.organ, start, end, span.state, truth.patient])
    write_text(path, text.getvalue())


def _before(time_s: float) -> str:
    return f"{max(0.0, (math.ceil(time_s * 1000 - 1e-6) - 1) / 1000):.3f}"


class _Spans:
    """Runs of states, put together while frames pass."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._starts: dict[str, tuple[TruthState, int]] = {}
        self._spans: list[TruthSpan] = []
        self._lost: list[tuple[float, float]] = []
        self._lost_from: int | None = None
        self._count = 0

    def add(self, frame: PhantomFrame) -> None:
        self._count = frame.index + 1
        for organ, state in frame.states.items():
            known = self._starts.get(organ)
            if known is None or known[0] != state:
                self._close(organ, frame.index)
                self._starts[organ] = (state, frame.index)
        if not frame.contact and self._lost_from is None:
            self._lost_from = frame.index
        elif frame.contact and self._lost_from is not None:
            self._end_loss(frame.index)

    def finish(self) -> tuple[tuple[TruthSpan, ...], tuple[tuple[float, float], ...]]:
        for organ in ORGANS:
            self._close(organ, self._count)
        if self._lost_from is not None:
            self._end_loss(self._count)
        ordered = sorted(self._spans, key=lambda s: (ORGANS.index(s.organ), s.start_index))
        return tuple(ordered), tuple(self._lost)

    def _close(self, organ: str, end: int) -> None:
        known = self._starts.pop(organ, None)
        if known is not None:
            state, start = known
            self._spans.append(TruthSpan(organ, state, start, end - 1, start / self._rate_hz, end / self._rate_hz))

    def _end_loss(self, end: int) -> None:
        assert self._lost_from is not None
        self._lost.append((self._lost_from / self._rate_hz, end / self._rate_hz))
        self._lost_from = None


def _encode(
    temporary: Path,
    path: Path,
    options: SweepOptions,
    crf: int,
    spans: _Spans,
    progress: Callable[[int, int], None] | None,
) -> None:
    import av

    try:
        with av.open(str(temporary), "w") as container:
            stream = _stream(av, container, path, options, crf)
            for frame in sweep(options):
                spans.add(frame)
                picture = av.VideoFrame.from_ndarray(frame.image, format="gray").reformat(format=stream.pix_fmt)
                picture.pts = frame.index
                picture.time_base = stream.codec_context.time_base
                container.mux(stream.encode(picture))
                if progress is not None:
                    progress(frame.index + 1, options.frames)
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place with -o") from error


def _stream(av: Any, container: Any, path: Path, options: SweepOptions, crf: int) -> Any:
    """A video stream by the first codec of the suffix that this FFmpeg has."""
    available = [name for name in _CODECS[path.suffix.lower()] if name in av.codecs_available]
    if not available:
        raise OutputError(f"this FFmpeg has no codec to write {path.name}; install PyAV from its wheel")
    codec = available[0]
    settings = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {"qmin": "2", "qmax": "3"}
    rate = Fraction(options.rate_hz).limit_denominator(1001)
    stream = container.add_stream(codec, rate=rate, options=settings)
    stream.width, stream.height = options.width, options.height
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.codec_context.time_base = 1 / rate
    return stream
