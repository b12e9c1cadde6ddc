"""A DICOM series of one image per file as a clip."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.sources.base import Clip
from seqcls.sources.dicom import DicomSource, open_dicom
from seqcls.sources.dicom_evidence import Meaning
from seqcls.sources.dicom_instances import InstanceTimes, SeriesFiles
from seqcls.sources.dicom_levels import StoredLevels
from seqcls.sources.image_numbers import numbered_places
from seqcls.sources.images import ASSUMED_RATE_HZ
from seqcls.sources.timestamps import LATE
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap

#: So many files are looked at for the gray levels of images of more than 8 bits.
_FILES_TO_LEVEL = 8


class DicomSeries(Clip):
    """Files of one image each, in the order of their instance numbers; (H, W) gray or (H, W, 3) BGR images.

    A number or a time that is left out is a gap, and so is a file that cannot be read. Raises SourceError when the
    first file cannot be read.
    """

    def __init__(
        self,
        name: str,
        files: SeriesFiles,
        *,
        rate_hz: float | None = None,
        color: bool = False,
    ) -> None:
        super().__init__()
        self.name, self._color = name, color
        paths, times = files.paths, files.times
        self._paths = [paths[at] for at in times.order]
        numbers = [files.instances[at].number for at in times.order]
        self._stretches, origin, remark = _stretches(numbers, times, rate_hz)
        self._levels = _common_levels(self._paths)
        self._meaning, notes = _common_meaning(self._paths)
        with open_dicom(
            self._paths[0], rate_hz=ASSUMED_RATE_HZ, color=color, levels=self._levels, meaning=self._meaning
        ) as first:
            info = first.info
            notes += [note for note in first.report().reasons if note != "not read to the end" and note not in notes]
        self._notes += notes
        usual_s = statistics.median(end_s - start_s for start_s, end_s in self._stretches)
        self.info = replace(
            info,
            name=name,
            declared_frames=len(paths),
            declared_duration_s=self._stretches[-1][1],
            rate_hz=round(1 / usual_s, 6),
            has_clock=origin != "",
            details=(
                *((what, value) for what, value in info.details if what not in ("times from", "gray levels")),
                ("times from", origin if origin else "nothing: frame axis only"),
                *((("gray levels", self._levels.origin),) if self._levels is not None else ()),
            ),
        )
        self._notes.append(f"{count_of(len(paths), 'file')} of one image each, read as one clip by instance number")
        self._notes += [remark] if remark else []

    @property
    def starts_s(self) -> tuple[float, ...]:
        """When the image of each file begins, also of those that cannot be read."""
        return tuple(start_s for start_s, _ in self._stretches)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files in the order of their images."""
        return tuple(self._paths)

    def _items(self) -> Iterator[Frame | Gap]:
        reached_s = self._stretches[0][0]
        for path, (start_s, end_s) in zip(self._paths, self._stretches, strict=True):
            if start_s > reached_s + 1e-6:
                missing = max(1, round((start_s - reached_s) / (end_s - start_s)))
                yield self._lost(reached_s, start_s, f"{count_of(missing, 'image')} missing before {path.name}")
            reached_s = end_s
            try:
                with open_dicom(path, color=self._color, levels=self._levels, meaning=self._meaning) as source:
                    image = next(item.image for item in source if isinstance(item, Frame))
            except (SourceError, StopIteration) as error:
                reason = str(error).removeprefix(f"{path}: ") or "its image is damaged"
                yield self._lost(start_s, end_s, f"{path.name}: {reason}")
                continue
            self._watch_size(image, path.name)
            yield Frame(self._delivered, start_s, end_s - start_s, image)


def _stretches(
    numbers: Sequence[int], times: InstanceTimes, rate_hz: float | None
) -> tuple[list[tuple[float, float]], str, str]:
    """Begin and end of each image, where the times come from ("" for nowhere), and a remark."""
    if times.times_s:
        steps_s = [after - before for before, after in itertools.pairwise(times.times_s)]
        usual_s = statistics.median(steps_s)
        lengths_s = [step_s if step_s <= LATE * usual_s else usual_s for step_s in (*steps_s, usual_s)]
        return [(at, at + length) for at, length in zip(times.times_s, lengths_s, strict=True)], times.origin, ""
    places = numbered_places(numbers, [Path(str(number)) for number in numbers])
    period_s, origin, remark = times.period_s, times.origin, places.remark
    if period_s <= 0:
        period_s, origin = (
            1 / (ASSUMED_RATE_HZ if rate_hz is None else rate_hz),
            "" if rate_hz is None else "the stated rate",
        )
        if rate_hz is None:
            remark = f"the files state no times: {ASSUMED_RATE_HZ:g} frames per second assumed; state rate_hz=NUMBER"
    return [(slot * period_s, (slot + 1) * period_s) for slot in places.slots], origin, remark


def _common_meaning(paths: Sequence[Path]) -> tuple[Meaning | None, list[str]]:
    """What the samples of gray images mean by the middle one of them, and what is to be noted of it."""
    with contextlib.suppress(SourceError), open_dicom(paths[len(paths) // 2], rate_hz=ASSUMED_RATE_HZ) as source:
        if isinstance(source, DicomSource) and source.gray_as is not None:
            return source.gray_as, [note for note in source.report().reasons if note != "not read to the end"]
    return None, []


def _common_levels(paths: Sequence[Path]) -> StoredLevels | None:
    """One scale for images of more than 8 bits, as for the frames of one file; None where a window is stated."""
    found = []
    for path in paths[:: max(1, len(paths) // _FILES_TO_LEVEL)]:
        with contextlib.suppress(SourceError), open_dicom(path) as source:
            if not isinstance(source, DicomSource) or source.levels is None or "window" in source.levels.origin:
                return None
            found.append(source.levels)
    if not found:
        return None
    low, high = min(levels.low for levels in found), max(levels.high for levels in found)
    return StoredLevels(low, high, f"least to greatest of {count_of(len(found), 'file')}, {low:g} to {high:g}")
