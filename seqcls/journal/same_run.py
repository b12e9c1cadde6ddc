"""Whether a journal is of the very run that is to go on: frames of two sources, or scores of two models, would mix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from seqcls.geometry import Geometry
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
    same_source = _plain(opening.source) == _plain(source)
    if theirs.source_digest and ours.source_digest:
        same_source &= theirs.source_digest == ours.source_digest
    same_region = None in (theirs.geometry, ours.geometry) or theirs.geometry == ours.geometry
    if theirs.layouts_digest and ours.layouts_digest:
        same_region &= theirs.layouts_digest == ours.layouts_digest
    same_gate = None in (theirs.gate, ours.gate) or theirs.gate == ours.gate
    same_options = (theirs.smoothing, theirs.intervals) == (ours.smoothing, ours.intervals)
    same_options &= _uses_novelty(theirs) == _uses_novelty(ours)
    return tuple(
        what
        for what, is_same in (
            (f"another source ({opening.source.title})", same_source),
            (f"another model ({theirs.model})", same_model),
            ("another region", same_region),
            ("another gate", same_gate),
            ("other options", same_options),
        )
        if not is_same
    )


def _uses_novelty(provenance: Provenance) -> bool:
    return provenance.novelty is not None and provenance.novelty.used


def _plain(source: SourceInfo) -> SourceInfo:
    """Without what depends on how the source was named, and on the seqcls that read it."""
    return replace(source, path="", details=())


def layouts_digest(geometry: Geometry) -> str:
    """SHA-256 in hex of the screens whose region is known; for a stated region, which needs none, of none."""
    used = geometry.layouts if geometry.region == "auto" else ()
    return hashlib.sha256(repr([layout.to_dict() for layout in used]).encode()).hexdigest()
