"""A model card (Mitchell et al. 2019, 10.1145/3287560.3287596) and a filled CLAIM checklist, as Markdown.

What the program knows is filled in; what only the author knows is left open in so many words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import seqcls
from seqcls.evaluation.claim import ITEMS, answers
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.metric_names import FRAME_ROWS, INTERVAL_ROWS
from seqcls.evaluation.metrics import refusal
from seqcls.evaluation.organ_metrics import OrganMetrics
from seqcls.files import write_text
from seqcls.models.about import Facts, facts_of, training_options
from seqcls.models.file import ModelHeader
from seqcls.text.foreign_text import for_markdown
from seqcls.text.wording import count_of

#: What stands where only the author knows.
OPEN = "*To be filled by the author.*"
_NAMES = ("model-card.md", "claim-checklist.md")


def card_paths(folder: Path) -> tuple[Path, ...]:
    """The files that ``write_cards`` makes."""
    return tuple(folder / name for name in _NAMES)


def write_cards(
    header: ModelHeader, name: str, digest: str, folder: Path, evaluation: Evaluation | None = None
) -> tuple[Path, ...]:
    """Write model-card.md and claim-checklist.md; their paths. Raises OutputError."""
    card, checklist = card_paths(folder)
    write_text(card, model_card(header, name, digest, evaluation))
    write_text(checklist, claim_checklist(header, name, digest, evaluation))
    return card, checklist


def model_card(header: ModelHeader, name: str, digest: str, evaluation: Evaluation | None = None) -> str:
    """The card of a model file of this name. ``digest``: SHA-256 of its weights. ``evaluation``: of it."""
    groups = dict(facts_of(header, name, digest))
    organs = ", ".join(map(for_markdown, header.organs))
    lines = [
        *_FRONT,
        f"# {for_markdown(name)}",
        f"When {organs} {'is' if len(header.organs) == 1 else 'are'} in view in an ultrasound clip.",
        seqcls.DISCLAIMER,
        "## Model details",
        *_listed(groups["What it is"]),
        *_listed(groups["From scores to intervals"]),
        f"- developed by, licence, contact, citation: {OPEN}",
        "## Intended use",
        f"To find the stretches of B-mode ultrasound clips or of a live feed in which {organs} can be seen: to search,"
        " label and review recordings, and in research.",
        f"- intended users: {OPEN}",
        "- out of scope: diagnosis, measurement, triage, and any decision about a patient; other kinds of images; other"
        " organs than those named.",
        "## Factors",
        "Scanner, probe, preset, depth, operator, patient (age, body size, anatomy after surgery) and pathology change"
        " what an organ looks like.",
        *_subgroups(evaluation),
        "## Metrics",
        "Each is defined in docs/evaluation.md of seqcls. By frame at the model's thresholds; by presence after"
        " smoothing, event F1 with a collar, segmental F1 at an overlap of 10, 25 and 50 %. 95 % intervals draw"
        " patients (percentile bootstrap, 1,000 draws) and are given from ten patients on.",
        "## Evaluation data",
        *_evaluation_data(evaluation),
        "## Training data",
        *(_listed(groups["Training"]) or [OPEN]),
        f"- where the clips are from, who labelled them and how, who was left out: {OPEN}",
        "### Training procedure",
        *(_listed(training_options(header)) or ["Not known: the model file does not say."]),
        "## Quantitative analyses",
        *_analyses(evaluation),
        "## Ethical considerations",
        f"Consent, ethics vote, and the groups of patients that are missing: {OPEN}",
        "The model file holds no image and no name. Unless it was trained with `fingerprints=none` it holds salted"
        " hashes of its training data, by which somebody who has a clip, or guesses a name, can find out that it was"
        " among them.",
        "## Caveats and recommendations",
        *_listed(groups["What it says of its limits"]),
        *(f"- {for_markdown(line)}" for line in _caveats(evaluation)),
        "- Evaluate it on patients of your own, with your scanners, before relying on it.",
        f"- known failures: {OPEN}",
    ]
    return _page(lines)


def claim_checklist(header: ModelHeader, name: str, digest: str, evaluation: Evaluation | None = None) -> str:
    """The Checklist for Artificial Intelligence in Medical Imaging, update of 2024 (10.1148/ryai.240300)."""
    known = answers(header, digest, evaluation)
    lines = [
        f"# CLAIM checklist: {for_markdown(name)}",
        "Checklist for Artificial Intelligence in Medical Imaging (CLAIM), 2024 update: Tejani AS, Klontzas ME, Gatti"
        " AA, et al. Radiology: Artificial Intelligence 2024;6(4):e240300. What seqcls knows of the model and of its"
        " evaluation is filled in; check it against the manuscript, whose page goes into the last column.",
        "",
    ]
    section = ""
    rows: list[str] = []
    for item in ITEMS:
        if item.section != section:
            section = item.section
            rows += ["", f"## {section}", "", "| no. | item | answer | page |", "|---|---|---|---|"]
        rows.append(f"| {item.number} | {item.text} | {known.get(item.number, OPEN)} | |")
    return _page(lines, gap=False) + "\n".join(rows) + "\n"


_FRONT = (
    "---\nlibrary_name: seqcls\npipeline_tag: video-classification\ntags:\n- ultrasound\n- medical-imaging\n"
    "license: other # to be filled by the author\n---",
)


def _page(lines: Sequence[str], *, gap: bool = True) -> str:
    """Blank lines around all but the items of a list."""
    text = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        both = line.startswith("- ") and following.startswith("- ")
        text += line + ("\n" if both or not gap else "\n\n")
    return text.rstrip("\n") + "\n"


def _listed(facts: Facts) -> list[str]:
    return [f"- {for_markdown(name)}: {for_markdown(value)}" for name, value in facts]


def _caveats(evaluation: Evaluation | None) -> tuple[str, ...]:
    return () if evaluation is None else evaluation.remarks


def _subgroups(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None or not evaluation.subgroups:
        return ["Figures by scanner and site: none, the evaluation knew of one or none."] if evaluation else [OPEN]
    rows = [
        (
            group.by,
            group.name,
            organ.organ,
            str(organ.patients),
            str(organ.frames.count),
            _figure(organ.frames.auroc),
            _figure(organ.frames.accuracy),
            "" if organ.intervals is None else _figure(organ.intervals.event_f1),
        )
        for group in evaluation.subgroups
        for organ in group.organs
    ]
    heads = ("by", "name", "organ", "patients", "frames", "AUROC", "accuracy", "event F1")
    return [markdown_table(heads, rows)]


def _evaluation_data(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["Not evaluated: `seqcls evaluate MODEL CLIPS --labels LABELS -o DIR` fills this in."]
    frames = count_of(len(evaluation.frames.clip), "frame")
    patients = count_of(len(set(evaluation.frames.patient.tolist())), "patient")
    clips = f"{count_of(len(evaluation.clips), 'clip')}, " if evaluation.clips else ""
    return [f"{clips}{frames} of {patients}. How they were chosen: {OPEN}"]


def _analyses(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["Not evaluated."]
    parts: list[str] = []
    for organ in evaluation.organs:
        parts += [f"### {for_markdown(organ.organ)}", metrics_table(organ)]
        why = refusal(organ.patients)
        parts += [f"95 % intervals {why}."] if why else []
    return parts or ["No organ of the model could be measured."]


def metrics_table(organ: OrganMetrics) -> str:
    """One row a metric, in Markdown."""
    rows = []
    for metric in (*FRAME_ROWS, *(INTERVAL_ROWS if organ.intervals is not None else ())):
        one = organ.spread[metric.name]
        spread = "" if math.isnan(one.low + one.high) else f"{metric.shown(one.low)} to {metric.shown(one.high)}"
        rows.append((metric.title, metric.shown(one.value) + metric.count(organ), spread))
    m = organ.frames
    rows += [("true present, false present", f"{m.true_present}, {m.false_present}", "")]
    rows += [("false absent, true absent", f"{m.false_absent}, {m.true_absent}", "")]
    return markdown_table(("metric", "value", "95 % interval"), rows)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """What cells hold is taken literally."""
    lines = [heads, ["---"] * len(heads), *([for_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
