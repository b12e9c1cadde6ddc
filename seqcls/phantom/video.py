"""Sweeps as video files, with their truth as spans and as a label file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

from seqcls.errors import OutputError, UsageError, one_line
from seqcls.files import atomic_path, write_csv
from seqcls.phantom.anatomy import ORGANS
from seqcls.phantom.sweep import SweepOptions, TruthState, sweep

#: Container by suffix, and codecs in order of preference.
_CODECS = dict.fromkeys((".mp4", ".mov", ".mkv"), ("libx264", "mpeg4")) | {".avi": ("mpeg4", "mjpeg")}


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

    def of(self, organ: str) -> tuple[TruthSpan, ...]:
        """The organ's spans in order."""
        return tuple(span for span in self.spans if span.organ == organ)


def write_sweep(path: str | Path, options: SweepOptions, *, crf: int = 18) -> SweepTruth:
    """Write the sweep as a video and return its truth.

    ``crf`` is the encoder's constant rate factor, lower is better; it is used where the codec has one. The suffix says
    which container. Raises UsageError for another suffix, OutputError where the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _CODECS:
        raise UsageError(f"cannot write a phantom as {path.name}: name it with one of {', '.join(_CODECS)}")
    with atomic_path(path) as temporary:
        seen = _encode(temporary, path, options, crf)
    rate_hz = options.rate_hz
    spans = tuple(
        TruthSpan(organ, state, start, end - 1, start / rate_hz, end / rate_hz)
        for organ in ORGANS
        for state, start, end in _runs(states[organ] for states, _ in seen)
    )
    lost = [(start / rate_hz, end / rate_hz) for touches, start, end in _runs(c for _, c in seen) if not touches]
    return SweepTruth(path.name, f"phantom-{options.patient:03d}", options, spans, tuple(lost))


def write_labels(path: str | Path, truths: Iterable[SweepTruth]) -> None:
    """Write the clips' truth as a label file: ``file, organ, start_s, end_s, state, patient``.

    Every border is written a moment before its frame, so that no rounding of a container's clock moves the frame
    across.
    """
    rows = (
        (truth.file, span.organ, _before(span.start_s), _before(span.end_s), span.state, truth.patient)
        for truth in truths
        for span in truth.spans
    )
    write_csv(path, (("file", "organ", "start_s", "end_s", "state", "patient"), *rows))


def _before(time_s: float) -> str:
    return f"{max(0.0, (math.ceil(time_s * 1000 - 1e-6) - 1) / 1000):.3f}"


#: Per frame: each organ's state, and whether the probe touches the skin.
Seen = list[tuple[dict[str, TruthState], bool]]


def _encode(temporary: Path, path: Path, options: SweepOptions, crf: int) -> Seen:
    """Write the video; returns what each of its frames shows."""
    import av

    available = [name for name in _CODECS[path.suffix.lower()] if name in av.codecs_available]
    if not available:
        raise OutputError(f"this FFmpeg has no codec to write {path.name}; install PyAV from its wheel")
    codec = available[0]
    # mbtree: see ``rendering.video_file``; the same sweep is the same file.
    settings = (
        {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
        if codec == "libx264"
        else {"qmin": "2", "qmax": "3"}
    )
    rate = Fraction(options.rate_hz).limit_denominator(1001)
    seen: Seen = []
    try:
        with av.open(str(temporary), "w") as container:
            stream: Any = container.add_stream(codec, rate=rate, options=settings)
            stream.width, stream.height = options.width, options.height
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = 1 / rate
            stream.codec_context.thread_count = 1  # else the file depends on the number of processors
            for frame in sweep(options):
                image = av.VideoFrame.from_ndarray(frame.image, format="gray").reformat(format=stream.pix_fmt)
                image.pts, image.time_base = frame.index, 1 / rate
                container.mux(stream.encode(image))
                seen.append((frame.states, frame.contact))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from error
    return seen


def _runs(values: Iterable[Any]) -> Iterator[tuple[Any, int, int]]:
    """Each run of equal values, with the index of its first and of the one after its last."""
    start = 0
    for value, run in groupby(values):
        end = start + len(list(run))
        yield value, start, end
        start = end
