"""Any frame of a video by its number: exactly the one that iterating gives."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from support.reviews import number_of, numbered, write_numbered

from seqcls.errors import SourceError
from seqcls.sources import open_source
from seqcls.sources.video_seek import SeekableVideo
from seqcls.types import Frame

COUNT = 60
KINDS = [
    ("clip.mp4", "libx264", "yuv420p", {"g": "25", "bf": "2"}),
    ("clip.mkv", "libx264", "yuv420p10le", {"g": "12"}),
    ("clip.mpg", "mpeg2video", "yuv420p", {"g": "10", "bf": "2"}),
    ("clip.ts", "mpeg2video", "yuv420p", {"g": "10"}),
    ("clip.webm", "libvpx-vp9", "yuv420p", {"g": "15", "deadline": "realtime", "cpu-used": "8"}),
    ("clip.gif", "gif", "gray", {}),
]


def read(path: Path) -> list[Frame]:
    with open_source(path) as source:
        return [item for item in source if isinstance(item, Frame)]


def opened(path: Path, frames: list[Frame]) -> SeekableVideo:
    return SeekableVideo(path, np.array([frame.time_s for frame in frames]))


@pytest.mark.parametrize("name, codec, pixels, options", KINDS, ids=[kind[0] for kind in KINDS])
def test_each_frame_is_the_one_that_a_run_sees(
    tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    try:
        path = write_numbered(tmp_path / name, COUNT, codec=codec, pixels=pixels, **options)
    except (av.error.FFmpegError, ValueError, LookupError) as error:
        pytest.skip(f"this FFmpeg writes no such clip ({type(error).__name__})")
    frames = read(path)
    assert len(frames) == COUNT
    with SeekableVideo(path, np.array([frame.time_s for frame in frames]), threads=3) as video:
        assert isinstance(video, SeekableVideo)
        order = [*random.Random(1).sample(range(COUNT), COUNT), *range(COUNT), *reversed(range(COUNT))]
        for index in order:
            image = video.image(index)
            assert number_of(image) == index
            assert np.array_equal(image, frames[index].image)


def test_times_that_were_put_right_are_refused(tmp_path: Path) -> None:
    """Then a number in the file's order means another frame; reading from the beginning knows which."""
    path = write_numbered(tmp_path / "clip.mp4", COUNT)
    times = np.array([frame.time_s for frame in read(path)])
    with pytest.raises(SourceError, match="only be read from the beginning"):
        SeekableVideo(path, times + np.where(np.arange(COUNT) > 30, 0.05, 0))
    with pytest.raises(SourceError, match="only be read from the beginning"):
        SeekableVideo(path, times[:-1])


def test_times_in_the_order_of_decoding_are_refused(tmp_path: Path) -> None:
    """As some programs write them: the k-th frame shown has not the k-th time of the file."""
    made = write_numbered(tmp_path / "made.mp4", COUNT, g="12", bf="2")
    path = tmp_path / "clip.mp4"
    with av.open(str(made)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.pts = packet.dts
                packet.stream = stream
                container.mux(packet)
    with pytest.raises(SourceError):
        opened(path, read(path))


def test_a_number_can_be_read_from_a_drawn_frame() -> None:
    assert [number_of(numbered(number)) for number in (0, 1, 513, 1023)] == [0, 1, 513, 1023]
