"""Frames in memory, ready to train on: from an extracted folder, from a folder tree of one's own, or from clips.

Pictures are kept as uint8: 50 MB per 1,000 frames of 224 pixels.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqcls.errors import DataError, OutputError
from seqcls.geometry import Geometry, Region, RegionFinder
from seqcls.labels import ClipLabels
from seqcls.sources import open_source
from seqcls.split import hold_out
from seqcls.types import Frame, SourceReport

FORMAT = 1
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MOST_PIXELS = 100_000_000
#: Pictures of one size looked at to find their ultrasound region.
SAMPLE = 24
FIXED_COLUMNS = ("path", "clip", "patient", "time_s", "split")
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
}
_FOLDER = re.compile(r"^(?P<organ>.+?)[ _-]+(?P<state>present|absent)$", re.IGNORECASE)
_LAYOUT = "DATA/train/<organ> present/*.png and DATA/train/<organ> absent/*.png, or what `seqcls extract` wrote"

Picture = NDArray[np.uint8]
Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSet:
    """N labelled frames and K organs.

    images (N, S, S) uint8; targets (N, K) float32, 1 present, 0 absent, 0 where ``mask`` (N, K) bool says not labelled.
    clip, patient, split (N,) str, split is "train" or "validation"; time_s (N,) float64, NaN where not known.
    geometry: how a clip's frames become such images. hash: of the files and labels. messages: for a person.
    regions: the different ultrasound regions of the clips (``Region.to_dict``).
    """

    images: Picture
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    clip: NDArray[np.str_]
    patient: NDArray[np.str_]
    split: NDArray[np.str_]
    time_s: NDArray[np.float64]
    organs: tuple[str, ...]
    geometry: Geometry
    hash: str = ""
    messages: tuple[str, ...] = ()
    regions: tuple[dict[str, Any], ...] = ()

    def of_organs(self, organs: Sequence[str]) -> FrameSet:
        """The same frames, labelled for these organs only. Raises DataError for one that is not there."""
        missing = [organ for organ in organs if organ not in self.organs]
        if missing:
            raise DataError(f"no label for {missing[0]}: the data know {', '.join(self.organs)}")
        columns = [self.organs.index(organ) for organ in organs]
        return replace(self, organs=tuple(organs), targets=self.targets[:, columns], mask=self.mask[:, columns])


@dataclass(frozen=True, slots=True)
class Row:
    """One frame on disk; ``states`` holds True or False per organ that is labelled."""

    path: Path
    clip: str
    patient: str
    time_s: float
    split: str
    states: tuple[tuple[str, bool], ...]


def load_frames(
    root: str | Path, geometry: Geometry, *, skip_corrupt: bool = False, progress: Advance | None = None
) -> FrameSet:
    """Read a folder that `seqcls extract` wrote, or a tree `train|validation/<organ> present|absent/`.

    ``geometry.size`` is obeyed; its region only for a tree of one's own, whose pictures are searched for the ultrasound
    region size by size. Raises DataError: no such layout, a state without frames, a picture that cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {_LAYOUT}")
    extracted = (root / "frames.csv").is_file()
    rows = _table(root) if extracted else _tree(root)
    organs = tuple(sorted({organ for row in rows for organ, _ in row.states}))
    _require_both_states(rows, organs, root)
    regions: list[dict[str, Any]] = []
    if extracted:
        geometry, regions = _described(root, geometry.size)
    pictures, digests, bad = _read_all(rows, skip_corrupt, progress)
    rows = [row for row, picture in zip(rows, pictures, strict=True) if picture is not None]
    whole = [picture for picture in pictures if picture is not None]
    if not whole:
        raise DataError(f"{root} holds no picture that can be read")
    cropper = Geometry(size=geometry.size, region="none") if extracted else geometry
    if not extracted:
        rows, whole, digests = _merge_same(rows, whole, [d for d in digests if d])
    images, found = _letterboxed(whole, cropper)
    messages = [f"left out {len(bad)} pictures that cannot be read, the first is {bad[0]}"] if bad else []
    digest = _hash(rows, [d for d in digests if d], root)
    return _frame_set(rows, images, organs, geometry, digest, messages, regions if extracted else found)


def frames_from_clips(
    clips: Sequence[tuple[Path, ClipLabels]],
    geometry: Geometry,
    *,
    validation: float | None = None,
    seed: int = 0,
    progress: Advance | None = None,
) -> FrameSet:
    """Read labelled clips straight into memory, split by patient as ``extract`` does. Raises DataError, SourceError."""
    rows: list[Row] = []
    images: list[Picture] = []
    messages: list[str] = []
    regions: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    held, said = hold_out(groups_of(clips), validation, seed)
    messages += [said] if said else []
    for done, (path, labels) in enumerate(clips):
        reading = ClipReading()
        for frame, region, states in labelled_frames(path, labels, geometry, reading):
            image = geometry.apply(frame.image, region)
            digest.update(image.tobytes() + repr(states).encode())
            split = "validation" if labels.patient in held else "train"
            rows.append(Row(path, labels.file, labels.patient, frame.time_s, split, states))
            images.append(image)
        messages += reading.messages(path.name)
        if reading.region is not None:
            regions.append(reading.region.to_dict())
        if progress is not None:
            progress(done + 1, len(clips))
    organs = tuple(sorted({organ for row in rows for organ, _ in row.states}))
    _require_both_states(rows, organs, clips[0][0].parent)
    return _frame_set(rows, np.stack(images), organs, geometry, digest.hexdigest(), messages, regions)


class ClipReading:
    """What one clip came to, filled in while ``labelled_frames`` reads it."""

    def __init__(self) -> None:
        self.region: Region | None = None
        self.report = SourceReport("unknown")
        self.frames = 0
        self.labelled_to = -1

    def messages(self, name: str) -> list[str]:
        """What a person should know."""
        said = []
        if self.report.verdict in ("truncated", "damaged"):
            said.append(f"{name} is {self.report.verdict}: {'; '.join(self.report.reasons)}; the rest is used")
        if self.labelled_to >= self.frames:
            said.append(f"{name} has {self.frames} frames, but is labelled up to frame {self.labelled_to}")
        return said


def labelled_frames(
    path: Path, labels: ClipLabels, geometry: Geometry, reading: ClipReading
) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
    """Frames that are labelled present or absent for an organ, each with the clip's region and its states."""
    reading.labelled_to = labels.last_index()
    with closing(open_source(path)) as source:
        finder, region = RegionFinder(geometry, source.info.region), None
        held: list[Frame] = []
        for item in source:
            if not isinstance(item, Frame):
                continue
            reading.frames += 1
            if held and item.image.shape != held[0].image.shape:
                raise DataError(f"{path.name} changes its picture size at frame {item.index}; cut it there first")
            if region is None:
                region = finder.push(item.image)
                held.append(item)
                if region is None:
                    continue
                ready = held
            else:
                ready = [item]
            yield from _labelled(ready, labels, region)
        if region is None and held:
            region = finder.finish()
            yield from _labelled(held, labels, region)
        reading.region, reading.report = region, source.report()


def groups_of(clips: Sequence[tuple[Path, ClipLabels]]) -> dict[str, set[tuple[str, str]]]:
    """Per patient: which organs are labelled present or absent in any clip."""
    groups: dict[str, set[tuple[str, str]]] = {}
    for _, labels in clips:
        shown = {(span.organ, str(span.state)) for span in labels.spans if span.state != "ignore"}
        groups.setdefault(labels.patient, set()).update(shown)
    return groups


def leakage(frames: FrameSet) -> int:
    """How many validation frames look the same as a training frame (equal 64-bit difference hash of the crop).

    Difference hash: Krawetz 2013; equal hashes of ultrasound frames are one scene, cut twice. Blank frames are not
    counted.
    """
    hashes = np.array([_difference_hash(image) for image in frames.images], np.uint64)
    train = set(hashes[frames.split == "train"].tolist()) - {0}
    return sum(one in train for one in hashes[frames.split == "validation"].tolist())


def _labelled(
    frames: Sequence[Frame], labels: ClipLabels, region: Region
) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
    for frame in frames:
        found = [(organ, labels.state_at(organ, frame.index, frame.time_s)) for organ in labels.organs]
        states = tuple((organ, state == "present") for organ, state in found if state in ("present", "absent"))
        if states and not frame.damaged:
            yield frame, region, states


def _table(root: Path) -> list[Row]:
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


def _tree(root: Path) -> list[Row]:
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
        raise DataError(f"{root} holds no frames in a layout that seqcls knows; expected {_LAYOUT}")
    return rows


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _clip_of(stem: str) -> str:
    """`neck01_000123` and `neck01-frame123` are frames of the clip neck01."""
    return re.sub(r"[ _.-]*(frame|img|image)?[ _.-]*\d+$", "", stem, flags=re.IGNORECASE)


def _require_both_states(rows: Sequence[Row], organs: Sequence[str], where: Path) -> None:
    for organ in organs:
        seen = {state for row in rows for name, state in row.states if name == organ and row.split == "train"}
        for state, word in ((True, "present"), (False, "absent")):
            if state not in seen:
                raise DataError(f"{where}: no training frame shows {organ} {word}; label some, or leave {organ} out")
    if not organs:
        raise DataError(f"{where}: nothing is labelled present or absent")


def _described(root: Path, size: int) -> tuple[Geometry, list[dict[str, Any]]]:
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


def _read_all(
    rows: Sequence[Row], skip_corrupt: bool, progress: Advance | None
) -> tuple[list[Picture | None], list[str], list[str]]:
    """Pictures (None where unreadable), their digests, and the names of the unreadable."""
    pictures: list[Picture | None] = []
    digests, bad = [], []
    with ThreadPoolExecutor(4) as pool:
        for row, (picture, digest) in zip(rows, pool.map(lambda r: _read(r.path), rows), strict=True):
            if picture is None:
                if not skip_corrupt:
                    pool.shutdown(cancel_futures=True)
                    raise DataError(
                        f"{row.path} cannot be read as a picture: replace or remove it, or add --skip-corrupt"
                    )
                bad.append(str(row.path))
            pictures.append(picture)
            digests.append(digest)
            if progress is not None:
                progress(len(pictures), len(rows))
    return pictures, digests, bad


def _read(path: Path) -> tuple[Picture | None, str]:
    try:
        data = path.read_bytes()
        # A small file can unfold to gigabytes: the header is asked before anything is decoded.
        with Image.open(io.BytesIO(data)) as header:
            if header.width * header.height > MOST_PIXELS:
                return None, ""
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning, cv2.error):
        return None, ""
    if picture is None:
        return None, ""
    return np.asarray(picture, np.uint8), hashlib.sha256(data).hexdigest()


def _merge_same(
    rows: list[Row], pictures: list[Picture], digests: list[str]
) -> tuple[list[Row], list[Picture], list[str]]:
    """A picture that lies in several organs' folders of one split, same name and content, is one frame."""
    merged: dict[tuple[str, str, str], int] = {}
    kept: tuple[list[Row], list[Picture], list[str]] = ([], [], [])
    for row, picture, digest in zip(rows, pictures, digests, strict=True):
        key = (row.split, row.path.name, digest)
        at = merged.get(key)
        if at is None:
            merged[key] = len(kept[0])
            for column, value in zip(kept, (row, picture, digest), strict=True):
                column.append(value)  # type: ignore[attr-defined]
            continue
        known = dict(kept[0][at].states)
        for organ, state in row.states:
            if known.get(organ, state) != state:
                raise DataError(f"{row.path} lies in {organ} present and in {organ} absent: remove one")
        kept[0][at] = replace(kept[0][at], states=tuple({**known, **dict(row.states)}.items()))
    return kept


def _letterboxed(pictures: Sequence[Picture], geometry: Geometry) -> tuple[Picture, list[dict[str, Any]]]:
    """(N, S, S), and the regions: one for all pictures of one size, which come from one scanner layout."""
    regions: dict[tuple[int, ...], Region] = {}
    for size in {picture.shape for picture in pictures}:
        same = [picture for picture in pictures if picture.shape == size]
        regions[size] = geometry.find(same[:: max(1, len(same) // SAMPLE)][:SAMPLE])
    images = np.stack([geometry.apply(picture, regions[picture.shape]) for picture in pictures])
    return images, [region.to_dict() for region in regions.values()]


def _frame_set(
    rows: Sequence[Row],
    images: Picture,
    organs: tuple[str, ...],
    geometry: Geometry,
    digest: str,
    messages: Sequence[str],
    regions: Sequence[dict[str, Any]],
) -> FrameSet:
    targets = np.zeros((len(rows), len(organs)), np.float32)
    mask = np.zeros((len(rows), len(organs)), bool)
    for at, row in enumerate(rows):
        for organ, present in row.states:
            targets[at, organs.index(organ)] = present
            mask[at, organs.index(organ)] = True
    return FrameSet(
        images=images,
        targets=targets,
        mask=mask,
        clip=np.array([row.clip for row in rows]),
        patient=np.array([row.patient for row in rows]),
        split=np.array([row.split for row in rows]),
        time_s=np.array([row.time_s for row in rows], np.float64),
        organs=organs,
        geometry=geometry,
        hash=digest,
        messages=tuple(messages),
        regions=tuple({json.dumps(region): region for region in regions}.values()),
    )


def _hash(rows: Sequence[Row], digests: Sequence[str], root: Path) -> str:
    """Of paths, contents and labels, in an order of its own: the same data give the same hash on any machine."""
    lines = sorted(
        f"{row.path.relative_to(root).as_posix()} {digest} {row.split} {sorted(row.states)}"
        for row, digest in zip(rows, digests, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _difference_hash(image: Picture) -> int:
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


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
