"""STAND-IN by the lead until the real module is here; overwrite me."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.geometry import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    enabled: bool = True


class Gate:
    def __init__(self, options: GateOptions) -> None:
        self._options = options

    def check(self, image: NDArray[np.uint8], region: Region, time_s: float) -> str:
        return "black" if self._options.enabled and image.max() < 8 else ""
