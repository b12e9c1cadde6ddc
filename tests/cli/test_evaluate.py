"""`seqcls evaluate`: how well a model does on labelled clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.commands import Seqcls, Trained, one_line
from support.timelines import timeline

from seqcls.cli.evaluation_table import show_evaluation
from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import pooled_metrics


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take as long as all the rest; test_frames_are_evaluated_as_clips_are has them drawn."""
    monkeypatch.setattr("seqcls.evaluation.files.write_plots", lambda *_: ())


@pytest.mark.usefixtures("no_plots")
def test_evaluate_compares_with_labels(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls(
        "evaluate", trained.model, trained.clips, "--labels", trained.labels, "-o", "eval", "--precision", "fp32",
        "--second", trained.labels,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "labels / second reader" in done.out and "labels / model" in done.out
    assert "1.000 (3 of 3)" in done.out and "neck 0.mp4: frame accuracy" in done.out
    assert (
        "node: 3 patients, 3 clips," in done.out and "95 % intervals n/a: 3 patients; an interval needs 10" in done.out
    )
    table = done.out[done.out.index("node: 3 patients") : done.out.index("labels / second reader")]
    assert max(map(len, table.splitlines())) <= 80
    body = json.loads(Path("eval/evaluation.json").read_text(encoding="utf-8"))
    readers = body["agreement"][0]
    assert (readers["second"], readers["organs"][0]["kappa"]["value"]) == ("second reader", 1)
    assert body["organs"][0]["frames"]["auroc"] > 0.9 and len(body["clips"]) == 3
    again = seqcls(
        "evaluate", trained.model, trained.clips, "--labels", trained.labels, "-o", "eval", "--precision", "fp32"
    )
    assert again.code == 1 and "--overwrite" in one_line(again)


def test_frames_are_evaluated_as_clips_are(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls(
        "evaluate", trained.model, trained.data, "--part", "all", "-o", "frames", "--precision", "fp32",
        "--against", trained.model,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "node against node.safetensors" in done.out and "+0.0000" in done.out
    assert Path("frames/evaluation.html").is_file() and Path("frames/model-card.md").is_file()
    body = json.loads(Path("frames/evaluation.json").read_text(encoding="utf-8"))
    (organ,) = body["organs"]
    assert f"{organ['frames']['count']} of {organ['frames']['count']} frames of the folder were trained on" in done.out
    assert Path("frames/roc.png").is_file() and Path("frames/reliability.svg").is_file()
    assert organ["frames"]["auroc"] > 0.9 and organ["intervals"] is None and body["clips"] == []
    assert "by presence" not in done.out and "called present" in done.out
    clips = seqcls("evaluate", trained.model, trained.clips)
    assert clips.code == 1 and "--labels FILE" in one_line(clips)


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


@pytest.mark.usefixtures("no_plots")
def test_with_a_key_an_evaluation_names_nobody(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    """Clips of the secret name, beside labels of an organ that the model does not know, which is told."""
    from seqcls.pseudonyms import Pseudonyms

    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef0123456789ABCDEF")
    key.chmod(0o600)
    clips = tmp_path / "SECRET clips"
    shutil.copytree(trained.clips, clips)
    for clip in clips.glob("*.mp4"):
        clip.rename(clip.with_name(clip.name.replace("neck", "SECRET")))
    labels = tmp_path / "SECRET.csv"
    text = trained.labels.read_text().replace("neck ", "SECRET ")
    labels.write_text(text + "SECRET 0.mp4,spleen,0,1,present,P0\n")
    arguments = (trained.model, clips, "--labels", labels, "-o", "eval", "--precision", "fp32", "--hash-names", key)
    done = seqcls("evaluate", *arguments)
    assert done.code == 0, done.err
    text = Path("eval/evaluation.json").read_text(encoding="utf-8")
    assert "SECRET" not in done.out + done.err + text
    body, names = json.loads(text), Pseudonyms(key.read_bytes())
    assert body["clips"][0]["file"] == names.file("SECRET 0.mp4")
    assert body["clips"][0]["patient"] == names.of("P0", "patient") and body["messages"]
