"""What is least certain comes first, and why."""

from __future__ import annotations

from support.timelines import timeline

from seqcls.review.queue import UNKNOWN_DOUBT, Coverage, doubts
from seqcls.review.tracks import Span, Track


def test_the_least_certain_comes_first() -> None:
    """Scores of 0.45 lie at the threshold of 0.425, those of 0.9 and 0.1 far from it."""
    run = timeline(sure="." * 20 + "P" * 20 + "." * 20, unsure="." * 20 + "P" + "m" * 19 + "." * 20)
    found = doubts(run)
    assert (found[0].organ, found[0].first, found[0].behind) == ("unsure", 20, 40)
    assert found[0].why == "scores near the threshold" and 0.8 < found[0].share <= 1
    assert {doubt.organ for doubt in found[-2:]} == {"sure"}
    assert [doubt.share for doubt in found] == sorted((doubt.share for doubt in found), reverse=True)


def test_short_presences_are_doubtful() -> None:
    """0.4 s where 0.3 s are the least: 2 - 0.4 / 0.3 = 0.67, of which 0.9."""
    run = timeline(organ="." * 20 + "PPPP" + "." * 20)
    (short,) = [doubt for doubt in doubts(run) if doubt.first == 20]
    assert short.why == "short" and abs(short.share - 0.6) < 1e-3


def test_what_was_not_scored_is_doubtful() -> None:
    run = timeline(organ="." * 20 + "?" * 10 + "." * 20)
    (unknown,) = [doubt for doubt in doubts(run) if doubt.first == 20]
    assert (unknown.behind, unknown.share, unknown.why) == (30, UNKNOWN_DOUBT, "black")


def test_an_edge_that_is_not_sharp() -> None:
    run = timeline(organ="." * 40 + "m" * 3 + "P" * 40)
    (present,) = [doubt for doubt in doubts(run) if doubt.behind == 83]
    assert present.why == "its beginning is not sharp"


def test_what_a_reader_has_settled() -> None:
    spans = (Span(2, 5, "present"), Span(5, 6, "absent"), Span(6, 9, "absent", "model"), Span(12, 14, "ignore"))
    settled = Coverage(Track(spans))
    frames = {frame for span in spans if span.by == "reader" for frame in range(span.first, span.behind)}
    for first in range(16):
        for behind in range(first + 1, 17):
            assert settled.covers(first, behind) is frames.issuperset(range(first, behind)), (first, behind)
    assert not Coverage(Track()).covers(0, 1)
