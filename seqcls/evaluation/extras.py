"""What stands beside the metrics of an evaluation: readers, another model, and where it went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.evaluation.agreement import Agreement
from seqcls.evaluation.compare import OrganComparison
from seqcls.evaluation.worst import WorstClip, WorstFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extras:
    """agreements: of readers and the model. comparison: with the model of the file ``against``.

    clips, frames: where the model did worst. heats: what the network looked at in each of ``frames``, (S, S) float32
    0..1, None where that is not known. remarks: for a reader of the page.
    """

    agreements: Sequence[Agreement] = ()
    against: str = ""
    comparison: Sequence[OrganComparison] = ()
    clips: Sequence[WorstClip] = ()
    frames: Sequence[WorstFrame] = ()
    heats: Sequence[NDArray[np.float32] | None] = ()
    remarks: Sequence[str] = ()

    def heat(self) -> Sequence[NDArray[np.float32] | None]:
        """One for each of ``frames``."""
        return self.heats if self.heats else [None] * len(self.frames)
