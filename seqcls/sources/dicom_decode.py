"""From a frame's bytes to its samples, and from these to gray or color images of 8 bits.

Decoders hand over samples as they were stored; what they mean is settled elsewhere, the same way for all of them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.dicom_evidence import PixelReading, in_use
from seqcls.sources.dicom_stream import code_stream, read_stream, rle_pixels, rle_segments, with_color
from seqcls.types import MAX_PIXELS

#: (H, W) or (H, W, 3) of the stored type, from the bytes of one frame.
Decode = Callable[[bytes], NDArray[Any]]

#: Enough of a frame for its stream's header.
_HEAD_BYTES = 1 << 20
#: RLE unpacks to 64 times as much at most.
_HARMLESS_BYTES = 4 << 20

_SYNTAXES = {
    "jpeg-ls": "1.2.840.10008.1.2.4.81",
    "jpeg 2000": "1.2.840.10008.1.2.4.91",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg": "1.2.840.10008.1.2.4.51",
}

#: YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), with half a level for rounding down.
_RED, _GREEN_B, _GREEN_R, _BLUE = 1.402, 0.114 * 1.772 / 0.587, 0.299 * 1.402 / 0.587, 1.772
_TO_RGB = np.array(
    [
        [1, 0, _RED, -128 * _RED],
        [1, -_GREEN_B, -_GREEN_R, 128 * (_GREEN_B + _GREEN_R)],
        [1, _BLUE, 0, -128 * _BLUE],
    ],
    np.float32,
)


def decoder_for(reading: PixelReading, name: str) -> Decode:
    """How a frame of this kind is decoded. Raises SourceError where nothing installed can."""
    if reading.codec == "native":
        return lambda data: native_samples(data, reading)
    if reading.codec == "lossless jpeg":
        return _looked_at(reading, lambda data: in_use(_lossless_jpeg(data, reading.stored), reading))
    if reading.codec == "jpeg" and reading.stored <= 8:
        return _looked_at(reading, lambda data: _jpeg(data, reading.samples))
    if reading.codec not in _SYNTAXES:
        raise SourceError(f"{name}: pixel data as {reading.codec} cannot be decoded; convert it to JPEG 2000 or RLE")
    return _looked_at(reading, _by_pydicom(reading, name))


def fits_rle(length: int, reading: PixelReading) -> bool:
    """Whether an RLE frame may have so many bytes: two of them unpack to 128, and no encoder writes twice the image."""
    return length <= 2 * reading.frame_bytes + 4096


def _swells(data: bytes, reading: PixelReading) -> bool:
    """Whether an RLE frame unpacks to far more than its image; found only where it could be more than 256 MB."""
    if len(data) <= _HARMLESS_BYTES:
        return False
    return sum(rle_pixels(data, segment) for segment in range(rle_segments(data))) > 2 * reading.frame_bytes


def _looked_at(reading: PixelReading, decode: Decode) -> Decode:
    """Only of the first frame is the size known to be sane: each is looked at before a decoder makes room for it.

    The decoder raises ValueError for one that states nothing, or too much.
    """

    def sane(data: bytes) -> NDArray[Any]:
        if reading.codec == "rle":
            if not fits_rle(len(data), reading) or _swells(data, reading):
                raise ValueError("longer than its image")
            return decode(data)
        facts = read_stream(data[:_HEAD_BYTES])
        if not (0 < facts.width * facts.height <= MAX_PIXELS and facts.samples <= 4):
            raise ValueError("no size, or more than an image can have")
        return decode(data)

    return sane


def native_samples(data: bytes, reading: PixelReading) -> NDArray[Any]:
    """Uncompressed samples, (H, W) or (H, W, 3)."""
    height, width = reading.height, reading.width
    if reading.bits == 1:
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: height * width].reshape(height, width)
    values: NDArray[Any] = np.frombuffer(data, f"{'>' if reading.big else '<'}u{reading.bits // 8}")
    if reading.layout == "422":
        # Y1 Y2 Cb Cr -> Y1 Cb Cr, Y2 Cb Cr (PS3.3 C.7.6.3.1.2), or as they lie
        first, second = reading.luma
        blue, red = sorted({0, 1, 2, 3} - {first, second})
        return values.reshape(-1, 4)[:, [first, blue, red, second, blue, red]].reshape(height, width, 3)
    if reading.layout == "420":
        luma, half = values[: height * width].reshape(1, height, width), (-(-height // 2), -(-width // 2))
        chroma = values[height * width :].reshape(2, *half).repeat(2, 1).repeat(2, 2)[:, :height, :width]
        return np.asarray(np.concatenate([luma, chroma]).transpose(1, 2, 0))
    if reading.samples == 3:
        by_plane = reading.layout == "plane"
        values = values.reshape(3, height, width).transpose(1, 2, 0) if by_plane else values.reshape(height, width, 3)
        return in_use(values, reading)
    return in_use(values.reshape(height, width), reading)


def to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) YBR_FULL to RGB."""
    import cv2

    mixed = cv2.transform(np.ascontiguousarray(samples).astype(np.float32), _TO_RGB)
    return np.asarray(np.clip(np.floor(mixed + np.float32(0.5)), 0, 255), np.uint8)


def _jpeg(data: bytes, samples: int) -> NDArray[Any]:
    from PIL import Image

    with Image.open(io.BytesIO(with_color(data, 0) if samples == 3 else data), formats=("JPEG",)) as image:
        return np.asarray(image)


def _lossless_jpeg(data: bytes, bits: int) -> NDArray[Any]:
    """The free decoders for pydicom know no lossless JPEG (process 14); FFmpeg does."""
    import av

    codec: Any = av.CodecContext.create("mjpeg", "r")
    codec.options = {"err_detect": "explode"}
    frame = (codec.decode(av.Packet(with_color(data, 1))) + codec.decode(None))[0]
    samples = frame.to_ndarray()  # in the format that FFmpeg chose, thus nearly as they were stored
    if frame.format.name.startswith("bgr"):
        samples = samples[..., ::-1]
    elif frame.format.name.startswith("yuv"):
        samples = samples.transpose(1, 2, 0)
    elif 8 < bits < 16:
        samples = samples >> (16 - bits)  # gray alone is shifted up to 16 bits
    return np.asarray(samples)


def _by_pydicom(reading: PixelReading, name: str) -> Decode:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    uid = UID(_SYNTAXES[reading.codec])
    decoder = get_decoder(uid)
    deep_jpeg = reading.codec == "jpeg"  # more than 8 bits, which Pillow does not read
    if deep_jpeg and set(decoder.available_plugins) <= {"pillow"}:
        raise SourceError(
            f"{name}: JPEG of {reading.stored} bits cannot be decoded here; uncompress it first, as with `dcmdjpeg`"
        )
    if not decoder.is_available:
        raise SourceError(f"{name}: {uid.name} needs a decoder that is not installed: pip install 'seqcls[dicom]'")
    facts: dict[str, Any] = {
        "rows": reading.height,
        "columns": reading.width,
        "samples_per_pixel": reading.samples,
        "bits_allocated": reading.bits,
        "bits_stored": reading.bits if reading.codec == "rle" else reading.stored,
        "pixel_representation": int(reading.stream_signed),
        "photometric_interpretation": "RGB" if reading.samples == 3 else "MONOCHROME2",
        "planar_configuration": 0,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }

    def decode(data: bytes) -> NDArray[Any]:
        from pydicom.encaps import encapsulate

        stream = code_stream(data) if reading.codec == "jpeg 2000" else data
        array, _ = decoder.as_array(encapsulate([stream]), raw=True, **facts)
        return np.asarray(array) if reading.stream_signed else in_use(np.asarray(array), reading)

    return decode
