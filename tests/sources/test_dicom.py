"""DICOM cines of every usual encoding."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless
from support.dicom_files import COUNT, ENCODINGS, HEIGHT, WIDTH, compressed, dataset, gray_frames, jpeg, native, save
from support.media import draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.types import Frame, Gap


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
    # Measured by eye the images are those that were drawn, not their negatives or shifted in level.
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
    fields, origin, expected = TIMES[name]
    ds = dataset(ExplicitVRLittleEndian, count=4, **fields)
    path = save(ds, tmp_path / "a.dcm", b"".join(f.tobytes() for f in gray_frames(4)))
    with open_source(path, rate_hz=77) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        assert source.info.has_clock and dict(source.info.details)["times from"] == origin
    assert [f.time_s for f in frames] == pytest.approx(expected)
    assert all(a.time_s + a.duration_s == pytest.approx(b.time_s) for a, b in itertools.pairwise(frames))


def test_without_any_time_there_is_no_clock_until_a_rate_is_stated(tmp_path: Path) -> None:
    ds = dataset(ExplicitVRLittleEndian, count=4, FrameTime=None)
    path = save(ds, tmp_path / "a.dcm", b"".join(f.tobytes() for f in gray_frames(4)))
    with open_source(path) as source:
        assert len(list(source)) == 4
        assert not source.info.has_clock
        assert source.report().verdict == "complete" and "rate_hz=" in source.report().reasons[0]
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


def test_nothing_of_the_patient_is_shown(tmp_path: Path) -> None:
    with open_source(native(tmp_path / "a.dcm")) as source:
        list(source)
        shown = repr(source.info) + repr(source.report())
    assert "Doe" not in shown and "4711" not in shown and "1970" not in shown


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
