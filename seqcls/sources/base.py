"""What every kind of input has in common: the protocol, the bounds, and the checks before anything is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError, one_line
from seqcls.types import MAX_PIXELS, Frame, Gap, SourceInfo, SourceReport, Verdict


@runtime_checkable
class Source(AbstractContextManager["Source"], Protocol):
    """A clip or a feed: iterate once, then ask for the report, then close (or use ``with``).

    Items come in stream order; frame indices count from 0 without holes, times never decrease.
    ``report`` is valid once the iteration ended, also when the consumer left early.
    """

    info: SourceInfo

    def __iter__(self) -> Iterator[Frame | Gap]: ...

    def report(self) -> SourceReport:
        """What was read, once the iteration has ended. Raises nothing."""
        ...

    def close(self) -> None:
        """Release the file or the connection. Raises nothing, however often it is called."""
        ...


class OneWay(AbstractContextManager[Source]):
    """Base of the sources here: read once, close as often as you like."""

    name = ""

    def __init__(self) -> None:
        self._started = False
        self._closed = False

    def __iter__(self) -> Iterator[Frame | Gap]:
        if self._closed:
            raise SourceError(f"{self.name}: is closed; open it again")
        if self._started:
            raise SourceError(f"{self.name}: was read already; open it again")
        self._started = True
        return self._items()

    def _items(self) -> Iterator[Frame | Gap]:
        raise NotImplementedError

    def close(self) -> None:
        self._closed = True

    def __exit__(self, *_: object) -> None:
        self.close()


class Clip(OneWay):
    """Base of the sources that end: counts the frames, keeps the gaps, knows whether it was read to the end."""

    def __init__(self) -> None:
        super().__init__()
        self._delivered = 0
        self._gaps: list[Gap] = []
        self._ended = self._truncated = False
        self._unsure = ""  # why nobody can know whether it is whole
        self._alarms: list[str] = []
        self._notes: list[str] = []
        self._shape: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Frame | Gap]:
        return self._counted(super().__iter__())

    def _counted(self, items: Iterator[Frame | Gap]) -> Iterator[Frame | Gap]:
        for item in items:
            if isinstance(item, Gap):
                self._gaps.append(item)
            yield item
            self._delivered += isinstance(item, Frame)
        self._ended = not self._closed

    def _lost(self, start_s: float, end_s: float, reason: str) -> Gap:
        self._alarms.append(f"{reason} at {start_s:.2f} s")
        return Gap(start_s, end_s, reason)

    def _watch_size(self, image: NDArray[np.uint8], place: str) -> None:
        if self._shape and image.shape != self._shape:
            before, now = (f"{shape[1]}x{shape[0]}" for shape in (self._shape, image.shape))
            self._alarms.append(f"the image size changes from {before} to {now} at {place}")
        self._shape = image.shape

    def _remarks(self) -> tuple[list[str], list[str]]:
        """Reasons to distrust the clip, and remarks that cost it nothing."""
        return few(self._alarms), self._notes

    def report(self) -> SourceReport:
        alarms, notes = self._remarks()
        verdict: Verdict = "complete" if self._ended and not self._unsure else "unknown"
        if self._truncated or alarms:
            verdict = "truncated" if self._truncated else "damaged"
        unsure = (self._unsure,) if self._unsure else ()
        unread = () if self._ended else ("not read to the end",)
        return SourceReport(verdict, (*alarms, *unsure, *notes, *unread), self._delivered, tuple(self._gaps))


def few(lines: list[str], most: int = 8) -> list[str]:
    """The first of them, and how many more there are."""
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"and {more} more like the last"]


def require_named(spec: str) -> None:
    """Raise SourceError for an empty name: a path would take it for the working directory."""
    if not spec.strip():
        raise SourceError("the name of a source is empty; name a clip, a folder or a camera")


def require_regular_file(path: Path, name: str = "") -> None:
    """Raise SourceError for anything but a file with something in it: a FIFO hangs for ever, a device does anything.

    ``name`` stands in the message in place of the path where it is given: folders may name people.
    """
    shown = name if name else path
    try:
        status = os.stat(path)  # noqa: PTH116 - follows links, as opening does
    except FileNotFoundError:
        raise SourceError(f"{shown}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{shown}: cannot be looked at ({one_line(error)}); check the name and its permissions"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{shown}: is a folder, not a clip; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{shown}: is not a regular file (a pipe or device); save the clip to a file first")
    if status.st_size == 0:
        raise SourceError(f"{shown}: is empty (0 bytes); was the copy interrupted?")


def require_sane_size(name: str, width: int, height: int) -> None:
    """Raise SourceError for images of no size or of more than ``MAX_PIXELS``."""
    if width < 1 or height < 1:
        raise SourceError(f"{name}: the picture size {width}x{height} makes no sense; is the file whole?")
    if width * height > MAX_PIXELS:
        raise SourceError(
            f"{name}: {width}x{height} is more than {MAX_PIXELS // 1_000_000} megapixels; scale the clip down first"
        )
