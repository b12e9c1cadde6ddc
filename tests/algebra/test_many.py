"""Many clips at once give what each gives alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.timelines import drawn

from seqcls.algebra.expression import parsed
from seqcls.algebra.logic import STATES
from seqcls.algebra.many import Clips, in_view
from seqcls.algebra.where import where
from seqcls.timeline import Timeline

ORGANS = ("a", "b")


def together(runs: Sequence[Timeline]) -> Clips:
    rows = [(number, i) for number, run in enumerate(runs) for i in run.intervals]
    return Clips(
        start_s=np.array([run.start_s for run in runs]),
        end_s=np.array([run.end_s for run in runs]),
        organs=ORGANS,
        clip=np.array([number for number, _ in rows]),
        organ=np.array([ORGANS.index(i.organ) for _, i in rows]),
        code=np.array([STATES.index(i.state) for _, i in rows], np.int8),
        begin_s=np.array([i.start_s for _, i in rows]),
    )


def moved(run: Timeline, by_s: float) -> Timeline:
    """As of a clip whose clock does not begin with 0."""
    own = tuple(replace(i, start_s=i.start_s + by_s, end_s=i.end_s + by_s) for i in run.intervals)
    return replace(run, start_s=by_s, end_s=run.end_s + by_s, intervals=own)


strips = st.integers(1, 6).flatmap(lambda n: st.tuples(*[st.text("P.?", min_size=n, max_size=n)] * 2))


@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(strips, min_size=1, max_size=5),
    text=st.sampled_from(["a", "not a", "a and not b", "a or b", "a during b", "not (b before a)", "a before not b"]),
)
def test_each_clip_by_itself(pairs: list[tuple[str, str]], text: str) -> None:
    runs = [drawn(a=a, b=b) for a, b in pairs]
    (found,) = in_view(together([moved(run, 7.5 * n) for n, run in enumerate(runs)]), [parsed(text, ORGANS)])
    for n, run in enumerate(runs):
        own = where(run, f"made = {text}").of("made")
        for state, lengths_s, ever in (
            ("present", found.present_s, found.present),
            ("unknown", found.unknown_s, found.unknown),
        ):
            assert lengths_s[n] == pytest.approx(sum(i.duration_s for i in own if i.state == state), abs=1e-6)
            assert ever[n] == any(i.state == state for i in own)


def test_an_organ_that_a_clip_does_not_know_is_unknown_in_it() -> None:
    clips = together([drawn(a="PP.."), drawn(a="PPPP", b="P...")])
    both, neither = in_view(clips, [parsed("a and b", ORGANS), parsed("not (a or b)", ORGANS)])
    assert both.present_s == pytest.approx([0, 0.1]) and both.unknown_s == pytest.approx([0.2, 0])
    assert neither.present.tolist() == [False, False] and neither.unknown_s == pytest.approx([0.2, 0])


def test_a_clip_without_duration_is_seen_and_lasts_nothing() -> None:
    still = drawn(a="P", b=".")
    still = replace(still, end_s=0.0, intervals=tuple(replace(i, end_s=0.0) for i in still.intervals))
    (found,) = in_view(together([still, drawn(a=".", b="P")]), [parsed("a and not b", ORGANS)])
    assert found.present.tolist() == [True, False] and found.present_s.tolist() == [0, 0]
