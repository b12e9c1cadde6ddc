"""STAND-IN by the lead until the real package is here; overwrite me."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seqcls.errors import SourceError
from seqcls.types import Frame, Gap, SourceInfo, SourceReport


@runtime_checkable
class Source(Protocol):
    info: SourceInfo

    def __iter__(self) -> Iterator[Frame | Gap]: ...
    def report(self) -> SourceReport: ...
    def close(self) -> None: ...


class _Video:
    def __init__(self, path: Path) -> None:
        import av

        try:
            self._container = av.open(str(path))
            self._stream = self._container.streams.video[0]
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as video ({error})") from error
        self.info = SourceInfo(name=path.name, kind="file", declared_frames=self._stream.frames or None)
        self._n = 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame | Gap]:
        import numpy as np

        rate = float(self._stream.average_rate or 25)
        start = None
        for frame in self._container.decode(self._stream):
            time_s = float(frame.time or 0.0)
            start = time_s if start is None else start
            yield Frame(self._n, time_s - start, 1 / rate, np.ascontiguousarray(frame.to_ndarray(format="gray")))
            self._n += 1

    def report(self) -> SourceReport:
        return SourceReport("complete", (), self._n)

    def close(self) -> None:
        self._container.close()


def open_source(spec: str | Path, *, reader: str = "pyav", rate_hz: float | None = None) -> Any:
    if not Path(spec).is_file():
        raise SourceError(f"no such file: {spec}")
    return _Video(Path(spec))


def expand(specs: Sequence[str]) -> list[str]:
    return [p for s in specs for p in (sorted(glob.glob(s)) or [s])]
