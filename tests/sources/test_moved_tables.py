"""An MP4 of which bytes are missing in the middle: all that lies before and behind is read, at its time."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest
from support.encoded import write_video
from support.media import draw, read_number

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.sources.moved_tables import FilledFile, find_loss, missing_bytes
from seqcls.types import Frame, Gap

#: 40 frames at 10/s; of the predicted ones each tenth is a key frame.
FRAMES = 40
CODECS = {
    "h264.mp4": ("libx264", {"g": "10", "bf": "0", "sc_threshold": "0"}),
    "mpeg4.mp4": ("mpeg4", {"g": "10", "bf": "0", "sc_threshold": "0"}),
    "mjpeg.mov": ("mjpeg", {}),
    "front.mp4": ("mpeg4", {"g": "10", "bf": "0", "sc_threshold": "0"}),  # the tables stand in front
}


def cut(folder: Path, name: str, first: int, last: int, *, start: int = -4, end: int = 4) -> tuple[Path, int]:
    """A clip without the bytes from the last 4 of packet ``first`` to the first 4 of packet ``last``; how many."""
    codec, options = CODECS[name]
    path = folder / name
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write_video(path, map(draw, range(FRAMES)), codec=codec, pixels=pixels, options=options)
    if name == "front.mp4":
        path.rename(path.with_suffix(".whole"))
        with (
            av.open(str(path.with_suffix(".whole"))) as whole,
            av.open(str(path), "w", options={"movflags": "faststart"}) as moved,
        ):
            stream = moved.add_stream_from_template(whole.streams.video[0])
            for packet in whole.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    moved.mux(packet)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    place, size = places[first]
    begins, ends = place + start + (size if start < 0 else 0), places[last][0] + end
    data = path.read_bytes()
    path.write_bytes(data[:begins] + data[ends:])
    return path, ends - begins


@pytest.mark.parametrize(("name", "spoilt"), [("h264.mp4", 4), ("mpeg4.mp4", 4), ("mjpeg.mov", 0), ("front.mp4", 4)])
def test_frames_before_and_behind_a_loss_are_read(tmp_path: Path, name: str, spoilt: int) -> None:
    path, count = cut(tmp_path, name, 13, 15)
    if name != "front.mp4":
        with pytest.raises(av.error.FFmpegError):
            av.open(str(path))
    with open_source(path) as source:
        items, report = list(source), source.report()
    good = [item for item in items if isinstance(item, Frame) and not item.damaged]
    expected = [*range(13), *range(16 + spoilt, FRAMES)]
    assert [read_number(item.image) for item in good] == expected
    assert [round(item.time_s * 10) for item in good] == expected
    assert sum(item.end_s - item.start_s for item in items if isinstance(item, Gap)) == pytest.approx(0.3)
    assert len(items) == len(good) + spoilt + 1
    assert report.verdict == "damaged" and report.reasons[0].startswith(f"{count:,} bytes are missing from its middle")
    assert "3 packets of which bytes are missing" in report.reasons


def test_a_loss_in_the_first_packet_and_one_in_the_last(tmp_path: Path) -> None:
    for first, last, good in ((0, 0, range(1, FRAMES)), (39, 39, range(38))):
        path, _ = cut(tmp_path, "mjpeg.mov", first, last, start=0, end=100)  # the one before may lack its end
        with open_source(path) as source:
            found = [read_number(item.image) for item in source if isinstance(item, Frame) and not item.damaged]
        assert found == list(good), first


def test_an_end_that_is_missing_is_no_loss_in_the_middle(tmp_path: Path) -> None:
    path, count = cut(tmp_path, "front.mp4", 30, 32)
    assert missing_bytes(path) == (count, path.stat().st_size) and find_loss(path) is not None
    path.write_bytes(path.read_bytes()[:-5000])
    assert missing_bytes(path)[0] == count + 5000 and find_loss(path) is None
    whole = path.with_suffix(".whole")
    assert missing_bytes(whole) == (0, 0) and find_loss(whole) is None


def test_what_else_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    path, count = cut(tmp_path, "mjpeg.mov", 20, 30)
    data = path.read_bytes()
    at = data.index(b"mdat") - 4
    moov = data.rindex(b"moov") - 4
    assert missing_bytes(path) == (count, moov)
    (length,) = struct.unpack_from(">I", data, at)
    cases = {
        "ends early": data[:-100],
        "no tables": data[:moov],
        "more than it ever held": data[:at] + struct.pack(">I", moov - at) + data[at + 4 :] + b"\0\0\0\x08blub",
        "more missing than is left": data[:at] + struct.pack(">I", moov - at + len(data)) + data[at + 4 :],
        "no clip": data[:at] + struct.pack(">I", 4) + data[at + 4 :],
    }
    assert length == moov - at + count
    for case, bad in cases.items():
        path.write_bytes(bad)
        assert missing_bytes(path) == (0, 0), case
    path.write_bytes(data[:-100])
    with pytest.raises(SourceError, match=r"cannot be opened as video .*damaged or cut short: get a fresh copy"):
        open_source(path)


def test_a_file_with_zeros_in_it_is_read_anywhere(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdef")
    with FilledFile(tmp_path / "a", 2, 3) as filled:
        whole = b""
        while part := filled.read(4):
            whole += part
        assert whole == b"ab\0\0\0cdef"
        for start in range(len(whole) + 1):
            for length in range(5):
                filled.seek(start)
                assert whole[start : start + length].startswith(filled.read(length))
        assert filled.seek(-3, 2) == 6 and filled.read() == b"def" and filled.tell() == 9
