"""A model against labelled clips or frames: the same analysis as any clip's, then metrics by frame and by interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.labels import ClipLabels
from seqcls.detector import Detector
from seqcls.errors import DataError
from seqcls.evaluation.chance import chance_message
from seqcls.evaluation.clip_truth import PRESENT, ClipTruth, align_labels
from seqcls.evaluation.interval_metrics import COLLAR_S
from seqcls.evaluation.organ_metrics import OrganMetrics, organ_metrics
from seqcls.evaluation.scored_frames import ScoredFrames, frames_of_clips, score_frames
from seqcls.files import nfc
from seqcls.files.without_folders import without_folders
from seqcls.layouts import with_layouts
from seqcls.models.trained_on import Evidence, known_frames, seen_in_training, seen_messages
from seqcls.sources import open_source
from seqcls.text.wording import count_of

#: Groups of one kind that figures are given apart for.
MAX_SUBGROUPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """The metrics of the frames and clips of one scanner or site. by: which of both. origin: where its name is from."""

    by: str
    name: str
    origin: str
    organs: tuple[OrganMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Metrics per organ, and the frames and clips that they came from; no clips where frames were read from a folder.

    subgroups: by scanner and by site, where there is more than one. notes: what a person should know besides. seen:
    what of each clip, by its name, the model was trained or validated on. frames_seen: how many frames of a folder.
    """

    organs: tuple[OrganMetrics, ...]
    frames: ScoredFrames
    clips: tuple[ClipTruth, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    notes: tuple[str, ...] = ()
    seen: Mapping[str, tuple[Evidence, ...]] = field(default_factory=dict)
    frames_seen: int = 0

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before the figures."""
        frames = f"{self.frames_seen} of {count_of(len(self.frames.clip), 'frame')} of the folder were trained on"
        return (*([frames] if self.frames_seen else []), *seen_messages(self.seen))

    @property
    def messages(self) -> tuple[str, ...]:
        """What a person should know of the clips and their labels, each once."""
        return tuple(dict.fromkeys((*self.notes, *(message for clip in self.clips for message in clip.messages))))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Caveats and messages for what is written, which names no folder."""
        return tuple(map(without_folders, (*self.caveats, *self.messages)))

    def hidden_by(self, hide: Callable[[str], str]) -> Evaluation:
        """With other names in the messages."""
        clips = tuple(replace(clip, messages=tuple(map(hide, clip.messages))) for clip in self.clips)
        return replace(self, clips=clips, notes=tuple(map(hide, self.notes)))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the metrics, each clip's name and frame accuracy per organ, and the messages."""
        clips = [
            {
                "file": clip.file,
                "verdict": clip.timeline.report.verdict,
                "patient": clip.patient,
                "scanner": clip.scanner,
                "site": clip.site,
                "frames": len(clip.codes),
                "accuracy": {o: clip.accuracy(k) for k, o in enumerate(clip.timeline.organs)},
            }
            for clip in self.clips
        ]
        return {
            "organs": [asdict(organ) for organ in self.organs],
            "seen": [{"clip": name, "what": list(found)} for name, found in self.seen.items() if found],
            "frames_seen": self.frames_seen,
            "subgroups": [asdict(group) for group in self.subgroups],
            "clips": clips,
            "messages": list(self.remarks),
        }


def evaluate_clips(
    detector: Detector,
    clips: Sequence[tuple[Path, ClipLabels]],
    *,
    collar_s: float = COLLAR_S,
    on_clip: Callable[[ClipTruth], None] | None = None,
) -> Evaluation:
    """Analyse every labelled clip and compare. Several clips share the screens that they show, as in a run of them.

    collar_s: of event F1.

    Raises DataError when the labels name none of the model's organs, or cannot be meant for their clip.
    """
    labelled = {organ for _, labels in clips for organ in labels.organs}
    if not set(map(nfc, labelled)) & set(map(nfc, detector.organs)):
        raise DataError(
            f"the model knows {', '.join(detector.organs)}, the labels {', '.join(sorted(labelled)) or 'nothing'}:"
            " nothing to compare"
        )
    detector = _with_shared_screens(detector, [path for path, _ in clips])
    done, seen = [], {}
    for path, labels in clips:
        timeline = detector.analyze(path)
        truth = align_labels(timeline, labels)
        done.append(truth)
        seen[truth.file] = seen_in_training(
            detector.header.trained_on,
            clip_digest=timeline.provenance.source_digest,
            images=[image for _, image in timeline.thumbnails],
            patient=labels.patient if labels.patient != labels.file else "",
        )
        if on_clip is not None:
            on_clip(truth)
    evaluation = pooled_metrics(done, collar_s=collar_s)
    return replace(evaluation, seen=seen, notes=(*evaluation.notes, *_unknown_training(detector)))


def _with_shared_screens(detector: Detector, clips: Sequence[Path]) -> Detector:
    """The regions would be others than in a run of these clips, and with them the scores."""
    known = detector.header.geometry
    geometry = with_layouts(known, [partial(open_source, path) for path in clips]) if len(clips) > 1 else known
    if geometry == known:
        return detector
    return replace(detector, header=replace(detector.header, geometry=geometry))


def evaluate_frames(detector: Detector, frames: FrameSet, rows: NDArray[np.int64]) -> Evaluation:
    """Score the frames ``rows`` (J,) of a folder as they are, one by one: nothing is smoothed, no interval is built.

    Raises DataError where they are labelled for no organ of the model.
    """
    evaluation = _evaluation(score_frames(detector, frames, rows), (), COLLAR_S)
    marks = detector.header.trained_on
    known = known_frames(marks, list(frames.images[rows]))
    seen: dict[str, tuple[Evidence, ...]] = {}
    for clip, patient in sorted(set(zip(frames.clip[rows].tolist(), frames.patient[rows].tolist(), strict=True))):
        seen[clip] = seen_in_training(
            marks,
            clip_digest=frames.digests.get(clip, ""),
            images=list(frames.images[rows[frames.clip[rows] == clip]]),
            patient=patient if patient != clip else "",
        )
    return replace(
        evaluation, seen=seen, frames_seen=int(known.sum()), notes=(*evaluation.notes, *_unknown_training(detector))
    )


def _unknown_training(detector: Detector) -> tuple[str, ...]:
    told = "the model file does not say what it was trained on: whether any of this is new to it is not known"
    return () if detector.header.trained_on else (told,)


def pooled_metrics(clips: Sequence[ClipTruth], *, collar_s: float = COLLAR_S) -> Evaluation:
    """Metrics over all clips; organs without a scorable frame are left out.

    Confidence intervals draw whole patients, since the frames of a patient are alike.
    """
    return _evaluation(frames_of_clips(clips), clips, collar_s)


def _evaluation(frames: ScoredFrames, clips: Sequence[ClipTruth], collar_s: float) -> Evaluation:
    subgroups = [*_subgroups("scanner", frames, clips, collar_s), *_subgroups("site", frames, clips, collar_s)]
    organs = _organs(frames, clips, collar_s)
    notes = tuple(filter(None, (_chance(frames, organ) for organ in organs)))
    return Evaluation(organs=organs, frames=frames, clips=tuple(clips), subgroups=tuple(subgroups), notes=notes)


def _chance(frames: ScoredFrames, organ: OrganMetrics) -> str:
    column = frames.organs.index(organ.organ)
    rows = frames.rows(column)
    return chance_message(organ.organ, frames.codes[rows, column] == PRESENT, frames.clip[rows], organ.spread["auroc"])


def _organs(frames: ScoredFrames, clips: Sequence[ClipTruth], collar_s: float) -> tuple[OrganMetrics, ...]:
    found = (organ_metrics(frames, column, clips, collar_s=collar_s) for column in range(len(frames.organs)))
    return tuple(one for one in found if one is not None)


def _subgroups(by: str, frames: ScoredFrames, clips: Sequence[ClipTruth], collar_s: float) -> list[Subgroup]:
    """None where there is one group, or too many for a table."""
    names = getattr(frames, by)
    known = np.unique(names)
    if not 2 <= len(known) <= MAX_SUBGROUPS:
        return []
    groups = []
    for name in known.tolist():
        own = [clip for clip in clips if getattr(clip, by) == name]
        origin = ", ".join(sorted({clip.scanner_from for clip in own})) if by == "scanner" and own else "labels"
        organs = _organs(frames.part(names == name), own, collar_s)
        groups.append(Subgroup(by=by, name=name or "not stated", origin=origin, organs=organs))
    return groups
