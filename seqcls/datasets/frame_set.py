"""Labelled frames, ready to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.frame_facts import MIN_LIT, FrameFacts
from seqcls.datasets.frame_table import Row, organs_of
from seqcls.datasets.image_rows import ImageRows, picked
from seqcls.datasets.split_file import Split
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.geometry import Geometry, Region

Image = NDArray[np.uint8]


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

    @property
    def is_mapped(self) -> bool:
        """Whether the images lie in a file and not in memory."""
        return isinstance(self.images, ImageRows)

    @property
    def group_name(self) -> str:
        """What ``patient`` names: "patient", or "clip" where nobody stated patients and names of images are gone by."""
        return "patient" if self.facts is None or self.facts.clips == "stated" else "clip"

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


def frame_set_of(
    rows: Sequence[Row],
    images: Image,
    lit: Sequence[float],
    geometry: Geometry,
    digest: str,
    messages: Sequence[str],
    regions: Sequence[Region],
    facts: FrameFacts,
) -> FrameSet:
    """Of N rows and their images. lit (N,): ``Seen.lit``. digest: of files and labels."""
    organs = organs_of(rows)
    targets = np.zeros((len(rows), len(organs)), np.float32)
    mask = np.zeros((len(rows), len(organs)), bool)
    for at, row in enumerate(rows):
        for organ, present in row.states:
            targets[at, organs.index(organ)] = present
            mask[at, organs.index(organ)] = True
    messages = [*messages, *_nearly_black(np.array(lit), targets, mask, organs)]
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
    lit: NDArray[np.float64], targets: NDArray[np.float32], mask: NDArray[np.bool_], organs: Sequence[str]
) -> list[str]:
    """A warning where most images of a state show hardly anything: a model would learn how bright they are."""
    dark = lit < MIN_LIT
    for organ, known, shown in zip(organs, mask.T, targets.T > 0.5, strict=True):
        for state, rows in (("present", known & shown), ("absent", known & ~shown)):
            if dark[rows].any() and dark[rows].mean() > 0.5:
                of_state = f"{dark[rows].sum()} of {rows.sum()} of {organ} {state}"
                return [
                    f"{dark.sum()} of {len(dark)} images are nearly black, {of_state}: if they hold more than 8 bits,"
                    " scale them to 0..255 first"
                ]
    return []
