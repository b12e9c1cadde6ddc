"""Video files through PyAV, packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqcls.errors import SourceError
from seqcls.sources.base import OneWay, require_regular_file, require_sane_size
from seqcls.types import Frame, Gap, SourceInfo, SourceReport


class VideoSource(OneWay):
    def __init__(self, path: Path, *, color: bool = False) -> None:
        super().__init__()
        import av

        self.name = path.name
        require_regular_file(path)
        try:
            self._container: Any = av.open(str(path), options={"protocol_whitelist": "file"})
            self._stream: Any = self._container.streams.video[0]
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as video ({error})") from error
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        require_sane_size(self.name, context.width, context.height)
        self._color = color
        self._n = 0
        self._ended = False
        rate = self._stream.average_rate
        self.info = SourceInfo(
            name=path.name,
            kind="file",
            container=self._container.format.name,
            codec=context.name,
            width=context.width,
            height=context.height,
            declared_frames=self._stream.frames if self._stream.frames else None,
            rate_hz=float(rate) if rate else None,
        )

    def _items(self) -> Iterator[Frame | Gap]:
        from seqcls.sources.pixels import bgr, gray

        picture = bgr if self._color else gray
        period_s = 1 / self.info.rate_hz if self.info.rate_hz else 0.04
        base = float(self._stream.time_base)
        start: int | None = self._stream.start_time
        last_s = -period_s
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except Exception:
                continue
            for frame in frames:
                if start is None:
                    start = frame.pts or 0
                time_s = (frame.pts - start) * base if frame.pts is not None else last_s + period_s
                time_s = max(time_s, last_s + 1e-6)
                yield Frame(self._n, time_s, period_s, picture(frame))
                last_s = time_s
                self._n += 1
        self._ended = True

    def report(self) -> SourceReport:
        return SourceReport("complete" if self._ended else "unknown", (), self._n)

    def close(self) -> None:
        super().close()
        self._container.close()
