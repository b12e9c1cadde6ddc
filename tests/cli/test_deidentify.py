"""`seqcls deidentify`: from clips with names to files without."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from support.commands import Seqcls, one_line
from support.dicom_files import dataset, save, tiny, ultrasound
from support.encoded import write_video
from support.screens import screen

from seqcls.pseudonyms import Pseudonyms
from seqcls.sources import open_source

KEY = b"0123456789abcdef0123456789ABCDEF"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two patients, and a file that is no clip."""
    folder = tmp_path_factory.mktemp("in")
    images = screen("convex", ("text",), frames=12).images
    for patient in ("Doe Jane", "Roe"):
        (folder / patient).mkdir()
        write_video(folder / patient / "SCAN 1.avi", images, bits=8_000_000)
    (folder / "Roe" / "broken Roe.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    return folder


def key_file(folder: Path, key: bytes = KEY) -> Path:
    path = folder / "key"
    path.write_bytes(key)
    path.chmod(0o600)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_files_are_numbered_and_say_nothing_of_their_origin(seqcls: Seqcls, clips: Path, tmp_path: Path) -> None:
    done = seqcls("deidentify", clips, "-o", "out", "--mapping", "map.csv")
    assert done.code == 1, "one is broken"
    assert names_in(tmp_path / "out") == [
        "clip-0001-sheet.png",
        "clip-0001.mp4",
        "clip-0003-sheet.png",
        "clip-0003.mp4",
    ]
    assert done.out.splitlines()[0].startswith("clip-0001.mp4: 12 frames, 0.000 to 1.200 s")
    assert "2 of 3 done, 1 failed" in done.err and "broken Roe" in done.err
    data = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert not any(word in data for word in (b"Doe", b"Roe", b"SCAN"))
    assert (tmp_path / "map.csv").read_text().splitlines() == [
        "file,clip", "clip-0001.mp4,Doe Jane/SCAN 1.avi", "clip-0003.mp4,Roe/SCAN 1.avi"
    ]  # fmt: skip
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "map.csv").stat().st_mode) == 0o600


def test_with_a_key_names_are_stable_and_nobody_is_named(seqcls: Seqcls, clips: Path, tmp_path: Path) -> None:
    names, key = Pseudonyms(KEY), key_file(tmp_path)
    done = seqcls("deidentify", clips, "-o", "out", "--hash-names", key)
    assert done.code == 1
    written = [name for name in names_in(tmp_path / "out") if name.endswith(".mp4")]
    assert written == sorted(f"{names.of(patient)}/{names.of('SCAN 1')}.mp4" for patient in ("Doe Jane", "Roe"))
    printed = done.out + done.err
    assert not any(word in printed for word in ("Doe", "Roe", "SCAN", "broken")) and names.of("broken Roe") in printed


def test_one_clip_into_a_file_of_a_name(seqcls: Seqcls, clips: Path, tmp_path: Path) -> None:
    clip = clips / "Roe" / "SCAN 1.avi"
    assert seqcls("deidentify", clip, "-o", "first.dcm").code == 0
    with open_source(tmp_path / "first.dcm") as source:
        assert source.info.kind == "dicom"
    again = seqcls("deidentify", clip, "-o", "first.dcm")
    assert again.code == 1 and "--overwrite" in one_line(again)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-o", "one.mp4"], "name a folder with -o"),
        (["-o", "out", "--mapping", "out/map.csv"], "keep it elsewhere"),
        (["-o", "out", "--to", "avi"], "mp4, dicom"),
        (["-o", "out", "--hash-names", "none"], "no such key for names"),
        (["-o", "out", "--region", "1,2,3"], "--region takes"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    arguments: list[str], why: str, seqcls: Seqcls, clips: Path, tmp_path: Path
) -> None:
    done = seqcls("deidentify", clips, *arguments)
    assert done.code == 2 and why in done.err
    assert not (tmp_path / "out").exists()


def test_form_and_name_must_agree(seqcls: Seqcls, clips: Path) -> None:
    done = seqcls("deidentify", clips / "Roe" / "SCAN 1.avi", "-o", "a.mp4", "--to", "dicom")
    assert done.code == 2 and "does not go with" in done.err


def test_no_region_no_pixels(seqcls: Seqcls, tmp_path: Path) -> None:
    page = np.full((160, 240), 230, np.uint8)
    for line in range(10, 160, 12):
        cv2.putText(page, "Doe Jane 1970", (4, line), cv2.FONT_HERSHEY_PLAIN, 0.7, 0, 1)
    write_video(tmp_path / "worklist.avi", [page] * 30, bits=8_000_000)
    done = seqcls("deidentify", "worklist.avi", "-o", "out")
    assert done.code == 1 and "--region x0,y0,x1,y1" in done.err and names_in(tmp_path / "out") == []


def test_a_region_by_hand_is_taken(seqcls: Seqcls, tmp_path: Path) -> None:
    tiny(tmp_path / "Doe.dcm", ultrasound())
    assert seqcls("deidentify", "Doe.dcm", "-o", "by hand", "--region", "8,0,56,48").code == 0
    assert names_in(tmp_path / "by hand") == ["clip-0001-sheet.png", "clip-0001.dcm"]


def test_a_series_of_one_file_per_frame_becomes_one_file(seqcls: Seqcls, tmp_path: Path) -> None:
    import pydicom

    (tmp_path / "Doe").mkdir()
    images = screen("convex", ("text",), frames=8).images
    for number, image in enumerate(images):
        ids = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "InstanceNumber": number + 1}
        ds = dataset(
            ExplicitVRLittleEndian, count=1, Rows=image.shape[0], Columns=image.shape[1], FrameTime="50", **ids
        )
        save(ds, tmp_path / "Doe" / f"Doe {number}", image.tobytes())
    done = seqcls("deidentify", "Doe", "-o", "out")
    assert done.code == 0 and names_in(tmp_path / "out") == ["clip-0001-sheet.png", "clip-0001.dcm"], done.err
    tags = pydicom.dcmread(tmp_path / "out" / "clip-0001.dcm")
    assert (tags.NumberOfFrames, tags.FrameTime) == (8, 50) and tags.StudyInstanceUID.startswith("2.25.")
    assert "Doe" not in str(tags)


def test_what_was_done_before_it_was_stopped_is_in_the_mapping(
    seqcls: Seqcls, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcls.deidentify import deidentify as module

    whole, asked = module.deidentify_clip, []

    def stopped(*arguments: object, **more: object) -> object:
        asked.append(1)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return whole(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "deidentify_clip", stopped)
    done = seqcls("deidentify", clips / "Doe Jane", clips / "Roe" / "SCAN 1.avi", "-o", "out", "--mapping", "map.csv")
    assert done.code == 130 and names_in(tmp_path / "out") == ["clip-0001-sheet.png", "clip-0001.mp4"]
    assert (tmp_path / "map.csv").read_text().splitlines()[1].startswith("clip-0001.mp4,")
    again = seqcls("deidentify", clips / "Doe Jane", "-o", "out")
    assert again.code == 1 and "--overwrite" in one_line(again)
