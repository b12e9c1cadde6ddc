"""Values of a DICOM header, whatever is wrong with them: pydicom converts a value when asked, and then may raise."""

from __future__ import annotations

import math
from typing import Any

from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import cut

#: Of a value that is read: times of a million frames, or a table of colors ten times over.
MAX_VALUE_BYTES = 2 << 20


def several(header: Any, name: str) -> list[Any]:
    """The values of a field, none where it is missing or cannot be converted."""
    try:
        value = header.get(name) if _is_short(header, name) else None
    except Exception:
        value = _as_written(header, name)
    if value is None:
        return []
    return list(value) if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") else [value]


def _is_short(header: Any, name: str) -> bool:
    """Whether it takes no time to speak of to convert the value; an item of a sequence takes 0.1 ms."""
    item = header.get_item(name) if hasattr(header, "get_item") else None
    value = getattr(item, "value", None)
    return not isinstance(value, bytes) or len(value) <= MAX_VALUE_BYTES


def number(header: Any, name: str) -> float | None:
    """The first value as a finite number; None where there is none."""
    values = numbers(header, name)
    return values[0] if values else None


def numbers(header: Any, name: str) -> list[float | None]:
    """The values, None in the place of those that are no finite numbers. A decimal comma is read as a point."""
    return [_number(value) for value in several(header, name)]


def whole(header: Any, name: str, default: int) -> int:
    value = number(header, name)
    return default if value is None else round(value)


def text(header: Any, name: str) -> str:
    values = several(header, name)
    return str(values[0]).strip("\0 ") if values else ""


def scanner_of(header: Any) -> tuple[tuple[str, str], ...]:
    """For ``SourceInfo.details``: who made the scanner and what it is called; nothing where the file says neither."""
    named = " ".join(part for name in ("Manufacturer", "ManufacturerModelName") if (part := text(header, name)))
    return (("scanner", for_terminal(cut(named))),) if named else ()


def stated_window(header: Any) -> tuple[float, float] | None:
    """The stored values that the window shows as black and as white (PS3.3 C.11.2.1.2.1), undone through the modality's
    slope and intercept; the second is the lower one where the slope is negative. None where no window is stated."""
    center, width = number(header, "WindowCenter"), number(header, "WindowWidth")
    if center is None or width is None or width < 1:
        return None
    slope, intercept = number(header, "RescaleSlope") or 1.0, number(header, "RescaleIntercept") or 0.0
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    return (low - intercept) / slope, (high - intercept) / slope


def _number(value: Any) -> float | None:
    try:
        result = float(str(value).replace(",", ".")) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def _as_written(header: Any, name: str) -> list[str] | None:
    """The text of a field that pydicom refuses, such as a number with a decimal comma."""
    try:
        raw = header.get_item(name).value
        return raw.decode("ascii", "replace").strip("\0 ").split("\\") if isinstance(raw, bytes) else None
    except Exception:  # nothing to be had of it
        return None
