"""What an evaluation leaves in a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqcls.evaluation.card import card_paths, write_cards
from seqcls.evaluation.curves import curves_of
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.extras import Extras
from seqcls.evaluation.page import evaluation_html
from seqcls.evaluation.plots import plot_paths, write_plots
from seqcls.evaluation.worst import WorstFrame
from seqcls.files import write_text
from seqcls.files.json_text import write_json
from seqcls.models.file import ModelHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The model: its header, the name of its file, and the digest of its weights."""

    header: ModelHeader
    name: str
    digest: str


def evaluation_paths(folder: Path) -> tuple[Path, ...]:
    """All that ``write_evaluation`` writes."""
    return (folder / "evaluation.json", folder / "evaluation.html", *plot_paths(folder), *card_paths(folder))


def write_evaluation(
    evaluation: Evaluation, model: Evaluated, folder: Path, extras: Extras | None = None
) -> tuple[Path, ...]:
    """Write it; the paths. Raises OutputError."""
    extras = Extras() if extras is None else extras
    record = evaluation.to_dict()
    record["worst_frames"] = [_wrong(one) for one in extras.frames]
    if extras.comparison:
        record["comparison"] = {"against": extras.against, "organs": [asdict(one) for one in extras.comparison]}
    if extras.agreements:
        record["agreement"] = [one.to_dict() for one in extras.agreements]
    curves = curves_of(evaluation.frames)
    page = evaluation_html(evaluation, curves, model.header, model.name, model.digest, extras)
    write_json(folder / "evaluation.json", record)
    write_text(folder / "evaluation.html", page)
    write_plots(curves, folder)
    write_cards(model.header, model.name, model.digest, folder, evaluation)
    return evaluation_paths(folder)


def _wrong(one: WorstFrame) -> dict[str, Any]:
    record = {"organ": one.organ, "clip": one.clip, "frame": one.index, "time_s": one.time_s}
    return {**record, "present": one.present, "score": one.score}
