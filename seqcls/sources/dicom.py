"""DICOM cines: multi-frame ultrasound, with the times and the region that the scanner wrote down.

No name, number or date of a patient is ever taken from the file.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.base import Clip, Source, require_sane_size
from seqcls.sources.dicom_fragments import Pixels, find_frames, read_header, read_pieces
from seqcls.sources.images import ASSUMED_RATE_HZ
from seqcls.sources.video import VideoSource
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: MPEG-2, H.264 and HEVC inside DICOM (PS3.5 A.4.6 to A.4.9), with their fragmentable variants.
VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))

_LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_FRAMES_TO_LEVEL = 8


def open_dicom(path: Path, *, rate_hz: float | None = None, color: bool = False) -> Source:
    """Open a DICOM file; ``rate_hz`` is used when the file states no times. Raises SourceError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scanners bend the standard daily; what matters is checked here
            header, position = read_header(path)
            require_sane_size(path.name, int(header.Columns), int(header.Rows))
            pixels = find_frames(path, header, position)
            if not pixels.frames:
                why = pixels.missing if pixels.missing else "its pixel data is shorter than one frame"
                raise SourceError(f"{path}: holds no image ({why}); get a fresh copy")
            if str(header.file_meta.TransferSyntaxUID).startswith(VIDEO_SYNTAXES):
                return DicomVideo(path, header, pixels, color=color)
            return DicomSource(path, header, pixels, rate_hz=rate_hz, color=color)
    except SourceError:
        raise
    except Exception as error:  # pydicom reads values only when asked for, and raises nearly anything
        raise SourceError(f"{path}: cannot be read as DICOM ({type(error).__name__}); get a fresh copy") from None


class DicomSource(Clip):
    """One still or cine; (H, W) gray or (H, W, 3) BGR images. Frames are decoded one at a time."""

    def __init__(self, path: Path, header: Any, pixels: Pixels, *, rate_hz: float | None, color: bool) -> None:
        super().__init__()
        self.name, self._path, self._color, self._pixels = path.name, path, color, pixels
        self._decoder = _decoder(header, path)
        self._header = header
        self._times_s, self._clock_from = _times(header, len(pixels.frames), rate_hz)
        self._levels, levelled = self._find_levels()
        found, declared = len(pixels.frames), int(header.get("NumberOfFrames", 1) or 1)
        self.info = SourceInfo(
            name=self.name,
            kind="dicom",
            container="DICOM",
            codec=header.file_meta.TransferSyntaxUID.name,
            width=int(header.Columns),
            height=int(header.Rows),
            declared_frames=declared,
            rate_hz=found / self._times_s[-1] if self._times_s[-1] > 0 else None,
            region=_region(header),
            has_clock=self._clock_from != "",
            details=(
                ("photometric interpretation", str(header.get("PhotometricInterpretation", ""))),
                ("times from", self._clock_from if self._clock_from else "nothing: frame axis only"),
                *((("gray levels", levelled),) if levelled else ()),
            ),
        )

        if pixels.missing:
            self._alarms.append(pixels.missing)
        if found != declared:
            self._alarms.append(f"holds {found} frames but says that it has {declared}")
        self._truncated = pixels.missing != "" or found < declared
        if not self._clock_from:
            self._notes.append(
                f"the file states no times: {ASSUMED_RATE_HZ:g} frames per second assumed; state rate_hz=NUMBER"
            )

    def _items(self) -> Iterator[Frame | Gap]:
        with self._path.open("rb") as stream:
            for slot, pieces in enumerate(self._pixels.frames):
                start_s, end_s = self._times_s[slot], self._times_s[slot + 1]
                try:
                    image = self._convert(*self._decode(read_pieces(stream, pieces)))
                except Exception as error:  # the decoders raise nearly anything on damaged frames
                    yield self._lost(start_s, end_s, f"1 frame lost ({type(error).__name__})")
                    continue
                yield Frame(self._delivered, start_s, end_s - start_s, image)

    def _decode(self, data: bytes) -> tuple[NDArray[Any], str]:
        """(H, W) or (H, W, 3) of the stored type, and its photometric interpretation after decoding."""
        from pydicom.encaps import encapsulate

        if self._decoder is None:
            return _lossless_jpeg(data)
        one = self._header.group_dataset(0x0028)  # sizes, bits and the meaning of the values
        one.NumberOfFrames = 1
        one.file_meta = self._header.file_meta
        compressed = one.file_meta.TransferSyntaxUID.is_encapsulated
        one.PixelData = encapsulate([data]) if compressed else data
        one["PixelData"].VR = "OB" if compressed else "OW"
        one["PixelData"].is_undefined_length = compressed
        array, facts = self._decoder.as_array(one)
        return array, str(facts["photometric_interpretation"])

    def _convert(self, array: NDArray[Any], meaning: str) -> NDArray[np.uint8]:
        import cv2

        if meaning == "PALETTE COLOR":
            from pydicom.pixels.processing import apply_color_lut

            array = apply_color_lut(array, self._header)
            array = (array >> 8 if array.dtype.itemsize > 1 else array).astype(np.uint8)
        if array.dtype != np.uint8 or self._levels is not None:
            low, high = (0.0, 255.0) if self._levels is None else self._levels
            scaled = (array.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
            array = np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)
        if meaning == "MONOCHROME1":
            array = cv2.bitwise_not(array)
        if array.ndim == 3:
            array = np.ascontiguousarray(array)
            return np.asarray(cv2.cvtColor(array, cv2.COLOR_RGB2BGR if self._color else cv2.COLOR_RGB2GRAY), np.uint8)
        if self._color:
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_GRAY2BGR), np.uint8)
        return np.ascontiguousarray(array, np.uint8)

    def _find_levels(self) -> tuple[tuple[float, float] | None, str]:
        """Which stored values become 0 and 255 for images of more than 8 bits, and how that was found."""
        header = self._header
        if int(header.get("BitsAllocated", 8)) <= 8 or header.get("PhotometricInterpretation") == "PALETTE COLOR":
            return None, ""
        center, width = _first_number(header.get("WindowCenter")), _first_number(header.get("WindowWidth"))
        if center is not None and width is not None and width >= 1:
            # PS3.3 C.11.2.1.2.1, undone through the modality's slope and intercept
            slope = _first_number(header.get("RescaleSlope")) or 1.0
            intercept = _first_number(header.get("RescaleIntercept")) or 0.0
            low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
            return ((low - intercept) / slope, (high - intercept) / slope), f"window {center:g}/{width:g}"
        lows, highs = [], []
        frames = self._pixels.frames
        with self._path.open("rb") as stream:
            for pieces in frames[:: max(1, len(frames) // _FRAMES_TO_LEVEL)]:
                with contextlib.suppress(Exception):  # reported when the frame is read
                    array, _ = self._decode(read_pieces(stream, pieces))
                    lows.append(float(array.min()))
                    highs.append(float(array.max()))
        if not lows:
            return (0.0, float(2 ** int(header.get("BitsStored", 16)) - 1)), "all stored bits"
        return (min(lows), max(highs)), f"least to greatest of {len(lows)} frames, {min(lows):g} to {max(highs):g}"


class DicomVideo(VideoSource):
    """DICOM around MPEG-2, H.264 or HEVC: the stream is laid in a temporary file and read as a video."""

    def __init__(self, path: Path, header: Any, pixels: Pixels, *, color: bool) -> None:
        self._declared = int(header.NumberOfFrames) if header.get("NumberOfFrames") else None
        times_s, origin = _times(header, 1, None)
        rate_hz = 1 / times_s[1] if origin and times_s[1] > 0 else None
        # Not opened by name while open here: Windows does not share.
        with (
            tempfile.NamedTemporaryFile(prefix="seqcls-", suffix=".bin", delete=False) as target,
            path.open("rb") as source,
        ):
            self._temporary = Path(target.name)
            for piece in itertools.chain.from_iterable(pixels.frames):
                target.write(read_pieces(source, (piece,)))
        try:
            super().__init__(self._temporary, color=color, name=path.name, rate_hz=rate_hz)
        except SourceError as error:
            self._temporary.unlink(missing_ok=True)
            raise SourceError(str(error).replace(str(self._temporary), str(path))) from None
        self.info = replace(self.info, kind="dicom", region=_region(header))
        if pixels.missing:
            self._alarms.append(pixels.missing)
            self._truncated = True

    def report(self) -> SourceReport:
        report = super().report()
        if report.verdict == "unknown" or self._declared in (None, report.delivered):
            return report
        # A remark only: the stream inside knows its length better than the header does.
        remark = f"holds {report.delivered} frames but says that it has {self._declared}"
        return replace(report, reasons=(*report.reasons, remark))

    def close(self) -> None:
        super().close()
        self._temporary.unlink(missing_ok=True)


def _decoder(header: Any, path: Path) -> Any:
    """pydicom's decoder for the file, or None for lossless JPEG, which FFmpeg decodes. Raises SourceError."""
    from pydicom.pixels.decoders.base import get_decoder

    uid = header.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise SourceError(
            f"{path}: pixel data as {uid.name} cannot be decoded; convert it to JPEG 2000 or RLE"
        ) from None
    if decoder.is_available:
        return decoder
    if str(uid) in _LOSSLESS_JPEG:
        return None
    raise SourceError(f"{path}: {uid.name} needs a decoder that is not installed: pip install 'seqcls[dicom]'")


def _lossless_jpeg(data: bytes) -> tuple[NDArray[Any], str]:
    """The free decoders for pydicom know no lossless JPEG (processes 14); FFmpeg does."""
    import av

    codec: Any = av.CodecContext.create("mjpeg", "r")
    frames = codec.decode(av.Packet(data)) + codec.decode(None)
    frame = frames[0]
    if frame.format.name.startswith("gray"):
        return frame.to_ndarray(), "MONOCHROME2"
    return frame.to_ndarray(format="rgb24"), "RGB"


def _times(header: Any, count: int, rate_hz: float | None) -> tuple[list[float], str]:
    """``count + 1`` times in seconds, the last being the end, and which field they come from ("" when from none)."""
    vector = [_first_number(value) for value in _several(header.get("FrameTimeVector"))]
    steps = [value / 1000 for value in vector[1:] if value is not None and 0 <= value < 60_000]
    if len(vector) > 1 and len(steps) == len(vector) - 1 and sum(steps) > 0:
        usual = sorted(steps)[len(steps) // 2]
        steps = (steps + [usual] * (count + 1))[:count]
        return list(itertools.accumulate([0.0, *steps])), "FrameTimeVector"
    time_ms = _first_number(header.get("FrameTime"))
    if time_ms is not None and 0.01 <= time_ms <= 60_000:
        return [k * time_ms / 1000 for k in range(count + 1)], "FrameTime"
    for field in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = _first_number(header.get(field))
        if rate is not None and 0.01 <= rate <= 10_000:
            return [k / rate for k in range(count + 1)], field
    assumed = ASSUMED_RATE_HZ if rate_hz is None else rate_hz
    return [k / assumed for k in range(count + 1)], "" if rate_hz is None else "the stated rate"


def _region(header: Any) -> tuple[int, int, int, int] | None:
    """The largest two-dimensional tissue region (PS3.3 C.8.5.5), half-open and inside the image."""
    boxes: list[tuple[int, int, int, int]] = []
    for item in _several(header.get("SequenceOfUltrasoundRegions")):
        if item.get("RegionSpatialFormat") != 1 or item.get("RegionDataType", 1) != 1:
            continue
        corners = [_first_number(item.get(f"RegionLocation{name}")) for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        if None in corners:
            continue
        x0, y0, x1, y1 = (int(corner) for corner in corners if corner is not None)
        x0, y0 = max(0, x0), max(0, y0)
        x1, y1 = min(int(header.Columns), x1 + 1), min(int(header.Rows), y1 + 1)
        if x1 - x0 > 1 and y1 - y0 > 1:
            boxes.append((x0, y0, x1, y1))
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") else [value]


def _first_number(value: Any) -> float | None:
    """The first value of a DICOM field as a float; None when there is none or it is no number."""
    try:
        number = float(_several(value)[0])
    except (TypeError, ValueError, IndexError):
        return None
    return number if np.isfinite(number) else None
