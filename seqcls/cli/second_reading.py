"""What `run` writes from a clip's frames once its timeline is known: the clip is read a second time for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console
from seqcls.errors import GeometryError, UsageError
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.geometry import Geometry
    from seqcls.sources import Source
    from seqcls.timeline import Timeline


class _StoppedError(Exception):
    """Somebody wants the run to end; its results are written."""


@dataclass(frozen=True, slots=True)
class FinishedClip:
    """A clip whose timeline is known and written."""

    timeline: Timeline
    opens: Callable[[], Source]
    """Opens the clip anew, in color."""
    geometry: Geometry
    """By which its frames' regions are found again."""
    folder: Path
    """Of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondReading:
    """What was asked for. Raises UsageError for what cannot be together."""

    overlay: bool
    shows_names: bool
    cut: bool

    def __post_init__(self) -> None:
        if self.shows_names and not self.overlay:
            raise UsageError("--overlay-shows-names changes what --overlay writes; add that, or leave this out")

    def __bool__(self) -> bool:
        return self.overlay or self.cut

    def __str__(self) -> str:
        return " and ".join([*["--overlay"] * self.overlay, *["--cut"] * self.cut])

    def refuse_for_live(self) -> None:
        """Raise UsageError: a feed cannot be read twice."""
        for name, is_asked, instead in (("overlay", self.overlay, "--record"), ("cut", self.cut, "--clips")):
            if is_asked:
                raise UsageError(f"--{name} is for clips; leave it out, a live run has {instead}")

    def outputs(self, folder: Path) -> list[Path]:
        """Files that must not be there yet."""
        from seqcls.rendering.overlay import OVERLAY_NAME

        return [folder / OVERLAY_NAME] if self.overlay else []

    def write(self, clip: FinishedClip, should_stop: Callable[[], bool]) -> list[str]:
        """Into the run's folder; returns what was written, in words. What may not be shown is warned of."""
        written: list[str] = []
        asked = [*[self._write_overlay] * self.overlay, *[self._write_cuts] * self.cut]
        try:
            for write in asked:
                if should_stop():
                    raise _StoppedError
                written += write(clip, should_stop)
        except _StoppedError:
            console.warn(
                f"{clip.timeline.source.name}: stopped before all of {self} was written; the timeline is whole"
            )
        return written

    def _write_overlay(self, clip: FinishedClip, should_stop: Callable[[], bool]) -> list[str]:
        from seqcls.rendering.overlay import OVERLAY_NAME, write_overlay

        try:
            with console.progress(f"writing {OVERLAY_NAME}", len(clip.timeline.scores.index)) as advance:
                write_overlay(
                    clip.timeline,
                    clip.opens,
                    clip.folder / OVERLAY_NAME,
                    geometry=clip.geometry,
                    shows_names=self.shows_names,
                    overwrite=True,  # whether that is wanted was asked before
                    on_progress=_stopping(advance, should_stop),
                )
        except GeometryError as error:
            console.warn(str(error))
            return []
        return [OVERLAY_NAME]

    def _write_cuts(self, clip: FinishedClip, should_stop: Callable[[], bool]) -> list[str]:
        from seqcls.rendering.cut import write_cuts
        from seqcls.rendering.cut_files import CUTS_NAME

        with console.progress(f"writing {CUTS_NAME}", len(clip.timeline.scores.index)) as advance:
            cuts = write_cuts(
                clip.timeline,
                clip.opens,
                clip.folder / CUTS_NAME,
                geometry=clip.geometry,
                overwrite=True,
                on_progress=_stopping(advance, should_stop),
            )
        if black := sum(cut.is_black for cut in cuts):
            console.warn(
                f"{black} of {count_of(len(cuts), 'clip')} in {CUTS_NAME} are black: nothing may be shown of them"
            )
        return [f"{CUTS_NAME}/ ({count_of(len(cuts), 'clip')})"]


def _stopping(advance: console.Advance, should_stop: Callable[[], bool]) -> console.Advance:
    def further(done: int) -> None:
        if should_stop():
            raise _StoppedError
        advance(done)

    return further
