"""One still image from a file."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features
from support.clips import frames_of, read
from support.media import draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import expand, open_source
from seqcls.sources.sniff import kind_of
from seqcls.types import Frame


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


def test_further_images_in_a_jpeg_are_remarked_on(tmp_path: Path) -> None:
    pages = [Image.fromarray(draw(k)) for k in range(5)]
    pages[0].save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=pages[1:])
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    frames, _, report = read(tmp_path / "a.jpg")
    assert numbers([frame.image for frame in frames]) == [0]
    assert report.reasons == ("a.jpg holds 5 images, of which the first is read",)


#: Formats in which one file may hold one image or many.
STILLS = [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp", ".jp2"]


def test_a_still_is_an_image_in_every_format(tmp_path: Path) -> None:
    """Alike: one frame of one length, in a folder part of the sequence and no clip beside it."""
    formats = STILLS + [".avif"] * ("avif" in features.modules and features.check("avif"))
    for number, suffix in enumerate(formats):
        Image.fromarray(draw(number)).save(tmp_path / f"f{number}{suffix}")
        (frame,), _, report = read(tmp_path / f"f{number}{suffix}")
        assert (kind_of(tmp_path / f"f{number}{suffix}"), frame.duration_s) == ("image", 0.04), suffix
        assert numbers([frame.image]) == [number] and (report.verdict, report.reasons) == ("complete", ())
    (found,) = expand([str(tmp_path)]).sources
    assert len(found.images) == len(formats)
    assert numbers([frame.image for frame in frames_of(tmp_path, rate_hz=25)]) == list(range(len(formats)))


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_a_format_that_is_not_decoded_is_named(brand: bytes, tmp_path: Path) -> None:
    """FFmpeg would give one tile of it."""
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))
    assert kind_of(tmp_path / "IMG_1.HEIC") == "image"
    with pytest.raises(SourceError, match=r"IMG_1\.HEIC: .* looks like HEIC.*: save it as PNG or JPEG"):
        open_source(tmp_path / "IMG_1.HEIC")


def test_a_gif_that_is_cut_behind_its_first_image_is_no_still(tmp_path: Path) -> None:
    pages = [Image.fromarray(draw(k)) for k in range(3)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:])
    data = (tmp_path / "a.gif").read_bytes()
    assert kind_of(tmp_path / "a.gif") == "gif"
    second = data.index(b"\x21\xf9", data.index(b"\x21\xf9") + 1)
    (tmp_path / "a.gif").write_bytes(data[: second + 4])
    assert kind_of(tmp_path / "a.gif") == "gif"
    assert read(tmp_path / "a.gif")[2].verdict == "truncated"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".pgm", ".ppm"])
def test_images_one_behind_the_other_are_not_one_image(suffix: str, tmp_path: Path) -> None:
    """As programs write them that pipe images; Pillow gives the first, without a word."""
    images = [draw(k) if suffix != ".ppm" else np.stack([draw(k)] * 3, -1) for k in range(4)]
    encoded = [cv2.imencode(suffix, image)[1].tobytes() for image in images]
    path = tmp_path / f"a{suffix}"
    for count, verdict in ((1, "complete"), (2, "complete"), (4, "truncated")):
        path.write_bytes(b"".join(encoded[:count]))
        frames, _, report = read(path)
        assert numbers([frame.image for frame in frames]) == [0]
        assert report.verdict == verdict and (count == 1) == (report.reasons == ())
    assert "holds 4 images one behind the other" in report.reasons[0]


def tiff(pixels: bytes, bits: int, form: int) -> bytes:
    """Of 16 x 8 gray samples; ``form``: SampleFormat, 1 unsigned, 2 signed, 3 floating point."""
    tags = [
        (256, 16), (257, 8), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, len(pixels)),
        (339, form),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + table + bytes(4)


def test_eight_bits_with_a_sign(tmp_path: Path) -> None:
    image = np.arange(128, dtype=np.uint8).reshape(8, 16) * 2
    (tmp_path / "a.tif").write_bytes(tiff((image.astype(int) - 128).astype(np.int8).tobytes(), 8, 2))
    assert np.array_equal(frames_of(tmp_path / "a.tif")[0].image, image)


def test_samples_that_are_not_decoded_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(np.zeros((8, 16)).tobytes(), 64, 3))
    with pytest.raises(SourceError, match="TIFF of 64-bit floating point samples, which cannot be decoded here: save"):
        open_source(tmp_path / "a.tif")
