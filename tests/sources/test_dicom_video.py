"""Video in DICOM: frames, times by stream, header and user, and whether all of it is there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41
from support.dicom_files import dataset, save
from support.media import numbers, recipe, write_clip

from seqcls.sources import open_source
from seqcls.types import Frame, SourceInfo, SourceReport


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


def test_video_in_dicom_reports_a_lying_number_of_frames(tmp_path: Path) -> None:
    inside = write_clip(tmp_path / "a.mp4", recipe("mp4 h264")).read_bytes()
    path = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=77), tmp_path / "video.dcm", [inside])
    with open_source(path) as source:
        assert len(list(source)) == 40
        assert source.report().reasons == ("holds 40 frames but says that it has 77",)


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bare streams of 20 frames at 25 per second; H.264 has no times, and names 25 or, which cannot be, 1,000."""
    folder = tmp_path_factory.mktemp("streams")
    made = {
        "h264": recipe("mp4 h264", muxer="h264", frames=20),
        "h264 odd": recipe("mp4 h264", muxer="h264", frames=20, rate=Fraction(1000)),
        "mpeg2": recipe("mpg mpeg2", muxer="mpeg2video", frames=20),
    }
    return {name: write_clip(folder / name, clip).read_bytes() for name, clip in made.items()}


def read(
    path: Path, inside: bytes, rate_hz: float | None = None, count: int = 20, **fields: Any
) -> tuple[list[Frame], SourceInfo, SourceReport]:
    uid = MPEG2MPML if inside.startswith(b"\0\0\1\xb3") else MPEG4HP41
    save(dataset(uid, "YBR_PARTIAL_420", count=count, **fields), path, [inside])
    with open_source(path, rate_hz=rate_hz) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        return frames, source.info, source.report()


# stream, FrameTime, the user's rate -> seconds from frame to frame, whether there is a clock, part of the note
RATES: dict[str, tuple[str, str | None, float | None, float, bool, str]] = {
    "the header's, where the stream has none": ("h264 odd", "50", None, 0.05, True, ""),
    "the header's, whatever the user says": ("h264 odd", "50", 10, 0.05, True, ""),
    "the header's against a rate that a stream names": ("h264", "50", None, 0.05, True, "FrameTime gives 20 frames per second, the stream 25: the header taken"),
    "assumed": ("h264 odd", None, None, 0.04, False, "neither header nor stream states times: 25 frames per second assumed"),
    "named by the stream": ("h264", None, 10, 0.04, True, ""),
    "the user's, where nobody else has any": ("h264 odd", None, 10, 0.1, True, ""),
    "both agree": ("mpeg2", "40", None, 0.04, True, ""),
    "the stream's against the header's": ("mpeg2", "80", None, 0.04, True, "FrameTime gives 12.5 frames per second, the stream 25: the stream taken"),
    "the user's, where they differ": ("mpeg2", "80", 12.5, 0.08, True, ""),
    "the stream's alone": ("mpeg2", None, 10, 0.04, True, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RATES)
def test_times_are_those_of_stream_header_or_user(name: str, streams: dict[str, bytes], tmp_path: Path) -> None:
    stream, frame_time, rate_hz, period_s, has_clock, note = RATES[name]
    frames, info, report = read(tmp_path / "v.dcm", streams[stream], rate_hz, FrameTime=frame_time)
    assert numbers([f.image for f in frames]) == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([k * period_s for k in range(20)], abs=0.51 * period_s)
    assert frames[-1].time_s + frames[-1].duration_s == pytest.approx(20 * period_s, rel=0.03)
    assert info.has_clock == has_clock and info.rate_hz == pytest.approx(1 / period_s)
    assert note in " ".join(report.reasons) and (note != "" or "rate_hz" not in " ".join(report.reasons))


@pytest.mark.parametrize("stream", ["h264", "mpeg2"])
def test_a_bare_stream_is_complete_where_the_header_counts_its_frames(
    stream: str, streams: dict[str, bytes], tmp_path: Path
) -> None:
    assert read(tmp_path / "a.dcm", streams[stream])[2].verdict == "complete"
    report = read(tmp_path / "b.dcm", streams[stream], count=24)[2]
    assert report.verdict == "unknown" and "holds 20 frames but says that it has 24" in report.reasons
