"""DICOM cines: multi-frame ultrasound, with the times and the region that the scanner wrote down.

No name, number or date of a patient is ever taken from the file.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.base import Clip, Source, require_sane_size
from seqcls.sources.dicom_decode import decoder_for, to_rgb
from seqcls.sources.dicom_evidence import Meaning
from seqcls.sources.dicom_fields import scanner_of
from seqcls.sources.dicom_header import Header, read_header
from seqcls.sources.dicom_levels import StoredLevels, levels_of, palette_of
from seqcls.sources.dicom_pixels import StoredPixels, find_pixels
from seqcls.sources.dicom_region import pixel_aspect_of, region_of, stretched
from seqcls.sources.dicom_times import clip_times
from seqcls.sources.dicom_video import DicomVideo
from seqcls.sources.images import ASSUMED_RATE_HZ
from seqcls.sources.pixel_aspect import square_size, with_square_pixels
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap, SourceInfo

#: Looked at for the gray levels of images of more than 8 bits.
_FRAMES_TO_LEVEL = 8


def open_dicom(
    path: Path,
    *,
    rate_hz: float | None = None,
    color: bool = False,
    levels: StoredLevels | None = None,
    meaning: Meaning | None = None,
) -> Source:
    """Open a DICOM file; ``rate_hz`` is used when the file states no times that hold. ``levels``: see ``DicomSource``;
    ``meaning``: see ``find_pixels``. Raises SourceError."""
    # Scanners bend the standard daily; what matters is checked here. Not for the time of this call alone: that would
    # change the filters of other threads, and pydicom warns while values are asked for and frames decoded, too.
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    try:
        header = read_header(path)
        stored = find_pixels(header, meaning)
        if stored.codec == "video":
            return DicomVideo(header, stored, rate_hz=rate_hz, color=color)
        return DicomSource(header, stored, rate_hz=rate_hz, color=color, levels=levels)
    except SourceError:
        raise
    except Exception as error:  # pydicom reads values only when asked for, and raises nearly anything
        raise SourceError(f"{path}: cannot be read as DICOM ({type(error).__name__}); get a fresh copy") from None


class DicomSource(Clip):
    """One still or cine; (H, W) gray or (H, W, 3) BGR images. Frames are decoded one at a time.

    ``levels``: of the series that the file belongs to, in place of those found in this file.
    """

    def __init__(
        self,
        header: Header,
        stored: StoredPixels,
        *,
        rate_hz: float | None,
        color: bool,
        levels: StoredLevels | None = None,
    ) -> None:
        super().__init__()
        self.name, self._color, self._header, self._stored = for_name(header.path.name), color, header, stored
        data, reading = header.data, stored.reading
        self._reading, self._decode = reading, decoder_for(reading, str(header.path))
        self._palette = (
            palette_of(data, little=header.little, name=str(header.path)) if reading.meaning == "palette" else None
        )
        own = levels_of(data, reading, self._some_samples())
        self._levels = own if own is None or levels is None else levels
        found, declared = len(stored.frames), stored.label.frames
        times = clip_times(data, found, rate_hz)
        self._times_s = times.times_s
        self._aspect, shape_note = pixel_aspect_of(data, reading.width, reading.height)
        width, height = square_size(reading.width, reading.height, self._aspect)
        require_sane_size(self.name, width, height)
        self._notes += [
            *header.notes,
            *reading.notes,
            *(self._palette.notes if self._palette is not None else ()),
            *(self._levels.notes if self._levels is not None else ()),
            *times.notes,
            *([shape_note] if shape_note else []),
        ]
        self.info = SourceInfo(
            name=self.name,
            kind="dicom",
            container="DICOM",
            codec=stored.called,
            width=width,
            height=height,
            pixel_aspect=self._aspect,
            declared_frames=declared if declared else None,
            rate_hz=found / times.times_s[-1] if times.times_s[-1] > 0 else None,
            region=stretched(region_of(data, reading.width, reading.height), self._aspect),
            has_clock=times.origin != "",
            details=(
                ("photometric interpretation", stored.label.photometric),
                ("times from", times.origin if times.origin else "nothing: frame axis only"),
                *((("gray levels", self._levels.origin),) if self._levels is not None else ()),
                ("read as", f"{reading.meaning.upper()}, {reading.samples} x {reading.stored} bits"),
                *scanner_of(data),
            ),
        )
        if stored.missing:
            self._alarms.append(stored.missing)
        if declared and found != declared:
            self._alarms.append(f"holds {count_of(found, 'frame')} but says that it has {declared}")
        self._truncated = stored.missing != "" or found < declared
        if not times.origin:
            self._notes.append(
                f"the file states no {'usable ' if times.notes else ''}times: {ASSUMED_RATE_HZ:g} frames per second"
                " assumed; state rate_hz=NUMBER"
            )

    @property
    def starts_s(self) -> tuple[float, ...]:
        """When each frame in the file begins, also those that cannot be decoded."""
        return tuple(self._times_s[:-1])

    @property
    def gray_as(self) -> Meaning | None:
        """What one sample per pixel means; None where there are three, or a palette."""
        return self._reading.meaning if self._reading.meaning in ("gray", "inverted") else None

    @property
    def levels(self) -> StoredLevels | None:
        """The stored values that become 0 and 255; None where samples are levels as they stand."""
        return self._levels

    def _items(self) -> Iterator[Frame | Gap]:
        with self._header.open() as stream:
            for slot, pieces in enumerate(self._stored.frames):
                start_s, end_s = self._times_s[slot], self._times_s[slot + 1]
                try:
                    image = self._convert(self._decode(self._stored.read(stream, pieces)))
                    image = with_square_pixels(image, self._aspect)
                except Exception:  # the decoders raise nearly anything on damaged frames
                    called = self._reading.codec.replace("jpeg", "JPEG").replace("rle", "RLE")
                    what = "its pixels cannot be read" if called == "native" else f"its {called} cannot be decoded"
                    yield self._lost(start_s, end_s, f"1 frame lost ({what})")
                    continue
                self._watch_size(image, f"{start_s:.2f} s")
                yield Frame(self._delivered, start_s, end_s - start_s, image)

    def _convert(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        """Stored samples to (H, W) gray or (H, W, 3) BGR."""
        import cv2

        if self._palette is not None:
            samples = self._palette.apply(samples)
        elif self._levels is not None:
            samples = self._levels.apply(samples)
        if self._reading.meaning == "inverted":
            samples = cv2.bitwise_not(samples)
        if samples.ndim == 3:
            rgb = to_rgb(samples) if self._reading.meaning == "ybr" else np.ascontiguousarray(samples)
            return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR if self._color else cv2.COLOR_RGB2GRAY), np.uint8)
        if self._color:
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(samples), cv2.COLOR_GRAY2BGR), np.uint8)
        return np.ascontiguousarray(samples, np.uint8)

    def _some_samples(self) -> Iterator[NDArray[Any]]:
        frames = self._stored.frames
        with self._header.open() as stream:
            for pieces in frames[:: max(1, len(frames) // _FRAMES_TO_LEVEL)]:
                with contextlib.suppress(Exception):  # reported when the frame is read
                    yield self._decode(self._stored.read(stream, pieces))
