"""`seqcls evaluate`: how well a model does on labelled clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import Seqcls, Trained, one_line
from support.timelines import timeline

from seqcls.cli.evaluate import show_evaluation
from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.evaluate import align_labels, pooled_metrics


def test_evaluate_compares_with_labels(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls(
        "evaluate", trained.model, trained.clips, "--labels", trained.labels, "-o", "eval", "--precision", "fp32"
    )
    assert done.code == 0, done.err
    assert "presences found 3 of 3" in done.out and "neck 0.mp4: frame accuracy" in done.out
    body = json.loads(Path("eval/evaluation.json").read_text(encoding="utf-8"))
    assert body["organs"][0]["frames"]["auroc"] > 0.9 and len(body["clips"]) == 3
    again = seqcls(
        "evaluate", trained.model, trained.clips, "--labels", trained.labels, "-o", "eval", "--precision", "fp32"
    )
    assert again.code == 1 and "--overwrite" in one_line(again)


def test_a_model_for_other_organs(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    labels = tmp_path / "other.csv"
    labels.write_text("file,organ,start_s,end_s,state\nneck 0.mp4,spleen,0,1,present\n")
    done = seqcls("evaluate", trained.model, trained.clips, "--labels", labels)
    assert done.code == 1 and "the model knows node, the labels spleen" in one_line(done)


def test_labels_that_do_not_fit_their_clip_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    labels = ClipLabels(
        "clip.mp4", "P1", (LabelledSpan("clip.mp4", "liver", "present", 0.2, 9.0, where="l.csv, line 2"),)
    )
    show_evaluation(pooled_metrics([align_labels(timeline(liver="..PP"), labels)]))
    assert "warning: clip.mp4 ends at 0.40 s, but is labelled up to 9 s (l.csv, line 2)" in capsys.readouterr().err
