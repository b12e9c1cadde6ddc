"""Synthetic B-mode sweeps over the neck with exact truth: for the demo, the samples and the tests.

Every frame is drawn from geometry (``anatomy``), a travelling probe (``motion``), a scanner (``beam``) and its screen
(``screen``); what is in view is therefore known, not labelled by hand. Not a model of any real person or device, and no
measure of how well anything works on patients.
"""

from __future__ import annotations

from seqcls.phantom.anatomy import ORGANS
from seqcls.phantom.sweep import PhantomFrame, SweepOptions, sweep
from seqcls.phantom.video import SweepTruth, TruthSpan, write_labels, write_sweep

__all__ = [
    "ORGANS",
    "PhantomFrame",
    "SweepOptions",
    "SweepTruth",
    "TruthSpan",
    "sweep",
    "write_labels",
    "write_sweep",
]
