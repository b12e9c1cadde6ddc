"""seqcls: from an ultrasound clip, or a live probe feed, to a timeline of when each organ is in view.

    import seqcls

    detector = seqcls.load("organ.safetensors")
    timeline = detector.analyze("clip.mp4")
    for interval in timeline.of("thyroid", "present"):
        print(interval.start_s, interval.end_s)

Begin with:

- ``load(path)``: a model file becomes a ``Detector``.
- ``open_source(name)``: a video, DICOM cine or folder of images as frames; ``open_live(name)``: a camera or a stream.
- ``Detector.analyze(clip)``: its ``Timeline``; ``Detector.stream(frames)``: each change of state as soon as it is
  certain; ``Detector.score(images)``: probabilities.
- ``write_run``, ``read_run``, ``export``, ``replay``: timelines to files and back, and again with other options;
  ``where``: organs made of others; ``write_proxy``: a constant-rate twin of a clip, and its ``TimeMap``;
  ``write_overlay``, ``write_cuts``: a timeline seen in its clip.

Research software, not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from seqcls.errors import (
    DataError,
    DiskFullError,
    EngineError,
    FinalError,
    GeometryError,
    ModelError,
    NoFramesError,
    OutputError,
    SeqclsError,
    SourceError,
    UsageError,
)

if TYPE_CHECKING:
    from seqcls.adaptive import SamplingOptions
    from seqcls.algebra.where import where
    from seqcls.analysis import Analysis
    from seqcls.detector import Detector, load
    from seqcls.engines import Engine
    from seqcls.exports import export, read_run, write_run
    from seqcls.feeds.camera_options import CameraOptions
    from seqcls.feeds.connection import FeedTiming
    from seqcls.feeds.open import open_live
    from seqcls.gate import GateOptions
    from seqcls.geometry import Geometry, Layout, Region
    from seqcls.intervals import IntervalOptions
    from seqcls.models.file import ModelHeader
    from seqcls.models.operating_curve import OperatingPoint
    from seqcls.models.trained_on import TrainedOn
    from seqcls.novelty import Novelty
    from seqcls.rendering.cut import Cut, write_cuts
    from seqcls.rendering.overlay import write_overlay
    from seqcls.rendering.proxy import Proxy, write_proxy
    from seqcls.reprocess import replay
    from seqcls.smoothing import SmoothingOptions
    from seqcls.sources import Source, open_source
    from seqcls.timeline import NoveltyUse, Provenance, Sampling, Timeline, VideoPart
    from seqcls.timemap import TimeMap
    from seqcls.types import (
        Event,
        FeedState,
        Frame,
        FrameCounts,
        FrameScore,
        Gap,
        Interval,
        ScoreTable,
        SourceInfo,
        SourceReport,
        State,
        Verdict,
    )

__version__ = "0.1.0"
DISCLAIMER = "Research software, not a medical device: not for diagnosis or treatment."

#: What needs numpy, cv2, av or an engine is imported when it is first used, so that `import seqcls` is instant.
_MODULES = {
    "Analysis": "analysis",
    "CameraOptions": "feeds.camera_options",
    "Cut": "rendering.cut",
    "Detector": "detector",
    "Engine": "engines",
    "Event": "types",
    "FeedState": "types",
    "FeedTiming": "feeds.connection",
    "Frame": "types",
    "FrameCounts": "types",
    "FrameScore": "types",
    "Gap": "types",
    "GateOptions": "gate",
    "Geometry": "geometry",
    "Interval": "types",
    "IntervalOptions": "intervals",
    "Layout": "geometry",
    "ModelHeader": "models.file",
    "Novelty": "novelty",
    "NoveltyUse": "timeline",
    "OperatingPoint": "models.operating_curve",
    "Provenance": "timeline",
    "Proxy": "rendering.proxy",
    "Region": "geometry",
    "Sampling": "timeline",
    "SamplingOptions": "adaptive",
    "ScoreTable": "types",
    "SmoothingOptions": "smoothing",
    "Source": "sources",
    "SourceInfo": "types",
    "SourceReport": "types",
    "State": "types",
    "TimeMap": "timemap",
    "Timeline": "timeline",
    "TrainedOn": "models.trained_on",
    "Verdict": "types",
    "VideoPart": "timeline",
    "export": "exports",
    "load": "detector",
    "open_live": "feeds.open",
    "open_source": "sources",
    "read_run": "exports",
    "replay": "reprocess",
    "where": "algebra.where",
    "write_cuts": "rendering.cut",
    "write_overlay": "rendering.overlay",
    "write_proxy": "rendering.proxy",
    "write_run": "exports",
}

__all__ = [  # noqa: RUF022 - what one begins with comes first
    "load",
    "open_source",
    "open_live",
    "read_run",
    "write_run",
    "export",
    "replay",
    "where",
    "write_proxy",
    "write_overlay",
    "write_cuts",
    "Detector",
    "Analysis",
    "Source",
    "Engine",
    "ModelHeader",
    "OperatingPoint",
    "TrainedOn",
    "Novelty",
    "NoveltyUse",
    # options
    "SmoothingOptions",
    "IntervalOptions",
    "GateOptions",
    "SamplingOptions",
    "CameraOptions",
    "FeedTiming",
    "Geometry",
    "Layout",
    "Region",
    # records
    "Timeline",
    "TimeMap",
    "Proxy",
    "Cut",
    "Interval",
    "Event",
    "Gap",
    "Frame",
    "FrameScore",
    "FrameCounts",
    "ScoreTable",
    "SourceInfo",
    "SourceReport",
    "Provenance",
    "Sampling",
    "VideoPart",
    "State",
    "Verdict",
    "FeedState",
    # errors
    "SeqclsError",
    "UsageError",
    "SourceError",
    "NoFramesError",
    "FinalError",
    "GeometryError",
    "ModelError",
    "DataError",
    "EngineError",
    "OutputError",
    "DiskFullError",
    "DISCLAIMER",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'seqcls' has no attribute {name!r}")
    return getattr(import_module(f"seqcls.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
