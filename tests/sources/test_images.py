"""Still images as clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
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


def test_an_image_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    Image.new("1", (10_500, 10_500)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"bomb\.png"):
        open_source(tmp_path)


@pytest.mark.parametrize("shape", ["gray", "color", "alpha"])
@pytest.mark.parametrize("factor", [4, 16, 257], ids=["10 bits", "12 bits", "16 bits"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_images_share_one_scale(suffix: str, factor: int, shape: str, tmp_path: Path) -> None:
    """Least to greatest of the set: a dark image among them stays dark."""
    bright, dark = (np.arange(256, dtype=np.uint16).reshape(8, 32) // part for part in (1, 4))
    for number, image in enumerate((bright, dark)):
        deep = image * factor
        planes = {"gray": [deep], "color": [deep] * 3, "alpha": [deep] * 3 + [np.full_like(deep, 65535)]}[shape]
        cv2.imwrite(str(tmp_path / f"{number}{suffix}"), np.stack(planes, -1))
    first, second = (frame.image for frame in frames_of(tmp_path, rate_hz=25))
    assert np.abs(first.astype(int) - bright).max() <= 1 and np.abs(second.astype(int) - dark).max() <= 1
    with open_source(tmp_path) as source:
        assert f"0 to {255 * factor:g}" in dict(source.info.details)["gray levels"]


def test_a_deep_image_of_one_level_and_color_as_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((40, 50), 0x8000, np.uint16))
    assert abs(int(frames_of(tmp_path / "deep.png")[0].image[0, 0]) - 128) <= 1
    cv2.imwrite(str(tmp_path / "red.bmp"), np.full((40, 50, 3), (0, 0, 200), np.uint8))
    assert frames_of(tmp_path / "red.bmp", color=True)[0].image[0, 0].tolist() == [0, 0, 200]
    blue = np.zeros((8, 32, 3), np.uint16)
    blue[:, 16:, 0] = 4080
    cv2.imwrite(str(tmp_path / "blue.png"), blue)
    assert frames_of(tmp_path / "blue.png", color=True)[0].image[0, -1].tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", ["a.dat", "a", "1.2.840.10008"])
@pytest.mark.parametrize("encoding", [".png", ".jpg", ".bmp", ".tif", ".pgm", ".webp", ".jp2"])
def test_an_image_is_known_by_its_bytes(encoding: str, name: str, tmp_path: Path) -> None:
    cv2.imencode(encoding, draw(5))[1].tofile(tmp_path / name)
    assert numbers([frame.image for frame in frames_of(tmp_path)]) == [5]


def test_a_new_size_is_reported(tmp_path: Path) -> None:
    stills(tmp_path, ["1.png", "2.png"])
    cv2.imwrite(str(tmp_path / "3.png"), draw(3, 200, 160))
    with open_source(tmp_path, rate_hz=5) as source:
        assert len(list(source)) == 3
        assert source.report().verdict == "damaged" and "3.png" in source.report().reasons[0]


def test_a_folder_of_clips_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "1.2.840.10008.1").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(SourceError, match=r"holds no image but clips; name one of them, such as 1\.2\.840\.10008\.1"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_pixels_that_are_not_square_are_stretched(name: str, tmp_path: Path) -> None:
    """100 per inch across and 200 down: each is twice as wide as high."""
    image = cv2.resize(draw(3), (80, 128), interpolation=cv2.INTER_AREA)
    Image.fromarray(image).save(tmp_path / name, dpi=(100, 200))
    with open_source(tmp_path / name) as source:
        (frame,) = source
        assert isinstance(frame, Frame) and frame.image.shape == (128, 160) and numbers([frame.image]) == [3]
        assert source.info.pixel_aspect == pytest.approx(2, rel=0.01)
        assert (source.info.width, source.info.height) == (160, 128)
    Image.fromarray(draw(3)).save(tmp_path / name, dpi=(300, 300))
    assert np.array_equal(frames_of(tmp_path / name)[0].image.shape, (128, 160))
    Image.fromarray(draw(3)).save(tmp_path / name, dpi=(10, 3000))
    with open_source(tmp_path / name) as source:
        (frame,) = source
        assert isinstance(frame, Frame) and frame.image.shape == (128, 160)
        assert "is implausible" in source.report().reasons[0]


def test_a_turned_image_is_stretched_as_it_is_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((128, 80), np.uint8)).save(tmp_path / "a.jpg", dpi=(100, 200), exif=exif)
    assert frames_of(tmp_path / "a.jpg")[0].image.shape == (160, 128)


@pytest.mark.parametrize(
    ("numbers_there", "remark"),
    [
        (range(5), ""),
        (range(0, 15, 3), ""),
        ((1, 2, 3, 6, 7, 9), "2 times, first between f3.png and f6.png"),
        ((1, 9), ""),
    ],
    ids=str,
)
def test_numbers_that_are_missing_in_a_folder_are_named(
    numbers_there: Sequence[int], remark: str, tmp_path: Path
) -> None:
    stills(tmp_path, [f"f{number}.png" for number in numbers_there])
    with open_source(tmp_path, rate_hz=25) as source:
        assert len(list(source)) == len(numbers_there)
        reasons = source.report().reasons
    assert bool(reasons) == bool(remark) and all(remark in reason and "f%" not in reason for reason in reasons)
    assert source.report().verdict == "complete"
