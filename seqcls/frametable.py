"""Frames on disk: what `extract` wrote (frames.csv, dataset.json), or a tree of folders of one's own."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcls.errors import DataError, OutputError
from seqcls.geometry import Geometry

FORMAT = 1
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
FIXED_COLUMNS = ("path", "clip", "patient", "time_s", "split")
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
}
_FOLDER = re.compile(r"^(?P<organ>.+?)[ _-]+(?P<state>present|absent)$", re.IGNORECASE)
LAYOUT = "DATA/train/<organ> present/*.png and DATA/train/<organ> absent/*.png, or what `seqcls extract` wrote"


@dataclass(frozen=True, slots=True)
class Row:
    """One frame on disk; ``states`` holds True or False per organ that is labelled."""

    path: Path
    clip: str
    patient: str
    time_s: float
    split: str
    states: tuple[tuple[str, bool], ...]


def read_table(root: Path) -> list[Row]:
    """frames.csv, as extract writes it."""
    path = root / "frames.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        names = list(reader.fieldnames or ())
        missing = [name for name in FIXED_COLUMNS if name not in names]
        if missing:
            raise DataError(f"{path} lacks the column {missing[0]}; extract the clips again")
        organs = [name for name in names if name not in FIXED_COLUMNS]
        rows = []
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            wrong = [organ for organ in organs if cells[organ] not in ("0", "1", "")]
            if wrong:
                raise DataError(f"{where}: {wrong[0]} is {cells[wrong[0]]!r}, not 1, 0 or empty")
            split = _SPLITS.get(cells["split"])
            if split is None:
                raise DataError(f"{where}: split is {cells['split']!r}, not train or validation")
            relative = Path(cells["path"])
            if relative.is_absolute() or ".." in relative.parts:
                raise DataError(f"{where}: {cells['path']} leads out of the folder")
            states = tuple((organ, cells[organ] == "1") for organ in organs if cells[organ])
            time_s = float(cells["time_s"]) if cells["time_s"] else float("nan")
            rows.append(Row(root / relative, cells["clip"], cells["patient"], time_s, split, states))
    if not rows:
        raise DataError(f"{path} holds no frame; extract the clips again")
    return rows


def read_tree(root: Path) -> list[Row]:
    """A tree of folders: the split, then `<organ> present` or `<organ> absent`; without a split all is for training."""
    tops = [(folder, _SPLITS[folder.name.lower()]) for folder in _folders(root) if folder.name.lower() in _SPLITS]
    rows = []
    for top, split in tops if tops else [(root, "train")]:
        for folder in _folders(top):
            match = _FOLDER.match(folder.name)
            if match is None:
                continue
            organ = re.sub(r"[_\s-]+", " ", match["organ"]).strip().lower()
            present = match["state"].lower() == "present"
            files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
            if not files:
                raise DataError(f"{folder} holds no picture ({', '.join(SUFFIXES)}): every organ needs both states")
            for path in files:
                clip = _clip_of(path.stem) or f"{split}/{folder.name}"
                rows.append(Row(path, clip, clip, float("nan"), split, ((organ, present),)))
    if not rows:
        raise DataError(f"{root} holds no frames in a layout that seqcls knows; expected {LAYOUT}")
    return rows


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _clip_of(stem: str) -> str:
    """`neck01_000123` and `neck01-frame123` are frames of the clip neck01."""
    return re.sub(r"[ _.-]*(frame|img|image)?[ _.-]*\d+$", "", stem, flags=re.IGNORECASE)


def read_description(root: Path, size: int) -> tuple[Geometry, list[dict[str, Any]]]:
    """The geometry and the clips' regions that extract wrote down."""
    path = root / "dataset.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        regions = [clip["region"] for clip in body["clips"] if clip["region"] is not None]
        return Geometry.from_dict({**body["geometry"], "size": size}), regions
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing beside frames.csv; extract the clips again") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); extract the clips again") from error


def refuse_to_overwrite(folder: Path, overwrite: bool) -> None:
    """Raise OutputError unless the folder is free, or holds frames of ours that may be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "dataset.json").is_file():
        raise OutputError(f"{folder} holds something else than extracted frames: choose another folder with -o")
    if not overwrite:
        raise OutputError(f"{folder} already holds extracted frames: add --overwrite, or choose another with -o")


def describe(geometry: Geometry, organs: Sequence[str], digest: str, clips: Sequence[dict[str, Any]]) -> str:
    """dataset.json."""
    body = {
        "format": FORMAT,
        "geometry": geometry.to_dict(),
        "organs": list(organs),
        "hash": digest,
        "clips": list(clips),
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"
