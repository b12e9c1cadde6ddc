"""Damage of H.264 and HEVC of which their decoders report nothing: bytes that no unit can hold, and MD5 of images."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from support.encoded import write_video
from support.media import draw

from seqcls.sources import open_source
from seqcls.sources.nal_units import fills, length_bytes, zeroed
from seqcls.types import Frame

AVC = SimpleNamespace(name="h264", extradata=b"\1\x64\0\x1f\xff")  # lengths of 4 bytes
HEVC = SimpleNamespace(name="hevc", extradata=b"\1" + bytes(20) + b"\xfd")  # of 2
MARKED = SimpleNamespace(name="h264", extradata=b"\0\0\0\1\x67")
ZEROS = bytes(8)


def unit(content: bytes, width: int = 4) -> bytes:
    return len(content).to_bytes(width, "big") + content


@pytest.mark.parametrize(
    ("context", "packet", "found"),
    [
        (AVC, unit(b"\x41ab\0\0\3cd"), False),
        (AVC, unit(b"\x41ab" + ZEROS + b"c"), True),
        (AVC, unit(b"\x41ab" + ZEROS[1:] + b"c"), False),  # as rubbish behind a unit has them
        (AVC, unit(b"\x41ab" + ZEROS), False),  # behind its end nothing is lost
        (AVC, unit(b"\x41ab" + ZEROS[2:]) + unit(b"\x01"), False),  # with those of the next length they are eight
        (HEVC, unit(b"\x02\x01ab", 2) + unit(b"\x02" + ZEROS + b"c", 2), True),
        (MARKED, b"\0\0\0\1\x41ab" + ZEROS + b"\0\0\1\x41cd", False),
        (MARKED, b"\0\0\0\1\x41ab" + ZEROS + b"\2cd", True),
        (MARKED, b"\0\0\0\1\x41ab" + ZEROS, False),
    ],
)
def test_so_many_zeros_stand_in_no_unit(context: SimpleNamespace, packet: bytes, found: bool) -> None:
    looks = zeroed(context)
    assert looks is not None and looks(packet) is found
    assert zeroed(SimpleNamespace(name="mjpeg", extradata=None)) is None


def test_units_fill_a_packet() -> None:
    assert [length_bytes(one) for one in (AVC, HEVC, MARKED)] == [4, 2, 0]
    whole, filled = unit(b"\x65abc") + unit(b"\x06d"), fills(4)
    assert filled(whole)
    bad = (b"", whole[:-1], whole + b"\0", whole[1:], unit(b""), unit(b"\xe5abc"))
    assert [filled(one) for one in bad] == [False] * len(bad)


@pytest.mark.parametrize("damage", ["zeros", "noise"])
def test_spoilt_hevc_is_unknown_by_zeros_and_by_the_md5_of_its_images(tmp_path: Path, damage: str) -> None:
    """30 frames, each tenth a key frame; a few bytes of packet 12 are others."""
    path = tmp_path / "a.mp4"
    hashes = "hash=1:" if damage == "noise" else ""
    settings = {"x265-params": f"log-level=none:{hashes}keyint=10:min-keyint=10:scenecut=0:bframes=0"}
    try:
        write_video(path, map(draw, range(30)), codec="libx265", bits=400_000, options=settings)
    except (av.error.FFmpegError, ValueError):
        pytest.skip("no HEVC encoder here")
    with open_source(path) as source:
        whole = [item.image for item in source if isinstance(item, Frame)]
    with av.open(str(path)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][12]
    data, at = bytearray(path.read_bytes()), place + size // 2
    data[at : at + 10] = bytes(10) if damage == "zeros" else bytes(range(100, 110))
    path.write_bytes(data)
    with open_source(path) as source:
        items = [item for item in source if isinstance(item, Frame)]
        report = source.report()
    good = [item.index for item in items if not item.damaged]
    assert good == [*range(12), *range(20, 30)] and report.verdict == "damaged"
    assert all(np.array_equal(items[index].image, whole[index]) for index in good)
    assert not np.array_equal(items[12].image, whole[12])
