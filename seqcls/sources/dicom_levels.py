"""From stored samples to 0..255: windows, the range in use, and palettes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.dicom_evidence import PixelReading
from seqcls.sources.dicom_fields import number, numbers, stated_window
from seqcls.sources.levels import Levels
from seqcls.text.wording import count_of

#: A window that shows fewer levels than these of every frame is not meant for the values.
_SHOWN = 6
#: A stored value has 16 bits.
MAX_ENTRIES = 1 << 16
_COLORS = ("Red", "Green", "Blue")


@dataclass(frozen=True, slots=True)
class StoredLevels(Levels):
    """How the levels were found."""

    origin: str
    notes: tuple[str, ...] = ()


def levels_of(header: Any, reading: PixelReading, frames: Iterable[NDArray[Any]]) -> StoredLevels | None:
    """None where samples are levels as they stand. ``frames`` are looked at where the header states no window."""
    if reading.meaning == "palette" or (reading.bits == 8 and not reading.signed and reading.stored == 8):
        return None
    top = float(2**reading.stored - 1)
    if reading.samples == 3 or reading.bits == 1:
        return None if reading.stored == 8 else StoredLevels(0.0, top, "all stored bits")
    if reading.bits == 8 and not reading.signed:
        return StoredLevels(0.0, top, "all stored bits")
    window, frames = _window(header) if reading.bits > 8 else None, iter(frames)
    notes: tuple[str, ...] = ()
    if window is not None:
        looked: list[NDArray[Any]] = []
        for frame in frames:
            looked.append(frame)
            if np.ptp(window.apply(frame)) >= _SHOWN:
                return window
        if not any(np.ptp(frame) for frame in looked):
            return window
        frames = iter(looked)
        notes = (f"the {window.origin} shows nothing of the values: their range is used instead",)
    seen = [(float(frame.min()), float(frame.max())) for frame in frames]
    if not seen:
        return StoredLevels(0.0, top, "all stored bits")
    low, high = min(low for low, _ in seen), max(high for _, high in seen)
    if reading.bits == 8 and low < 0:
        return StoredLevels(-(top + 1) / 2, (top - 1) / 2, "all stored bits")
    return StoredLevels(low, high, f"least to greatest of {count_of(len(seen), 'frame')}, {low:g} to {high:g}", notes)


def _window(header: Any) -> StoredLevels | None:
    window = stated_window(header)
    if window is None:
        return None
    return StoredLevels(*window, f"window {number(header, 'WindowCenter'):g}/{number(header, 'WindowWidth'):g}")


@dataclass(frozen=True, slots=True)
class Palette:
    """(N, 3) uint8 RGB; the first entry belongs to the stored value ``first``."""

    entries: NDArray[np.uint8]
    first: int
    notes: tuple[str, ...] = ()

    def apply(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        places = samples.astype(np.int64) - self.first
        return np.asarray(self.entries[np.clip(places, 0, len(self.entries) - 1)])


def palette_of(header: Any, *, little: bool, name: str) -> Palette:
    """The palette in the header (PS3.3 C.7.6.3.1.5). Raises SourceError where there is none that can be used."""
    descriptors = [numbers(header, f"{color}PaletteColorLookupTableDescriptor") for color in _COLORS]
    tables = [_table(header, f"{color}PaletteColorLookupTableData") for color in _COLORS]
    first = next((int(values[1]) for values in descriptors if len(values) > 1 and values[1] is not None), 0)
    count = max((int(values[0] or 65536) for values in descriptors if values), default=0)
    if abs(first) >= MAX_ENTRIES or count > MAX_ENTRIES:
        raise SourceError(f"{name}: states a palette of {count:,} colors from {first:,} on, more than 16 bits can name")
    if all(tables):
        columns = [_entries(bytes(table), count, little) for table in tables]
        length = min(map(len, columns))
        values = np.stack([column[:length] for column in columns], -1)
    elif count and all(packed := [_table(header, f"Segmented{color}PaletteColorLookupTableData") for color in _COLORS]):
        if max(_unpacked(table, little) for table in packed) > MAX_ENTRIES:
            raise SourceError(f"{name}: its palette unpacks to more than {MAX_ENTRIES:,} colors; export it again")
        from pydicom.pixels.processing import apply_color_lut

        values = apply_color_lut(np.arange(first, first + count, dtype=np.uint16), header)
    else:
        raise SourceError(f"{name}: says PALETTE COLOR but holds no palette; export it again as RGB or MONOCHROME2")
    bits = max((int(v[2]) for v in descriptors if len(v) > 2 and v[2] is not None), default=16)
    if bits > 8 and values.max(initial=0) > 255:
        return Palette((values >> 8).astype(np.uint8), first)
    note = ("the palette says 16 bits, but its values have 8: read as that",) if bits > 8 and values.any() else ()
    return Palette(values.astype(np.uint8), first, note)


def _table(header: Any, field: str) -> bytes:
    """The bytes of a palette, none where it is missing or longer than one can be."""
    value = header.get(field)
    return value if isinstance(value, bytes) and len(value) <= 2 * MAX_ENTRIES + 16 else b""


def _unpacked(table: bytes, little: bool) -> int:
    """To how many entries a segmented palette unpacks, at least: counted before, a table of 24 KB may hold 10^9.

    PS3.3 C.7.9.2: discrete segments (0) hold their entries, linear ones (1) the last, indirect ones (2) repeat others.
    """
    words, place, count = np.frombuffer(table[: len(table) // 2 * 2], "<u2" if little else ">u2").tolist(), 0, 0
    longest = 0
    while place + 2 < len(words):
        kind, length = words[place : place + 2]
        of_segment = length * longest if kind == 2 else length
        longest = max(longest, 0 if kind == 2 else length)
        count += of_segment
        place += {0: 2 + length, 1: 3}.get(kind, 4)
    return count


def _entries(table: bytes, count: int, little: bool) -> NDArray[np.uint16]:
    """(N,): words of 16 bits, or single bytes where the table is too short for that."""
    if len(table) < 2 * count:
        return np.frombuffer(table, np.uint8).astype(np.uint16)
    return np.frombuffer(table[: len(table) // 2 * 2], "<u2" if little else ">u2").astype(np.uint16)[:count]
