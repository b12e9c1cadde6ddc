"""Whole clips in a process of their own: what is written is what is written without, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from support.clips import make, stills
from support.commands import bright_clip
from support.dicom_files import dataset, gray_frames, save
from support.encoded import write_video
from support.fakes import SIZE, detector
from support.media import recipe, write_clip
from support.screens import screen
from support.works import work_of

from seqcls.adaptive import SamplingOptions
from seqcls.archive.manifest import Entry, Unit
from seqcls.archive.result_key import stamp
from seqcls.cli.clip_work import WORKER
from seqcls.cli.local_workers import passes
from seqcls.cli.second_reading import SecondReading
from seqcls.detector import Detector
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.smoothing import SmoothingOptions
from seqcls.sources.found import FoundSource
from seqcls.sources.isolated import DecoderPool

Image = NDArray[np.uint8]
AUTO = Geometry(size=SIZE)


def scan(kind: str, frames: int, overlay: tuple[str, ...] = ()) -> list[Image]:
    return screen(kind, overlay, width=160, height=120, frames=frames).images


def menus(frames: int) -> list[Image]:
    image = np.full((120, 160), 60, np.uint8)
    for row in range(10, 120, 12):
        cv2.putText(image, "DOE JANE 1970", (4, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return [image] * frames


def video(path: Path, images: list[Image]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, iter(images), rate_hz=30)
    return path


def clips(folder: Path) -> Iterator[FoundSource]:
    """Of every kind: region found, another one after a menu, none, frames refused and frozen, a cut clip with gaps and
    damage, DICOM with a region of its own, a size that changes, images, and images that are no clip."""
    black = [np.zeros((120, 160), np.uint8)] * 4
    paths = [
        video(folder / "found.mp4", scan("convex", 40, ("text",))),
        video(folder / "menu.mp4", [*scan("convex", 30), *menus(40), *scan("linear", 40)]),
        video(folder / "none.mp4", [*black, *menus(8)]),
        video(folder / "frozen.mp4", [*scan("linear", 30), *scan("linear", 1) * 40, *black]),
        bright_clip(folder / "bright.mp4", [5 <= k < 15 for k in range(20)]),
    ]
    cut = make(folder, "mkv h264")
    cut.write_bytes(cut.read_bytes()[:-4000])
    damaged = bytearray(make(folder, "mp4 h264", frames=30).read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 200] = b"\x55" * 200
    (folder / "damaged.mp4").write_bytes(damaged)
    part = Dataset()
    part.RegionLocationMinX0, part.RegionLocationMinY0, part.RegionLocationMaxX1, part.RegionLocationMaxY1 = (
        8,
        8,
        99,
        99,
    )
    part.RegionSpatialFormat, part.RegionDataType, part.RegionFlags = 1, 1, 0
    part.PhysicalUnitsXDirection = part.PhysicalUnitsYDirection = 3
    part.PhysicalDeltaX = part.PhysicalDeltaY = 0.01
    dicom = dataset(ExplicitVRLittleEndian, count=12, SequenceOfUltrasoundRegions=[part])
    paths += [cut, folder / "damaged.mp4", save(dicom, folder / "c.dcm", b"".join(f.tobytes() for f in gray_frames()))]
    yield from (FoundSource(spec=str(path), path=path.name) for path in paths)
    first = write_clip(folder / "1.ts", recipe("ts mpeg2", frames=30)).read_bytes()
    second = write_clip(folder / "2.ts", recipe("ts mpeg2", frames=30, width=192, height=160)).read_bytes()
    (folder / "sizes.ts").write_bytes(first + second)
    yield FoundSource(spec=str(folder / "sizes.ts"), path="sizes.ts")
    images = tuple(sorted(stills(folder / "stills", [f"{k}.png" for k in range(6)]).iterdir()))
    yield FoundSource(spec=str(folder / "stills"), path="stills", images=images)
    paths_of = tuple(f"pictures/{image.name}" for image in images)
    yield FoundSource(spec=str(folder), path="pictures", images=images, image_paths=paths_of, unrelated="told so")


def units(sources: list[FoundSource]) -> list[Unit]:
    return [Unit(Entry(path=one.path, folder=f"f/{one.path}", stamp=stamp(one)), one) for one in sources]


def written(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore")
def test_clips_of_every_kind_are_written_as_without_a_process_of_their_own(tmp_path: Path) -> None:
    sources = list(clips(tmp_path / "clips"))
    usual = replace(detector(smoothing=SmoothingOptions(), gate=True), gate=GateOptions())
    auto = replace(usual.header, geometry=AUTO)
    stated = replace(usual.header, geometry=replace(AUTO, region=(10, 10, 90, 70)))
    again = {"again": SecondReading(overlay=True, shows_names=False, cut=True)}
    cases: dict[str, tuple[Detector, dict[str, Any], list[FoundSource]]] = {
        "region looked for": (replace(usual, header=auto), {}, sources),
        "region stated": (replace(usual, header=stated), {"expressions": ("x = not liver",)}, sources[-3:-1]),
        "adaptive": (
            replace(usual, header=auto, sampling=SamplingOptions(kind="adaptive")),
            {"rate_hz": 12.0},
            [sources[1], sources[-2]],
        ),
        "read again in colours": (replace(usual, header=auto), again, sources[:1]),
    }
    with closing(DecoderPool(worker=WORKER)) as pool:
        for name, (used, changes, chosen) in cases.items():
            here, apart = tmp_path / name / "here", tmp_path / name / "apart"
            work = work_of(here, used, **changes)
            expected = [str(error or "") for unit in units(chosen) for _, error in work.one(unit)]
            children = work_of(apart, used, pool=pool, **changes)
            with passes(children) as both:
                found = {unit.entry.path: str(error or "") for unit, error in both.first(iter(units(chosen)))}
            assert [found[source.path] for source in chosen] == expected, name
            assert written(apart) == written(here) and not any(expected), (name, [one for one in expected if one])
    assert len(written(tmp_path / "region looked for" / "here")) > 4 * len(sources)
