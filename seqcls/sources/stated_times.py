"""When a track begins and ends by its container's word, on the clock that a player shows.

A player's clock begins with the container, which is with the first of its tracks: sound may come before the first
image. Containers that count from elsewhere (a transport stream from any hour) are counted from their first track too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from seqcls.sources.timestamps import LEAP_S

#: FFmpeg states a container's start in whole microseconds.
_ROUNDING_S = Fraction(2, 1_000_000)


@dataclass(frozen=True, slots=True)
class StatedTimes:
    """``zero`` and ``start``: the track's ticks at 0 of the player's clock and at its own start, None where the
    container names none. ``start_s``: that start in seconds as the file counts them. ``end_s``: its end in seconds of
    the player's clock, None where it is not stated."""

    zero: int | None
    start: int | None
    start_s: float
    end_s: float | None


def stated_times(container: Any, stream: Any, first: int | None = None) -> StatedTimes:
    """What an opened PyAV container states of one of its video streams. ``first``: the ticks at its first packet, taken
    for its start where none is stated: FFmpeg names none for a Matroska of few frames of H.264."""
    base, start = Fraction(stream.time_base), stream.start_time
    start = first if start is None else start
    if start is None:
        return StatedTimes(None, None, 0.0, _end_s(container, stream, Fraction(0), Fraction(0)))
    start_s = start * base
    zero_s = _zero_s(container.start_time, start_s)
    zero = start if zero_s == start_s else round(zero_s / base)
    return StatedTimes(zero, start, float(start_s), _end_s(container, stream, start_s, zero_s))


def _zero_s(container_us: int | None, start_s: Fraction) -> Fraction:
    """Where the player's clock begins, in seconds of the container's clock."""
    if container_us is None:
        return start_s
    zero_s = Fraction(container_us, 1_000_000)
    if zero_s < 0 <= start_s:
        zero_s = Fraction(0)  # what lies before 0 is the run-up of an audio decoder, which nobody hears
    return zero_s if _ROUNDING_S < start_s - zero_s < LEAP_S else start_s


def _end_s(container: Any, stream: Any, start_s: Fraction, zero_s: Fraction) -> float | None:
    kind, alone = container.format.name.partition(",")[0], len(container.streams) == 1
    own_s = _tagged_s(stream.metadata.get("DURATION", ""))
    if stream.duration is not None and stream.duration > 0 and (kind != "asf" or alone):
        own_s = stream.duration * Fraction(stream.time_base)
    elif own_s is None and alone and container.duration is not None and container.duration > 0:
        # The container lasts as long as its longest track, which does not bound the video beside an audio track.
        own_s = Fraction(container.duration, 1_000_000)
    if own_s is None:
        return None
    # In Matroska some writers state the time of the end (FFmpeg), others a length (mkvmerge); ASF states the time of
    # the end. The earlier one is taken.
    is_end = kind in ("matroska", "asf") and own_s > start_s
    return float(own_s - zero_s if is_end else start_s - zero_s + own_s)


def _tagged_s(text: str) -> Fraction | None:
    """Matroska's statistics tag, as 00:00:01.600000000."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None
