"""What can be asked of a live run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqcls.errors import UsageError
from seqcls.live.frame_queue import Keep


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """keep: drop the oldest waiting frame when more than ``waiting`` wait, or make the source wait.

    view_every_s: time between snapshots for people. duration_s: when to stop by oneself. with_image: whether snapshots
    carry the newest frame's image.
    """

    keep: Keep = "latest"
    waiting: int = 8
    view_every_s: float = 0.1
    duration_s: float = math.inf
    with_image: bool = False

    def __post_init__(self) -> None:
        if self.keep not in ("latest", "every"):
            raise UsageError(f"keep must be latest or every, not {self.keep!r}")
        if self.waiting < 1:
            raise UsageError(f"at least 1 frame must be allowed to wait, not {self.waiting}")
        for name in ("view_every_s", "duration_s"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0 seconds, not {getattr(self, name)}")
