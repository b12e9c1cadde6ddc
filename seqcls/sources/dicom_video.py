"""DICOM around MPEG-2, H.264 or HEVC."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.files.temporaries import temporary_folder
from seqcls.sources.base import require_sane_size
from seqcls.sources.dicom_fields import scanner_of
from seqcls.sources.dicom_fragments import read_pieces
from seqcls.sources.dicom_header import Header
from seqcls.sources.dicom_pixels import StoredPixels
from seqcls.sources.dicom_region import pixel_aspect_of, region_of, stretched
from seqcls.sources.dicom_times import ClipTimes, clip_times
from seqcls.sources.images import ASSUMED_RATE_HZ
from seqcls.sources.pixel_aspect import square_size
from seqcls.sources.sniff import kind_of
from seqcls.sources.video import VideoSource
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap, SourceReport

#: Streams without times of their own; some name a rate all the same, which is believed within these bounds.
_WITHOUT_TIMES = ("h264", "hevc", "mjpeg")
_POSSIBLE_HZ = (1, 240)
#: Two rates agree when neither is this many times the other: headers round them.
_AGREE = 1.1


class DicomVideo(VideoSource):
    """The stream is laid in a temporary file and read as a video.

    Times are the stream's own, or the header's where it has none. ``rate_hz``, stated by the user, serves where neither
    has any or where the two contradict each other. Raises SourceError.
    """

    def __init__(self, header: Header, stored: StoredPixels, *, rate_hz: float | None, color: bool) -> None:
        with contextlib.ExitStack() as scratch:
            self._open_stream(header, stored, scratch.enter_context(temporary_folder()) / "stream.bin", rate_hz, color)
            self._scratch = scratch.pop_all()

    def _open_stream(
        self, header: Header, stored: StoredPixels, stream: Path, rate_hz: float | None, color: bool
    ) -> None:
        path, declared = header.path, stored.label.frames
        self._declared = declared if declared else None
        times = clip_times(header.data, max(1, declared), None)
        header_hz = max(1, declared) / times.times_s[-1] if times.origin and times.times_s[-1] > 0 else None
        with stream.open("xb") as target, header.open() as source:
            for piece in itertools.chain.from_iterable(stored.frames):
                target.write(read_pieces(source, (piece,)))
        try:
            untimed = kind_of(stream) in _WITHOUT_TIMES
            super().__init__(stream, color=color, name=path.name, rate_hz=header_hz if untimed else None)
        except SourceError as error:
            raise SourceError(str(error).replace(str(stream), str(path))) from None
        self._notes += header.notes
        unsure = untimed and clip_times(header.data, max(1, declared), rate_hz).origin != times.origin
        self._settle_rate(times, header_hz if not unsure else None, rate_hz, untimed=untimed)
        aspect = self.info.pixel_aspect
        if aspect == 1:  # the stream does not say, or says that it is square
            aspect, note = pixel_aspect_of(header.data, self.info.width, self.info.height)
            width, height = square_size(self.info.width, self.info.height, aspect)
            require_sane_size(self.name, width, height)
            self.info = replace(self.info, width=width, height=height, pixel_aspect=aspect)
            self._notes += [note] if note else []
        # The region lies in the stored pixels, of which the stretched side has fewer.
        side = (self.info.width / max(aspect, 1), self.info.height * min(aspect, 1))
        region = stretched(region_of(header.data, round(side[0]), round(side[1])), aspect)
        details = (*self.info.details, *scanner_of(header.data))
        self.info = replace(self.info, kind="dicom", region=region, details=details)
        if stored.missing:
            self._alarms.append(stored.missing)
            self._truncated = True

    def _settle_rate(self, times: ClipTimes, header_hz: float | None, rate_hz: float | None, *, untimed: bool) -> None:
        """What the stream, the header and the user say of the frames per second, and what becomes of it."""
        played_hz = self.info.rate_hz if self.info.rate_hz is not None else ASSUMED_RATE_HZ
        named = self._stream.codec_context.framerate if untimed else played_hz
        own_hz = float(named) if named and _POSSIBLE_HZ[0] <= named <= _POSSIBLE_HZ[1] else None
        taken_hz, origin = (header_hz, times.origin) if untimed and header_hz is not None else (own_hz, "the stream")
        disputed = own_hz is not None and header_hz is not None and not 1 / _AGREE <= own_hz / header_hz <= _AGREE
        if rate_hz is not None and (taken_hz is None or disputed):
            taken_hz, origin = rate_hz, "the stated rate"
        elif taken_hz is None:
            taken_hz, origin = played_hz, ""
            self._notes.append(
                f"neither header nor stream states times: {played_hz:g} frames per second assumed; state rate_hz=NUMBER"
            )
        elif disputed:
            self._notes.append(
                f"{times.origin} gives {header_hz:.3g} frames per second, the stream {own_hz:.3g}:"
                f" {'the header' if untimed else 'the stream'} taken, state rate_hz=NUMBER if that is wrong"
            )
        self._notes += times.notes if untimed else ()
        self._slower = played_hz / taken_hz
        end_s = self.info.declared_duration_s
        self.info = replace(
            self.info,
            rate_hz=taken_hz,
            declared_duration_s=end_s * self._slower if end_s is not None else None,
            has_clock=origin != "",
            details=(*self.info.details, ("times from", origin if origin else "nothing: frame axis only")),
        )

    def _items(self) -> Iterator[Frame | Gap]:
        slower = self._slower
        for item in super()._items():
            if slower == 1:
                yield item
            elif isinstance(item, Frame):
                yield replace(item, time_s=item.time_s * slower, duration_s=item.duration_s * slower)
            else:
                yield replace(item, start_s=item.start_s * slower, end_s=item.end_s * slower)

    def report(self) -> SourceReport:
        if self._ended and self._declared == self._delivered:
            self._unsure = ""  # the stream names no number of frames, but the header does
        report = super().report()
        if not self._ended or self._declared in (None, report.delivered):
            return report
        # A remark only: the stream inside knows its length better than the header does.
        remark = f"holds {count_of(report.delivered, 'frame')} but says that it has {self._declared}"
        return replace(report, reasons=(*report.reasons, remark))

    def close(self) -> None:
        super().close()
        self._scratch.close()
