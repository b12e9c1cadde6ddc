"""The tags of a de-identified DICOM file: what the basic profile leaves of the few that the images need.

The profile (PS3.15 Annex E) is the table of the library dicom-anonymizer. It lists what must go and keeps all else,
free text as well, and cannot know a name that was typed into a field for something else. So there are two filters, one
behind the other: only attributes listed here are looked at, none of them free text, and to these the profile is
applied. Nothing else of the source is copied: no sequence, no private tag, no overlay, curve or icon, no file meta.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import seqcls
from seqcls.errors import UsageError
from seqcls.pseudonyms import Pseudonyms
from seqcls.sources.dicom_fields import number, text
from seqcls.sources.dicom_region import scale_of
from seqcls.third_party import library

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
#: Type 2: these must be there, and may be empty (PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.5.1, C.7.6.1).
_MAY_BE_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "Manufacturer", "PatientBirthDate",
    "PatientSex", "StudyID", "SeriesNumber", "PatientOrientation",
)  # fmt: skip
#: Of the scan itself: the least and greatest value that are believed. What is kept is the number, not its text.
_NUMBERS: dict[str, tuple[float, float]] = {
    "TransducerFrequency": (1, 1_000_000),  # kHz
    "PulseRepetitionFrequency": (1, 1_000_000),
    "DepthOfScanField": (1, 2000),  # mm
    "MechanicalIndex": (0, 10),
    "BoneThermalIndex": (0, 10),
    "CranialThermalIndex": (0, 10),
    "SoftTissueThermalIndex": (0, 10),
}
#: Terms of the standard (PS3.3 C.8.5.6.1.8, PS3.16 Annex L); any other word could be a name.
_TERMS: dict[str, frozenset[str]] = {
    "TransducerType": frozenset(
        {
            "CURVED LINEAR", "ENDOCAV_AA", "ENDOCAV_CLA", "ENDOCAV_LINEAR", "ENDOCAV_MECH", "ENDOCAV_PA", "IV_PHASED",
            "IV_ROT MIRROR", "IV_ROT XTAL", "LINEAR", "SECTOR_ANNULAR", "SECTOR_MECH", "SECTOR_PHASED",
            "SINGLE CRYSTAL", "SPLIT XTAL CWD", "VECTOR_PHASED",
        }
    ),
    "BodyPartExamined": frozenset(
        {
            "ABDOMEN", "ABDOMINALAORTA", "AORTA", "ARM", "BLADDER", "BRAIN", "BREAST", "CAROTID", "CHEST", "EXTREMITY",
            "EYE", "GALLBLADDER", "HEAD", "HEART", "HIP", "KIDNEY", "KNEE", "LEG", "LIVER", "LUNG", "NECK", "OVARY",
            "PANCREAS", "PELVIS", "PLACENTA", "PROSTATE", "SHOULDER", "SPLEEN", "TESTIS", "THYROID", "THYROID GLAND",
            "UTERUS",
        }
    ),
}  # fmt: skip
_TABLE = "dicomfields_2026c"
_MULTI_FRAME, _SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.6.1"
#: Steps between frames that differ by less are one FrameTime, which gives each frame's time as well.
_TIME_STEP_S = 1e-6


def require_profile() -> None:
    """Raise UsageError where the library with the profile is not installed."""
    try:
        version("dicom-anonymizer")
    except PackageNotFoundError:
        raise UsageError(
            "DICOM is written with dicom-anonymizer, which is not installed: pip install 'seqcls[deidentify]', or"
            " add to=mp4"
        ) from None
    library("pydicom")  # the first of all its imports, where no DICOM was read


def clean_tags(header: Any | None, names: Pseudonyms, path: str, part: int) -> Dataset:
    """Who and what, without naming anybody: the same patient, study and series stay the same under their pseudonyms.

    header: the source's pydicom data set, None where it is no DICOM. path: which clip it is. part: from 1 on, of the
    files that one clip becomes. Raises UsageError where the library is not installed.
    """
    from pydicom.dataset import Dataset

    tags = Dataset()
    if header is not None:
        for name in (*_UIDS, *_NUMBERS, *_TERMS):
            _copy(header, tags, name)
        _profile(tags, names)
    for name in _UIDS[:3]:
        if name not in tags:
            setattr(tags, name, names.uid(f"{name} of {path}"))
    if part > 1:
        tags.SOPInstanceUID = names.uid(f"part {part} of {tags.SOPInstanceUID}")
    patient = "" if header is None else text(header, "PatientID")
    tags.PatientID = tags.PatientName = names.of(patient if patient else path, "patient")
    for name in _MAY_BE_EMPTY:
        setattr(tags, name, "")
    tags.InstanceNumber = str(part)
    tags.Modality, tags.ImageType = "US", ["DERIVED", "PRIMARY"]
    tags.PatientIdentityRemoved = "YES"
    tags.LongitudinalTemporalInformationModified = "REMOVED"
    tags.DeidentificationMethod = f"seqcls {seqcls.__version__}: ultrasound region alone; basic profile"
    return tags


def add_image_tags(tags: Dataset, shape: tuple[int, ...], times_s: Sequence[float], *, lossy: bool) -> None:
    """What the images are: (H, W) or (H, W, 3) of 8 bits, lossless JPEG 2000, each at its time."""
    count, color = len(times_s), len(shape) == 3
    tags.SOPClassUID = _MULTI_FRAME if count > 1 else _SINGLE_FRAME
    tags.Rows, tags.Columns, tags.SamplesPerPixel = shape[0], shape[1], 3 if color else 1
    tags.PhotometricInterpretation = "YBR_RCT" if color else "MONOCHROME2"
    if color:
        tags.PlanarConfiguration = 0
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 8, 8, 7, 0
    tags.LossyImageCompression = "01" if lossy else "00"
    if count > 1:
        tags.NumberOfFrames = str(count)
        _add_times(tags, times_s)


def add_scale(tags: Dataset, header: Any | None, aspect: float) -> None:
    """Centimetres per pixel, where the source states them for its tissue; ``aspect``: of its pixels, which were made
    square."""
    from pydicom.dataset import Dataset

    scale = None if header is None else scale_of(header)
    if scale is None:
        return
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = tags.Columns - 1, tags.Rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = scale[0] / max(aspect, 1.0), scale[1] * min(aspect, 1.0)
    tags.SequenceOfUltrasoundRegions = [item]


def add_method(tags: Dataset, *, text_free: bool | None) -> None:
    """Codes of what was done (PS3.15 E.3, PS3.16 CID 7050). text_free: whether text was looked for inside the region
    and not found; None where that cannot be known."""
    if text_free is not None:
        tags.BurnedInAnnotation = "NO" if text_free else "YES"
    done = [("113100", "Basic Application Confidentiality Profile")]
    if text_free:
        done.append(("113101", "Clean Pixel Data Option"))
    tags.DeidentificationMethodCodeSequence = [_code(*code) for code in done]


def _code(value: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _copy(header: Any, tags: Dataset, name: str) -> None:
    if name in _UIDS:
        uid = text(header, name)
        if uid:
            setattr(tags, name, uid)
    elif name in _TERMS:
        word = text(header, name).upper()
        if word in _TERMS[name]:
            setattr(tags, name, word)
    else:
        least, most = _NUMBERS[name]
        value = number(header, name)
        if value is not None and math.isfinite(value) and least <= value <= most:
            whole = name in ("TransducerFrequency", "PulseRepetitionFrequency", "DepthOfScanField")
            setattr(tags, name, round(value) if whole else f"{value:.4g}")


def _profile(tags: Dataset, names: Pseudonyms) -> None:
    """The basic profile, with UIDs replaced by this run's pseudonyms instead of by chance."""
    require_profile()
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions, replace_UID

    def rules() -> dict[tuple[int, ...], Any]:
        actions = initialize_actions(_TABLE)
        return {tag: replace if action is replace_UID else action for tag, action in actions.items()}

    def replace(dataset: Dataset, tag: tuple[int, int]) -> None:
        element = dataset.get(tag)
        if element is not None:
            element.value = names.uid(str(element.value))

    anonymize_dataset(tags, base_rules_gen=rules)


def _add_times(tags: Dataset, times_s: Sequence[float]) -> None:
    from pydicom.tag import Tag

    count = len(times_s)
    step_s = (times_s[-1] - times_s[0]) / (count - 1)
    even = all(abs(times_s[0] + k * step_s - time_s) < _TIME_STEP_S for k, time_s in enumerate(times_s))
    if even and step_s > 0:
        tags.FrameTime = _milliseconds(round(step_s * 1e9))
        tags.FrameIncrementPointer = Tag("FrameTime")
        return
    ticks = [round((time_s - times_s[0]) * 1e9) for time_s in times_s]
    steps = [0, *(after - before for before, after in itertools.pairwise(ticks))]
    tags.FrameTimeVector = [_milliseconds(step) for step in steps]
    tags.FrameIncrementPointer = Tag("FrameTimeVector")


def _milliseconds(nanoseconds: int) -> str:
    """At most 16 characters, as a DS has (PS3.5 6.2)."""
    return f"{nanoseconds / 1e6:.6f}".rstrip("0").rstrip(".")[:16]
