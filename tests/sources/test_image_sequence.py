"""Still images as clips."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.clips import frames_of, stills
from support.media import draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import expand, open_found, open_source
from seqcls.types import Frame, Gap


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".pgm", ".webp", ".PNG"])
def test_a_folder_is_read_in_natural_order(suffix: str, tmp_path: Path) -> None:
    folder = stills(tmp_path / "bilder (ü)", [f"frame {k}{suffix}" for k in range(12)])
    (folder / "notes.txt").write_text("not an image")
    with open_source(folder, rate_hz=10) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        report, info = source.report(), source.info
    assert numbers([f.image for f in frames]) == list(range(12))
    assert [f.time_s for f in frames] == pytest.approx([k / 10 for k in range(12)])
    assert (report.verdict, report.reasons) == ("complete", ())
    assert (info.kind, info.has_clock, info.declared_frames, info.width) == ("images", True, 12, 160)


def test_without_a_rate_there_is_no_clock_and_it_is_reported(tmp_path: Path) -> None:
    with open_source(stills(tmp_path / "a", ["1.png", "2.png"])) as source:
        assert len(list(source)) == 2 and not source.info.has_clock
        assert source.report().verdict == "complete" and "rate_hz=" in source.report().reasons[0]


@pytest.mark.parametrize("pattern", ["frame_%04d.png", "frame_%d.png", "frame_*.png", "frame_000?.png"])
def test_patterns(pattern: str, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"frame_{k:04d}.png" for k in range(1, 10)] + ["other.png"])
    (found,) = expand([str(folder / pattern)]).sources
    assert found.spec == str(folder / pattern)
    with open_found(found, rate_hz=25) as source:
        assert numbers([item.image for item in source if isinstance(item, Frame)]) == list(range(9))
    assert numbers([f.image for f in frames_of(str(folder / pattern), rate_hz=25)]) == list(range(9))


def test_a_missing_number_is_a_gap(tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"f{k}.png" for k in (8, 9, 12, 13)])
    with open_source(folder / "f%d.png", rate_hz=10) as source:
        items = list(source)
        report = source.report()
    assert [type(item) for item in items] == [Frame, Frame, Gap, Frame, Frame]
    gap, later = items[2], items[3]
    assert isinstance(gap, Gap) and (gap.start_s, gap.end_s) == (pytest.approx(0.2), pytest.approx(0.4))
    assert isinstance(later, Frame) and (later.index, later.time_s) == (2, pytest.approx(0.4))
    assert report.verdict == "damaged" and "f12.png" in report.reasons[0]


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(100)], ids=["empty", "text", "header"])
def test_an_image_that_cannot_be_read_is_a_gap(content: bytes, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"{k}.png" for k in range(5)])
    (folder / "2.png").write_bytes(content)
    with open_source(folder, rate_hz=10) as source:
        items = list(source)
        report = source.report()
    assert isinstance(items[2], Gap) and report.verdict == "damaged" and "2.png" in report.reasons[0]
    assert numbers([item.image for item in items if isinstance(item, Frame)]) == [0, 1, 3, 4]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_cut_image_is_a_gap(suffix: str, tmp_path: Path) -> None:
    folder = stills(tmp_path, [f"{k}{suffix}" for k in range(3)])
    data = (folder / f"1{suffix}").read_bytes()
    (folder / f"1{suffix}").write_bytes(data[: len(data) // 2])
    with open_source(folder, rate_hz=10) as source:
        list(source)
        assert source.report().verdict == "damaged"


def test_a_new_size_is_reported(tmp_path: Path) -> None:
    stills(tmp_path, ["1.png", "2.png"])
    cv2.imwrite(str(tmp_path / "3.png"), draw(3, 200, 160))
    with open_source(tmp_path, rate_hz=5) as source:
        assert len(list(source)) == 3
        assert source.report().verdict == "damaged" and "3.png" in source.report().reasons[0]


def test_a_folder_of_several_clips_is_no_clip(tmp_path: Path) -> None:
    for name in ("1.2.840.10008.1", "1.2.840.10008.2"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    with pytest.raises(SourceError, match=r"holds 2 clips; name one of them, such as 1\.2\.840\.10008\.1$"):
        open_source(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no clip and no image"):
        open_source(tmp_path / "empty")


@pytest.mark.parametrize("spec", ["", "*.png", "f%d.png"], ids=["folder", "pattern", "numbered"])
@pytest.mark.parametrize("rate_hz", [None, 25.0], ids=["no rate", "stated"])
def test_numbers_that_are_missing_are_gaps_however_the_images_are_named(
    spec: str, rate_hz: float | None, tmp_path: Path
) -> None:
    stills(tmp_path, [f"f{number:04d}.png" for number in (1, 2, 5)])
    (found,) = expand([str(tmp_path / spec)]).sources
    with open_found(found, rate_hz=rate_hz) as source:
        frame, second, gap, last = source
        report = source.report()
    assert isinstance(gap, Gap) and (gap.start_s, gap.end_s) == (pytest.approx(0.08), pytest.approx(0.16))
    assert gap.reason == "2 images missing between f0002.png and f0005.png"
    assert [item.time_s for item in (frame, second, last) if isinstance(item, Frame)] == pytest.approx([0, 0.04, 0.16])
    assert report.verdict == "damaged" and source.info.declared_duration_s == pytest.approx(0.2)


def test_a_number_that_can_be_no_place_in_a_clip_is_refused(tmp_path: Path) -> None:
    for number in ("1", "2", "9" * 200):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(SourceError, match=r"the number of f9{200}\.png is so far from the first"):
        open_source(tmp_path / "f%d.png")
