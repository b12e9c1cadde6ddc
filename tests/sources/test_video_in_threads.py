"""A clip decoded in threads is the clip decoded in one, also where it is damaged."""

from __future__ import annotations

import itertools
import zlib
from pathlib import Path
from typing import Any

import av.logging
import pytest
from support.clips import make
from support.media import mutate

from seqcls.sources import open_source
from seqcls.sources.decoder_log import reports_of_any_thread
from seqcls.sources.video import VideoSource
from seqcls.sources.video_in_threads import VideoInThreads
from seqcls.types import Frame


def everything(path: Path, threads: int, *, color: bool = False) -> list[Any]:
    """Frames with the checksum of their image, gaps, the report, and what the source says of itself."""
    with open_source(path, threads=threads, color=color) as source:
        items = [
            (item.index, item.time_s, item.duration_s, item.damaged, zlib.crc32(item.image))
            if isinstance(item, Frame)
            else item
            for item in source
        ]
        return [*items, source.report(), source.info]


@pytest.mark.parametrize(
    "name",
    ["mp4 h264", "mov h264 turned", "mp4 h264 variable rate", "ts hevc 50", "avi mpeg4 with B-frames", "webm vp8"],
)
def test_threads_give_the_same(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    one = everything(path, 1)
    assert one == everything(path, 3) and one[-2].verdict == "complete"


def test_a_clip_of_which_nothing_is_reported_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, "mp4 h264")
    opened = _opened(monkeypatch)
    everything(path, 2, color=True)
    assert opened == ["_ThreadedVideo"]


@pytest.mark.parametrize("name", ["avi mpeg4 with B-frames", "ts hevc 50"])
def test_codecs_whose_threads_hide_damage_keep_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, name)
    source = VideoInThreads(path, 3)
    used = source._threaded._container.streams.video[0].codec_context.thread_count
    source.close()
    assert used == 1


@pytest.mark.parametrize("kind", ["hole", "bit flips", "cut 50 %", "zeros"])
def test_a_damaged_clip_is_read_again_in_one_thread(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, "ts h264")
    path.write_bytes(mutate(path.read_bytes(), kind, 1))
    one = everything(path, 1)
    opened = _opened(monkeypatch)
    assert everything(path, 3) == one and one[-2].verdict in ("damaged", "truncated")
    assert opened == ["_ThreadedVideo", "VideoSource"]


def test_frames_go_on_where_the_threads_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason, and wherever it shows."""
    path = make(tmp_path, "mkv h264")
    one = everything(path, 1)
    for calm in (0, 1, 17, 39):
        answers = itertools.chain([True] * calm, itertools.repeat(False))
        monkeypatch.setattr(
            "seqcls.sources.video_in_threads._ThreadedVideo.is_calm", property(lambda _, known=answers: next(known))
        )
        assert everything(path, 2) == one


def test_leaving_early_lets_everything_go(tmp_path: Path) -> None:
    source = VideoInThreads(make(tmp_path, "mp4 h264"), 2)
    before = av.logging.get_level()
    with source:
        items = iter(source)
        assert isinstance(next(items), Frame)
        source.close()
        assert list(items) == []
    assert av.logging.get_level() == before and "not read to the end" in source.report().reasons


def test_what_any_thread_logs_is_a_report() -> None:
    with reports_of_any_thread() as first:
        assert not first()
        av.logging.log(av.logging.WARNING, "swscaler", "deprecated pixel format used")
        assert not first()
        with reports_of_any_thread() as second:
            av.logging.log(av.logging.ERROR, "h264", "concealing 40 DC errors")
            assert second()
        assert first()
    with reports_of_any_thread() as later:
        assert not later()


def _opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the classes that were opened from now on."""
    opened: list[str] = []
    initial = VideoSource.__init__

    def noted(self: VideoSource, *given: Any, **named: Any) -> None:
        opened.append(type(self).__name__)
        initial(self, *given, **named)

    monkeypatch.setattr(VideoSource, "__init__", noted)
    return opened
