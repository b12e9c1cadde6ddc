"""One clip that is started before it is finished; what it becomes is tested with the detector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from support.fakes import detector, frames

from seqcls.analysis import Analysis
from seqcls.types import Frame, Gap


def test_a_started_clip_is_read_before_it_is_finished() -> None:
    read = threading.Event()

    def feed() -> Iterator[Frame | Gap]:
        yield from frames([0.9] * 10)
        read.set()

    with closing(Analysis(detector(), feed())) as later:
        assert read.wait(20)
        first = detector().analyze(frames([0.1] * 5))
        timeline = later.finish()
    assert len(first.scores.index) == 5 and len(timeline.scores.index) == 10
    assert timeline.report.verdict == "complete"


def test_a_started_clip_that_is_never_finished_leaves_no_thread() -> None:
    before = threading.active_count()
    with closing(Analysis(detector(), frames([0.5] * 5000))):
        assert threading.active_count() == before + 2  # decoding, preparing
    assert threading.active_count() == before
