"""What a DICOM object of a timeline says of itself: which patient and study, its identifiers, who made it.

With the DICOM clip at hand, the object joins the clip's patient and study; a run does not keep these. Without it, it
has a study of its own and names nobody. Identifiers are drawn from what the timeline holds: the same export again gives
the same object, so that an archive does not keep it twice.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import seqcls
from seqcls.errors import OutputError, SeqclsError, UsageError, one_line
from seqcls.files import atomic_path
from seqcls.files.json_text import json_line
from seqcls.files.named_files import open_regular
from seqcls.sources.dicom_fields import text, whole
from seqcls.sources.dicom_header import looks_like_dicom, read_header
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
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Whose timeline it is."""

    tags: Dataset
    """Patient and study, in UTF-8."""
    seed: str
    """From which identifiers are drawn."""
    clip: tuple[str, str, str] | None = None
    """SOP class, SOP instance and series of the clip."""

    def uid(self, kind: str) -> str:
        """An identifier of its own for each kind of object (PS3.5 B.2)."""
        digest = hashlib.sha256(f"{kind}\0{self.seed}".encode()).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def subject_of(timeline: Timeline, clip: Path | None) -> Subject:
    """The clip's patient and study, where it is DICOM, else nobody and a study for this timeline alone.

    Raises UsageError for a DICOM clip that the run is not of, and one that lacks the identifiers of DICOM.
    """
    library("pydicom")  # the first of all its imports
    from pydicom.dataset import Dataset

    tags = Dataset()
    tags.SpecificCharacterSet = "ISO_IR 192"
    content = (asdict(timeline.source), timeline.organs, [asdict(i) for i in timeline.intervals], timeline.notes)
    seed = json_line([seqcls.__version__, *content])
    header = None if clip is None else _header(clip)
    if header is None:
        for name in (*_PATIENT, *_STUDY):
            setattr(tags, name, "")
        own = Subject(tags, seed)
        tags.StudyInstanceUID = own.uid("study")
        return own
    identifiers = {name: text(header, name) for name in _IDENTIFIERS}
    if missing := [name for name, uid in identifiers.items() if not uid]:
        raise UsageError(f"{clip} lacks {missing[0]}, without which nothing can refer to it; leave --clip out")
    _require_same_clip(timeline, header, clip)
    for name in (*_PATIENT, *_STUDY):
        setattr(tags, name, _stated(header, name))
    for name in _MORE:
        if stated := _stated(header, name):
            setattr(tags, name, stated)
    sop_class, instance, series, tags.StudyInstanceUID = identifiers.values()
    return Subject(tags, json.dumps([seed, instance]), (sop_class, instance, series))


def _header(clip: Path) -> Any:
    """The pydicom data set without the pixels; None of what is no DICOM."""
    try:
        with open_regular(clip) as stream:
            if not looks_like_dicom(stream.read(_HEAD_BYTES)):
                return None
        return read_header(clip).data
    except SeqclsError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged element leads to
        raise UsageError(
            f"{clip} cannot be read ({one_line(error)}); leave --clip out, or name another file"
        ) from error


def _stated(header: Any, name: str) -> str:
    """Whatever the clip's character set is; empty where it cannot be read. A name is one text with signs inside."""
    if not name.endswith("Name"):
        return text(header, name)
    try:
        return str(header.get(name) or "")
    except Exception:
        return ""


def _require_same_clip(timeline: Timeline, header: Any, clip: Path | None) -> None:
    if timeline.source.kind != "dicom":
        raise UsageError(f"the run is of no DICOM clip, and {clip} is one; leave --clip out, or name what was run")
    count, last = whole(header, "NumberOfFrames", 1), int(timeline.scores.index.max(initial=-1))
    if last >= count:
        raise UsageError(
            f"{clip} is another clip than that of the run: it has {count_of(count, 'frame')}, and the run saw frame"
            f" {last + 1}; name what was run"
        )


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
