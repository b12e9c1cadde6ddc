"""A video file decoded in several threads, for as long as nothing about it is odd.

FFmpeg's frame threads give the very images that one thread gives, but now and then forget to mark a damaged one, and
nobody knows which frame their messages are about. So they are trusted with clips of which nothing is reported: with the
first message, error, gap or doubtful time, and at an end that is not what the file promises, the clip is read anew by
one thread, and its frames are given from where the threads stood. Every frame given until then was decoded before, as
were those that it refers to, without any report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from seqcls.sources.base import OneWay
from seqcls.sources.decoder_log import reports_of_any_thread
from seqcls.sources.video import VideoSource
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: Decoders whose threads gave the same as one in every damaged clip of some thousands (scripts/fuzz_media.py,
#: docs/attacks.md). HEVC's gave another image in one, of damage that neither reports; MPEG-4's left damaged frames
#: unmarked in 4 of 2,000.
TRUSTED = ("h264",)


class VideoInThreads(OneWay):
    """One video file. ``threads``: to decode in, 2 or more; the other parameters, what is given and what is raised are
    those of ``VideoSource``."""

    def __init__(
        self, path: Path, threads: int, *, color: bool = False, name: str = "", rate_hz: float | None = None
    ) -> None:
        super().__init__()
        self._open = partial(VideoSource, path, color=color, name=name, rate_hz=rate_hz)
        self._threaded = _ThreadedVideo(path, threads, color=color, name=name, rate_hz=rate_hz)
        self._source: VideoSource = self._threaded
        self.name = self._source.name

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @info.setter
    def info(self, info: SourceInfo) -> None:
        self._source.info = info

    def _items(self) -> Iterator[Frame | Gap]:
        source, given = self._threaded, 0
        if not source.is_threaded:
            yield from source
            return
        for item in source:
            if not source.is_calm or isinstance(item, Gap) or item.damaged:
                break
            yield item
            given += 1
        else:
            if source.is_calm and source.report().verdict in ("complete", "unknown"):
                return
        if self._closed:
            return
        source.close()
        self._source = self._open()
        self._source.info = replace(self._source.info, path=source.info.path)
        yield from islice(self._source, given, None)

    def report(self) -> SourceReport:
        """As of any source."""
        return self._source.report()

    def close(self) -> None:
        super().close()
        self._source.close()


class _ThreadedVideo(VideoSource):
    """Exact for as long as ``is_calm``. ``is_threaded``: whether its decoder is trusted with threads."""

    def __init__(self, path: Path, threads: int, *, color: bool, name: str, rate_hz: float | None) -> None:
        super().__init__(path, color=color, name=name, rate_hz=rate_hz)
        self.is_threaded = self._decoder.name in TRUSTED
        if self.is_threaded:
            self._decoder.thread_count, self._decoder.thread_type = threads, "FRAME"
        self._is_reported: Callable[[], bool] = lambda: False
        self._timed = True

    @property
    def is_calm(self) -> bool:
        """Whether nothing at all was odd so far."""
        clock = self._clock
        put_right = clock.scrambled or clock.repeated or clock.unstamped or not self._timed
        return not (put_right or clock.alarms or self._alarms or self._errors or self._is_reported())

    def _items(self) -> Iterator[Frame | Gap]:
        with reports_of_any_thread() as self._is_reported:
            try:
                yield from super()._items()
            finally:
                self._rest()

    def _decode(self, packet: Any) -> list[Any]:
        if not self.is_threaded:
            return super()._decode(packet)
        decoded: list[Any] = []
        try:
            decoded = list(self._decoder.decode(packet))
        except EOFError:
            pass  # it was flushed before
        except Exception as error:
            self._trouble(error)
        self._timed = self._timed and all(frame.pts is not None for frame in decoded)
        return decoded

    def close(self) -> None:
        self._rest()
        super().close()

    def _rest(self) -> None:
        """Let the threads finish what they are at. Whoever frees a decoder holds Python's lock, for which a thread that
        has something to report would wait for ever."""
        if self._decoder.is_open:
            self._decoder.flush_buffers()
