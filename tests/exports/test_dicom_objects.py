"""A report and a picture in DICOM: whose they are, what they reference, and that they name nobody of themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import pytest
from support.dicom_files import native
from support.timelines import timeline

import seqcls
from seqcls.errors import OutputError, UsageError
from seqcls.exports.dicom_objects import subject_of
from seqcls.exports.dicom_picture import write_dicom_picture
from seqcls.exports.dicom_report import ORGANS, write_dicom_report
from seqcls.exports.timeline_png import write_picture
from seqcls.timeline import Timeline

PLAIN = timeline(name="neck.mp4", thyroid="..PPPP......", **{"left lobe": "PPP.....????"})
CLIP = replace(PLAIN, source=replace(PLAIN.source, name="neck.dcm", kind="dicom"))
LATER = replace(CLIP, scores=replace(CLIP.scores, time_s=CLIP.scores.time_s + 0.5))
STUDY: dict[str, Any] = {
    "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "StudyID": "77", "PatientSex": "F",
    "FrameTime": "100", "PatientName": "Müller^Jürgen", "SpecificCharacterSet": "ISO_IR 100",
}  # fmt: skip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return native(tmp_path / "neck.dcm", **STUDY)


def groups(path: Path) -> list[Any]:
    sr = pytest.importorskip("highdicom.sr")
    return list(sr.srread(str(path)).content.get_image_measurement_groups())


def test_a_report_references_the_frames_of_each_stretch(tmp_path: Path, clip: Path) -> None:
    write_dicom_report(CLIP, tmp_path / "r.dcm", clip)
    made, source = pydicom.dcmread(tmp_path / "r.dcm"), pydicom.dcmread(clip)
    assert (made.StudyInstanceUID, made.PatientName, made.PatientID, made.StudyID) == (
        "1.2.3",
        "Müller^Jürgen",
        "ID-4711",
        "77",
    )
    assert made.SeriesInstanceUID != source.SeriesInstanceUID and made.Modality == "SR"
    assert (made.VerificationFlag, made.PreliminaryFlag, made.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    [study] = made.CurrentRequestedProcedureEvidenceSequence
    assert study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    found = []
    for group in groups(tmp_path / "r.dcm"):
        [image] = group.source_images
        assert image.referenced_sop_instance_uid == source.SOPInstanceUID
        site = group.finding_sites[0].value
        found.append((group.tracking_identifier, site.scheme_designator, site.meaning, image.referenced_frame_numbers))
    assert found == [
        ("left lobe", "99SEQCLS", "left lobe", [1, 2, 3]), ("thyroid", "SCT", "Thyroid", [3, 4, 5, 6]),
        ("thyroid?", "SCT", "Thyroid", [9, 10, 11, 12]), ("left lobe?", "99SEQCLS", "left lobe", [9, 10, 11, 12]),
    ]  # fmt: skip
    assert seqcls.DISCLAIMER in {element.value for element in made.iterall() if element.keyword == "TextValue"}


def test_a_report_of_another_clip_references_the_picture(tmp_path: Path) -> None:
    write_dicom_report(PLAIN, tmp_path / "r.dcm")
    write_dicom_picture(PLAIN, tmp_path / "p.dcm")
    report, picture = pydicom.dcmread(tmp_path / "r.dcm"), pydicom.dcmread(tmp_path / "p.dcm")
    assert report.StudyInstanceUID == picture.StudyInstanceUID and not report.PatientName and not picture.PatientID
    uids = {image.referenced_sop_instance_uid for group in groups(tmp_path / "r.dcm") for image in group.source_images}
    assert uids == {picture.SOPInstanceUID}
    write_dicom_report(PLAIN, tmp_path / "again.dcm")
    assert pydicom.dcmread(tmp_path / "again.dcm").SOPInstanceUID == report.SOPInstanceUID


def test_the_picture_is_that_of_the_run_and_joins_the_clips_study(tmp_path: Path, clip: Path) -> None:
    thumbnails = ((0.1, np.full((32, 32), 200, np.uint8)),)
    write_dicom_picture(replace(CLIP, thumbnails=thumbnails), tmp_path / "p.dcm", clip)
    made = pydicom.dcmread(tmp_path / "p.dcm")
    write_picture(CLIP, tmp_path / "p.png")  # no pixel of the clip stands in it
    assert np.array_equal(made.pixel_array, np.asarray(PIL.Image.open(tmp_path / "p.png").convert("RGB")))
    assert (made.StudyInstanceUID, str(made.PatientName), made.ConversionType) == ("1.2.3", "Müller^Jürgen", "SYN")
    assert made.SpecificCharacterSet == "ISO_IR 192" and made.BurnedInAnnotation == "YES"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["neck.dcm", "p.dcm", "p.png"]


@pytest.mark.parametrize(
    ("made", "changes", "why"),
    [
        (PLAIN, {}, "the run is of no DICOM clip"),
        (LATER, {}, r"it has 12 frames, none of them at 1\.200 s as frame 8 of the run"),
        (CLIP, {"FrameTime": "40"}, r"none of them at 0\.100 s as frame 2"),
        (CLIP, {"StudyInstanceUID": ""}, "lacks StudyInstanceUID"),
    ],
    ids=["no DICOM run", "fewer frames", "other times", "no study"],
)
def test_a_clip_that_does_not_fit_is_refused(tmp_path: Path, made: Timeline, changes: dict[str, Any], why: str) -> None:
    clip = native(tmp_path / "clip.dcm", **{**STUDY, **changes})
    with pytest.raises(UsageError, match=why):
        write_dicom_report(made, tmp_path / "r.dcm", clip)
    assert not (tmp_path / "r.dcm").exists()


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ({"PatientBirthDate": "1970.13.41", "StudyDate": "20260230", "StudyTime": "99:99"}, ("", "", "")),
        (
            {"PatientBirthDate": "19700228", "StudyDate": "20240229", "StudyTime": "235959.5"},
            ("19700228", "20240229", "235959.5"),
        ),
    ],
    ids=["wrong", "right"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of such files
def test_wrong_dates_of_a_clip_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: dict[str, str], kept: tuple[str, ...]
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    odd = {**stated, "PatientSex": "female", "PatientAge": "old", "PatientID": "x" * 99, "PatientName": "Doe^A\\Roe^B"}
    clip = native(tmp_path / "odd.dcm", **{**STUDY, **odd})
    monkeypatch.undo()
    tags = subject_of(CLIP, clip).tags
    assert (tags.PatientBirthDate, tags.StudyDate, tags.StudyTime) == kept
    assert (tags.PatientSex, tags.PatientID, str(tags.PatientName), "PatientAge" in tags) == (
        "",
        "x" * 99,
        "Doe^A",
        False,
    )


def test_long_stretches_and_long_reports(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of the frames must fit into one value of DICOM."""
    monkeypatch.setattr("seqcls.exports.dicom_report._MAX_FRAMES_TEXT", 9)
    write_dicom_report(CLIP, tmp_path / "r.dcm", clip)
    numbers = [group.source_images[0].referenced_frame_numbers for group in groups(tmp_path / "r.dcm")]
    assert numbers == [[1, 2, 3], [3, 4, 5, 6], [9, 12], [9, 12]]
    monkeypatch.setattr("seqcls.exports.dicom_report.MAX_GROUPS", 3)
    with pytest.raises(OutputError, match="4 stretches are more than the 3 of a report; export --to csv"):
        write_dicom_report(CLIP, tmp_path / "r.dcm", clip)


def test_codes_of_organs_are_those_of_snomed() -> None:
    """As pydicom lists them: PS3.16 names the codes that DICOM uses."""
    from pydicom.sr._concepts_dict import concepts

    known = {code: name for name, codes in concepts["SCT"].items() for code in codes}
    for organ, (code, meaning) in ORGANS.items():
        assert meaning.split()[0][:4].casefold() in known[code].casefold(), organ


def test_frames_that_were_lost_keep_their_numbers(tmp_path: Path) -> None:
    """The run counts what it got: the fourth frame of 12 was lost, so that its fourth is the fifth of the file."""
    clip = native(tmp_path / "neck.dcm", **STUDY)
    made = timeline(thyroid="..PPPP.....", **{"left lobe": "PPP....????"})
    scores = replace(made.scores, time_s=np.delete(np.arange(12) / 10, 3))
    made = replace(made, source=CLIP.source, scores=scores)
    write_dicom_report(made, tmp_path / "r.dcm", clip)
    numbers = [group.source_images[0].referenced_frame_numbers for group in groups(tmp_path / "r.dcm")]
    assert numbers == [[1, 2, 3], [3, 5, 6, 7], [9, 10, 11, 12], [9, 10, 11, 12]]


def test_a_series_of_one_image_per_file_is_referenced_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for k in range(12):
        native(folder / f"{12 - k:02d}.dcm", **STUDY, count=1, InstanceNumber=k + 1)
    write_dicom_report(CLIP, tmp_path / "r.dcm", folder)
    by_uid = {str(pydicom.dcmread(path).SOPInstanceUID): 12 - int(path.stem) for path in folder.iterdir()}
    shown = [
        [by_uid[image.referenced_sop_instance_uid] for image in group.source_images]
        for group in groups(tmp_path / "r.dcm")
    ]
    assert shown == [[0, 1, 2], [2, 3, 4, 5], [8, 9, 10, 11], [8, 9, 10, 11]]
    assert pydicom.dcmread(tmp_path / "r.dcm").StudyInstanceUID == "1.2.3"


@pytest.mark.parametrize("tool", ["dsrdump", "dciodvfy"])
def test_other_programs_find_no_fault(tmp_path: Path, clip: Path, tool: str) -> None:
    """dsrdump of DCMTK, and dciodvfy of dicom3tools, which checks an object against its definition in the standard."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    odd = replace(
        CLIP,
        organs=("a\tb", "left lobe"),
        intervals=tuple(replace(i, organ={"thyroid": "a\tb"}.get(i.organ, i.organ)) for i in CLIP.intervals),
    )
    write_dicom_report(odd, tmp_path / "r.dcm", clip)
    write_dicom_picture(odd, tmp_path / "p.dcm", clip)
    for path in (tmp_path / "r.dcm",) if tool == "dsrdump" else (tmp_path / "r.dcm", tmp_path / "p.dcm"):
        done = subprocess.run([tool, path], capture_output=True, text=True, env=dict(os.environ), check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and not [
            line for line in said.splitlines() if line.startswith(("E:", "F:", "Error"))
        ], said
