"""What kind of file is this? Decided by its first bytes, by its suffix only where they are not known.

FFmpeg's own probing is not used: it takes a play list for a video, and a play list opens other files.
"""

from __future__ import annotations

import re
from pathlib import Path

from seqcls.errors import SourceError, one_line
from seqcls.files.named_files import open_regular
from seqcls.sources.dicom_header import looks_like_dicom
from seqcls.sources.image_pages import holds_several, still_format

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
    "mjpeg": (".mjpg", ".mjpeg"),
    "mpegvideo": (".m1v", ".m2v"),
    "h264": (".h264", ".264"),
    "hevc": (".hevc", ".h265", ".265"),
    "image": (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".btf"),
        *(".pgm", ".ppm", ".pnm", ".pbm", ".webp", ".jp2", ".j2k", ".avif"),
    ),
    "dicom": (".dcm", ".dicom", ".dic", ".ima"),
}
_KINDS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
#: The one list of images that `run`, `inspect` and `train` read.
IMAGE_SUFFIXES = _SUFFIXES["image"]

#: FFmpeg demuxers that may be used; nothing here opens another file.
BARE_STREAMS = frozenset({"mpegvideo", "h264", "hevc", "mjpeg"})
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
    "image": (
        *(b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
        *(b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51"),  # JPEG 2000
    ),
}
#: BMP: the size of the second header, which stands behind two words of zeros; PNM: its number and white space.
_BMP = re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
_PNM = re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s")
_ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".iso"})
#: What file managers leave behind.
_CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".directory", "icon\r"})
_CLUTTER_FOLDERS = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", ".trashes", ".spotlight-v100", ".fseventsd"}
)


def kind_of(path: Path) -> str:
    """FFmpeg demuxer name, "dicom", "image", "stack" (a file of several images), or "" when neither bytes nor suffix
    are known. Reads the head of the file only. Raises SourceError."""
    try:
        with open_regular(path) as stream:
            head = stream.read(HEAD_BYTES)
            kind = _kind(path, head)
            if kind == "gif":  # its first image, or a clip
                return "gif" if holds_several(stream, head) else "image"
            return "stack" if kind == "image" and holds_several(stream, head) else kind
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read ({one_line(error)}); check its permissions") from None


def _kind(path: Path, head: bytes) -> str:
    if looks_like_dicom(head):
        return "dicom"
    for kind, starts in _STARTS.items():
        if head.startswith(starts):
            # Only its name tells a stream of JPEGs from one JPEG.
            return "mjpeg" if head[:2] == b"\xff\xd8" and kind_by_suffix(path) == "mjpeg" else kind
    if head[4:8] in _BOXES:
        return "image" if still_format(head) else "mov"
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WEBP"):
        return "avi" if head[8:12] == b"AVI " else "image"
    for first, step in ((0, 188), (4, 192)):
        marks = head[first::step]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return "mpegts"
    if _BMP.match(head) or _PNM.match(head):
        return "image"
    return kind_by_suffix(path)


def kind_by_suffix(path: Path) -> str:
    """As ``kind_of``, by the name alone; raises nothing."""
    return _KINDS.get(path.suffix.lower(), "")


def is_image(path: Path) -> bool:
    """One image, by its bytes before its name; what cannot be read and files that are hidden are none."""
    try:
        return not path.name.startswith(".") and path.is_file() and kind_of(path) == "image"
    except (SourceError, OSError):
        return False


def is_archive(path: Path) -> bool:
    """By the name alone: what may hold clips once it is unpacked."""
    return path.suffix.lower() in _ARCHIVES


def is_clutter(name: str) -> bool:
    """A file or folder that file managers leave behind and nobody misses."""
    low = name.lower()
    return low in _CLUTTER or low in _CLUTTER_FOLDERS or low.startswith("._")
