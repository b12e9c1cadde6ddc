"""Frames ready to train on: from an extracted folder, from a folder tree of one's own, or from clips.

Letterboxed images are kept as uint8, 50 MB per 1,000 frames of 224 pixels, in memory or in a file (``frame_cache``);
whole ones only while they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.frame_cache import FrameCache, is_worth_it, marks_of
from seqcls.datasets.frame_facts import FrameFacts, Seen, facts_of, look_at
from seqcls.datasets.frame_table import (
    LAYOUT,
    SPLIT_FILE,
    Row,
    dataset_hash,
    folder_clip,
    organs_of,
    read_description,
    read_table,
    read_tree,
    require_both_states,
)
from seqcls.datasets.image_rows import picked
from seqcls.datasets.kept_split import with_split, with_split_beside
from seqcls.datasets.labelled_frames import LabelledClip, groups_of
from seqcls.datasets.labels import ClipLabels
from seqcls.datasets.split import hold_out
from seqcls.datasets.split_file import Split
from seqcls.errors import DataError, SourceError
from seqcls.files import nfc
from seqcls.files.named_files import read_regular
from seqcls.geometry import Geometry, Region, RegionFinder
from seqcls.geometry.crop import letterbox, to_gray
from seqcls.layouts import with_layouts
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.sources.images import MAX_IMAGE_BYTES, deep_sample, image_facts, read_image
from seqcls.sources.levels import SetLevels
from seqcls.text.wording import count_of

#: Images of one size looked at to find their ultrasound region.
SAMPLE = 24
#: Gray level that 0.5 % of the pixels exceed in all but black images, as in the gate.
BLACK = 24
#: How the message begins that some images were passed over.
LEFT_OUT = "left out"

Image = NDArray[np.uint8]
Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSet:
    """N labelled frames and K organs.

    images (N, S, S) uint8; targets (N, K) float32, 1 present, 0 absent, 0 where ``mask`` (N, K) bool says not labelled.
    clip, patient, split (N,) str, split is "train" or "validation"; time_s (N,) float64, NaN where not known.
    geometry: how a clip's frames become such images. hash: of the files and labels. messages: for the user.
    regions: the different ultrasound regions of the clips. digests: ``clip_digest`` of the clips that are known files.
    scanner, site (N,) str: where each frame comes from, empty where not stated; None where nothing is.
    kept_split: the file that ``split`` is of, see ``with_split``. facts: what was seen of each frame while it was read.
    """

    images: Image
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
    regions: tuple[Region, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    scanner: NDArray[np.str_] | None = None
    site: NDArray[np.str_] | None = None
    kept_split: Split | None = None
    facts: FrameFacts | None = None

    def of_rows(self, rows: NDArray[np.int64]) -> FrameSet:
        """These frames only, in this order."""
        columns = ("targets", "mask", "clip", "patient", "split", "time_s")
        changed = {column: getattr(self, column)[rows] for column in columns}
        changed["images"] = picked(self.images, rows)
        changed |= {name: own[rows] for name in ("scanner", "site") if (own := getattr(self, name)) is not None}
        return replace(self, **changed, facts=None if self.facts is None else self.facts.of_rows(rows))

    def counts(self, rows: NDArray[np.int64]) -> tuple[dict[str, int], ...]:
        """Per organ, how many of these frames are labelled "present" and "absent"."""
        present, known = self.targets[rows] > 0.5, self.mask[rows]
        pairs = zip((known & present).sum(axis=0), (known & ~present).sum(axis=0), strict=True)
        return tuple({"present": int(shown), "absent": int(not_shown)} for shown, not_shown in pairs)

    def of_organs(self, organs: Sequence[str]) -> FrameSet:
        """The same frames, labelled for these organs only. Raises DataError for one that is not there."""
        require_labelled(organs, self.organs)
        known = [nfc(organ) for organ in self.organs]
        columns = [known.index(nfc(organ)) for organ in organs]
        names = tuple(self.organs[column] for column in columns)
        return replace(self, organs=names, targets=self.targets[:, columns], mask=self.mask[:, columns])


def require_labelled(organs: Sequence[str], known: Sequence[str]) -> None:
    """Raise DataError for an organ that is not among those known."""
    names = [nfc(organ) for organ in known]
    if missing := [organ for organ in organs if nfc(organ) not in names]:
        raise DataError(f"no label for {missing[0]}: the data know {', '.join(known)}")


def labelled_organs(root: str | Path) -> tuple[str, ...]:
    """The organs of a folder as ``load_frames`` takes it; no image is read. Raises DataError."""
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {LAYOUT}")
    return organs_of(read_table(root) if (root / "frames.csv").is_file() else read_tree(root)[0])


def load_frames(
    root: str | Path,
    geometry: Geometry,
    *,
    skip_corrupt: bool = False,
    progress: Advance | None = None,
    for_training: bool = True,
    cache: bool = False,
) -> FrameSet:
    """Read a folder that `seqcls extract` wrote, or a tree `train|validation/<organ> present|absent/`.

    ``geometry.size`` is obeyed; its region only for a tree of one's own, whose images are searched for the ultrasound
    region size by size. ``for_training``: whether every organ must be there in both states. ``cache``: whether
    many frames are kept in a file in the folder, and taken from there the next time. Raises DataError: no such layout,
    a state without frames, an image that cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; expected {LAYOUT}")
    extracted = (root / "frames.csv").is_file()
    rows, messages = (read_table(root), []) if extracted else read_tree(root)
    levels = SetLevels(partial(deep_sample, [row.path for row in rows]))
    organs = organs_of(rows)
    if for_training:
        require_both_states(rows, organs, f"{root}: ", messages)
    if extracted:
        geometry, by_clip, digests = read_description(root, geometry.size)
        regions = list(by_clip.values())
    else:
        by_clip, digests = {}, {}
    kept_frames = None
    if cache and is_worth_it(len(rows), geometry.size):
        kept_frames = FrameCache(root, rows, geometry, extracted=extracted)
    known = None if kept_frames is None else kept_frames.read()
    if known is not None:
        images, seen = known.images, known.seen
        rows = [replace(row, digest=digest) for row, digest in zip(rows, known.digests, strict=True)]
        regions = regions if extracted else list(known.regions)
    else:
        scale = partial(_of_crop, geometry.size)
        if not extracted:
            found = _find_regions(rows, geometry, levels)
            regions, scale = list(found.values()), partial(_apply, geometry, found)
        read = partial(_read, levels=levels)
        images, rows, seen = _read_all(rows, geometry.size, read, scale, skip_corrupt, progress, kept_frames, regions)
    messages += [] if kept_frames is None else kept_frames.messages
    if not skip_corrupt and (bad := next((row for row in rows if not row.digest), None)):
        raise DataError(f"{bad.path} cannot be read as an image: replace or remove it, or add skip_corrupt=True")
    unreadable = [_name(row, root) for row in rows if not row.digest]
    kept = {at: row for at, row in enumerate(rows) if row.digest}
    if len(kept) < len(rows):
        first = next(row.path for row in rows if not row.digest)
        messages.append(
            f"{LEFT_OUT} {count_of(len(rows) - len(kept), 'image')} that cannot be read, the first is {first}"
        )
        if for_training:
            require_both_states(list(kept.values()), organs, f"{root}: ")
    if not extracted:
        kept = _merge_same(kept)
    images = images if len(kept) == len(images) else picked(images, np.array(list(kept), np.int64))
    rows = list(kept.values())
    facts = facts_of(
        [_name(row, root) for row in rows],
        [_of_screen(seen[at], by_clip.get(row.clip)) for at, row in kept.items()],
        clips="stated" if extracted else "read from names" if any(map(_names_clip, rows)) else "unknown",
        unreadable=unreadable,
    )
    made = _frame_set(rows, images, geometry, dataset_hash(rows, root), messages, regions, facts)
    made = replace(made, digests=digests)
    return with_split_beside(made, root / SPLIT_FILE) if (root / SPLIT_FILE).is_file() else made


def frames_from_clips(
    clips: Sequence[tuple[Path, ClipLabels]],
    geometry: Geometry,
    *,
    split: Split | None = None,
    progress: Advance | None = None,
) -> FrameSet:
    """Read labelled clips straight into memory, split by patient as ``extract`` does, or as the kept ``split`` says.

    Raises DataError, SourceError.
    """
    if split is not None:  # before anything is read that takes long
        split.require_match(split.group_of(labels.patient, labels.file) for _, labels in clips)
    geometry = with_layouts(geometry, [partial(open_source, path) for path, _ in clips])
    rows: list[Row] = []
    images: list[Image] = []
    regions: list[Region] = []
    names: list[str] = []
    seen: list[Seen] = []
    digest = hashlib.sha256()
    held, message = (split.held_out, "") if split is not None else hold_out(groups_of(clips), None, 0)
    messages: list[str] = []
    for done, (path, labels) in enumerate(clips):
        clip = LabelledClip(path, labels, geometry)
        for frame, region, states in clip:
            image = geometry.apply(frame.image, region)
            digest.update(image.tobytes() + repr(states).encode())
            origin = {"scanner": labels.scanner, "site": labels.site}
            group = labels.patient if split is None else nfc(split.group_of(labels.patient, labels.file))
            side = "validation" if group in held else "train"
            rows.append(Row(path, labels.file, labels.patient, frame.time_s, side, states, **origin))
            images.append(image)
            names.append(f"{labels.file}, frame {frame.index}")
            seen.append(look_at(frame.image, region))
        messages += clip.messages()
        if clip.region is not None:
            regions.append(clip.region)
        if progress is not None:
            progress(done + 1, len(clips))
    require_both_states(rows, organs_of(rows), f"{clips[0][0].parent}: ", messages)
    messages = list(dict.fromkeys([message] * bool(message) + messages))
    made = _frame_set(rows, np.stack(images), geometry, digest.hexdigest(), messages, regions, facts_of(names, seen))
    digests = {labels.file: clip_digest(str(path)) for path, labels in clips}
    made = replace(made, digests={name: known for name, known in digests.items() if known})
    return made if split is None else with_split(made, split)


def _name(row: Row, root: Path) -> str:
    return row.path.relative_to(root).as_posix()


def _names_clip(row: Row) -> bool:
    return row.clip != folder_clip(row.split, row.path.parent)


def _of_screen(seen: Seen, region: Region | None) -> Seen:
    """Of a crop: the size of the screen that it was cut from."""
    return seen if region is None else seen._replace(width=region.width, height=region.height)


def _find_regions(rows: Sequence[Row], geometry: Geometry, levels: SetLevels) -> dict[tuple[int, ...], Region]:
    """The region of each image size: images of one size come from one scanner layout.

    Headers alone are read, but for a sample; whole images are not kept.
    """
    sizes: dict[tuple[int, int], list[Path]] = {}
    for row in rows:
        with contextlib.suppress(SourceError):  # reported when all are read
            facts = image_facts(row.path)
            sizes.setdefault((facts.width, facts.height), []).append(row.path)
    finders: dict[tuple[int, ...], RegionFinder] = {}
    for _, paths in sorted(sizes.items()):
        for path in paths[:: max(1, len(paths) // SAMPLE)][:SAMPLE]:
            image, _ = _read(path, levels)
            if image is not None:  # a turned photograph is wide in its header only
                finders.setdefault(image.shape[:2], RegionFinder(geometry)).add(image)
    return {shape: finder.finish() for shape, finder in finders.items()}


def _apply(geometry: Geometry, regions: dict[tuple[int, ...], Region], image: Image) -> tuple[Image, Seen]:
    """(S, S) by the region of this size, or, where it is not known, by the image's own."""
    region = regions.get(image.shape[:2])
    region = geometry.find([image]) if region is None else region
    return geometry.apply(image, region), look_at(image, region)


def _of_crop(size: int, image: Image) -> tuple[Image, Seen]:
    """Of what `extract` wrote: it has asked the gate already, or somebody did not want it to."""
    return letterbox(to_gray(image), size), Seen(image.shape[1], image.shape[0])


def _read_all(
    rows: Sequence[Row],
    size: int,
    read_one: Callable[[Path], tuple[Image | None, str]],
    scale: Callable[[Image], tuple[Image, Seen]],
    skip_corrupt: bool,
    progress: Advance | None,
    cache: FrameCache | None,
    regions: Sequence[Region],
) -> tuple[Image, list[Row], list[Seen]]:
    """(N, S, S), the rows with their digests, "" where unreadable, and what was seen. Whole images are not kept.

    cache: where the result is kept, with the ``regions``.
    """
    if cache is None:
        images = np.zeros((len(rows), size, size), np.uint8)
        return images, *_fill(images, rows, read_one, scale, skip_corrupt, progress)
    with cache.images() as images:
        out, seen = _fill(images, rows, read_one, scale, skip_corrupt, progress)
        marks = marks_of(images)
    mapped = cache.keep([row.digest for row in out], seen, regions, marks)
    return images if mapped is None else mapped, out, seen


def _fill(
    images: Image,
    rows: Sequence[Row],
    read_one: Callable[[Path], tuple[Image | None, str]],
    scale: Callable[[Image], tuple[Image, Seen]],
    skip_corrupt: bool,
    progress: Advance | None,
) -> tuple[list[Row], list[Seen]]:
    """Read the images of these rows into (N, S, S)."""
    out: list[Row] = []
    seen = [Seen(0, 0)] * len(rows)

    def read(at: int) -> str:
        image, digest = read_one(rows[at].path)
        if image is not None:
            images[at], seen[at] = scale(image)
        return digest

    with ThreadPoolExecutor(4) as pool:
        for row, digest in zip(rows, pool.map(read, range(len(rows))), strict=True):
            if not (digest or skip_corrupt):
                pool.shutdown(cancel_futures=True)
                raise DataError(
                    f"{row.path} cannot be read as an image: replace or remove it, or add skip_corrupt=True"
                )
            out.append(replace(row, digest=digest))
            if progress is not None:
                progress(len(out), len(rows))
    return out, seen


def _read(path: Path, levels: SetLevels) -> tuple[Image | None, str]:
    """(H, W) or (H, W, 3) and the SHA-256 of the file; None and "" where it cannot be read."""
    try:
        return read_image(path, color=None, levels=levels), hashlib.sha256(
            read_regular(path, MAX_IMAGE_BYTES)
        ).hexdigest()
    except (SourceError, OSError):
        return None, ""


def _merge_same(rows: dict[int, Row]) -> dict[int, Row]:
    """An image that lies in several organs' folders of one split, same name and content, is one frame."""
    first: dict[tuple[str, str, str], int] = {}
    merged: dict[int, Row] = {}
    for at, row in rows.items():
        at = first.setdefault((row.split, nfc(row.path.name), row.digest), at)
        same = merged.setdefault(at, row)
        known = dict(same.states)
        for organ, state in row.states:
            if known.get(organ, state) != state:
                raise DataError(f"{row.path} lies in {organ} present and in {organ} absent: remove one")
        merged[at] = replace(same, states=tuple((known | dict(row.states)).items()))
    return merged


def _frame_set(
    rows: Sequence[Row],
    images: Image,
    geometry: Geometry,
    digest: str,
    messages: Sequence[str],
    regions: Sequence[Region],
    facts: FrameFacts,
) -> FrameSet:
    organs = organs_of(rows)
    targets = np.zeros((len(rows), len(organs)), np.float32)
    mask = np.zeros((len(rows), len(organs)), bool)
    for at, row in enumerate(rows):
        for organ, present in row.states:
            targets[at, organs.index(organ)] = present
            mask[at, organs.index(organ)] = True
    messages = [*messages, *_nearly_black(images, targets, mask, organs)]
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
        regions=tuple(dict.fromkeys(regions)),
        scanner=_origin([row.scanner for row in rows]),
        site=_origin([row.site for row in rows]),
        facts=facts,
    )


def _origin(names: Sequence[str]) -> NDArray[np.str_] | None:
    return np.array(names) if any(names) else None


def _nearly_black(
    images: Image, targets: NDArray[np.float32], mask: NDArray[np.bool_], organs: Sequence[str]
) -> list[str]:
    """A warning where most images of a state show hardly anything: a model would learn how bright they are."""
    dark = np.array([np.count_nonzero(image > BLACK) < 0.005 * image.size for image in images], bool)
    for organ, known, shown in zip(organs, mask.T, targets.T > 0.5, strict=True):
        for state, rows in (("present", known & shown), ("absent", known & ~shown)):
            if dark[rows].any() and dark[rows].mean() > 0.5:
                of_state = f"{dark[rows].sum()} of {rows.sum()} of {organ} {state}"
                return [
                    f"{dark.sum()} of {len(dark)} images are nearly black, {of_state}: if they hold more than 8 bits,"
                    " scale them to 0..255 first"
                ]
    return []
