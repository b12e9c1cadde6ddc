"""Frames in memory, ready to train on: from an extracted folder, from a folder tree of one's own, or from clips.

Pictures are kept as uint8: 50 MB per 1,000 frames of 224 pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqcls.clipframes import ClipReading, groups_of, labelled_frames
from seqcls.errors import DataError
from seqcls.frametable import LAYOUT, Row, read_description, read_table, read_tree
from seqcls.geometry import Geometry, Region
from seqcls.labels import ClipLabels
from seqcls.split import hold_out

MOST_PIXELS = 100_000_000
#: Pictures of one size looked at to find their ultrasound region.
SAMPLE = 24

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


def load_frames(
    root: str | Path, geometry: Geometry, *, skip_corrupt: bool = False, progress: Advance | None = None
) -> FrameSet:
    """Read a folder that `seqcls extract` wrote, or a tree `train|validation/<organ> present|absent/`.

    ``geometry.size`` is obeyed; its region only for a tree of one's own, whose pictures are searched for the ultrasound
    region size by size. Raises DataError: no such layout, a state without frames, a picture that cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {LAYOUT}")
    extracted = (root / "frames.csv").is_file()
    rows = read_table(root) if extracted else read_tree(root)
    organs = tuple(sorted({organ for row in rows for organ, _ in row.states}))
    _require_both_states(rows, organs, root)
    regions: list[dict[str, Any]] = []
    if extracted:
        geometry, regions = read_description(root, geometry.size)
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


def leakage(frames: FrameSet) -> int:
    """How many validation frames look the same as a training frame (equal 64-bit difference hash of the crop).

    Difference hash: Krawetz 2013; equal hashes of ultrasound frames are one scene, cut twice. Blank frames are not
    counted.
    """
    hashes = np.array([_difference_hash(image) for image in frames.images], np.uint64)
    train = set(hashes[frames.split == "train"].tolist()) - {0}
    return sum(one in train for one in hashes[frames.split == "validation"].tolist())


def _require_both_states(rows: Sequence[Row], organs: Sequence[str], where: Path) -> None:
    for organ in organs:
        seen = {state for row in rows for name, state in row.states if name == organ and row.split == "train"}
        for state, word in ((True, "present"), (False, "absent")):
            if state not in seen:
                raise DataError(f"{where}: no training frame shows {organ} {word}; label some, or leave {organ} out")
    if not organs:
        raise DataError(f"{where}: nothing is labelled present or absent")


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
