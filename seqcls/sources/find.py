"""From what people type to what ``open_source`` takes: files, folders, globs, camera numbers."""

from __future__ import annotations

import glob
from collections.abc import Sequence


def expand(specs: Sequence[str]) -> list[str]:
    return [p for s in specs for p in (sorted(glob.glob(s)) or [s])]
