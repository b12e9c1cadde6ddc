"""DICOM cines of every usual encoding, written here frame by frame with the number in the pixels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    MPEG2MPML,
    MPEG4HP41,
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
from support.media import draw, numbers, recipe, write_clip

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.types import Frame, Gap

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


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_gives_every_frame_in_order_and_in_time(name: str, tmp_path: Path) -> None:
    path = ENCODINGS[name](tmp_path / "IM0001")  # scanners name them so, without a suffix
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report = source.report()
    assert numbers([f.image for f in frames]) == list(range(COUNT))
    assert [f.time_s for f in frames] == pytest.approx([k * 0.04 for k in range(COUNT)])
    assert all(f.image.dtype == np.uint8 and f.image.shape == (HEIGHT, WIDTH) for f in frames)
    assert report.verdict == "complete" and report.reasons == () and report.delivered == COUNT
    tolerance = 6 if name.startswith("jpeg ") else 8 if name in ("12 bit", "big endian 16 bit") else 1
    # Measured by eye the pictures are those that were drawn, not their negatives or shifted in level.
    assert np.abs(np.median(frames[3].image) - np.median(draw(3, WIDTH, HEIGHT))) <= tolerance


def test_color_is_bgr(tmp_path: Path) -> None:
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 200
    path = save(dataset(ExplicitVRLittleEndian, "RGB", count=1), tmp_path / "red.dcm", red.tobytes())
    with open_source(path, color=True) as source:
        (frame,) = source
    assert isinstance(frame, Frame) and frame.image[0, 0].tolist() == [0, 0, 200]


TIMES: dict[str, tuple[dict[str, Any], str, list[float]]] = {
    "vector": ({"FrameTimeVector": [0, 20, 60, 20]}, "FrameTimeVector", [0.0, 0.02, 0.08, 0.10]),
    "frame time": ({"FrameTime": "50"}, "FrameTime", [0.0, 0.05, 0.10, 0.15]),
    "cine rate": ({"FrameTime": None, "CineRate": "20"}, "CineRate", [0.0, 0.05, 0.10, 0.15]),
    "display rate": ({"FrameTime": "0", "RecommendedDisplayFrameRate": "10"}, "RecommendedDisplayFrameRate", [0, 0.1, 0.2, 0.3]),
    "damaged vector": ({"FrameTimeVector": [0, 20, -60, 20], "FrameTime": "30"}, "FrameTime", [0, 0.03, 0.06, 0.09]),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_times_come_from_the_best_field(name: str, tmp_path: Path) -> None:
    fields, said, expected = TIMES[name]
    ds = dataset(ExplicitVRLittleEndian, count=4, **fields)
    path = save(ds, tmp_path / "a.dcm", b"".join(f.tobytes() for f in gray_frames(4)))
    with open_source(path, rate_hz=77) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        assert source.info.has_clock and dict(source.info.details)["times from"] == said
    assert [f.time_s for f in frames] == pytest.approx(expected)
    assert all(a.time_s + a.duration_s == pytest.approx(b.time_s) for a, b in itertools.pairwise(frames))


def test_without_any_time_there_is_no_clock_until_a_rate_is_stated(tmp_path: Path) -> None:
    ds = dataset(ExplicitVRLittleEndian, count=4, FrameTime=None)
    path = save(ds, tmp_path / "a.dcm", b"".join(f.tobytes() for f in gray_frames(4)))
    with open_source(path) as source:
        assert len(list(source)) == 4
        assert not source.info.has_clock
        assert source.report().verdict == "complete" and "--fps" in source.report().reasons[0]
    with open_source(path, rate_hz=10) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        assert source.info.has_clock and frames[3].time_s == pytest.approx(0.3)


def test_the_largest_tissue_region_is_taken(tmp_path: Path) -> None:
    def region(x0: int, y0: int, x1: int, y1: int, spatial: int = 1, data: int = 1) -> Dataset:
        item = Dataset()
        item.RegionSpatialFormat, item.RegionDataType = spatial, data
        item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
        return item

    regions = [region(0, 0, 30, 30), region(10, 8, 149, 999), region(0, 0, 159, 127, spatial=3), region(0, 0, 159, 127, data=3)]  # fmt: skip
    path = native(tmp_path / "a.dcm", SequenceOfUltrasoundRegions=regions)
    with open_source(path) as source:
        assert source.info.region == (10, 8, 150, HEIGHT)


@pytest.mark.parametrize("declared", [COUNT - 2, COUNT + 5, 1])
@pytest.mark.parametrize("encoding", ["native", "jpeg"])
def test_a_lying_number_of_frames_is_told_and_not_believed(encoding: str, declared: int, tmp_path: Path) -> None:
    path = tmp_path / "lie.dcm"
    native(path, NumberOfFrames=declared) if encoding == "native" else jpeg(path, "MONOCHROME2", declared=declared)
    with open_source(path) as source:
        assert numbers([item.image for item in source if isinstance(item, Frame)]) == list(range(COUNT))
        report = source.report()
    assert report.verdict == ("truncated" if declared > COUNT else "damaged")
    assert f"says that it has {declared}" in report.reasons[0]


@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg gray", "jpeg-ls"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_cut_file_gives_what_it_has_and_says_so(name: str, kept: float, tmp_path: Path) -> None:
    path = ENCODINGS[name](tmp_path / "cut.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with open_source(path) as source:
        found = numbers([item.image for item in source if isinstance(item, Frame)])
        report = source.report()
    assert found == list(range(len(found))) and int(COUNT * kept) - 2 <= len(found) < COUNT
    assert report.verdict == "truncated"


def test_a_damaged_frame_becomes_a_gap_and_the_others_stay(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.dcm", "MONOCHROME2")
    data = bytearray(path.read_bytes())
    starts = [k for k in range(len(data) - 1) if data[k : k + 3] == b"\xff\xd8\xff"]
    data[starts[5] : starts[5] + 400] = bytes(400)
    path.write_bytes(data)
    with open_source(path) as source:
        items = list(source)
        report = source.report()
    frames = [item for item in items if isinstance(item, Frame)]
    assert numbers([f.image for f in frames]) == [k for k in range(COUNT) if k != 5]
    assert [f.index for f in frames] == list(range(COUNT - 1))
    assert isinstance(items[5], Gap) and items[5].start_s == pytest.approx(0.20)
    assert report.verdict == "damaged" and report.gaps == (items[5],)


@pytest.mark.parametrize(
    ("uid", "clip"), [(MPEG4HP41, "mp4 h264"), (HEVCMP51, "mp4 hevc"), (MPEG2MPML, "mpg mpeg2"), (MPEG4HP41, "ts h264")]
)
def test_video_in_dicom_is_read_as_video(uid: str, clip: str, tmp_path: Path) -> None:
    made = recipe(clip)
    inside = write_clip(tmp_path / f"inside{made.suffix}", made).read_bytes()
    regions = Dataset()
    regions.RegionSpatialFormat, regions.RegionDataType = 1, 1
    regions.RegionLocationMinX0 = regions.RegionLocationMinY0 = 4
    regions.RegionLocationMaxX1 = regions.RegionLocationMaxY1 = 99
    ds = dataset(uid, "YBR_PARTIAL_420", count=made.frames, SequenceOfUltrasoundRegions=[regions])
    half = len(inside) // 2 & ~1
    path = save(ds, tmp_path / "video.dcm", [inside[:half], inside[half:]])
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report, info = source.report(), source.info
    assert numbers([f.image for f in frames]) == list(range(made.frames))
    assert [f.time_s for f in frames] == pytest.approx(made.times_s, abs=1e-6)
    assert (info.kind, info.name, info.region) == ("dicom", "video.dcm", (4, 4, 100, 100))
    assert report.verdict == "complete"


def test_video_in_dicom_tells_a_lying_number_of_frames(tmp_path: Path) -> None:
    inside = write_clip(tmp_path / "a.mp4", recipe("mp4 h264")).read_bytes()
    path = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=77), tmp_path / "video.dcm", [inside])
    with open_source(path) as source:
        assert len(list(source)) == 40
        assert source.report().reasons == ("holds 40 frames but says that it has 77",)


def test_a_bare_h264_stream_takes_the_frame_time(tmp_path: Path) -> None:
    made = recipe("mp4 h264", muxer="h264", frames=20)
    inside = write_clip(tmp_path / "bare.h264", made).read_bytes()
    path = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=20, FrameTime="50"), tmp_path / "v.dcm", [inside])
    with open_source(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    assert numbers([f.image for f in frames]) == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([k * 0.05 for k in range(20)], abs=0.025)


def test_nothing_of_the_patient_is_told(tmp_path: Path) -> None:
    with open_source(native(tmp_path / "a.dcm")) as source:
        list(source)
        said = repr(source.info) + repr(source.report())
    assert "Doe" not in said and "4711" not in said and "1970" not in said


def test_a_missing_decoder_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compressed(tmp_path / "a.dcm", JPEGLSLossless)
    from pydicom.pixels.decoders.base import Decoder

    monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
    with pytest.raises(SourceError, match=r"pip install 'seqcls\[dicom\]'"):
        open_source(path)


def _report_file(path: Path) -> Path:
    ds = dataset(ExplicitVRLittleEndian)
    del ds.Rows
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def _header_only(path: Path) -> Path:
    pydicom.dcmwrite(path, dataset(ExplicitVRLittleEndian), enforce_file_format=True)
    return path


def _bytes(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "make",
    [
        _report_file,
        _header_only,
        lambda p: native(p, Rows=60000, Columns=60000),
        lambda p: _bytes(p, bytes(128) + b"DICM" + bytes(40)),
        lambda p: _bytes(p, b"not DICOM at all" * 20),
    ],
    ids=["a report", "no pixels", "huge", "nothing but the mark", "text"],
)
def test_what_is_no_cine_is_refused_in_one_line(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(make(tmp_path / "a.dcm"))
    assert "\n" not in str(caught.value) and "a.dcm" in str(caught.value)


def test_damaged_headers_never_raise_anything_else(tmp_path: Path) -> None:
    data = jpeg(tmp_path / "a.dcm", "MONOCHROME2").read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / "b.dcm"
    for _ in range(60):
        changed = bytearray(data)
        for place in rng.integers(132, 1200, 6):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            with open_source(path) as source:
                for _item in source:
                    pass
                source.report()
        except SourceError as error:
            assert "\n" not in str(error)


@pytest.mark.real
def test_the_real_dicom_clip(real_clips: Path) -> None:
    with open_source(real_clips / "clips" / "examples_ybr_color.dcm") as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report, info = source.report(), source.info
    assert len(frames) == 30 and frames[29].time_s == pytest.approx(29 * 0.033333)
    assert report.verdict == "complete" and info.region == (84, 31, 320, 240)
