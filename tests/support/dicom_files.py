"""DICOM cines of every usual encoding, written frame by frame with the number in the pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from support.media import draw

from seqcls.sources import open_source
from seqcls.types import Frame, SourceReport

COUNT, WIDTH, HEIGHT = 12, 160, 128
PATIENT = "Doe^Jane Secret"


def dataset(uid: str, photometric: str = "MONOCHROME2", bits: int = 8, count: int = COUNT, **fields: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.Modality = PATIENT, "ID-4711", "19700101", "US"
    ds.Rows, ds.Columns, ds.NumberOfFrames = HEIGHT, WIDTH, count
    ds.PhotometricInterpretation = photometric
    ds.SamplesPerPixel = 1 if photometric in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR") else 3
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.FrameTime = "40"
    for name, value in fields.items():
        setattr(ds, name, value)
    return ds


def gray_frames(count: int = COUNT) -> list[np.ndarray]:
    return [draw(k, WIDTH, HEIGHT) for k in range(count)]


def save(ds: Dataset, path: Path, pixels: bytes | Sequence[bytes]) -> Path:
    uid = ds.file_meta.TransferSyntaxUID
    if isinstance(pixels, bytes):
        ds.PixelData = pixels
        ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 and not uid.is_implicit_VR else "OW"
    else:
        ds.PixelData = encapsulate(list(pixels))
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def native(path: Path, **changes: Any) -> Path:
    changes = {"uid": ExplicitVRLittleEndian, **changes}
    return save(dataset(**changes), path, b"".join(f.tobytes() for f in gray_frames()))


def without_image(path: Path, sop_class: str) -> Path:
    """A report, or the directory of a disc: what a program needs to know of it stands in the file meta alone."""
    ds = dataset(ExplicitVRLittleEndian)
    for name in ("Rows", "Columns", "NumberOfFrames", "PhotometricInterpretation", "BitsAllocated", "FrameTime"):
        delattr(ds, name)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    if sop_class == "1.2.840.10008.1.3.10":
        del ds.SOPClassUID
        ds.DirectoryRecordSequence = []
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def compressed(path: Path, uid: str, **options: Any) -> Path:
    ds = dataset(ExplicitVRLittleEndian)
    ds.PixelData = b"".join(f.tobytes() for f in gray_frames())
    ds["PixelData"].VR = "OB"
    ds.compress(uid, **options)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def rgb(path: Path, planar: int) -> Path:
    colour = [np.stack([f, f, f], -1) for f in gray_frames()]
    laid = [c if planar == 0 else c.transpose(2, 0, 1) for c in colour]
    return save(
        dataset(ExplicitVRLittleEndian, "RGB", PlanarConfiguration=planar), path, b"".join(c.tobytes() for c in laid)
    )


def ybr_full_422(path: Path) -> Path:
    frames = []
    for f in gray_frames():
        four = np.full((HEIGHT, WIDTH * 2), 128, np.uint8)
        four[:, 0::4], four[:, 1::4] = f[:, 0::2], f[:, 1::2]
        frames.append(four.tobytes())
    return save(dataset(ExplicitVRLittleEndian, "YBR_FULL_422"), path, b"".join(frames))


def jpeg(path: Path, photometric: str, count: int = COUNT, declared: int = COUNT) -> Path:
    def encode(f: np.ndarray) -> bytes:
        image = f if photometric == "MONOCHROME2" else np.stack([f, f, f], -1)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    ds = dataset(JPEGBaseline8Bit, photometric, count=declared)
    return save(ds, path, [encode(f) for f in gray_frames(count)])


def lossless_jpeg(path: Path) -> Path:
    def encode(f: np.ndarray) -> bytes:
        codec: Any = av.CodecContext.create("ljpeg", "w")
        codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "bgr24", Fraction(1, 25)
        codec.options = {"pred": "left"}
        frame = av.VideoFrame.from_ndarray(np.stack([f, f, f], -1), format="bgr24")
        return b"".join(bytes(p) for p in codec.encode(frame) + codec.encode(None))

    return save(dataset(JPEGLosslessSV1, "RGB"), path, [encode(f) for f in gray_frames()])


def palette(path: Path) -> Path:
    ds = dataset(ExplicitVRLittleEndian, "PALETTE COLOR")
    table = np.arange(256, dtype=np.uint16) * 257
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", table.tobytes())
    return save(ds, path, b"".join(f.tobytes() for f in gray_frames()))


def deep(path: Path, **fields: Any) -> Path:
    """12 bits in 16: stored values are 1000 + 8 x gray."""
    ds = dataset(ExplicitVRLittleEndian, bits=16, BitsStored=12, HighBit=11, **fields)
    return save(ds, path, b"".join((f.astype("<u2") * 8 + 1000).tobytes() for f in gray_frames()))


def big_endian(path: Path) -> Path:
    ds = dataset(ExplicitVRBigEndian, bits=16)
    ds.PixelData = b"".join((f.astype(">u2") * 257).tobytes() for f in gray_frames())
    ds["PixelData"].VR = "OW"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def inverted(path: Path) -> Path:
    ds = dataset(ExplicitVRLittleEndian, "MONOCHROME1")
    return save(ds, path, b"".join((255 - f).tobytes() for f in gray_frames()))


ENCODINGS: dict[str, Callable[[Path], Path]] = {
    "explicit": native,
    "implicit": lambda p: native(p, uid=ImplicitVRLittleEndian),
    "big endian 16 bit": big_endian,
    "rgb by pixel": lambda p: rgb(p, 0),
    "rgb by plane": lambda p: rgb(p, 1),
    "ybr full 422": ybr_full_422,
    "palette": palette,
    "monochrome 1": inverted,
    "12 bit windowed": lambda p: deep(p, WindowCenter=2020, WindowWidth=2041),
    "12 bit": deep,
    "rle": lambda p: compressed(p, RLELossless),
    "jpeg 2000": lambda p: compressed(p, JPEG2000Lossless),
    "jpeg-ls": lambda p: compressed(p, JPEGLSLossless),
    "jpeg gray": lambda p: jpeg(p, "MONOCHROME2"),
    "jpeg ybr": lambda p: jpeg(p, "YBR_FULL_422"),
    "jpeg lossless": lossless_jpeg,
}


def ultrasound(count: int = 4, height: int = 48, width: int = 64) -> np.ndarray:
    """(count, height, width) uint8: speckle that drifts in a sector on black, from black to white."""
    noise = np.random.default_rng(3).rayleigh(1.0, (height, width + 2 * count)).astype(np.float32)
    speckle = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.2) * 150 - 70, 0, 255)
    y, x = np.mgrid[:height, :width]
    sector = np.abs(x - width / 2) < 4 + y * 0.5
    return np.stack([np.where(sector, speckle[:, 2 * k : 2 * k + width], 0) for k in range(count)]).astype(np.uint8)


def in_color(frames: np.ndarray, meaning: str) -> np.ndarray:
    """(..., 3) of gray (...): "rgb" (v, v, v) or "ybr" (v, 128, 128)."""
    chroma = frames if meaning == "rgb" else np.full_like(frames, 128)
    return np.stack([frames, chroma, chroma], -1)


def tiny(path: Path, pixels: np.ndarray | Sequence[bytes], uid: str = ExplicitVRLittleEndian, **fields: Any) -> Path:
    """What ``ultrasound`` draws, with a header that says whatever ``fields`` do; None takes a field out."""
    gone = [name for name, value in fields.items() if value is None]
    fields = {"Rows": 48, "Columns": 64, "SamplesPerPixel": 1, **{k: v for k, v in fields.items() if v is not None}}
    vr = fields.pop("vr", None)
    ds = dataset(uid, fields.pop("photometric", "MONOCHROME2"), count=4, **fields)
    for name in gone:
        if name in ds:
            delattr(ds, name)
    if isinstance(pixels, np.ndarray):
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = vr if vr is not None else "OB" if ds.get("BitsAllocated", 8) == 8 else "OW"
    else:
        ds.PixelData = encapsulate(list(pixels))
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    ds.save_as(path, enforce_file_format=True)
    return path


def read(path: Path) -> tuple[np.ndarray, SourceReport]:
    """The images as (N, H, W) int, so that differences have a sign, and the report."""
    with open_source(path) as source:
        images = [item.image for item in source if isinstance(item, Frame)]
        return np.stack(images).astype(int), source.report()
