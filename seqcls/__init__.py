"""seqcls: from an ultrasound clip, or a live probe feed, to a timeline of when each organ is in view.

    import seqcls

    detector = seqcls.load("organ.safetensors")
    timeline = detector.analyze("clip.mp4")
    for interval in timeline.of("thyroid", "present"):
        print(interval.start_s, interval.end_s)

Research software, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqcls.errors import SeqclsError
from seqcls.intervals import IntervalOptions
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Event, Frame, FrameCounts, FrameScore, Gap, Interval

if TYPE_CHECKING:
    from seqcls.detector import Detector, load
    from seqcls.sources import open_source
    from seqcls.timeline import Timeline

__version__ = "0.1.0"
DISCLAIMER = "Research software, not a medical device: not for diagnosis or treatment."

__all__ = [
    "DISCLAIMER",
    "Detector",
    "Event",
    "Frame",
    "FrameCounts",
    "FrameScore",
    "Gap",
    "Interval",
    "IntervalOptions",
    "SeqclsError",
    "SmoothingOptions",
    "Timeline",
    "__version__",
    "load",
    "open_source",
]


def __getattr__(name: str) -> Any:
    # What needs cv2, av or an engine is imported on first use, so that `import seqcls` stays instant.
    if name in ("Detector", "load"):
        from seqcls import detector

        return getattr(detector, name)
    if name == "open_source":
        from seqcls.sources import open_source

        return open_source
    if name == "Timeline":
        from seqcls.timeline import Timeline

        return Timeline
    raise AttributeError(f"module 'seqcls' has no attribute {name!r}")
