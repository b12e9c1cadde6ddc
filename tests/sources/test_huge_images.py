"""Files of a few kB whose headers announce images of gigabytes: each costs itself, with its reason, and no memory."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from PIL import Image, features
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from support.clips import make, read, stills
from support.dicom_files import dataset, save
from support.encoded import write_video
from support.media import SVT, draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import open_source

#: 30 gigabytes and more of one byte a pixel, where the format has room for that; else the most that it can say.
WIDE, HIGH = 200_000, 160_000
MOST_BYTES = 48 << 20


def still(form: str, **options: object) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(draw(1)).save(stored, form, **options)
    return stored.getvalue()


def put(data: bytes, place: int, form: str, *values: int) -> bytes:
    return data[:place] + struct.pack(form, *values) + data[place + struct.calcsize(form) :]


def png(data: bytes, place: int = 0) -> bytes:
    """The PNG that begins at ``place``."""
    start = place + 12
    head = put(data[start : start + 17], 4, ">II", WIDE, HIGH)
    return data[:start] + head + struct.pack(">I", zlib.crc32(head)) + data[start + 21 :]


def jpeg(data: bytes) -> bytes:
    """Every JPEG in it."""
    return re.sub(
        rb"(\xff[\xc0\xc1\xc2\xf7]\0.\x08)....", lambda found: found[1] + b"\xff\xdc" * 2, data, flags=re.DOTALL
    )


def jpeg_2000(data: bytes) -> bytes:
    place = data.index(b"\xff\x51") + 6
    data = put(put(data, place, ">II", WIDE, HIGH), place + 16, ">II", WIDE, HIGH)
    box = data.find(b"ihdr")
    return put(data, box + 4, ">II", HIGH, WIDE) if box > 0 else data


def tiff(data: bytes) -> bytes:
    for tag, value in ((256, WIDE), (257, HIGH), (278, HIGH)):
        place = data.find(struct.pack("<HH", tag, 4))
        place = place if place >= 0 else data.index(struct.pack("<HH", tag, 3))
        data = put(data, place, "<HHII", tag, 4, 1, value)
    return data


def entry(data: bytes, code: bytes) -> bytes:
    """The sample entry of an MP4, and its track header, which holds 16 bits of each length before the point."""
    data = put(data, data.index(code, data.index(b"stsd")) + 28, ">HH", 65_535, 65_535)
    place = data.index(b"tkhd")
    size = struct.unpack(">I", data[place - 4 : place])[0]
    return put(data, place - 4 + size - 8, ">HHHH", 65_535, 0, 65_535, 0)


def avi(data: bytes) -> bytes:
    data = put(data, data.index(b"avih") + 8 + 32, "<II", WIDE, HIGH)
    return put(data, data.index(b"strf") + 8 + 4, "<ii", WIDE, HIGH)


def number(value: int) -> str:
    """Exp-Golomb; H.264, 9.1."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def behind_number(bits: str, place: int) -> int:
    return place + 2 * bits[place:].index("1") + 1


def bits_of(data: bytes) -> str:
    return "".join(f"{value:08b}" for value in data)


def bytes_of(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))


def h264(data: bytes) -> bytes:
    """A bare stream whose first parameter set states another size; H.264, 7.3.2.1.1."""
    bits = "".join(map(number, (0, 0, 2, 1))) + "0" + number(WIDE // 16 - 1) + number(HIGH // 16 - 1) + "110" + "01"
    first = data.index(b"\0\0\1", 4)
    return b"\0\0\0\1\x67\x42\0\x1e" + bytes_of(bits) + data[first - (data[first - 1] == 0) :]


def hevc(data: bytes) -> bytes:
    """The same of HEVC; H.265, 7.3.2.2: behind 8 bits, 96 of the profile and the number of the set."""
    begin = data.index(b"\0\0\1\x42\x01") + 5
    end = data.index(b"\0\0\1", begin)
    bits = bits_of(data[begin:end].rstrip(b"\0").replace(b"\0\0\3", b"\0\0"))
    size = behind_number(bits, behind_number(bits, 8 + 96))  # and behind the number of the chroma format
    rest = bits[behind_number(bits, behind_number(bits, size)) :]
    stated = re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", bytes_of(bits[:size] + number(WIDE - 1) + number(HIGH - 1) + rest))
    return data[:begin] + stated + data[end - (data[end - 1] == 0) :]


def av1(data: bytes) -> bytes:
    """Its sequence header, AV1, 5.5.1, in a packet: 65,536 x 65,536."""
    assert data[0] == 0x0A  # it begins with one, and with its length
    bits = bits_of(data[2 : 2 + data[1]])
    assert bits[4:6] == "00" and bits[7:12] == "00000"  # neither reduced nor timed, one operating point
    size = 24 + 5 + (int(bits[24:29], 2) > 7)
    assert bits[6] == "0"
    wide, high = int(bits[size : size + 4], 2) + 1, int(bits[size + 4 : size + 8], 2) + 1
    stated = bytes_of(bits[:size] + "1" * 8 + "1" * 32 + bits[size + 8 + wide + high :])
    return data[:1] + bytes([len(stated)]) + stated + data[2 + data[1] :]


def of_av1(folder: Path) -> Path:
    """In Matroska, whose own words are right."""
    with av.open(str(make(folder, "webm av1", frames=4))) as read, av.open(str(folder / "a.mkv"), "w") as written:
        stream = written.add_stream("libsvtav1", rate=25, options=dict(SVT))  # which writes the container's words
        stream.height, stream.width, stream.pix_fmt = 128, 160, "yuv420p"
        for packet in read.demux(video=0):
            if packet.size:
                changed = av.Packet(av1(bytes(packet)) if packet.is_keyframe else bytes(packet))
                changed.stream, changed.time_base, changed.is_keyframe = stream, packet.time_base, packet.is_keyframe
                changed.pts, changed.dts = packet.pts, packet.dts
                written.mux(changed)
    return folder / "a.mkv"


def webp(data: bytes) -> bytes:
    """The size of its canvas, or of its only image without loss."""
    place = data.find(b"VP8X")
    if place > 0:
        return put(data, place + 12, "<IH", 0xFFFFFFFF, 0x7F)
    place = data.index(b"VP8L") + 9
    return put(data, place, "<I", struct.unpack_from("<I", data, place)[0] | 0x0FFFFFFF)


def mpeg2(data: bytes) -> bytes:
    """16,383 x 16,383: 12 bits in the header, two in its extension."""
    place = 0
    while (place := data.find(b"\0\0\1\xb3", place)) >= 0:
        data = data[: place + 4] + b"\xff\xff\xff" + data[place + 7 :]
        more = data.index(b"\0\0\1\xb5", place) + 4
        data = data[: more + 1] + bytes([data[more + 1] | 1, data[more + 2] | 0xE0]) + data[more + 3 :]
        place = more
    return data


def vp9(data: bytes) -> bytes:
    """65,536 x 65,536 in every key frame; the container says nothing of it."""
    place = 0
    while (place := data.find(b"\x49\x83\x42", place)) >= 0:
        first, last = data[place + 3], data[place + 7]
        data = data[: place + 3] + bytes([first | 0x0F, 255, 255, 255, last | 0xF0]) + data[place + 8 :]
        place += 8
    return data


def vp8(data: bytes) -> bytes:
    place = 0
    while (place := data.find(b"\x9d\x01\x2a", place)) >= 0:
        data, place = put(data, place + 3, "<HH", 0x3FFF, 0x3FFF), place + 7
    return data


def gif(data: bytes) -> bytes:
    data = put(data, 6, "<HH", 65_535, 65_535)
    return data.replace(struct.pack("<HHHH", 0, 0, 160, 128), struct.pack("<HHHH", 0, 0, 65_535, 65_535))


def clip(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = make(folder, name, frames=4)
        data = path.read_bytes()
        changed = change(data)
        assert changed != data
        path.write_bytes(changed)
        return path

    return write


def image(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def dicom(uid: UID, frame: bytes, **fields: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pixels = [frame] * 3 if uid.is_compressed else frame
        return save(dataset(uid, **{"count": 3, **fields}), folder / "a.dcm", pixels)  # type: ignore[arg-type]

    return write


def frame_of(uid: UID) -> bytes:
    """A frame as the encoder of that syntax writes it."""
    stored = dataset(ExplicitVRLittleEndian, count=1)
    stored.PixelData = draw(1).tobytes()
    stored.compress(uid, generate_instance_uid=False)
    return get_frame(stored.PixelData, 0, number_of_frames=1)


ALL = {"Rows": 65_535, "Columns": 65_535}
BIG = "is more than 50 megapixels"
IMAGE = "states more than 50 megapixels"
VIDEO = r"states no size of its images, or more than 50 megapixels"
#: What is made, and what is said of it.
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "DICOM": (dicom(ExplicitVRLittleEndian, draw(1).tobytes() * 3, **ALL), BIG),
    "DICOM, many frames": (
        dicom(ExplicitVRLittleEndian, draw(1).tobytes() * 3, count=10_000, Rows=5_000, Columns=1_000),
        "says 10,000 frames of 1000x5000 .* has no length for any such image",
    ),
    "DICOM, RLE": (lambda folder: dicom(RLELossless, frame_of(RLELossless), **ALL)(folder), BIG),
    "DICOM, JPEG": (dicom(JPEGBaseline8Bit, jpeg(still("JPEG")), **ALL), BIG),
    "DICOM, only in its JPEG": (dicom(JPEGBaseline8Bit, jpeg(still("JPEG"))), BIG),
    "PNG": (image("a.png", png(still("PNG"))), IMAGE),
    "JPEG": (image("a.jpg", jpeg(still("JPEG"))), IMAGE),
    "JPEG 2000": (image("a.jp2", jpeg_2000(still("JPEG2000"))), IMAGE),
    "BMP": (image("a.bmp", put(still("BMP"), 18, "<ii", WIDE, HIGH)), IMAGE),
    "PGM": (image("a.pgm", b"P5\n%d %d\n255\n" % (WIDE, HIGH) + bytes(100)), IMAGE),
    "TIFF": (image("a.tif", tiff(still("TIFF"))), IMAGE),
    "WebP": (image("a.webp", vp8(still("WEBP"))), IMAGE),
    "WebP without loss": (image("a.webp", webp(still("WEBP", lossless=True))), IMAGE),
    "WebP, several": (
        image("a.webp", webp(still("WEBP", save_all=True, append_images=[Image.fromarray(draw(2))]))),
        IMAGE,
    ),
    "GIF": (image("a.gif", gif(still("GIF"))), IMAGE),
    "GIF, a clip": (clip("gif", gif), VIDEO),
    "MOV, MJPEG": (clip("mov mjpeg", lambda data: jpeg(entry(data, b"jpeg"))), VIDEO),
    "AVI, raw": (clip("avi raw gray", avi), VIDEO),
    "AVI, FFV1": (clip("avi ffv1", avi), VIDEO),
    "AVI, MJPEG": (clip("avi mjpeg", lambda data: jpeg(avi(data))), VIDEO),
    "MPEG-2": (clip("mpg mpeg2", mpeg2), BIG),
    "WebM, VP9": (clip("webm vp9", vp9), VIDEO),
    "WMV": (
        clip("wmv", lambda data: data.replace(struct.pack("<II", 160, 128), struct.pack("<II", WIDE, HIGH))),
        VIDEO,
    ),
}
#: The container is sane, its frames are not: they are lost.
WITHIN = {
    "MOV, MJPEG": (clip("mov mjpeg", jpeg), 0),
    "MOV, PNG": (clip("mov png", lambda data: png(data, data.index(b"\x89PNG"))), 3),
    "WebM, VP8": (clip("webm vp8", vp8), 0),
    "MKV, AV1": (of_av1, 0),
    "DICOM, JPEG 2000": (lambda folder: dicom(JPEG2000Lossless, jpeg_2000(frame_of(JPEG2000Lossless)))(folder), 0),
}
#: What the container says, the frames do not, and they are right.
BOASTS = {
    "MP4, MPEG-4": clip("mp4 mpeg4", lambda data: entry(data, b"mp4v")),
    "MP4, H.264": clip("mp4 h264", lambda data: entry(data, b"avc1")),
    "AVI, MPEG-4": clip("avi mpeg4", avi),
}


@contextmanager
def little_memory() -> Iterator[None]:
    """At its peak the process holds little more than before."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on; proc(5)
    except OSError:  # not on this system
        yield
        return
    before = held("VmRSS")
    yield
    assert held("VmHWM") - before < MOST_BYTES


def held(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_huge_image_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    write, reason = FILES[name]
    path = write(tmp_path)
    with little_memory(), pytest.raises(SourceError, match=reason) as caught, open_source(path) as source:
        list(source)
    assert path.name in str(caught.value) and "\n" not in str(caught.value) and path.stat().st_size < 200_000


@pytest.mark.parametrize("name", WITHIN)
def test_a_huge_frame_is_lost(name: str, tmp_path: Path) -> None:
    write, count = WITHIN[name]
    path = write(tmp_path)
    with little_memory():
        frames, _, report = read(path)
    assert len(frames) == count and report.verdict in ("damaged", "truncated") and report.reasons


@pytest.mark.parametrize("name", BOASTS)
def test_frames_of_a_usual_size_are_read_whatever_the_container_says(name: str, tmp_path: Path) -> None:
    path = BOASTS[name](tmp_path)
    with little_memory():
        frames, _, report = read(path)
    assert numbers([frame.image for frame in frames]) == [0, 1, 2, 3] and report.verdict == "complete"


@pytest.mark.parametrize(("codec", "kind", "change"), [("libx264", "h264", h264), ("libx265", "hevc", hevc)])
def test_a_huge_set_of_parameters_is_refused(
    codec: str, kind: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    options = {"x265-params": "log-level=none"} if kind == "hevc" else {}
    write_video(path, [draw(k) for k in range(3)], codec=codec, container=kind, options=options)
    path.write_bytes(change(path.read_bytes()))
    with little_memory(), pytest.raises(SourceError, match=VIDEO), open_source(path, rate_hz=25) as source:
        list(source)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow makes no AVIF")
def test_a_huge_avif_is_refused(tmp_path: Path) -> None:
    data = still("AVIF")
    place = data.index(b"ispe") + 8
    for size in ((WIDE, HIGH), (16_000, 16_000)):
        (tmp_path / "a.avif").write_bytes(put(data, place, ">II", *size))
        with little_memory(), pytest.raises(SourceError, match="cannot be read as an image") as caught:
            list(open_source(tmp_path / "a.avif"))
        assert "\n" not in str(caught.value)


def test_a_huge_image_of_several_costs_itself(tmp_path: Path) -> None:
    folder = stills(tmp_path / "images", [f"{k}.png" for k in range(4)])
    (folder / "2.png").write_bytes(png((folder / "2.png").read_bytes()))
    with little_memory():
        frames, gaps, report = read(folder, rate_hz=10)
    assert numbers([frame.image for frame in frames]) == [0, 1, 3] and len(gaps) == 1
    assert report.verdict == "damaged" and "states more than 50 megapixels" in report.reasons[0]
