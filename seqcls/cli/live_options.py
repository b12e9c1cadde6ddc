"""What the command line asks of a live run, and what of that only a feed has."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli.options import parse_number, parse_settings
from seqcls.errors import UsageError
from seqcls.feeds.capture import AS_IT_IS, CameraOptions

if TYPE_CHECKING:
    from seqcls.live.session import LiveOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRunOptions:
    """What the command line asked of a run, the model and its options apart; every field is named after its flag."""

    fps: float | None = None
    overwrite: bool = False
    where: tuple[str, ...] = ()
    camera: CameraOptions = AS_IT_IS
    credentials: Path | None = None
    keep: str = "latest"
    resume: bool = False
    duration: float | None = None
    realtime: bool = False
    serve: int | None = None
    show: bool = False
    record: Path | None = None
    clips: bool = False
    webhook: str | None = None
    on_event: str | None = None


def parse_camera(text: str | None) -> CameraOptions:
    """``size=WIDTHxHEIGHT,rate=NUMBER,backend=NAME``, or a part of it. Raises UsageError."""
    stated = parse_settings(text.split(",") if text else [], ("size", "rate", "backend"), "--camera")
    size = None
    if "size" in stated:
        width, _, height = stated["size"].lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UsageError(f"--camera size is WIDTHxHEIGHT in pixels, such as 1280x720, not {stated['size']!r}")
        size = int(width), int(height)
    rate_hz = parse_number(stated["rate"], "--camera rate") if "rate" in stated else None
    return CameraOptions(size=size, rate_hz=rate_hz, backend=stated.get("backend"))


def refuse_for_clips(run_options: LiveRunOptions) -> None:
    """Raise UsageError for what only a feed has: ignored, a person would wait for the page or the recording."""
    for field in fields(run_options):
        if field.name in ("fps", "overwrite", "where") or getattr(run_options, field.name) == field.default:
            continue
        if field.name == "camera":
            raise UsageError("--camera is for cameras; leave it out for clips")
        flag = f"--{field.name.replace('_', '-')}"
        raise UsageError(f"{flag} is for live runs; leave it out, or add --realtime to play the clip as a feed")


def session_options(run_options: LiveRunOptions) -> LiveOptions:
    """What the session itself takes. Raises UsageError."""
    from seqcls.live.session import LiveOptions

    return LiveOptions(
        keep=run_options.keep,  # type: ignore[arg-type]  # it refuses other names itself
        duration_s=math.inf if run_options.duration is None else run_options.duration,
        with_image=run_options.serve is not None or run_options.show,
    )
