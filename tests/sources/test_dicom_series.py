"""A clip of one DICOM file per frame: read as one, by number and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from support.dicom_files import HEIGHT, WIDTH, dataset, native, save, tiny, ultrasound
from support.media import draw, numbers

from seqcls.errors import SourceError
from seqcls.sources import expand, open_found, open_source
from seqcls.sources.found import output_folders
from seqcls.types import Frame, Gap

COUNT = 6


def series(
    folder: Path, fields: Callable[[int], Mapping[str, Any] | None], number: int = 1, prefix: str = "", bits: int = 8
) -> Path:
    """Files whose names run against their instance numbers; ``fields`` of each, None where the file is missing."""
    folder.mkdir(exist_ok=True)
    for k in range(COUNT):
        if (own := fields(k)) is None:
            continue
        same = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": f"1.2.{number}", "InstanceNumber": k + 1}
        ds = dataset(ExplicitVRLittleEndian, count=1, bits=bits, **same, **own)
        if "FrameTime" not in own:
            del ds.FrameTime
        image = draw(k, WIDTH, HEIGHT)
        deep = (image.astype(np.uint16) * (k + 1)).astype("<u2")
        save(ds, folder / f"{prefix}IM{COUNT - k}", (image if bits == 8 else deep).tobytes())
    return folder


def stamped(k: int) -> dict[str, Any]:
    return {"AcquisitionTime": f"1200{k * 0.05:09.6f}"}


def paced(k: int) -> dict[str, Any]:
    return {"FrameTime": "50"}


@pytest.mark.parametrize("fields", [stamped, paced], ids=["times", "pace"])
def test_a_series_at_the_pace_of_a_clip_is_one(fields: Callable[[int], Mapping[str, Any]], tmp_path: Path) -> None:
    folder = series(tmp_path / "P1", fields)
    files = sorted(str(path) for path in folder.iterdir())
    for asked in ([str(folder)], [str(folder / "IM*")], files):
        findings = expand(asked)
        (found,) = findings.sources
        assert (found.path, output_folders([found]), findings.may_grow) == ("P1", ["P1"], False), asked
        with open_found(found) as source:
            frames = [item for item in source if isinstance(item, Frame)]
            assert source.report().verdict == "complete" and source.info.name == "P1"
        assert numbers([frame.image for frame in frames]) == list(range(COUNT))
        assert [frame.time_s for frame in frames] == pytest.approx([k * 0.05 for k in range(COUNT)])
    assert expand([str(tmp_path)]).may_grow, "its folder is the clip, the one above may hold others"
    with open_source(folder, color=True) as source:
        assert source.info.has_clock and source.info.declared_duration_s == pytest.approx(COUNT * 0.05)
        assert next(iter(source)).image.shape == (HEIGHT, WIDTH, 3)  # type: ignore[union-attr]
        assert "6 files of one image each" in source.report().reasons[0]


@pytest.mark.parametrize("fields", [stamped, paced], ids=["times", "pace"])
def test_a_missing_file_and_a_damaged_one_are_gaps(fields: Callable[[int], Mapping[str, Any]], tmp_path: Path) -> None:
    folder = series(tmp_path / "P1", lambda k: None if k == 2 else fields(k))
    (folder / "IM2").write_bytes((folder / "IM2").read_bytes()[:-9000])
    (found,) = expand([str(folder)]).sources
    with open_found(found) as source:
        gaps = [item for item in source if isinstance(item, Gap)]
        report = source.report()
    assert report.verdict == "damaged" and report.delivered == 4
    assert [(gap.start_s, gap.end_s) for gap in gaps] == [
        (pytest.approx(0.1), pytest.approx(0.15)), (pytest.approx(0.2), pytest.approx(0.25))
    ]  # fmt: skip
    assert gaps[0].reason == "1 image missing before IM3" and gaps[1].reason.startswith("IM2: ")


def test_stills_stay_single_and_are_remarked_on(tmp_path: Path) -> None:
    folder = series(tmp_path / "P1", lambda k: {"AcquisitionTime": f"12{k:02d}00"})
    found = expand([str(folder)])
    assert [source.path for source in found.sources] == [f"IM{k}" for k in range(1, COUNT + 1)]
    assert found.remark == (
        "DICOM files of one image each are read one by one (6: their times are not those of a clip); each=False makes"
        " clips of their series"
    )
    (clip,) = expand([str(folder)], each=False).sources
    with open_found(clip, rate_hz=10) as source:
        assert [item.time_s for item in source if isinstance(item, Frame)][-1] == pytest.approx(0.5)
    assert len(expand([str(series(tmp_path / "P2", paced))], each=True).sources) == COUNT
    with pytest.raises(SourceError, match="holds 6 clips"):
        open_source(folder)


def test_two_series_and_a_cine_in_one_folder(tmp_path: Path) -> None:
    series(tmp_path / "all", stamped, 1, "a")
    series(tmp_path / "all", paced, 2, "b")
    native(tmp_path / "all" / "cine.dcm", StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3")
    found = expand([str(tmp_path / "all")]).sources
    assert [bool(source.files) for source in found] == [True, True, False]
    assert len({source.path for source in found}) == 3
    assert [name.count("series-") for name in output_folders(found)] == [1, 1, 1]


def test_deep_images_share_one_scale(tmp_path: Path) -> None:
    """The last image is six times as bright as the first, and stays far brighter."""
    folder = series(tmp_path / "P1", paced, bits=16)
    with open_source(folder) as source:
        means = [item.image.mean() for item in source if isinstance(item, Frame)]
    assert means[-1] > 4 * means[0]


def test_a_series_is_inverted_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    screens = ultrasound(5) // 2
    screens[:, 2:9, 4:8] = 255  # a letter
    screens[4] = 0  # alone it would not show that it is inverted
    for k, screen in enumerate(screens):
        same = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1", "InstanceNumber": k + 1}
        tiny(tmp_path / f"IM{k}.dcm", 255 - screen, NumberOfFrames=1, **same)
    (found,) = expand([str(tmp_path)]).sources
    with open_found(found) as source:
        images = np.stack([item.image for item in source if isinstance(item, Frame)])
        reasons = source.report().reasons
    assert (images == screens).all() and sum("read as MONOCHROME1" in reason for reason in reasons) == 1
