"""What kind of file is this? Decided by its first bytes, by its suffix only where they are not known.

FFmpeg's own probing is not used: it takes a play list for a video, and a play list opens other files.
"""

from __future__ import annotations

from pathlib import Path

from seqcls.errors import SourceError, one_line
from seqcls.sources.dicom_header import looks_like_dicom

#: Bytes needed to decide: DICOM's mark stands at 128, a transport stream repeats its mark every 188 or 192 bytes.
HEAD_BYTES = 1024

#: The kind of a file, which for a video is the name of its FFmpeg demuxer -> suffixes.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "mov": (".mp4", ".m4v", ".mov", ".qt", ".3gp"),
    "matroska": (".mkv", ".webm"),
    "avi": (".avi",),
    "mpeg": (".mpg", ".mpeg", ".vob", ".m2p"),
    "mpegts": (".ts", ".m2ts", ".mts"),
    "gif": (".gif",),
    "asf": (".wmv", ".asf"),
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp"),
    "dicom": (".dcm", ".dicom"),
}
_KINDS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}

#: FFmpeg demuxers that may be used; nothing here opens another file.
BARE_STREAMS = frozenset({"mpegvideo", "h264", "hevc"})
DEMUXERS = (_SUFFIXES.keys() - {"image", "dicom"}) | BARE_STREAMS

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid", b"moof", b"sidx"})
_STARTS: dict[str, tuple[bytes, ...]] = {
    "matroska": (b"\x1a\x45\xdf\xa3",),
    "mpeg": (b"\x00\x00\x01\xba",),
    "mpegvideo": (b"\x00\x00\x01\xb3",),
    "h264": (b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x27", b"\x00\x00\x00\x01\x09"),
    "hevc": (b"\x00\x00\x00\x01\x40\x01", b"\x00\x00\x00\x01\x46\x01"),
    "gif": (b"GIF87a", b"GIF89a"),
    "asf": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",),
    "image": (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*"),
}


def kind_of(path: Path) -> str:
    """FFmpeg demuxer name, "dicom", "image", or "" when neither bytes nor suffix are known. Raises SourceError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({one_line(error)}); check its permissions") from None
    if looks_like_dicom(head):
        return "dicom"
    for kind, starts in _STARTS.items():
        if head.startswith(starts):
            return kind
    if head[4:8] in _BOXES:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    for first, step in ((0, 188), (4, 192)):
        marks = head[first::step]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return "mpegts"
    return kind_by_suffix(path)


def kind_by_suffix(path: Path) -> str:
    """As ``kind_of``, by the name alone; raises nothing."""
    return _KINDS.get(path.suffix.lower(), "")
