"""Of a DICOM file with a name in every tag that can hold one, no name, date, number or identifier comes out."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary, dictionary_VM
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from support.dicom_files import dataset, save
from support.screens import screen

from seqcls.deidentify.deidentify import DeidentifyOptions, deidentify_clip
from seqcls.deidentify.dicom_tags import add_image_tags, add_method, add_scale, clean_tags, require_profile
from seqcls.errors import UsageError
from seqcls.pseudonyms import Pseudonyms
from seqcls.sources import open_source
from seqcls.sources.dicom_header import read_header

KEY = b"0123456789abcdef0123456789ABCDEF"
SECRET, BIRTH, NUMBER, UID = "SECRETDOE", "19470813", "47114711", "1.2.840.4711.4711"
#: What the source must say truly, to be read at all.
NEEDED = {"SpecificCharacterSet", "PhotometricInterpretation", "LossyImageCompression"}
TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")


def planted() -> Dataset:
    """A cine with the word in every text tag of the dictionary, nested, in private tags, and behind the pixels."""
    drawn = screen("convex", ("text",), frames=6)
    height, width = drawn.images[0].shape
    ds = dataset(ExplicitVRLittleEndian, count=6, Rows=height, Columns=width)
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if vr in TEXTS and keyword not in NEEDED and tag >> 16 not in (0, 2, 4, 0xFFFE) and dictionary_VM(tag) != "0":
            ds.add_new(tag, vr, SECRET)
        elif vr == "UN":
            ds.add_new(tag, "UN", SECRET.encode())
    for name in ("StudyDate", "PatientBirthDate", "AcquisitionDateTime", "DateOfSecondaryCapture", "ContentDate"):
        setattr(ds, name, BIRTH)
    for name in ("SeriesNumber", "InstanceNumber", "PatientWeight", "AcquisitionNumber"):
        setattr(ds, name, NUMBER)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "DeviceUID"):
        setattr(ds, name, f"{UID}.{len(name)}")
    inner = Dataset()
    inner.PatientName, inner.TextValue, inner.ReferencedSOPInstanceUID = SECRET, SECRET, UID
    inner.private_block(0x0011, SECRET, create=True).add_new(1, "LO", SECRET)
    deeper = Dataset()
    deeper.ContentSequence = Sequence([inner])
    for name in ("ReferencedImageSequence", "RequestAttributesSequence", "ContentSequence", "IconImageSequence"):
        setattr(ds, name, Sequence([deeper]))
    ds.OriginalAttributesSequence = Sequence([inner])
    ds.private_block(0x0009, SECRET, create=True).add_new(1, "PN", SECRET)
    ds.add_new(0x60000022, "LO", SECRET)
    ds.add_new(0x60003000, "OW", SECRET.encode() + b"X")
    ds.add_new(0x50003000, "OW", SECRET.encode() + b"X")
    ds.add_new(0xFFFCFFFC, "OB", SECRET.encode() + b"X")
    ds.TransducerType, ds.BodyPartExamined = "LINEAR", "THYROID"
    ds.TransducerFrequency, ds.MechanicalIndex, ds.DepthOfScanField = 7500, "0.7", "40"
    meta = ds.file_meta
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = UID, SECRET.encode() + b"X"
    meta.SourceApplicationEntityTitle = meta.SendingApplicationEntityTitle = SECRET
    meta.ImplementationVersionName, meta.ImplementationClassUID = SECRET, UID
    ds.preamble = (SECRET * 15)[:128].encode()
    ds.PixelData = b"".join(image.tobytes() for image in drawn.images)
    ds["PixelData"].VR = "OB"
    return ds


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    path = folder / f"{SECRET}.dcm"
    ds = planted()
    pixels = ds.PixelData
    save(ds, path, pixels)
    assert path.read_bytes().count(SECRET.encode()) > 1000
    (folder / "out").mkdir()
    with open_source(path, color=True) as source:
        done = deidentify_clip(
            source, read_header(path).data, folder / "out" / "clip-1", DeidentifyOptions(), Pseudonyms(KEY)
        )
    return done.paths[0]


@pytest.mark.parametrize("secret", [SECRET, BIRTH, NUMBER, UID, "Doe", "4711"])
def test_no_secret_is_in_the_file(secret: str, written: Path) -> None:
    tags = pydicom.dcmread(written, stop_before_pixels=True)
    end = written.read_bytes().index(b"\xe0\x7f\x10\x00OB")
    assert secret.encode() not in written.read_bytes()[:end] and secret not in str(tags) + str(tags.file_meta)


def test_tags_are_those_of_the_table_alone(written: Path) -> None:
    tags = pydicom.dcmread(written)
    assert {element.keyword for element in tags} == {
        "AccessionNumber", "BitsAllocated", "BitsStored", "BodyPartExamined", "Columns",
        "DeidentificationMethod", "DeidentificationMethodCodeSequence", "DepthOfScanField", "FrameIncrementPointer",
        "FrameOfReferenceUID", "FrameTime", "HighBit", "ImageType", "InstanceNumber", "LossyImageCompression",
        "LongitudinalTemporalInformationModified", "Manufacturer", "MechanicalIndex", "Modality", "NumberOfFrames",
        "PatientBirthDate", "PatientID", "PatientIdentityRemoved", "PatientName", "PatientOrientation", "PatientSex",
        "PhotometricInterpretation", "PixelData", "PixelRepresentation", "ReferringPhysicianName", "Rows",
        "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel", "SeriesInstanceUID", "SeriesNumber", "StudyDate",
        "StudyID", "StudyInstanceUID", "StudyTime", "TransducerFrequency", "TransducerType",
    }  # fmt: skip
    assert not any(element.tag.is_private for element in tags.iterall())
    assert tags.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert (tags.TransducerType, tags.BodyPartExamined) == ("LINEAR", "THYROID")
    assert (tags.TransducerFrequency, tags.MechanicalIndex, tags.DepthOfScanField) == (7500, 0.7, 40)
    assert tags.PatientName == tags.PatientID == Pseudonyms(KEY).of(SECRET, "patient")
    assert tags.StudyInstanceUID == Pseudonyms(KEY).uid(f"{UID}.16")


def test_file_meta_is_new_and_the_preamble_empty(written: Path) -> None:
    meta = pydicom.dcmread(written).file_meta
    assert {element.keyword for element in meta} == {
        "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID", "ImplementationVersionName",
    }  # fmt: skip
    assert meta.ImplementationVersionName == "SEQCLS"
    assert written.read_bytes()[:132] == bytes(128) + b"DICM"


def test_files_of_one_patient_and_study_stay_together() -> None:
    names = Pseudonyms(KEY)
    one, two = Dataset(), Dataset()
    one.PatientID = two.PatientID = "4711"
    one.StudyInstanceUID = two.StudyInstanceUID = "1.2.3"
    one.SOPInstanceUID, two.SOPInstanceUID = "1.2.3.4", "1.2.3.5"
    first, second = clean_tags(one, names, "a.dcm", 1), clean_tags(two, names, "b.dcm", 1)
    assert (first.PatientID, first.StudyInstanceUID) == (second.PatientID, second.StudyInstanceUID)
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert clean_tags(one, names, "a.dcm", 2).SOPInstanceUID not in (first.SOPInstanceUID, second.SOPInstanceUID)
    assert clean_tags(one, Pseudonyms(), "a.dcm", 1).PatientID != first.PatientID


def test_a_clip_that_is_no_dicom_gets_identifiers_of_its_own() -> None:
    names = Pseudonyms(KEY)
    one, two = clean_tags(None, names, "a.mp4", 1), clean_tags(None, names, "b.mp4", 1)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        assert one[name].value and one[name].value != two[name].value
    assert one.StudyInstanceUID == clean_tags(None, names, "a.mp4", 1).StudyInstanceUID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MechanicalIndex", "47.11"),
        ("DepthOfScanField", "9999"),
        ("TransducerType", "DOE"),
        ("BodyPartExamined", "DOE JANE"),
    ],
)
def test_what_no_scan_has_is_not_believed(name: str, value: str) -> None:
    header = Dataset()
    setattr(header, name, value)
    assert name not in clean_tags(header, Pseudonyms(KEY), "a", 1)


@pytest.mark.parametrize(
    ("times_s", "name", "values"),
    [
        ([k * 1001 / 30000 for k in range(10)], "FrameTime", [33.366667]),
        ([0.0, 0.04, 0.08, 0.15], "FrameTimeVector", [0, 40, 40, 70]),
        ([1.0, 1.0333333, 1.0666667], "FrameTime", [33.33335]),
        ([0.0, 0.0, 0.04], "FrameTimeVector", [0, 0, 40]),
    ],
    ids=["even", "variable", "rounded", "standing still"],
)
def test_times_are_steps_in_milliseconds(times_s: list[float], name: str, values: list[float]) -> None:
    tags = Dataset()
    add_image_tags(tags, (40, 60), times_s, lossy=False)
    given = tags[name].value
    assert ([given] if name == "FrameTime" else list(given)) == pytest.approx(values, abs=1e-6)
    assert tags.FrameIncrementPointer == tags[name].tag
    rebuilt = (
        list(itertools.accumulate(given)) if name == "FrameTimeVector" else [k * given for k in range(len(times_s))]
    )
    assert np.array(rebuilt) / 1000 + times_s[0] == pytest.approx(times_s, abs=1e-6)


def test_a_vector_of_ten_thousand_times_is_read_back(tmp_path: Path) -> None:
    """It is longer than the 64 KiB that its kind of value may have."""
    times_s = list(itertools.accumulate([0.04, 0.033] * 5000))
    tags = clean_tags(None, Pseudonyms(KEY), "a", 1)
    add_image_tags(tags, (4, 4), times_s, lossy=True)
    pydicom.dcmwrite(tmp_path / "a", tags, implicit_vr=False, little_endian=True)
    from seqcls.sources.dicom_times import clip_times

    read = pydicom.dcmread(tmp_path / "a", force=True)
    assert np.array(clip_times(read, 10_000, None).times_s[:-1]) + times_s[0] == pytest.approx(times_s, abs=1e-6)


def test_a_still_has_no_times() -> None:
    tags = Dataset()
    add_image_tags(tags, (40, 60, 3), [0.0], lossy=True)
    assert "FrameTime" not in tags and tags.SOPClassUID == "1.2.840.10008.5.1.4.1.1.6.1"
    assert (tags.PhotometricInterpretation, tags.LossyImageCompression) == ("YBR_RCT", "01")


@pytest.mark.parametrize(("aspect", "scale"), [(1.0, (0.02, 0.01)), (2.0, (0.01, 0.01)), (0.5, (0.02, 0.005))])
def test_the_scale_goes_along_with_pixels_made_square(aspect: float, scale: tuple[float, float]) -> None:
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = 0.02, 0.01
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 100, 50
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 500, 400
    header: Any = Dataset()
    header.SequenceOfUltrasoundRegions = [item]
    tags = Dataset()
    tags.Rows, tags.Columns = 80, 60
    add_scale(tags, header, aspect)
    (region,) = tags.SequenceOfUltrasoundRegions
    assert (region.PhysicalDeltaX, region.PhysicalDeltaY) == pytest.approx(scale)
    assert (region.RegionLocationMinX0, region.RegionLocationMaxX1, region.RegionLocationMaxY1) == (0, 59, 79)
    bare = Dataset()
    add_scale(bare, Dataset(), 1.0)
    add_scale(bare, None, 1.0)
    assert len(bare) == 0


def test_the_codes_say_what_was_done() -> None:
    for text_free, burned, codes in (
        (True, "NO", ["113100", "113101"]),
        (False, "YES", ["113100"]),
        (None, None, ["113100"]),
    ):
        tags = Dataset()
        add_method(tags, text_free=text_free)
        assert tags.get("BurnedInAnnotation") == burned
        assert [code.CodeValue for code in tags.DeidentificationMethodCodeSequence] == codes
        assert {code.CodingSchemeDesignator for code in tags.DeidentificationMethodCodeSequence} == {"DCM"}


def test_without_the_library_there_is_no_dicom(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def absent(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("seqcls.deidentify.dicom_tags.version", absent)
    with pytest.raises(UsageError, match=r"seqcls\[deidentify\].*to=mp4"):
        require_profile()
