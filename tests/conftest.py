"""What every test may use: the folder of real clips, where there is one. And how many threads a test takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqcls.third_party import switch_off_reporting

switch_off_reporting()  # tests import some libraries on their own
if "PYTEST_XDIST_WORKER" in os.environ:  # a process per processor: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent


def real_clips_folder() -> Path:
    """``$SEQCLS_REAL_CLIPS``, else ``shared/data/real-clips`` beside the project."""
    stated = os.environ.get("SEQCLS_REAL_CLIPS")
    return Path(stated) if stated else HERE.parent.parent / "shared" / "data" / "real-clips"


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Folder that holds ``clips/`` and ``intervals.json``; skips where it is absent."""
    folder = real_clips_folder()
    if not (folder / "intervals.json").is_file():
        pytest.skip(f"no real clips at {folder}: set SEQCLS_REAL_CLIPS to their folder")
    return folder
