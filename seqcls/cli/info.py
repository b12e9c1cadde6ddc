"""`seqcls info`: what a model is, and what it knows of itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import OUTPUT


def info(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file, converted or not.")],
    as_json: Annotated[bool, OUTPUT("", "For programs: the whole header, and digests, as JSON.", "--json")] = False,
    card: Annotated[
        Path | None, OUTPUT("DIR", "Also write model-card.md and claim-checklist.md there, without figures.", "--card")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show what a model is and knows: organs, input, training, thresholds, calibration, operating points, digests.

    Reads the header alone: no weight is loaded and nothing is computed.
    """
    from seqcls.files.json_text import json_line
    from seqcls.files.output_lock import only_writer
    from seqcls.models.about import facts_of
    from seqcls.models.digest import scoring_digest, weights_digest
    from seqcls.models.file import read_header

    header = read_header(model)
    digest = weights_digest(model)
    out = console.results()
    if as_json:
        record = {"file": model.name, "weights_sha256": digest, "scoring_sha256": scoring_digest(model, header)}
        out.print(json_line({**record, "header": {**asdict(header), "geometry": header.geometry.to_dict()}}))
    else:
        for title, facts in facts_of(header, model.name, digest):
            out.print(console.literal(title, "bold"))
            out.print(tables.facts(facts))
    if card is not None:
        from seqcls.evaluation.card import card_paths, write_cards

        with only_writer(card, is_folder=True):
            options.check_outputs(*card_paths(card), overwrite=overwrite)
            for path in write_cards(header, model.name, digest, card):
                console.notify(f"wrote {path}")
