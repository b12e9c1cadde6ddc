"""Labels of clips: which stretch shows which organ.

CSV: `file,organ,start_s,end_s,state` and optionally `patient`, `scanner`, `site`, and `path`, which leads to the file;
seconds, half-open; state is present, absent or ignore (or 1, 0, -1). The intervals.csv of a run is such a table, too;
unknown is ignored.
JSON: `{"clips": [{"task": organ, "file": …, "patient": …, "segments": [{"start": 0, "end": 91, "label": 1}, …]}, …]}`
with inclusive, 0-based frame ranges. What no span covers is not labelled. Files of annotation tools are in
``label_formats``: these list what is in view, and what they do not list of an organ is absent.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from seqcls.datasets.label_files import read_text
from seqcls.datasets.label_formats import found_labels
from seqcls.datasets.label_formats.own_table import COLUMNS
from seqcls.datasets.labelled_span import Label, LabelledSpan
from seqcls.datasets.organ_names import require_fit
from seqcls.errors import DataError, UsageError
from seqcls.files import nfc, on_disk
from seqcls.sources.base import few
from seqcls.text.wording import cut
from seqcls.types import TIME_TOLERANCE_S, require_organs

#: On one label file: a task of which nothing is labelled has one.
MAX_NOTES = 50
#: Not seen, and not typed on purpose: soft hyphen, spaces without width, word joiner, mark of the byte order.
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class ClipLabels:
    """All labels of one clip, organ by organ in time order.

    ``frames`` and ``end_s``: how many the clip has and when it ends, as the label file states it; 0 where it does not.
    ``rest``: the state of a labelled organ where no span covers the frame. ``names_clip``: whether the label file says
    which clip it is of. ``notes``: for the user. ``scanner`` and ``site``: where the clip comes from, empty where the
    label file does not state it.
    """

    file: str
    patient: str
    spans: tuple[LabelledSpan, ...]
    frames: int = 0
    notes: tuple[str, ...] = ()
    rest: Label | None = None
    end_s: float = 0.0
    names_clip: bool = True
    scanner: str = ""
    site: str = ""

    _by_organ: Mapping[str, tuple[list[float], list[LabelledSpan]]] = field(init=False, repr=False, compare=False)
    """By the name of the organ, composed: where its spans begin, and the spans in that order."""

    def __post_init__(self) -> None:
        ordered = _by_organ(self.spans)
        object.__setattr__(
            self, "_by_organ", {nfc(organ): ([s.limits[0] for s in own], own) for organ, own in ordered.items()}
        )

    @property
    def organs(self) -> tuple[str, ...]:
        return tuple(sorted({own[0].organ for _, own in self._by_organ.values()}))

    def state_at(self, organ: str, index: int, time_s: float) -> Label | None:
        """The organ's label for one frame, None where there is none."""
        begins, spans = self._by_organ.get(nfc(organ), ([], []))
        if not spans:
            return None
        # There may be as many spans as frames, so they are not gone through for each of them.
        behind = bisect.bisect_right(begins, index if spans[0].by_frame else time_s + TIME_TOLERANCE_S)
        near = spans[max(0, behind - 2) : behind]
        return next((span.state for span in near if span.covers(index, time_s)), self.rest)


def _by_organ(spans: Iterable[LabelledSpan]) -> dict[str, list[LabelledSpan]]:
    """Each organ's spans in time order."""
    by_organ: dict[str, list[LabelledSpan]] = {}
    for span in spans:
        by_organ.setdefault(span.organ, []).append(span)
    return {organ: sorted(own, key=lambda span: span.limits) for organ, own in by_organ.items()}


def read_labels(path: str | Path) -> list[ClipLabels]:
    """Read a label file, own or of an annotation tool, one entry per clip in file order.

    Raises DataError that names the row.
    """
    path = on_disk(path)
    text, notes = read_text(path)
    found = found_labels(text, path)
    if not found.spans:
        why = f" ({found.notes[0]})" if found.notes else f"; the columns are {','.join(COLUMNS)}"
        raise DataError(f"{path} holds no label{why}")
    _refuse_organ_names(found.spans, path)
    by_clip: dict[str, list[LabelledSpan]] = {}
    for span in found.spans:
        by_clip.setdefault(span.file, []).append(span)
    rest: Label | None = "absent" if found.marks_only else None
    notes = (*notes, *few(list(found.notes), MAX_NOTES))
    return [
        replace(
            _clip(file, own, path),
            frames=found.frames.get(file, 0),
            notes=notes,
            rest=None if file in found.complete else rest,
            end_s=found.ends_s.get(file, 0.0),
            names_clip=found.names_clip,
        )
        for file, own in by_clip.items()
    ]


def _clip(file: str, spans: list[LabelledSpan], path: Path) -> ClipLabels:
    _refuse_overlaps(spans, path)
    known: dict[str, str] = {}
    for what in ("patient", "scanner", "site"):
        names = sorted({name for span in spans if (name := getattr(span, what))})
        if len(names) > 1:
            raise DataError(
                f"{path}: {cut(file)} has more than one {what} ({cut(', '.join(names))}); name the one it is of"
            )
        known[what] = "".join(names)
    ordered = sorted(spans, key=lambda span: (span.organ, span.limits))
    return ClipLabels(file, known["patient"], tuple(ordered), scanner=known["scanner"], site=known["site"])


def with_patients(clips: Iterable[ClipLabels], pattern: str | None) -> list[ClipLabels]:
    """Fill in who is who: the label file's word, else the group of ``pattern`` in the file name, else the clip itself.

    Raises UsageError for a pattern that is no regular expression with one group, DataError where it does not match.
    """
    compiled = None
    if pattern is not None:
        try:
            compiled = re.compile(nfc(pattern))
        except re.error as error:
            raise UsageError(f"patients={pattern!r} is not a regular expression: {error}") from error
        if compiled.groups != 1:
            raise UsageError(f"patients={pattern!r} must have one group in parentheses, as '(pat[0-9]+)'")
    known = []
    for clip in clips:
        found = compiled.search(PurePosixPath(clip.file).name) if compiled is not None else None
        # A clip that the pattern does not know is its own patient: one clip of a volunteer among patients' clips.
        patient = clip.patient or (found and found.group(1)) or clip.file
        known.append(replace(clip, patient=patient))
    return known


def _refuse_organ_names(spans: Sequence[LabelledSpan], path: Path) -> None:
    """Two spellings would be two outputs of the network, and one folder where upper and lower case are the same."""
    spelt: dict[str, LabelledSpan] = {}
    try:
        require_organs(tuple({span.organ for span in spans}))
    except UsageError as error:
        raise DataError(f"{path}: {error}") from None
    for span in spans:
        if unseen := _UNSEEN.search(span.organ):
            raise DataError(f"{span.where}: organ {span.organ!r} holds {unseen[0]!r}, which nobody sees; type it anew")
        require_fit(span.organ, span.where)
        first = spelt.setdefault(re.sub(r"[_\s-]+", " ", span.organ).strip().casefold(), span)
        if first.organ != span.organ:
            raise DataError(f"{span.where}: organ {span.organ!r} is {first.organ!r} in {first.where}: spell it alike")


def _refuse_overlaps(spans: Sequence[LabelledSpan], path: Path) -> None:
    """Two labels for one moment cannot both be right, and equal ones are a sign of a file pasted together twice."""
    for organ, own in _by_organ(spans).items():
        if len({span.by_frame for span in own}) > 1:
            raise DataError(f"{path}: {cut(own[0].file)}: {organ} is labelled both by frame and by second")
        for one, other in itertools.pairwise(own):
            if other.limits[0] < one.limits[1] - TIME_TOLERANCE_S:
                twins = "; if these are two clips of one name, fill in a column path" * (other.limits[0] == 0)
                raise DataError(f"{other.where}: overlaps {one.where} for {organ}; make them meet or remove one{twins}")
