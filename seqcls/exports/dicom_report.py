"""A DICOM structured report: TID 1500, with a measurement group (TID 1501) for each stretch of an organ.

Standard: PS3.16, https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_a.html. It is not verified by
anybody, and preliminary. Of a DICOM clip it references the frames of each stretch, from 1; else it references the
secondary capture of the timeline (``dicom_picture``), for a report must reference something.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.errors import OutputError, one_line
from seqcls.exports.dicom_picture import picture_tags
from seqcls.exports.marks import Mark, marks
from seqcls.text.foreign_text import for_dicom
from seqcls.third_party import library
from seqcls.timeline import Timeline

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from seqcls.exports.dicom_objects import Subject

#: Codes of SNOMED CT (CID 6300 and others) for organs by which models are named.
ORGANS = {
    "thyroid": ("69748006", "Thyroid"),
    "trachea": ("44567001", "Trachea"),
    "carotid": ("69105007", "Carotid artery"),
    "carotid artery": ("69105007", "Carotid artery"),
    "liver": ("10200004", "Liver"),
    "gallbladder": ("28231008", "Gallbladder"),
    "pancreas": ("15776009", "Pancreas"),
    "spleen": ("78961009", "Spleen"),
    "kidney": ("64033007", "Kidney"),
    "bladder": ("89837001", "Bladder"),
    "aorta": ("15825003", "Aorta"),
    "heart": ("80891009", "Heart"),
    "lung": ("39607008", "Lung"),
    "uterus": ("35039007", "Uterus"),
    "ovary": ("15497006", "Ovary"),
    "prostate": ("41216001", "Prostate"),
    "lymph node": ("59441001", "Lymph node"),
}
#: Of codes that no standard has; PS3.16 8.2 reserves names that begin so.
_OWN = "99SEQCLS"
_STATES = {"present": ("52101004", "Present"), "absent": ("2667000", "Absent"), "unknown": ("261665006", "Unknown")}
_SERIES_NUMBER = 9802
#: A viewer lists them all, and highdicom takes 0.05 s for each.
MAX_GROUPS = 500
#: The numbers of a stretch's frames are one value of at most 64 KiB.
_MAX_FRAMES_TEXT = 65_000
#: A series has an image of its own for each frame, referenced one by one.
_MAX_IMAGES = 200
#: Letters of a text that is a code's meaning.
_MEANING = 64


def write_dicom_report(timeline: Timeline, path: str | Path, clip: Path | None = None) -> None:
    """``clip``: the DICOM file that was run, whose patient and study it joins and whose frames it references.

    Needs highdicom. Raises OutputError, and UsageError for a clip that the run is not of.
    """
    from seqcls.exports.dicom_objects import save, subject_of  # as in dicom_picture

    shown = marks(timeline)
    if len(shown) > MAX_GROUPS:
        raise OutputError(f"{len(shown):,} stretches are more than the {MAX_GROUPS:,} of a report; export --to csv")
    subject = subject_of(timeline, clip)
    try:
        with warnings.catch_warnings():  # of a patient's name that has no caret
            warnings.simplefilter("ignore")
            tags = _document(timeline, subject, shown)
    except (ValueError, TypeError, AttributeError) as error:  # highdicom's, of values that it does not take
        raise OutputError(f"{path} cannot be written as DICOM: {one_line(error)}; leave --clip out") from error
    save(tags, path)


def _document(timeline: Timeline, subject: Subject, shown: Sequence[Mark]) -> Any:
    sr = library("highdicom.sr")
    groups = [_group(sr, subject, mark, number, timeline.scores.index) for number, mark in enumerate(shown, 1)]
    report = sr.MeasurementReport(
        observation_context=_observer(sr, timeline),
        procedure_reported=sr.CodedConcept("16310003", "SCT", "Ultrasonography"),
        imaging_measurements=groups,
        title=sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )
    return sr.ComprehensiveSR(
        evidence=_evidence(subject),
        content=report[0],
        series_instance_uid=subject.uid("reports"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=subject.uid("report"),
        instance_number=1,
        manufacturer="seqcls",
        manufacturer_model_name="seqcls",
        software_versions=seqcls.__version__,
        series_description="seqcls timeline (research)",
        is_complete=True,
        is_final=False,
        is_verified=False,
        specific_character_set="ISO_IR 192",
    )


def _evidence(subject: Subject) -> list[Dataset]:
    """What the report references: highdicom takes patient and study from it."""
    from pydicom.dataset import Dataset

    if subject.clip is None:
        return [picture_tags(subject)]
    found = []
    for identifiers in subject.clip.instances:
        evidence = Dataset()
        evidence.update(subject.tags)
        evidence.SOPClassUID, evidence.SOPInstanceUID, evidence.SeriesInstanceUID = identifiers
        found.append(evidence)
    return found


def _observer(sr: Any, timeline: Timeline) -> Any:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid="2.25.46349826182578047489099019829700596915",  # seqcls, whatever its version
        name="seqcls",
        manufacturer_name="seqcls",
        model_name=for_dicom(timeline.provenance.model)[:_MEANING] or "seqcls",
    )
    kind = sr.CodedConcept("121007", "DCM", "Device")
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(kind, device))


def _group(sr: Any, subject: Subject, mark: Mark, number: int, index: NDArray[np.int64]) -> Any:
    interval = mark.interval
    second = sr.CodedConcept("s", "UCUM", "second")
    score = sr.CodedConcept("{score}", "UCUM", "score of 0 to 1")
    values = [
        (_own(sr, "START", "Begin of the stretch in the clip"), interval.start_s, second),
        (_own(sr, "END", "End of the stretch in the clip, not inside"), interval.end_s, second),
        (_own(sr, "MEANSCORE", "Mean score of the frames inside"), interval.mean_score, score),
        (_own(sr, "PEAKSCORE", "Highest score of the frames inside"), interval.peak_score, score),
    ]
    state, meaning = _STATES[interval.state]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(subject.uid(f"stretch {number}"), for_dicom(mark.text)),
        finding_type=sr.CodedConcept("91723000", "SCT", "Anatomical structure"),
        finding_sites=[sr.FindingSite(_organ(sr, interval.organ))],
        algorithm_id=sr.AlgorithmIdentification("seqcls", seqcls.__version__, parameters=[seqcls.DISCLAIMER]),
        measurements=[
            sr.Measurement(name, round(value, 6), unit) for name, value, unit in values if not math.isnan(value)
        ],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(_own(sr, "INVIEW", "In view"), sr.CodedConcept(state, "SCT", meaning))
        ],
        source_images=list(_references(sr, subject, mark, index)),
    )


def _references(sr: Any, subject: Subject, mark: Mark, index: NDArray[np.int64]) -> Iterator[Any]:
    """``index``: (T,) numbers of the run's frames."""
    image, clip = sr.SourceImageForMeasurementGroup, subject.clip
    if clip is None:
        picture = picture_tags(subject)
        yield image(picture.SOPClassUID, picture.SOPInstanceUID)
        return
    first, behind = np.searchsorted(index, [mark.interval.start_index, mark.interval.end_index + 1])
    inside = mark.interval.start_index >= 0 and clip.places is not None
    places = clip.places[first:behind].tolist() if inside and clip.places is not None else []
    if clip.is_series:
        for place in _few(places, len(places) > _MAX_IMAGES) or range(len(clip.instances)):
            yield image(*clip.instances[place][:2])
        return
    numbers = [place + 1 for place in places]
    long = len(" ".join(map(str, numbers))) > _MAX_FRAMES_TEXT
    yield image(*clip.instances[0][:2], referenced_frame_numbers=_few(numbers, long) or None)


def _few(places: list[int], too_many: bool) -> list[int]:
    return [places[0], places[-1]] if too_many else places


def _own(sr: Any, code: str, meaning: str) -> Any:
    return sr.CodedConcept(code, _OWN, meaning)


def _organ(sr: Any, organ: str) -> Any:
    """Of SNOMED CT where the name is one of ORGANS, with _ and - for blanks; else a code of our own, by its name."""
    known = ORGANS.get(organ.casefold().replace("_", " ").replace("-", " "))
    if known is not None:
        return sr.CodedConcept(known[0], "SCT", known[1])
    name = for_dicom(organ)
    return sr.CodedConcept(_code_of(name), _OWN, name if len(name) <= _MEANING else f"{name[: _MEANING - 1]}…")


def _code_of(name: str) -> str:
    """16 characters at most."""
    return f"O{hashlib.sha256(name.encode()).hexdigest()[:15].upper()}"
