"""Evaluations of drawn timelines."""

from __future__ import annotations

from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import Evaluation, pooled_metrics

#: Of ten frames: right, a frame late, and never.
GOOD, LATE, NEVER = "...PPPP...", "....PPP...", ".........."


def evaluated(found: list[str], organ: str = "liver") -> Evaluation:
    """One clip per patient, in which frames 3 to 6 show the organ."""
    clips = []
    for number, strip in enumerate(found):
        file = f"{number}.mp4"
        labels = ClipLabels(file, f"P{number}", (LabelledSpan(file, organ, "present", 0.3, 0.7),), rest="absent")
        clips.append(align_labels(timeline(file, **{organ: strip}), labels))
    return pooled_metrics(clips)
