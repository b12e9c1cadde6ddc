"""Options that several commands share, and what follows from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcls.cli import console
from seqcls.errors import ModelError, UsageError

if TYPE_CHECKING:
    from seqcls.intervals import IntervalOptions
    from seqcls.smoothing import SmoothingOptions

FROM_MODEL = "[default: the model's]"

Model = Annotated[
    Path | None,
    typer.Option(
        "-m", "--model", help="Model file. [default: $SEQCLS_MODEL, else the newest in the working directory]"
    ),
]
Smoothing = Annotated[
    str | None, typer.Option(help=f"none, exponential, median, mean or hmm. {FROM_MODEL}", rich_help_panel="Smoothing")
]
Window = Annotated[float | None, typer.Option(help=f"Window of median and mean, seconds. {FROM_MODEL}")]
LookAhead = Annotated[
    float | None, typer.Option(help="Part of the window after the frame, seconds. [default: half of a stated window]")
]
TimeConstant = Annotated[float | None, typer.Option(help=f"Of exponential smoothing, seconds. {FROM_MODEL}")]
Dwell = Annotated[float | None, typer.Option(help=f"Mean stay in a state for hmm, seconds. {FROM_MODEL}")]
Onset = Annotated[float | None, typer.Option(help=f"Presence begins at this score. {FROM_MODEL}")]
Offset = Annotated[float | None, typer.Option(help=f"Presence ends below this score. {FROM_MODEL}")]
MinPresent = Annotated[float | None, typer.Option(help=f"Drop presence shorter than this, seconds. {FROM_MODEL}")]
MinAbsent = Annotated[float | None, typer.Option(help=f"Bridge absence shorter than this, seconds. {FROM_MODEL}")]
Pad = Annotated[float | None, typer.Option(help=f"Widen presence on both sides, seconds. {FROM_MODEL}")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results that the folder already holds.")]


def find_model(stated: Path | None) -> Path:
    """The stated model, else $SEQCLS_MODEL, else the newest that lies in the working directory or the demo's folder."""
    if stated is not None:
        return stated
    environment = os.environ.get("SEQCLS_MODEL")
    if environment:
        console.say(f"using $SEQCLS_MODEL: {environment}")
        return Path(environment)
    found = [*Path().glob("*.safetensors"), *Path("seqcls-demo").glob("*.safetensors")]
    if not found:
        raise ModelError(
            "no model: name one with -m, set SEQCLS_MODEL, or make one with `seqcls train DATA` or `seqcls demo`"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime)
    console.say(f"no -m: using the newest model here, {newest}")
    return newest


def parse_region(text: str) -> Any:
    """auto, none, or four whole numbers."""
    if text in ("auto", "none"):
        return text
    try:
        x0, y0, x1, y1 = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--region takes auto, none or x0,y0,x1,y1 in whole pixels, not {text!r}") from None
    return x0, y0, x1, y1


def changed_smoothing(
    model: SmoothingOptions,
    kind: str | None,
    window_s: float | None,
    look_ahead_s: float | None,
    time_constant_s: float | None,
    dwell_s: float | None,
) -> SmoothingOptions:
    if window_s is not None and look_ahead_s is None:
        look_ahead_s = window_s / 2
    stated = {
        "kind": kind,
        "window_s": window_s,
        "look_ahead_s": look_ahead_s,
        "time_constant_s": time_constant_s,
        "dwell_s": dwell_s,
    }
    return replace(model, **{name: value for name, value in stated.items() if value is not None})  # type: ignore[arg-type]


def changed_intervals(
    model: Sequence[IntervalOptions],
    onset: float | None,
    offset: float | None,
    min_present_s: float | None,
    min_absent_s: float | None,
    pad_s: float | None,
) -> tuple[IntervalOptions, ...]:
    stated = {
        "onset": onset,
        "offset": offset,
        "min_present_s": min_present_s,
        "min_absent_s": min_absent_s,
        "pad_s": pad_s,
    }
    changes = {name: value for name, value in stated.items() if value is not None}
    if onset is not None and offset is None:
        # A lower onset must not fail on the model's higher offset.
        return tuple(replace(o, **changes, offset=min(o.offset, onset)) for o in model)
    return tuple(replace(o, **changes) for o in model)
