"""What a file of labels holds, whatever its format, and how its marks become spans."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from seqcls.datasets.label_files import MAX_CELL, MAX_ROWS
from seqcls.datasets.labelled_span import Label, LabelledSpan
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.text.organ_marks import parsed_mark
from seqcls.text.wording import cut
from seqcls.types import MAX_INDEX, MAX_TIME_S

#: Label Studio writes it before the name of a file that was uploaded.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
#: What begins an address: a scheme (two letters at least, "C:/" is a drive), or who may enter which computer.
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:[/\\]|[^/\\@:]*:[^/\\@]*@[^/\\]*[/\\]|[^/\\@:]+@[^/\\@:]+:[^/\\]*[/\\]")
_ESCAPED_FOLDER = re.compile(r"%(?:2f|5c)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """The content of a label file."""

    spans: list[LabelledSpan]
    marks_only: bool = False
    """Whether it lists what is in view, as annotation tools do: then a clip's frames that no mark of an organ covers
    show that organ absent, if the clip has any mark of it."""
    names_clip: bool = True
    """Whether it says which clip it is of; if not, ``file`` of the spans is the label file's own name."""
    complete: frozenset[str] = frozenset()
    """Clips of which ``spans`` tell all the same: a part of each was labelled, the rest was never looked at."""
    frames: Mapping[str, int] = field(default_factory=dict)
    """How many frames a clip has, where that is stated."""
    ends_s: Mapping[str, float] = field(default_factory=dict)
    """When a clip ends, where that is stated."""
    notes: tuple[str, ...] = ()
    """For the user."""


def marked_times(file: str, text: str, start_s: float, end_s: float, where: str) -> LabelledSpan:
    """The span of a mark [start_s, end_s). Raises DataError, which names ``where``."""
    if not 0 <= start_s < end_s <= MAX_TIME_S:  # also for NaN
        what = "is not after its begin" if end_s <= start_s else f"is no time between 0 and {MAX_TIME_S:g} s"
        raise DataError(f"{where}: from {start_s:g} to {end_s:g} s {what}; mend it there and export again")
    organ, state = _mark(text, where)
    return LabelledSpan(_clip_name(file, where), organ, state, start_s, end_s, where=where)


def marked_frames(file: str, text: str, first: int, last: int, where: str) -> LabelledSpan:
    """The span of a mark over frames counted from 0, both inside. Raises DataError, which names ``where``."""
    if not 0 <= first <= last:
        raise DataError(
            f"{where}: frames {cut(first)} to {cut(last)}, counted from 0, are no stretch; mend it and export again"
        )
    if last > MAX_INDEX:
        raise DataError(f"{where}: no clip has a frame {cut(last)}")
    organ, state = _mark(text, where)
    name = _clip_name(file, where)
    return LabelledSpan(name, organ, state, start_index=first, end_index=last, where=where)


def _mark(text: str, where: str) -> tuple[str, Label]:
    if len(text) > MAX_CELL:
        raise DataError(f"{where}: a text has {len(text):,} characters, more than {MAX_CELL:,}; shorten it")
    organ, state = parsed_mark(nfc(text))
    if not organ:
        raise DataError(f"{where}: the label has no text; write the organ's name into it")
    return organ, cast(Label, state)


def _clip_name(file: str, where: str) -> str:
    name = nfc(file).strip()
    if not name or len(name) > MAX_CELL:
        raise DataError(f"{where}: it names no clip of at most {MAX_CELL:,} characters")
    return name


def require_few(count: int, where: str) -> None:
    """Raises DataError for more labels than any file has."""
    if count > MAX_ROWS:
        raise DataError(f"{where}: there are more than {MAX_ROWS:,} labels; divide the file into several")


def clip_of_url(address: str) -> str:
    """The clip that a tool's address or path means, without what its server put around it: of an address of any kind
    the name alone, no folder, user or password."""
    address = address.strip()
    try:
        parts = urlsplit(address)
        path, query = parts.path, parts.query
    except ValueError:  # brackets as of an IPv6 address
        path, query = re.split(r"[?#]", address, maxsplit=1)[0], ""
    last = re.split(r"[/\\]", unquote(path))[-1]
    if path.startswith("/data/local-files"):  # Label Studio: ?d=folder/clip.mp4
        address = "".join(parse_qs(query).get("d", [])[:1])
    elif "/data/upload/" in path:
        address = _UPLOADED.sub("", last)
    elif is_address(address):
        address = unquote(path) if address[:5].lower() == "file:" else last
    elif _ESCAPED_FOLDER.search(address) and leads_out(unquote(address)):
        address = unquote(address)
    return address.removeprefix("./")


def is_address(file: str) -> bool:
    """Whether this is no path, but names a computer or who may enter it."""
    return _ADDRESS.match(file) is not None


def leads_out(file: str) -> bool:
    """Whether a path begins at a root, a drive, a share or a home, or leads upwards."""
    posix = PurePosixPath(file.replace("\\", "/"))
    return posix.is_absolute() or PureWindowsPath(file).is_absolute() or file[:1] == "~" or ".." in posix.parts


def own_name(path: Path) -> str:
    """What a clip is called whose labels lie in a file that names none: as the file, without its suffix."""
    return path.stem


def whole(value: Any, name: str, where: str) -> int:
    """A whole number of JSON. Raises DataError."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{where}: {name!r} is missing or no whole number")
    return value


def number(value: Any, name: str, where: str) -> float:
    """A number of JSON, also one that is written as text. Raises DataError."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{0,15})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > MAX_TIME_S or math.isnan(value):
        raise DataError(f"{where}: {name!r} is missing or no number of seconds")
    return float(value)


def stated_frames(body: Mapping[str, Any]) -> int:
    """How many frames a clip has, 0 where its object of JSON states no number that a clip can have."""
    count = body.get("frames")
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= MAX_INDEX else 0


def entry(body: Any, name: str, kind: type, where: str) -> Any:
    """A field of an object of JSON. Raises DataError unless it is there and of this type."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {name!r} is missing or not of type {kind.__name__}")
    return value
