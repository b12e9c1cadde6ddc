"""Model card and checklist: every heading, every item, and nothing that a name can do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.card import OPEN, claim_checklist, model_card, write_cards
from seqcls.evaluation.claim import ITEMS
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import pooled_metrics
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader

HEADER = ModelHeader(
    organs=("liver",), geometry=Geometry(size=64), version="1.2.3", dataset_hash="abc",
    training={
        "weights": "random weights", "best_auroc": 0.9876, "epochs": 5, "torch": "2.9", "leaked_frames": 3,
        "classes": {"frames": 1200, "clips": 5, "patients": 3, "liver": {"present": 700, "absent": 500}},
        "options": {"epochs": 5, "augment": {"strength": 0.5}},
    },
)  # fmt: skip
#: Of Mitchell et al. 2019.
HEADINGS = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip


def evaluation(patient: str = "P1"):  # type: ignore[no-untyped-def]
    labels = ClipLabels("clip.mp4", patient, (LabelledSpan("clip.mp4", "liver", "present", 0.3, 0.8),), rest="absent")
    return pooled_metrics([align_labels(timeline(liver="...PPPPPP."), labels)])


def test_the_card_has_the_usual_headings_and_what_is_known() -> None:
    card = model_card(HEADER, "organ.safetensors", "f" * 64, evaluation())
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == HEADINGS
    assert card.startswith("---\nlibrary_name: seqcls\n") and "\n---\n" in card
    for known in ("- trained on: 1,200 frames, 5 clips, 3 patients", "liver: 700 present, 500 absent", "f" * 64):
        assert known in card
    assert "| accuracy | 0.9000 |  |" in card and "| presences found | 1.000 (1 of 1) |  |" in card
    assert "95 % intervals n/a: 1 patient; an interval needs 10." in card and OPEN in card
    assert "Not evaluated" in model_card(HEADER, "organ.safetensors", "")


def test_every_item_of_the_checklist_is_answered_or_left_to_the_author() -> None:
    assert [item.number for item in ITEMS] == list(range(1, 45))
    text = claim_checklist(HEADER, "organ.safetensors", "", evaluation())
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| \|$", text, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 45))
    answers = {int(number): answer for number, _, answer in rows}
    assert answers[2] == answers[5] == answers[44] == OPEN
    assert answers[24] == "random weights." and "3 validation frames look the same" in answers[20]
    assert "AUROC 0.900 (95 % interval n/a: 1 patient; an interval needs 10)" in answers[37]
    assert answers[39].startswith("1 frame on the wrong side")
    plain = claim_checklist(ModelHeader(organs=("liver",), geometry=Geometry()), "m", "")
    assert f"| 37 | {ITEMS[36].text} | {OPEN} | |" in plain


@pytest.mark.parametrize("name", ["a|b", "<b>x</b>", "[x](http://y)", "`x`", "*x*", "a\nb", "x\x1b[2J", "www.x.org"])
def test_names_are_no_markup(name: str) -> None:
    """Neither of a model, nor of what it was begun from, nor in the messages of an evaluation."""
    header = replace(HEADER, training={**HEADER.training, "weights": name, "options": {name: name}})
    found = replace(evaluation(), notes=(name,))
    for text in (model_card(header, name, "", found), claim_checklist(header, name, "", found)):
        plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)  # without what is escaped
        for mark in ("<b>", "[x]", "`x`", "\x1b", "http:", "www.x"):
            assert mark not in plain.replace(f"*{OPEN}*", "")
        for row in text.splitlines():
            if row.startswith("| ") and "claim" not in row:
                assert len(re.findall(r"(?<!\\)\|", row)) in (4, 5, 9)


def test_cards_are_written(tmp_path: Path) -> None:
    assert [path.name for path in write_cards(HEADER, "m", "", tmp_path)] == ["model-card.md", "claim-checklist.md"]
    assert (tmp_path / "claim-checklist.md").read_text(encoding="utf-8").count("| page |") == 14
