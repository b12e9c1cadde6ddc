"""`seqcls evaluate`: how well a model does on labelled clips."""

from __future__ import annotations

import json
from pathlib import Path

from support.commands import Seqcls, Trained, one_line


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
