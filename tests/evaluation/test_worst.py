"""Where a model did worst, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.drawn import labelled_folder
from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan, read_labels
from seqcls.evaluation.clip_truth import ClipTruth, align_labels
from seqcls.evaluation.evaluate import pooled_metrics
from seqcls.evaluation.worst import (
    MOST_FRAMES,
    WorstFrame,
    images_of_clips,
    images_of_folder,
    worst_clips,
    worst_frames,
)
from seqcls.geometry import Geometry


def truth(file: str, found: str, start_s: float = 0.3, end_s: float = 0.8) -> ClipTruth:
    labels = ClipLabels(file, file, (LabelledSpan(file, "liver", "present", start_s, end_s),), rest="absent")
    return align_labels(timeline(file, liver=found), labels)


def test_the_worst_clips_come_first_and_faultless_ones_not_at_all() -> None:
    found = worst_clips(
        pooled_metrics([truth("a", "...PPPPP..."), truth("b", "..........."), truth("c", "...PPPPPP..")])
    )
    assert [(one.file, one.missed, one.false_events) for one in found] == [("b", 1, 0), ("c", 0, 0)]
    assert found[0].accuracy == 6 / 11


def test_the_worst_frames_are_the_most_wrong_and_not_of_one_moment() -> None:
    """m scores 0.45, a miss by less than `.`; frames of one clip lie a second apart."""
    strip = "...mm...." + "." * 20 + "PPPP"
    (first, second, third) = worst_frames(pooled_metrics([truth("a", strip), truth("b", "...PPPPPP..")]).frames)
    assert (first.clip, first.present, first.score) == ("a", True, np.float32(0.1))
    assert (second.clip, second.present, second.index) == ("a", False, 29) and third.clip == "b"
    many = pooled_metrics([truth("a", "P" * 300, 0.0, 0.1)])
    chosen = worst_frames(many.frames)
    assert len(chosen) == MOST_FRAMES
    assert np.diff(sorted(one.time_s for one in chosen)).min() >= 0.999


def wrong(clip: str, index: int) -> WorstFrame:
    return WorstFrame(organ="node", row=0, clip=clip, index=index, time_s=0.0, present=True, score=0.1)


def test_images_of_clips_hold_the_region_alone(tmp_path: Path) -> None:
    clips, labels = labelled_folder(tmp_path, clips=1)
    (own,) = read_labels(labels)
    one = align_labels(timeline(own.file, node="." * 40), own)
    found = images_of_clips([wrong(own.file, 12)], [one], {own.file: clips / own.file}, Geometry(size=48))
    ((image, inside),) = found.values()
    assert image.shape == inside.shape == (48, 48) and image.max() > 100
    assert 0.2 < inside.mean() < 0.7 and not image[~inside].any()


def test_images_of_a_folder_are_shown_only_where_extract_wrote_them() -> None:
    images = np.zeros((2, 8, 8), np.uint8)
    images[1, 2:6, 3:5] = 9
    ((image, inside),) = images_of_folder([wrong("a", 1)], images, extracted=True).values()
    assert image is not None and inside.sum() == 8 and inside[2:6, 3:5].all()
    assert images_of_folder([wrong("a", 1)], images, extracted=False) == {}
