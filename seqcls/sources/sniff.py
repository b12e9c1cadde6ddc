"""What kind of file is this? Decided by its first bytes, by its suffix only where they say nothing.

FFmpeg's own probing is not used: it takes a play list for a video, and a play list opens other files.
"""

from __future__ import annotations

from pathlib import Path

#: Bytes needed to tell: DICOM's mark stands at 128, a transport stream repeats its mark every 188 or 192 bytes.
HEAD_BYTES = 1024

#: Suffix -> FFmpeg demuxer (the kind of the file).
VIDEO_SUFFIXES: dict[str, str] = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".qt": "mov",
    ".3gp": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
    ".mpg": "mpeg",
    ".mpeg": "mpeg",
    ".vob": "mpeg",
    ".m2p": "mpeg",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".gif": "gif",
    ".wmv": "asf",
    ".asf": "asf",
}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp")
DICOM_SUFFIXES = (".dcm", ".dicom")

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid", b"moof", b"sidx"})
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"\x00\x00\x00\x01\x67", "h264"),
    (b"\x00\x00\x00\x01\x27", "h264"),
    (b"\x00\x00\x00\x01\x09", "h264"),
    (b"\x00\x00\x00\x01\x40\x01", "hevc"),
    (b"\x00\x00\x00\x01\x46\x01", "hevc"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
)


def kind_of(path: Path) -> str:
    """FFmpeg demuxer name, "dicom", "image", or "" when neither bytes nor suffix are known. Raises OSError."""
    return kind_by_bytes(path) or _kind_by_suffix(path)


def kind_by_bytes(path: Path) -> str:
    """As ``kind_of``, trusting only the bytes."""
    with path.open("rb") as stream:
        return _kind_by_bytes(stream.read(HEAD_BYTES))


def _kind_by_bytes(head: bytes) -> str:
    if head[128:132] == b"DICM":
        return "dicom"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[4:8] in _BOXES:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    for first, step in ((0, 188), (4, 192)):
        marks = head[first::step]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return "mpegts"
    return ""


def _kind_by_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in DICOM_SUFFIXES:
        return "dicom"
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return VIDEO_SUFFIXES.get(suffix, "")
