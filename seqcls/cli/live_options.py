"""What the command line asks of a live run, and what of that only a feed has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli.options import parse_number, parse_settings
from seqcls.errors import UsageError
from seqcls.feeds.camera_options import AS_IT_IS, CameraOptions

if TYPE_CHECKING:
    from seqcls.live.options import LiveOptions


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
    serve: str | None = None
    token: Path | None = None
    tls: Path | None = None
    show: bool = False
    record: Path | None = None
    clips: bool = False
    webhook: str | None = None
    on_event: str | None = None
    send_igtl: str | None = None
    mqtt: str | None = None
    checklist: str | None = None


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


@dataclass(frozen=True, slots=True)
class PageAddress:
    """Where ``--serve`` puts the page: at a port (0: any) of this machine alone, or of one of its addresses in the
    network, ``host``."""

    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> PageAddress:
        """``PORT`` or ``ADDRESS:PORT``. Raises UsageError."""
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"--serve takes a port from 0 to 65535, or ADDRESS:PORT, not {text!r}")
        if host in ("0.0.0.0", "[::]", "::"):
            raise UsageError(f"{host} is every network of this machine: state its address in the one that you mean")
        return cls("" if host in ("127.0.0.1", "localhost") else host, int(port))


def parse_send_igtl(text: str) -> tuple[int, bool]:
    """``PORT`` or ``PORT,image``: the port, and whether the image is sent too. Raises UsageError."""
    port, comma, what = text.partition(",")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535) or (comma and what != "image"):
        raise UsageError(f"--send-igtl takes a port from 0 to 65535, or PORT,image, not {text!r}")
    return int(port), bool(comma)


def parse_checklist(text: str | None, organs: Sequence[str]) -> dict[str, float]:
    """``SECONDS`` for every organ, or ``ORGAN=SECONDS,...``; how long each is to be in view. Raises UsageError."""
    if text is None:
        return {}
    if "=" not in text:
        stated = dict.fromkeys(organs, text)
    else:
        stated = parse_settings(text.split(","), tuple(organs), "--checklist")
    wanted = {organ: parse_number(seconds, "--checklist") for organ, seconds in stated.items()}
    if not all(seconds > 0 for seconds in wanted.values()):
        raise UsageError(f"--checklist takes seconds above 0, not {text!r}")
    return wanted


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
    """What the session itself takes. Raises UsageError, also for an address of the page that cannot be right."""
    from seqcls.live.options import LiveOptions

    if run_options.duration is not None and not run_options.duration > 0:
        raise UsageError(f"--duration takes seconds above 0, not {run_options.duration:g}")
    if run_options.serve is None and (run_options.token is not None or run_options.tls is not None):
        raise UsageError("--token and --tls are for the page of --serve; add --serve, or leave them out")
    if run_options.serve is not None:
        address = PageAddress.parse(run_options.serve)
        if address.host and not (run_options.token and run_options.tls):
            raise UsageError(
                f"--serve {run_options.serve} can be reached from outside: state --token FILE and --tls FILE, or let"
                " a proxy lead to 127.0.0.1"
            )
    igtl_image = run_options.send_igtl is not None and parse_send_igtl(run_options.send_igtl)[1]
    return LiveOptions(
        keep=run_options.keep,  # type: ignore[arg-type]  # it refuses other names itself
        duration_s=math.inf if run_options.duration is None else run_options.duration,
        with_image=run_options.serve is not None or run_options.show or igtl_image,
    )
