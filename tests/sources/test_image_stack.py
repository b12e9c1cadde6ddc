"""Files of several images as clips; their tables as `image_pages` reads them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from support.clips import frames_of, read
from support.media import draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import image_pages, image_stack, open_source
from seqcls.sources.image_pages import tiff_pages
from seqcls.sources.images import image_facts
from seqcls.sources.sniff import kind_of
from seqcls.sources.stack_layout import stack_layout
from seqcls.types import Frame, Gap

COUNT = 7
AVIF = pytest.mark.skipif("avif" not in features.modules or not features.check("avif"), reason="an older Pillow")


def stack(path: Path, count: int = COUNT, factor: int = 0, **options: Any) -> Path:
    images = [draw(k) for k in range(count)]
    pages = [Image.fromarray(image.astype(np.uint16) * factor if factor else image) for image in images]
    suffix = {".apng": "PNG", ".btf": "TIFF"}.get(path.suffix)
    pages[0].save(path, suffix, save_all=True, append_images=pages[1:], **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.btf", {"big_tiff": True}),
        ("scan", {"format": "TIFF"}),
        ("a.webp", {"lossless": True, "duration": 40}),
        ("a.png", {"duration": 40}),
        ("a.apng", {"duration": 40}),
        pytest.param("a.avif", {"duration": 40, "quality": 90}, marks=AVIF),
    ],
    ids=str,
)
def test_every_page_is_a_frame(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    kind = options.pop("format", "")
    path = stack(tmp_path / (f"{name}.tif" if kind else name), **options)
    path = path.rename(tmp_path / name)
    assert kind_of(path) == "stack"
    frames, gaps, report = read(path)
    assert numbers([frame.image for frame in frames]) == list(range(COUNT)) and not gaps
    assert [frame.time_s for frame in frames] == pytest.approx([k / 25 for k in range(COUNT)])
    assert report.verdict == "complete"
    assert frames_of(path, color=True)[0].image.shape == (128, 160, 3)


def test_a_tiff_has_no_clock_until_one_is_stated(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif")
    with open_source(path) as source:
        assert (source.info.has_clock, source.info.rate_hz, source.info.declared_frames) == (False, 25, COUNT)
        list(source)
        assert "25 images per second assumed; state the rate by rate_hz=NUMBER" in source.report().reasons[0]
    frames, _, report = read(path, rate_hz=10)
    assert [frame.time_s for frame in frames] == pytest.approx([k / 10 for k in range(COUNT)]) and not report.reasons


@pytest.mark.parametrize(
    ("text", "period_s"), [("finterval=0.05\n", 0.05), ("fps=50.0\n", 0.02)], ids=["interval", "rate"]
)
def test_the_pace_that_imagej_wrote(text: str, period_s: float, tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", description=f"ImageJ=1.53\nimages={COUNT}\n{text}")
    frames, _, report = read(path)
    assert frames[-1].time_s == pytest.approx((COUNT - 1) * period_s) and not report.reasons


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_each_frame_lasts_as_the_file_says(suffix: str, tmp_path: Path) -> None:
    path = stack(tmp_path / f"a{suffix}", 3, duration=[100, 40, 250])
    frames, _, _ = read(path)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.14])
    assert [frame.duration_s for frame in frames] == pytest.approx([0.1, 0.04, 0.25])


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png"])
def test_one_page_is_an_image(name: str, tmp_path: Path) -> None:
    Image.fromarray(draw(4)).save(tmp_path / name)
    assert kind_of(tmp_path / name) == "image" and numbers([f.image for f in frames_of(tmp_path / name)]) == [4]


def test_the_image_for_programs_without_animation_is_none_of_its_frames(tmp_path: Path) -> None:
    cover = Image.fromarray(np.zeros((128, 160), np.uint8))
    frames = [Image.fromarray(draw(k)) for k in range(3)]
    cover.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=40)
    assert numbers([frame.image for frame in frames_of(tmp_path / "a.png")]) == [0, 1, 2]


def test_deep_pages_share_one_scale(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", factor=16)
    expected = [draw(k) for k in range(COUNT)]
    low, high = min(image.min() for image in expected), max(image.max() for image in expected)
    for frame, image in zip(frames_of(path), expected, strict=True):
        scaled = (image.astype(float) - low) * 255 / (high - low)
        assert np.abs(frame.image - scaled).max() <= 1


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", dpi=(200, 100))
    with open_source(path) as source:
        assert (source.info.width, source.info.height, source.info.pixel_aspect) == (160, 256, 0.5)
        assert {item.image.shape for item in source if isinstance(item, Frame)} == {(256, 160)}


def test_a_damaged_page_is_a_gap(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    with Image.open(path) as image:
        image.seek(3)
        offset = image.tag_v2[273][0]
    data[offset : offset + 2000] = bytes(2000)
    path.write_bytes(data)
    frames, gaps, report = read(path)
    assert numbers([frame.image for frame in frames]) == [0, 1, 2, 4, 5, 6]
    assert [(gap.start_s, gap.end_s) for gap in gaps] == [(pytest.approx(0.12), pytest.approx(0.16))]
    assert (
        report.verdict == "damaged"
        and report.reasons[0] == "page 4 cannot be read (its data are damaged or cut short) at 0.12 s"
    )


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_cut_file_is_truncated(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = stack(tmp_path / name, duration=40, **({"compression": "tiff_lzw"} if name == "a.tif" else {}))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    frames, gaps, report = read(path)
    found = numbers([frame.image for frame in frames])
    count = len(found)
    assert found == list(range(count)) and 2 <= count < COUNT - 1
    assert report.verdict == "truncated"
    if name == "a.tif":  # what its table does not list is not known to be missing
        assert report.reasons[0] == f"the file breaks behind page {count}; pages are missing" and not gaps
    else:
        lost = f"{COUNT - count} pages ({count + 1} to {COUNT}) cannot be read (the file ends early)"
        assert gaps == [Gap(pytest.approx(count / 25), pytest.approx(COUNT / 25), lost)]
        assert report.reasons == (f"{lost} at {count / 25:.2f} s",)
    assert capfd.readouterr().err == ""  # libtiff has its own say about every page


def test_a_stack_that_promises_more_than_its_pages(tmp_path: Path) -> None:
    """ImageJ writes large stacks as one page with the others behind it, unlisted."""
    path = stack(tmp_path / "a.tif", 2, description="ImageJ=1.53\nimages=60\n")
    _, _, report = read(path)
    assert report.verdict == "truncated" and "holds 60 images, of which 2 can be found" in report.reasons[0]


def test_pages_with_colours_of_sixteen_bits_are_refused(tmp_path: Path) -> None:
    import cv2

    cv2.imwritemulti(str(tmp_path / "a.tif"), [np.zeros((40, 50, 3), np.uint16)] * 2)
    with pytest.raises(SourceError, match="16 bits per colour"):
        open_source(tmp_path / "a.tif")


def tiff(pages: list[tuple[int, int]], order: str = "<") -> io.BytesIO:
    """A TIFF of tables only: (tag, value) of the one entry of each page; the last points to a page beyond the end where
    its tag is 0."""
    body = bytearray(b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    for number, (tag, value) in enumerate(pages):
        last = number == len(pages) - 1
        following = (10_000 if tag == 0 else 0) if last else 8 + 18 * (number + 1)
        body += struct.pack(order + "HHHIII", 1, tag, 4, 1, value, following)
    return io.BytesIO(body)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_are_counted_without_thumbnails_and_masks(order: str) -> None:
    assert tiff_pages(tiff([(254, 0), (254, 1), (254, 4), (255, 2), (256, 9)], order)) == ([0, 4], True)
    assert tiff_pages(tiff([(256, 9), (0, 0)], order)) == ([0, 1], False)
    loop = tiff([(256, 9), (256, 9)], order).getvalue()
    body = bytearray(loop)
    body[-4:] = struct.pack(order + "I", 8)
    assert tiff_pages(io.BytesIO(body)) == ([0, 1], False)
    assert tiff_pages(io.BytesIO(b"II*\0")) == ([], True)


@pytest.mark.parametrize(("tag", "order"), [(273, "<"), (324, ">")])
def test_pages_that_all_show_one_image_are_not_read_twenty_thousand_times(tag: int, order: str) -> None:
    assert tiff_pages(tiff([(tag, 77)] * 30, order)) == (list(range(10)), False)
    assert tiff_pages(tiff([(tag, 77 + k) for k in range(30)], order)) == (list(range(30)), True)


def test_images_of_one_file_are_counted_before_they_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An APNG may state 2 billion, a chain of pages be as long as the file."""
    animated, pages = stack(tmp_path / "a.png"), stack(tmp_path / "a.tif")
    data = bytearray(animated.read_bytes())
    place = data.index(b"acTL")
    data[place + 4 : place + 8] = struct.pack(">I", 0x7FFFFFFF)
    data[place + 12 : place + 16] = struct.pack(">I", zlib.crc32(data[place : place + 12]))
    animated.write_bytes(data)
    for module in (image_pages, image_stack):
        monkeypatch.setattr(module, "MAX_PAGES", COUNT - 1)
    for path in (animated, pages):
        with pytest.raises(SourceError, match=f"says that it holds more than {COUNT - 1} images; save it as a video"):
            open_source(path)
    aside = tiff([(254, 1)] * 30)
    assert tiff_pages(aside) == ([], False)
    assert aside.tell() < len(aside.getvalue())


def test_tiles_larger_than_an_image_are_not_unpacked(tmp_path: Path) -> None:
    """16 x 16 pixels in one tile of 65,000 x 65,000: 2 GB were taken."""
    tags = (
        (256, 16),
        (257, 16),
        (258, 8),
        (259, 1),
        (262, 1),
        (277, 1),
        (322, 65_024),
        (323, 65_024),
        (324, 8),
        (325, 256),
    )
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + table + bytes(300))
    with pytest.raises(SourceError, match=r"a\.tif: its tiles of 65024x65024 are larger than an image can be"):
        image_facts(tmp_path / "a.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_images_behind_the_only_page_of_an_imagej_stack_are_read(kind: str, order: str, tmp_path: Path) -> None:
    """ImageJ writes long stacks so, and its imitators all."""
    images = [(draw(k) * np.uint16(16 if kind == "u2" else 1)).astype(f"{order}{kind}") for k in range(COUNT)]
    (tmp_path / "a.tif").write_bytes(imagej(images, COUNT, order, kind))
    assert kind_of(tmp_path / "a.tif") == "stack"
    frames, gaps, report = read(tmp_path / "a.tif", rate_hz=10)
    assert numbers([frame.image for frame in frames]) == list(range(COUNT)) and not gaps
    assert report.verdict == "complete"
    (tmp_path / "a.tif").write_bytes(imagej(images[:4], COUNT, order, kind))
    assert len(frames_of(tmp_path / "a.tif")) == 4
    report = read(tmp_path / "a.tif")[2]
    assert report.verdict == "truncated" and "holds 7 images, of which 4 can be found" in report.reasons[0]


def imagej(images: list[np.ndarray], promised: int, order: str, kind: str) -> bytes:
    text = f"ImageJ=1.54\nimages={promised}\nslices={promised}\n\0".encode()
    height, width = images[0].shape
    bits, form = int(kind[1]) * 8, 3 if kind == "f4" else 1
    start = 8 + 2 + 9 * 12 + 4 + len(text)
    short, long = 3, 4
    tags = [
        (256, long, 1, width), (257, long, 1, height), (258, short, 1, bits), (259, short, 1, 1), (262, short, 1, 1),
        (270, 2, len(text), start - len(text)), (273, long, 1, start), (279, long, 1, height * width * bits // 8),
        (339, short, 1, form),
    ]  # fmt: skip
    entries = [
        struct.pack(order + "HHI", tag, type_, count) + struct.pack(order + ("H2x" if type_ == short else "I"), value)
        for tag, type_, count, value in tags
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "IH", 8, len(tags)) + b"".join(entries) + bytes(4) + text
    return head + b"".join(image.tobytes() for image in images)


def test_the_table_of_pages_may_stand_behind_the_images(tmp_path: Path) -> None:
    """TIFF allows any place; a search of the file's beginning found no word of the others."""
    images = [draw(k) for k in range(COUNT)]
    front = imagej(images, COUNT, "<", "u1")
    start = len(front) - sum(image.nbytes for image in images)
    table, data = front[8:start], front[start:]
    count = struct.unpack_from("<H", table)[0]
    moved = bytearray(table)
    for at in range(2, 2 + 12 * count, 12):
        tag = struct.unpack_from("<H", table, at)[0]
        if tag in (270, 273):  # ImageDescription stood at the end of the table, StripOffsets behind it
            struct.pack_into(
                "<I", moved, at + 8, 8 if tag == 273 else struct.unpack_from("<I", table, at + 8)[0] + len(data)
            )
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + moved)
    frames, _, report = read(tmp_path / "a.tif", rate_hz=10)
    assert numbers([frame.image for frame in frames]) == list(range(COUNT)) and report.verdict == "complete"


OME = '<OME><Image><Pixels SizeX="160" SizeY="128" SizeC="{c}" SizeZ="{z}" SizeT="{t}"{more}</Image></OME>'


@pytest.mark.parametrize(
    ("text", "several"),
    [
        (f"ImageJ=1.53\nimages={COUNT}\nchannels={COUNT}\n", "7 channels"),
        ("ImageJ=1.53\nimages=8\nslices=2\nframes=4\n", "2 depths"),
        ("ImageJ=1.53\nimages=24\nchannels=2\nslices=3\nframes=4\n", "2 channels and 3 depths"),
        (OME.format(c=2, z=1, t=4, more="/>"), "2 channels"),
        (OME.format(c=1, z=2, t=4, more="/>"), "2 depths"),
        ("<OME><Pixels SizeT='4'/></OME>" + OME.format(c=1, z=1, t=4, more="/>") * 2, "series of images"),
        ('{"shape": [4, 2, 128, 160]}', "an array of 4x2x128x160"),
    ],
    ids=["channels", "depths", "both", "OME channels", "OME depths", "OME series", "tifffile"],
)
def test_several_images_of_each_time_are_no_clip(text: str, several: str, tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", description=text)
    with pytest.raises(
        SourceError, match=rf"is no clip but holds .*{several}, which would be read one after the other"
    ):
        open_source(path)


@pytest.mark.parametrize(
    ("text", "period_s", "reason"),
    [
        (OME.format(c=1, z=1, t=COUNT, more=' TimeIncrement="0.08"/>'), 0.08, ""),
        (OME.format(c=1, z=1, t=COUNT, more=' TimeIncrement="80" TimeIncrementUnit="ms"/>'), 0.08, ""),
        (OME.format(c=3, z=1, t=COUNT, more='><Channel SamplesPerPixel="3"/></Pixels>'), 0.04, "25 images per second"),
        (OME.format(c=1, z=COUNT, t=1, more="/>"), 0.04, "25 images per second"),
        (
            OME.format(c=1, z=1, t=COUNT, more=">" + "".join(f'<Plane DeltaT="{k / 10}"/>' for k in range(COUNT))),
            0.1,
            "",
        ),
        (
            OME.format(c=1, z=1, t=COUNT, more=">" + "".join(f'<Plane DeltaT="{k * k / 60}"/>' for k in range(COUNT))),
            0.1,
            "its images are 0.0167 to 0.183 s apart: 0.1 s is taken for all",
        ),
        ("ImageJ=1.53\nimages=7\nslices=7\nfinterval=0\n", 0.04, "25 images per second"),
        ('{"shape": [7, 128, 160]}', 0.04, "25 images per second"),
    ],
)
def test_the_pace_of_a_stack(text: str, period_s: float, reason: str, tmp_path: Path) -> None:
    frames, _, report = read(stack(tmp_path / "a.tif", description=text))
    assert frames[-1].time_s == pytest.approx((COUNT - 1) * period_s) and report.verdict == "complete"
    assert reason in " ".join(report.reasons) and bool(reason) == bool(report.reasons)


def test_a_stack_of_which_ome_promises_more(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", description=OME.format(c=1, z=1, t=COUNT + 1, more="/>"))
    assert "holds 8 images, of which 7 can be found" in read(path)[2].reasons[0]
    others = '><UUID FileName="a.tif"/><UUID FileName="b.tif"/></Pixels>'
    path = stack(tmp_path / "a.tif", description=OME.format(c=1, z=1, t=COUNT + 1, more=others))
    assert read(path)[2].verdict == "complete", "the eighth is in the other file"


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_white_may_be_the_least_value(dtype: str, tmp_path: Path) -> None:
    images = [draw(k).astype(dtype) for k in range(3)]
    most = {"u2": 65535, "f4": 0}[dtype]
    pages = [Image.fromarray((most - image).astype(dtype)) for image in images]
    for name, more in (("a.tif", pages[1:]), ("one.tif", [])):
        pages[0].save(tmp_path / name, save_all=True, append_images=more, tiffinfo={262: 0})
        assert numbers([frame.image for frame in frames_of(tmp_path / name)]) == list(range(1 + len(more)))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_times_that_are_made_up_are_reported(suffix: str, tmp_path: Path) -> None:
    path = stack(tmp_path / f"a{suffix}", 3, duration=[0, 50, 0])
    frames, _, report = read(path)
    assumed_s = 0.1 if suffix == ".gif" else 0.04
    assert [frame.duration_s for frame in frames] == pytest.approx([assumed_s, 0.05, assumed_s])
    assert report.verdict == "complete" and report.reasons[0].startswith("2 of 3 frames state no time, or")
    assert not read(stack(tmp_path / f"b{suffix}", 3, duration=50))[2].reasons
    if suffix != ".gif":
        assert [frame.duration_s for frame in read(path, rate_hz=10)[0]] == pytest.approx([0.1, 0.05, 0.1])


@pytest.mark.parametrize("text", ['{"shape": [7, 128, 160]}', ""], ids=["tifffile", "MetaMorph"])
def test_images_behind_the_only_page_of_other_writers(text: str, tmp_path: Path) -> None:
    """tifffile leaves the table of pages out where it may; MetaMorph's table of planes has a tag of its own."""
    data = bytearray(imagej([draw(k) for k in range(COUNT)], COUNT, "<", "u1"))
    start, length = data.index(b"ImageJ"), len(f"ImageJ=1.54\nimages={COUNT}\nslices={COUNT}\n")
    data[start : start + length] = text.encode().ljust(length, b"\0")
    if not text:  # in place of SampleFormat, the last one
        at = data.index(struct.pack("<HH", 339, 3))
        struct.pack_into("<HHII", data, at, 33629, 5, COUNT, 8)
    (tmp_path / "a.tif").write_bytes(data)
    assert kind_of(tmp_path / "a.tif") == "stack"
    assert numbers([frame.image for frame in frames_of(tmp_path / "a.tif")]) == list(range(COUNT))


@pytest.mark.parametrize("part", ["<Pixels ", "<Plane ", "<UUID "])
def test_a_description_of_nothing_but_beginnings_takes_no_hours(part: str) -> None:
    text = b'<OME><Pixels SizeT="2">' + part.encode() * 50_000 + b"\0"
    entry = struct.pack("<HHII", 270, 2, len(text), 26)
    data = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + text
    assert stack_layout(io.BytesIO(data)).images == 2
