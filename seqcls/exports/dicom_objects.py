"""What identifies a DICOM object of a timeline: its patient and study, its identifiers, and who made it.

With the DICOM clip at hand, the object joins the clip's patient and study; a run does not keep these. Without it, it
has a study of its own and names nobody. Identifiers are drawn from what the timeline holds: the same export again gives
the same object, so that an archive does not keep it twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.errors import OutputError, UsageError, one_line
from seqcls.files import atomic_path
from seqcls.files.json_text import json_line
from seqcls.rendering.same_clip import is_same_file
from seqcls.sources import open_source
from seqcls.sources.dicom import DicomSource
from seqcls.sources.dicom_fields import several, text
from seqcls.sources.dicom_header import read_header
from seqcls.sources.dicom_series import DicomSeries
from seqcls.text.wording import count_of
from seqcls.third_party import library
from seqcls.timeline import Timeline

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Of the modules Patient, General Study and Patient Study, those that tell whose study it is; type 2: empty if unknown.
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
_MORE = ("IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription")
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
#: What a value looks like (PS3.5 6.2), where a wrong one would make the object invalid.
_FORMS = {
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
    "AS": re.compile(r"\d{3}[DWMY]"),
    "DS": re.compile(r"[-+]?\d{1,8}(\.\d{1,6})?"),
    "PatientSex": re.compile("[MFO]"),
}
#: Times of a run and of its clip differ by less.
_SAME_S = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrames:
    """Where the run's frames lie in the DICOM clip."""

    instances: tuple[tuple[str, str, str], ...]
    """SOP class, SOP instance and series of the one file, or of each file of a series of one image each."""
    places: NDArray[np.int64] | None
    """(T,) of each row of the run's scores, from 0, frames that were lost counted; None where nobody knows."""

    @property
    def is_series(self) -> bool:
        return len(self.instances) > 1


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Whose timeline it is."""

    tags: Dataset
    """Patient and study, in UTF-8."""
    seed: str
    """From which identifiers are drawn."""
    clip: ClipFrames | None = None

    def uid(self, kind: str) -> str:
        """An identifier of its own for each kind of object (PS3.5 B.2)."""
        digest = hashlib.sha256(f"{kind}\0{self.seed}".encode()).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def subject_of(timeline: Timeline, clip: Path | None) -> Subject:
    """The clip's patient and study, where it is DICOM (a file, or the folder of a series), else nobody and a study for
    this timeline alone.

    Raises SourceError for a clip that cannot be opened, UsageError for a DICOM clip that the run is not of, and for one
    that lacks the identifiers of DICOM.
    """
    library("pydicom")  # the first of all its imports
    from pydicom.dataset import Dataset

    tags = Dataset()
    tags.SpecificCharacterSet = "ISO_IR 192"
    content = (asdict(timeline.source), timeline.organs, [asdict(i) for i in timeline.intervals], timeline.notes)
    seed = json_line([seqcls.__version__, *content])
    paths, places = ((), None) if clip is None else _dicom_files(timeline, clip)
    if not paths:
        for name in (*_PATIENT, *_STUDY):
            setattr(tags, name, "")
        own = Subject(tags, seed)
        tags.StudyInstanceUID = own.uid("study")
        return own
    headers = [read_header(path).data for path in paths]
    instances = tuple(_identifiers(header, path) for header, path in zip(headers, paths, strict=True))
    for name in (*_PATIENT, *_STUDY):
        setattr(tags, name, _stated(headers[0], name))
    for name in _MORE:
        if stated := _stated(headers[0], name):
            setattr(tags, name, stated)
    tags.StudyInstanceUID = text(headers[0], "StudyInstanceUID")
    return Subject(tags, json.dumps([seed, instances[0]]), ClipFrames(instances, places))


def _dicom_files(timeline: Timeline, clip: Path) -> tuple[tuple[Path, ...], NDArray[np.int64] | None]:
    """The files of the clip, none where it is no DICOM, and where in it the run's frames lie."""
    rate_hz = timeline.source.rate_hz
    with open_source(clip, rate_hz=rate_hz if rate_hz is not None and rate_hz > 0 else None) as source:
        if source.info.kind != "dicom":
            return (), None
        if timeline.source.kind != "dicom":
            raise UsageError(f"the run is of no DICOM clip, and {clip} is one; leave --clip out, or name what was run")
        if is_same_file(timeline, clip) is False:
            raise UsageError(
                f"{clip} is another file than that of the run, perhaps another patient's; name what was run"
            )
        places: NDArray[np.int64] | None
        if isinstance(source, (DicomSource, DicomSeries)):
            places = _places(timeline, source.starts_s, clip)
        else:  # a video inside: its frames are counted as they come, and which one was lost is not known
            places = None if timeline.report.gaps else timeline.scores.index
        return source.paths if isinstance(source, DicomSeries) else (clip,), places


def _places(timeline: Timeline, starts_s: Sequence[float], clip: Path) -> NDArray[np.int64]:
    """By time: a frame that was lost has no index."""
    time_s = timeline.scores.time_s
    places = np.searchsorted(np.asarray(starts_s), time_s - _SAME_S)
    beside = (places >= len(starts_s)) | (np.append(starts_s, np.inf)[places] > time_s + _SAME_S)
    if beside.any():
        row = int(np.argmax(beside))
        raise UsageError(
            f"{clip} is another clip than that of the run: it has {count_of(len(starts_s), 'frame')}, none of them at"
            f" {time_s[row]:.3f} s as frame {row + 1} of the run; name what was run"
        )
    return np.asarray(places, np.int64)


def _identifiers(header: Any, path: Path) -> tuple[str, str, str]:
    found = {name: text(header, name) for name in _IDENTIFIERS}
    if missing := [name for name, uid in found.items() if not uid]:
        raise UsageError(f"{path} lacks {missing[0]}, without which nothing can refer to it; leave --clip out")
    return found["SOPClassUID"], found["SOPInstanceUID"], found["SeriesInstanceUID"]


def _stated(header: Any, name: str) -> str:
    """Whatever the clip's character set is; empty where it cannot be read, or is no date, time, sex, age or number.

    Names and numbers of patients stay even where the standard forbids them: an archive knows its patient by these.
    """
    from pydicom.datadict import dictionary_VR

    kind = dictionary_VR(name)
    # A name is one text, of which pydicom gives the letters one by one; several names are a list.
    values = several(header, name) if kind != "PN" else _names(header, name)
    stated = str(values[0]).strip("\0 ") if values else ""
    form = _FORMS.get(kind if name != "PatientSex" else name)
    return stated if form is None or (form.fullmatch(stated) and _is_day(stated, kind)) else ""


def _names(header: Any, name: str) -> list[Any]:
    try:
        value = header.get(name)
    except Exception:  # of a character set that Python does not know
        return []
    if value is None:
        return []
    return [value] if hasattr(value, "original_string") or isinstance(value, str) else list(value)


def _is_day(stated: str, kind: str) -> bool:
    if kind != "DA":
        return True
    try:
        date(int(stated[:4]), int(stated[4:6]), int(stated[6:8]))
    except ValueError:
        return False
    return True


def save(tags: Dataset, path: str | Path) -> None:
    """Write the object. Raises OutputError."""
    from pydicom import dcmwrite

    with atomic_path(path) as temporary:
        try:
            dcmwrite(temporary, tags, enforce_file_format=True, overwrite=True)
        except (ValueError, TypeError, AttributeError) as error:
            raise OutputError(f"{path} cannot be written as DICOM: {one_line(error)}; leave --clip out") from error


def now() -> tuple[str, str]:
    """Date and time as DICOM writes them."""
    moment = datetime.now().astimezone()
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
