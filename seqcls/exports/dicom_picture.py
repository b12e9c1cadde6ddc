"""timeline.png as a DICOM secondary capture, which every viewer shows; structured reports few do.

Of the clip it holds no pixel: it is drawn from the run alone, whose folder keeps no image.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from numpy.typing import NDArray

import seqcls
from seqcls.exports.timeline_png import write_picture
from seqcls.files.temporaries import temporary_folder
from seqcls.timeline import Timeline

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from seqcls.exports.dicom_objects import Subject

#: Secondary Capture Image Storage.
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.7"
_SERIES_NUMBER = 9801


def write_dicom_picture(timeline: Timeline, path: str | Path, clip: Path | None = None) -> None:
    """``clip``: the DICOM file that was run, whose patient and study it joins. Raises OutputError, and UsageError for
    a clip that the run is not of."""
    from seqcls.exports.dicom_objects import save, subject_of  # it reads DICOM clips, which few runs are of

    subject = subject_of(timeline, clip)
    tags = picture_tags(subject)
    image = _drawn(replace(timeline, thumbnails=()), Path(path).parent)
    tags.Rows, tags.Columns = image.shape[:2]
    tags.SamplesPerPixel, tags.PhotometricInterpretation, tags.PlanarConfiguration = 3, "RGB", 0
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 8, 8, 7, 0
    pixels = image.tobytes()
    tags.PixelData = pixels + bytes(len(pixels) % 2)
    tags["PixelData"].VR = "OB"
    save(tags, path)


def _drawn(timeline: Timeline, folder: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    with temporary_folder(folder) as scratch:
        write_picture(timeline, scratch / "timeline.png")
        with PIL.Image.open(scratch / "timeline.png") as image:
            return np.asarray(image.convert("RGB"), np.uint8)


def picture_tags(subject: Subject) -> Dataset:
    """All but the pixels, and what describes these."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import PYDICOM_ROOT_UID, UID, ExplicitVRLittleEndian

    from seqcls.exports.dicom_objects import now

    tags = Dataset()
    tags.update(subject.tags)
    tags.SOPClassUID, tags.SOPInstanceUID = SOP_CLASS, subject.uid("picture")
    tags.SeriesInstanceUID, tags.SeriesNumber, tags.InstanceNumber = subject.uid("pictures"), _SERIES_NUMBER, 1
    tags.Modality, tags.ConversionType, tags.ImageType = "OT", "SYN", ["DERIVED", "SECONDARY"]
    tags.Manufacturer, tags.ManufacturerModelName, tags.SoftwareVersions = "seqcls", "seqcls", seqcls.__version__
    tags.SeriesDescription, tags.ImageComments = "seqcls timeline (research)", seqcls.DISCLAIMER
    tags.PatientOrientation, tags.Laterality = "", ""  # empty: nobody knows
    tags.BurnedInAnnotation = "YES"  # the clip's name stands in it
    tags.SeriesDate, tags.SeriesTime = tags.ContentDate, tags.ContentTime = now()
    tags.InstanceCreationDate, tags.InstanceCreationTime = tags.ContentDate, tags.ContentTime
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = tags.SOPClassUID, tags.SOPInstanceUID
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(f"{PYDICOM_ROOT_UID}1"), "SEQCLS"
    tags.file_meta, tags.preamble = meta, bytes(128)
    return tags
