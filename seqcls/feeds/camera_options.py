"""What a camera can be asked for; without anything that reads one, so that the command line starts quickly."""

from __future__ import annotations

from dataclasses import dataclass

from seqcls.errors import UsageError

#: OpenCV's backends for cameras, as the command line names them: cv2.CAP_ANY and so on.
BACKENDS = ("any", "v4l2", "gstreamer", "ffmpeg", "dshow", "msmf", "avfoundation")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """What a camera is asked for, and may not give; None leaves it to the camera."""

    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    rate_hz: float | None = None
    """Frames per second."""
    backend: str | None = None
    """What reads it, one of ``BACKENDS``."""

    def __post_init__(self) -> None:
        if self.size is not None and not all(1 <= side <= 20_000 for side in self.size):
            raise UsageError(f"the camera's size must be WIDTHxHEIGHT in pixels, not {self.size[0]}x{self.size[1]}")
        if self.rate_hz is not None and not 0 < self.rate_hz <= 10_000:
            raise UsageError(f"the camera's rate must lie between 0 and 10,000 frames per second, not {self.rate_hz:g}")
        if self.backend is not None and self.backend not in BACKENDS:
            raise UsageError(f"the camera backend must be one of {', '.join(BACKENDS)}, not {self.backend!r}")


AS_IT_IS = CameraOptions()
