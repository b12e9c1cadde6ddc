"""Clips and stills made in a folder, and what a source gives of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from support.media import draw, recipe, write_clip

from seqcls.sources import open_source
from seqcls.types import Frame, Gap, SourceReport


def make(folder: Path, name: str, **changes: Any) -> Path:
    made = recipe(name, **changes)
    return write_clip(folder / f"clip{made.suffix}", made)


def read(path: Path, **options: Any) -> tuple[list[Frame], list[Gap], SourceReport]:
    with open_source(path, **options) as source:
        items = list(source)
        report = source.report()
    frames = [item for item in items if isinstance(item, Frame)]
    gaps = [item for item in items if isinstance(item, Gap)]
    starts = [item.time_s if isinstance(item, Frame) else item.start_s for item in items]
    assert [frame.index for frame in frames] == list(range(len(frames))) and report.delivered == len(frames)
    assert starts == sorted(starts) and tuple(gaps) == report.gaps
    return frames, gaps, report


def stills(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imencode(Path(name).suffix, draw(number))[1].tofile(folder / name) is None
    return folder


def frames_of(spec: Any, **options: Any) -> list[Frame]:
    with open_source(spec, **options) as source:
        return [item for item in source if isinstance(item, Frame)]
