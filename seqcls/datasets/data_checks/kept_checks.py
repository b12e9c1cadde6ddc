"""What the checks found, kept beside the cached frames: of the very same frames and options it would be the same again.

    DATA/.seqcls-cache/checks-0123456789abcdef.json

The number stands for all that the checks look at: the hash of files and labels, all columns of the set, what was seen
of each frame, options, and the versions of what computes. A file that is damaged is named, and all is checked anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seqcls import __version__
from seqcls.datasets.data_checks import DataCheck, without
from seqcls.datasets.data_checks.balance import Balance, Part
from seqcls.datasets.data_checks.finding import Finding
from seqcls.datasets.data_checks.odd_frames import SetAside
from seqcls.datasets.frame_set import FrameSet
from seqcls.errors import OutputError, one_line
from seqcls.files import write_text
from seqcls.files.json_record import record_from
from seqcls.files.json_text import json_line, parse_json, read_json

#: To be raised where the checks find something else than before, or the file is laid out anew.
FORMAT = 2
#: The newest that stay, such as those with other options.
KEPT = 4


class KeptChecks:
    """Of ``frames``, checked with these ``options``, in this folder. messages: for the user."""

    def __init__(self, folder: Path, frames: FrameSet, options: Mapping[str, Any]) -> None:
        self.messages: list[str] = []
        self._frames = frames
        self._key = hashlib.sha256(
            json_line({"format": FORMAT, "frames": _digest(frames), **options}).encode()
        ).hexdigest()
        self._path = folder / f"checks-{self._key[:16]}.json"

    def read(self) -> DataCheck | None:
        """What was found the last time, None where that is not known; ``messages`` say what is damaged."""
        if not self._path.is_file():
            return None
        try:
            whole = read_json(self._path)
            body = whole["found"]
            if whole["key"] != self._key or whole["digest"] != _text_digest(body):
                raise ValueError("it is not what was written")
            return _check_of(self._frames, body)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.messages.append(f"{self._path} is damaged ({one_line(error)}): the checks are done anew")
            return None

    def keep(self, check: DataCheck) -> None:
        """Write down what was found. Where that fails, or there is too much of it, nothing is kept."""
        independent = [
            [organ, *(None if math.isnan(value) else value for value in values)] for organ, *values in check.independent
        ]
        body = {
            "set_aside": [asdict(one) for one in check.set_aside],
            "findings": [asdict(one) for one in check.findings],
            "balance": [asdict(one) for one in check.balance],
            "parts": [asdict(one) for one in check.parts],
            "independent": independent,
            "site_from": check.site_from,
            "leaked": check.leaked,
        }
        text = json_line({"key": self._key, "digest": _text_digest(body), "found": body})
        try:
            _check_of(self._frames, parse_json(text)["found"])
            write_text(self._path, text + "\n")
        except (OutputError, ValueError) as error:
            self.messages.append(f"what the checks found is not kept: {error}")
            return
        files = sorted(self._path.parent.glob("checks-*.json"), key=lambda path: path.stat().st_mtime_ns)
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)


def versions(*libraries: str) -> dict[str, str]:
    """Of seqcls and of what the checks compute with; ``libraries``: those that embed."""
    names = ("numpy", "scikit-learn", *libraries)
    return {"seqcls": __version__, "cv2": cv2.__version__, **{name: version(name) for name in names}}


def _check_of(frames: FrameSet, body: Mapping[str, Any]) -> DataCheck:
    """Raises ValueError, KeyError."""
    aside = record_from(tuple[SetAside, ...], body["set_aside"], "set_aside")
    independent = record_from(
        tuple[tuple[str, float | None, float | None, float | None], ...], body["independent"], "independent"
    )
    left, kept = without(frames, aside)
    return DataCheck(
        frames=left,
        whole=frames,
        set_aside=aside,
        findings=record_from(tuple[Finding, ...], body["findings"], "findings"),
        balance=record_from(tuple[Balance, ...], body["balance"], "balance"),
        parts=record_from(tuple[Part, ...], body["parts"], "parts"),
        independent=tuple((organ, _or_nan(a), _or_nan(b), _or_nan(c)) for organ, a, b, c in independent),
        site_from=record_from(str, body["site_from"], "site_from"),
        leaked=record_from(int, body["leaked"], "leaked"),
        kept=kept,
        features=None,
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _digest(frames: FrameSet) -> str:
    """Of all that the checks look at. What images show follows from ``hash``, geometry and regions."""
    about = [frames.hash, frames.organs, frames.geometry.to_dict(), [asdict(region) for region in frames.regions]]
    columns = ["targets", "mask", "clip", "patient", "split", "time_s", "scanner", "site"]
    arrays = {name: getattr(frames, name) for name in columns}
    if frames.facts is not None:
        about += [frames.facts.clips, frames.facts.unreadable]
        arrays |= {
            name: getattr(frames.facts, name) for name in ("name", "width", "height", "colour", "ultrasound", "found")
        }
    digest = hashlib.blake2b(json_line([about, list(frames.images.shape)]).encode())
    for name, array in arrays.items():
        digest.update(f"\0{name} ".encode())
        if array is not None:
            digest.update(f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _text_digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_line(body).encode()).hexdigest()
