"""Labelled clips to frames on disk: cropped to the ultrasound region, split by patient, all or nothing."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from seqcls.datasets.frame_table import (
    FIXED_COLUMNS,
    ORIGIN_COLUMNS,
    SPLIT_FILE,
    STATES,
    ExtractedClip,
    Row,
    organs_of,
    refuse_to_overwrite,
    require_both_states,
    write_tables,
)
from seqcls.datasets.labelled_frames import LabelledClip, groups_of
from seqcls.datasets.labels import ClipLabels
from seqcls.datasets.split import hold_out
from seqcls.datasets.split_file import Split
from seqcls.errors import DataError, OutputError, UsageError, one_line
from seqcls.files import nfc, require_writable
from seqcls.files.safe_names import distinct
from seqcls.files.temporaries import replace_folder, temporary_folder
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.keepable import TextWatch, keepable
from seqcls.layouts import with_layouts
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.pseudonyms import Pseudonyms


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractOptions:
    """What is extracted. Raises UsageError for values that cannot be right."""

    geometry: Geometry = field(default_factory=Geometry)
    """How the ultrasound region is found; the size is chosen when training."""
    gate: GateOptions = field(default_factory=GateOptions)
    """What counts as ultrasound: menus and the like are left out, and names with them."""
    every: int = 1
    """Keep every n-th labelled frame."""
    validation: float | None = None
    """Share of the patients held out, 0 for none, None for 0.2 where there are enough."""
    seed: int = 0
    """Chooses who is held out."""
    split: Split | None = None
    """Who is on which side, instead of ``validation`` and ``seed``."""
    leaky_random_split: bool = False
    """Split by frame instead, which overstates accuracy by 5 to 30 % (10.1038/s41597-022-01618-6)."""
    overwrite: bool = False
    """Replace an earlier extraction."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"every must be 1 or more, not {self.every}")
        if self.validation is not None and not 0 <= self.validation <= 0.5:
            raise UsageError(f"the validation share must lie between 0 and 0.5, not {self.validation}")
        if self.split is not None and (self.validation is not None or self.leaky_random_split):
            raise UsageError("a split says who is held out; leave validation and leaky_random_split out")


@dataclass(frozen=True, slots=True)
class ExtractSummary:
    """What was written. clips: those that gave a frame. counts: per split and organ, frames present and absent.
    messages: for the user."""

    frames: int
    clips: int
    organs: tuple[str, ...]
    counts: dict[tuple[str, str, str], int]
    messages: tuple[str, ...]


def extract(
    clips: Sequence[tuple[Path, ClipLabels]],
    out: str | Path,
    options: ExtractOptions,
    *,
    on_frame: Callable[[int], None] | None = None,
    names: Pseudonyms | None = None,
) -> ExtractSummary:
    """Write `out/train|validation/<organ> present|absent/*.png`, frames.csv and dataset.json.

    A frame that is labelled for several organs lies in one folder for each (as a hard link where the disk can). The
    folder appears only when all is done; an earlier extraction stays until then. ``names``: pseudonyms for the names of
    the images; those of the labels are written as they are. Raises DataError, SourceError,
    OutputError, UsageError.
    """
    out = Path(out).resolve()  # "." has no name to derive the others from, and a link cannot be replaced by a folder
    columns = (*FIXED_COLUMNS, *ORIGIN_COLUMNS)
    reserved = sorted({organ for _, labels in clips for organ in labels.organs if organ.lower() in columns})
    if reserved:
        raise DataError(f"an organ cannot be called {reserved[0]!r}, which is a column of frames.csv; rename it")
    refuse_to_overwrite(out, options.overwrite)
    require_writable(out.parent)
    held, message = frozenset[str](), ""
    if options.split is not None:
        options.split.require_match(options.split.group_of(labels.patient, labels.file) for _, labels in clips)
        held = options.split.held_out
    elif not options.leaky_random_split:
        held, message = hold_out(groups_of(clips), options.validation, options.seed)
    options = replace(
        options, geometry=with_layouts(options.geometry, [partial(open_source, path) for path, _ in clips])
    )
    with temporary_folder(out.parent) as scratch:
        unfinished = scratch / "new"
        writer = _Writer(unfinished, options, held, on_frame, names)
        try:
            for path, labels in clips:
                writer.add(path, labels)
            summary = writer.finish([message] if message else [])
            refuse_to_overwrite(out, options.overwrite)  # again: extracting takes minutes, and others may have written
            replace_folder(unfinished, out, scratch)
        except OSError as error:
            raise OutputError(f"cannot write {out}: {one_line(error)}; choose another place") from error
    return summary


class _Writer:
    """The folder as it grows."""

    def __init__(
        self,
        root: Path,
        options: ExtractOptions,
        held: frozenset[str],
        on_frame: Callable[[int], None] | None,
        names: Pseudonyms | None,
    ) -> None:
        self._root = root
        self._options = options
        self._held = held
        self._on_frame = on_frame
        self._names = names
        self._random = np.random.default_rng(options.seed)
        self._stems: set[str] = set()
        self._rows: list[Row] = []
        self._clips: list[ExtractedClip] = []
        self._messages: list[str] = []

    def add(self, path: Path, labels: ClipLabels) -> None:
        """Write one clip's labelled frames."""
        options, stem, before = self._options, self._stem(path), len(self._rows)
        clip, left_out = LabelledClip(path, labels, options.geometry), Counter[str]()
        text = TextWatch()
        for frame, region, states in islice(clip, 0, None, options.every):
            crop = keepable(frame.image, region, options.gate)
            if crop is None:
                left_out["not ultrasound" if region.is_found else "without an ultrasound region"] += 1
                continue
            text.add(crop, region, frame.time_s)
            ok, image = cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            if not ok:
                raise DataError(f"{labels.file}: frame {frame.index} cannot be written as PNG")
            data, split = image.tobytes(), self._split(labels)
            first = self._write(data, split, f"{stem}_{frame.index:06d}.png", states)
            digest = hashlib.sha256(data).hexdigest()
            origin = {"scanner": labels.scanner, "site": labels.site}
            self._rows.append(Row(first, labels.file, labels.patient, frame.time_s, split, states, digest, **origin))
            if self._on_frame is not None:
                self._on_frame(len(self._rows))
        count = len(self._rows) - before
        self._messages += [*clip.messages(), *(f"{path.name}: {line}" for line in text.warnings())]
        self._messages += [
            f"{labels.file}: {count_of(number, 'labelled frame')} {why} left out: names may stand in them; where they"
            " do show ultrasound, state --region or --no-gate"
            for why, number in left_out.items()
        ]
        if not count and not left_out:
            self._messages.append(f"{labels.file}: no frame is labelled present or absent")
        digest = clip_digest(str(path))
        self._clips.append(ExtractedClip(labels.file, labels.patient, count, clip.report.verdict, clip.region, digest))

    def finish(self, messages: list[str]) -> ExtractSummary:
        """Write the tables; raises DataError when nothing was extracted or an organ lacks a state."""
        rows = self._rows
        organs = organs_of(rows)
        require_both_states(rows, organs, "", self._messages)
        counts = Counter((row.split, organ, STATES[present]) for row in rows for organ, present in row.states)
        if self._options.leaky_random_split:
            messages.append(
                "frames are split at random: a patient stands on both sides, and the figures flatter by 5 to 30 %"
            )
        # The split is made from labels, and a clip may hold fewer frames than are labelled.
        messages += [
            f"no validation frame shows {organ} {state}: its figures will say little"
            for organ in organs
            for state in STATES.values()
            if any(row.split == "validation" for row in rows) and not counts["validation", organ, state]
        ]
        write_tables(self._root, rows, self._options.geometry, self._clips)
        kept = self._options.split
        if kept is not None:  # so that a model can name the split that it was trained by
            (self._root / SPLIT_FILE).write_bytes(kept.content)
        told = tuple(dict.fromkeys((*messages, *self._messages)))
        gave = sum(clip.frames > 0 for clip in self._clips)
        return ExtractSummary(len(rows), gave, organs, dict(counts), told)

    def _split(self, labels: ClipLabels) -> str:
        if self._options.leaky_random_split:
            share = 0.2 if self._options.validation is None else self._options.validation
            return "validation" if self._random.random() < share else "train"
        kept = self._options.split
        group = labels.patient if kept is None else nfc(kept.group_of(labels.patient, labels.file))
        return "validation" if group in self._held else "train"

    def _stem(self, path: Path) -> str:
        """Distinct, and fit for any file system."""
        name = path.stem if self._names is None else Path(self._names.file(path.name)).stem
        base = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", for_terminal(nfc(name))).strip(". ") or "clip"
        return distinct(base, self._stems)

    def _write(self, data: bytes, split: str, name: str, states: tuple[tuple[str, bool], ...]) -> Path:
        """Write the frame once and link it for every further organ; the first path."""
        paths = [self._root / split / f"{organ} {STATES[present]}" / name for organ, present in states]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                if path is not paths[0]:
                    os.link(paths[0], path)
                    continue
            except OSError:  # FAT, some network drives
                pass
            path.write_bytes(data)
        return paths[0]
