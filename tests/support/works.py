"""What a run of many clips is to do, with a stated detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcls.archive.manifest import Manifest
from seqcls.cli.archive_plan import Plan
from seqcls.cli.clip_work import ClipWork
from seqcls.cli.run_clips import ClipRun
from seqcls.cli.second_reading import SecondReading
from seqcls.detector import Detector


def work_of(root: Path, used: Detector, **changes: Any) -> ClipWork:
    run = ClipRun(
        detector=used,
        root=root,
        rate_hz=None,
        names=None,
        expressions=(),
        pool=None,
        pages=None,
        again=SecondReading(overlay=False, shows_names=False, cut=False),
        overwrite=False,
    )
    return ClipWork(replace(run, **changes), Manifest(options={}), Plan([], [], set(), {}, 0, 0))
