"""What an evaluation leaves in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcls.evaluation.agreement import Agreement
from seqcls.evaluation.card import card_paths, write_cards
from seqcls.evaluation.curves import curves_of
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.plots import plot_paths, write_plots
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
    return (folder / "evaluation.json", *plot_paths(folder), *card_paths(folder))


def write_evaluation(
    evaluation: Evaluation, model: Evaluated, folder: Path, agreements: Sequence[Agreement] = ()
) -> tuple[Path, ...]:
    """Write it; the paths. ``agreements``: of readers and the model. Raises OutputError."""
    record = evaluation.to_dict()
    if agreements:
        record["agreement"] = [one.to_dict() for one in agreements]
    write_json(folder / "evaluation.json", record)
    write_plots(curves_of(evaluation.frames), folder)
    write_cards(model.header, model.name, model.digest, folder, evaluation)
    return evaluation_paths(folder)
