"""A DICOM cine written frame by frame: lossless JPEG 2000, and a header that is only known at the end."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import OutputError
from seqcls.files.temporaries import temporary_file

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Image = NDArray[np.uint8]
#: The tags for images of this shape.
Describe = Callable[[tuple[int, ...]], "Dataset"]

_ITEM, _END_OF_SEQUENCE = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_PIXELS = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
#: What a 32-bit offset of the basic offset table reaches; behind it the table stays empty (PS3.5 A.4).
_MAX_OFFSET = 0xFFFFFFFF


class DicomFile:
    """Takes (H, W) gray or (H, W, 3) BGR uint8 images of one size; one that is coloured makes all of them so.

    The images wait, compressed, in a temporary file in ``folder``. To be closed. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self._spool = self._new_spool()
        self._frames: list[tuple[int, bool]] = []  # bytes, whether coloured
        self._shape: tuple[int, ...] = ()

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append an image; its time is a tag."""
        self._frames.append((self._spool.write(_compressed(image)), image.ndim == 3))
        self._shape = image.shape[:2]

    def finish(self, path: Path, describe: Describe) -> None:
        """Write the file. Raises OutputError for an image that DICOM has no room for, OSError."""
        from pydicom import dcmwrite
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import PYDICOM_ROOT_UID, UID, JPEG2000Lossless

        if max(self._shape) > 0xFFFF:
            raise OutputError(f"{path}: an image of {self._shape} is too large for DICOM; add to=mp4")
        color = any(colored for _, colored in self._frames)
        tags = describe((*self._shape, 3) if color else self._shape)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = JPEG2000Lossless
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = tags.SOPClassUID, tags.SOPInstanceUID
        meta.ImplementationClassUID, meta.ImplementationVersionName = UID(f"{PYDICOM_ROOT_UID}1"), "SEQCLS"
        tags.file_meta, tags.preamble = meta, bytes(128)
        header = io.BytesIO()
        dcmwrite(header, tags, enforce_file_format=True, overwrite=True)
        spool = self._in_one_kind() if color else self._spool
        with path.open("wb") as out:
            out.write(header.getvalue() + _PIXELS)
            sizes = [size for size, _ in self._frames]
            offsets = list(itertools.accumulate((size + 8 for size in sizes[:-1]), initial=0))
            table = struct.pack(f"<{len(offsets)}I", *offsets) if offsets[-1] <= _MAX_OFFSET else b""
            out.write(_ITEM + struct.pack("<I", len(table)) + table)
            spool.seek(0)
            for size in sizes:
                out.write(_ITEM + struct.pack("<I", size))
                out.write(spool.read(size))
            out.write(_END_OF_SEQUENCE + bytes(4))

    def close(self) -> None:
        """May be called again."""
        self._files.close()

    def _new_spool(self) -> Any:
        path = self._files.enter_context(temporary_file(self._folder))
        return self._files.enter_context(path.open("rb+"))

    def _in_one_kind(self) -> Any:
        """All images in colour."""
        import PIL.Image

        spool = self._new_spool()
        self._spool.seek(0)
        for number, (size, colored) in enumerate(self._frames):
            data = self._spool.read(size)
            if not colored:
                with PIL.Image.open(io.BytesIO(data)) as gray:
                    data = _compressed(np.repeat(np.asarray(gray)[..., None], 3, axis=2))
            self._frames[number] = spool.write(data), True
        return spool


def _compressed(image: Image) -> bytes:
    """One JPEG 2000 code stream without loss, of even length; of BGR with the reversible colour transform."""
    import PIL.Image

    stream, color = io.BytesIO(), image.ndim == 3
    # Fewer resolutions where the image is too small for five halvings.
    halvings = max(0, min(5, min(image.shape[:2]).bit_length() - 1))
    PIL.Image.fromarray(np.ascontiguousarray(image[..., ::-1]) if color else image).save(
        stream, "JPEG2000", irreversible=False, no_jp2=True, mct=int(color), num_resolutions=halvings + 1
    )
    return stream.getvalue() + b"\0" * (len(stream.getvalue()) % 2)
