"""Whether a journal is of the very run that is to go on: frames of two sources, or scores of two models, would mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seqcls.journal.format import Opening
from seqcls.timeline import Provenance
from seqcls.types import SourceInfo


def differences(opening: Opening, organs: Sequence[str], source: SourceInfo, provenance: Provenance) -> tuple[str, ...]:
    """What is different in a run of ``source`` by ``provenance``, for a person; nothing where it may go on.

    What an older journal does not state is taken for the same. The engine may be another: a run may go on elsewhere.
    """
    theirs, ours = opening.provenance, provenance
    same_model = (opening.organs, theirs.model_dataset) == (tuple(organs), ours.model_dataset)
    if theirs.model_digest and ours.model_digest:
        same_model &= theirs.model_digest == ours.model_digest
    same_gate = None in (theirs.gate, ours.gate) or theirs.gate == ours.gate
    same_options = (theirs.smoothing, theirs.intervals) == (ours.smoothing, ours.intervals)
    return tuple(
        what
        for what, is_same in (
            (f"another source ({opening.source.title})", _plain(opening.source) == _plain(source)),
            (f"another model ({theirs.model})", same_model),
            ("another region", None in (theirs.geometry, ours.geometry) or theirs.geometry == ours.geometry),
            ("another gate", same_gate),
            ("other options", same_options),
        )
        if not is_same
    )


def _plain(source: SourceInfo) -> SourceInfo:
    """Without what depends on how the source was named, and on the seqcls that read it."""
    return replace(source, path="", details=())
