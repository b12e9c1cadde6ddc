"""The items of the Checklist for Artificial Intelligence in Medical Imaging (CLAIM), update of 2024, and what a model
file and an evaluation answer of them.

Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300, 10.1148/ryai.240300.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import seqcls
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.metrics import refusal
from seqcls.evaluation.organ_metrics import OrganMetrics
from seqcls.models.about import training_facts, training_options
from seqcls.models.file import ModelHeader
from seqcls.text.foreign_text import for_markdown
from seqcls.text.wording import count_of


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist."""

    number: int
    section: str
    text: str


_SECTIONS: dict[str, tuple[str, ...]] = {
    "Title and abstract": (
        "Identification as a study of AI methodology, specifying the category of technology used",
        "Summary of study design, methods, results, and conclusions",
    ),
    "Introduction": (
        "Scientific and/or clinical background, including the intended use and role of the AI approach",
        "Study aims, objectives, and hypotheses",
    ),
    "Methods: study design": (
        "Prospective or retrospective study",
        "Study goal",
    ),
    "Methods: data": (
        "Data sources",
        "Inclusion and exclusion criteria",
        "Data preprocessing",
        "Selection of data subsets",
        "De-identification methods",
        "How missing data were handled",
        "Image acquisition protocol",
    ),
    "Methods: reference standard": (
        "Definition of method(s) used to obtain the reference standard",
        "Rationale for choosing the reference standard",
        "Source of reference standard annotations",
        "Annotation of test set",
        "Measurement of inter- and intrarater variability of features described by the annotators",
    ),
    "Methods: data partitions": (
        "How data were assigned to partitions",
        "Level at which partitions are disjoint",
    ),
    "Methods: testing data": ("Intended sample size",),
    "Methods: model": (
        "Detailed description of model",
        "Software libraries, frameworks, and packages",
        "Initialization of model parameters",
    ),
    "Methods: training": (
        "Details of training approach",
        "Method of selecting the final model",
        "Ensembling techniques",
    ),
    "Methods: evaluation": (
        "Metrics of model performance",
        "Statistical measures of significance and uncertainty",
        "Robustness or sensitivity analysis",
        "Methods for explainability or interpretability",
        "Evaluation on internal data",
        "Testing on external data",
        "Clinical trial registration",
    ),
    "Results: data": (
        "Numbers of patients or examinations included and excluded",
        "Demographic and clinical characteristics of cases in each partition",
    ),
    "Results: model performance": (
        "Performance metrics and measures of statistical uncertainty",
        "Estimates of diagnostic performance and their precision",
        "Failure analysis of incorrect results",
    ),
    "Discussion": (
        "Study limitations",
        "Implications for practice, including intended use and/or clinical role",
    ),
    "Other information": (
        "Provide a reference to the full study protocol or to additional technical details",
        "Statement about the availability of software, trained model, and/or data",
        "Sources of funding and other support; role of funders",
    ),
}
ITEMS = tuple(
    Item(number, section, text)
    for number, (section, text) in enumerate(
        ((section, text) for section, texts in _SECTIONS.items() for text in texts), start=1
    )
)


def answers(header: ModelHeader, digest: str, evaluation: Evaluation | None) -> Mapping[int, str]:
    """By the item's number, what is known, as Markdown; the author fills in the others."""
    size, organs = header.geometry.size, ", ".join(map(for_markdown, header.organs))
    options = dict(training_options(header))
    chosen = "; ".join(f"{for_markdown(name)} {for_markdown(value)}" for name, value in options.items())
    trained = "; ".join(
        f"{for_markdown(name)}: {for_markdown(value)}" for name, value in training_facts(header) if value
    )
    leaked = header.training.get("leaked_frames")
    leaked = leaked if isinstance(leaked, int) else 0
    begun = for_markdown(str(header.training.get("weights", "")))
    found = {
        1: "Deep learning: a convolutional network on single frames, with smoothing and hysteresis over time.",
        3: f"Role of the approach: to find when {organs} can be seen in ultrasound clips. Background: to be filled by"
        " the author.",
        6: f"To tell for every moment of a clip whether {organs} can be seen: feasibility and accuracy of the model.",
        9: f"The ultrasound region is found in each clip by its shape and movement, cut out, blackened outside its"
        f" outline, made gray, and scaled without stretching into {size} × {size} pixels;"
        f" (gray / 255 − {header.mean:g}) / {header.std:g}.",
        11: "What lies outside the ultrasound region is neither kept nor shown. How the clips themselves were"
        " de-identified: to be filled by the author.",
        12: "Frames that are lost, damaged, black, frozen, without contact or no ultrasound are called unknown, with"
        " the reason; a frame that is not labelled for an organ counts for it neither in training nor in evaluation.",
        20: "Patients, where the labels name them, else clips: seqcls splits no patient unless it is asked to."
        + (f" {leaked} validation frames look the same as a training frame." if leaked else ""),
        22: f"{for_markdown(header.arch)} (He et al. 2016) with one gray input plane of {size} × {size} pixels and"
        f" {count_of(len(header.organs), 'sigmoid output')}: {organs}."
        + (f" {header.network_count} networks of this kind, see 27." if header.networks else "")
        + (f" SHA-256 of the weights: {digest}." if digest else ""),
        23: f"seqcls {for_markdown(header.version or 'of an unknown version')}"
        + (f", PyTorch {for_markdown(str(header.training['torch']))}" if "torch" in header.training else "")
        + f"; evaluated with seqcls {seqcls.__version__}.",
        27: f"The mean of the calibrated logits of {header.network_count} networks."
        if header.networks
        else "None: one network.",
        28: "By frame: sensitivity, specificity, precision, F1, accuracy, AUROC, AUPRC, Brier score, calibration error,"
        " confusion matrix. By presence: found, missed and false per minute, event F1, segmental F1@10/25/50, edit"
        " score, errors of begin and end, delay, time unknown.",
        29: "95 % intervals by the percentile bootstrap over patients, 1,000 draws; none for fewer than ten patients.",
        31: "Grad-CAM (Selvaraju et al. 2017) on the last convolutional layer, of the frames that were most wrong,"
        " where the evaluation shows them.",
        42: "docs/evaluation.md and docs/pipeline.md of seqcls.",
        43: "seqcls is under the Apache License 2.0. Model and data: to be filled by the author.",
    }
    if begun:
        found[24] = f"{begun}."
    if chosen:
        found[25] = f"{chosen}."
        found[26] = "The epoch with the best AUROC in validation, with averaged weights; else the last one."
    if trained:
        found[35] = f"{trained}. Excluded: to be filled by the author."
    return found if evaluation is None else found | _of_evaluation(evaluation)


def _of_evaluation(evaluation: Evaluation) -> dict[int, str]:
    frames, patients = len(evaluation.frames.clip), len(set(evaluation.frames.patient.tolist()))
    figures = "; ".join(map(_figures, evaluation.organs))
    sites = sorted({group.by for group in evaluation.subgroups})
    wrong = sum(organ.frames.false_present + organ.frames.false_absent for organ in evaluation.organs)
    seen = "; ".join(map(for_markdown, evaluation.caveats))
    return {
        21: f"{count_of(patients, 'patient')}, {count_of(frames, 'frame')}; how the size was chosen: to be filled by"
        " the author.",
        30: f"Figures apart by {' and '.join(sites)}: see the evaluation." if sites else "To be filled by the author.",
        32: seen if seen else "None of what was evaluated is among the marks of the training data in the model file.",
        37: f"{figures}.",
        38: "See 37 and evaluation.json.",
        39: f"{count_of(wrong, 'frame')} on the wrong side of the threshold; the worst clips and frames are listed in"
        " evaluation.html.",
    }


def _figures(organ: OrganMetrics) -> str:
    area, why = organ.spread["auroc"], refusal(organ.patients)
    interval = why if why else f"{area.low:.3f} to {area.high:.3f}"
    parts = [
        f"AUROC {area.value:.3f} (95 % interval {interval})",
        f"sensitivity {organ.frames.sensitivity:.3f}",
        f"specificity {organ.frames.specificity:.3f}",
        *([] if organ.intervals is None else [f"event F1 {organ.intervals.event_f1:.3f}"]),
    ]
    return f"{for_markdown(organ.organ)}: {', '.join(parts)}"
