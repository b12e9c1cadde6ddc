"""The command line as a test sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.encoded import write_video
from support.fakes import frames

from seqcls.types import Frame

#: Options with which training ends in seconds.
TRAIN = ["--weights", "none", "--size", "32", "--epochs", "4", "--samples-per-epoch", "96", "--batch-size", "16", "--seed", "1", "--set", "precision=fp32"]  # fmt: skip


@dataclass
class Done:
    code: int
    out: str
    err: str


Seqcls = Callable[..., Done]


@dataclass
class Trained:
    clips: Path
    labels: Path
    model: Path
    data: Path


def one_line(done: Done) -> str:
    """The error, which must be the only line on stderr that is not a message of progress."""
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("seqcls: ")]
    assert len(lines) == 1, done.err
    return lines[0]


def bright_clip(path: Path, present: Sequence[bool], rate_hz: int = 10) -> Path:
    """MPEG-4, one frame per entry: bright where the organ of ``fakes.detector`` is present, else dark."""
    shown = frames([0.9 if here else 0.1 for here in present], rate_hz)
    write_video(path, (frame.image for frame in shown if isinstance(frame, Frame)), rate_hz=rate_hz)
    return path
