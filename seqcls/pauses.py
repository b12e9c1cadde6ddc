"""Long frames: stretches without a new frame that nothing marks as a gap, for which one frame's state stands.

A file with a variable frame rate may mean them, and a file that lost frames looks the same: the times stay as they are,
and a person is warned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqcls.text.wording import count_of
from seqcls.types import Gap, ScoreTable

#: A frame is long that is shown for more than so many seconds, and for more than so many times the median duration.
LONG_S = 1.0
LONG_TIMES = 5


def long_frames(scores: ScoreTable) -> NDArray[np.bool_]:
    """(T,) which frames are followed by the next one, or by the end, unusually late."""
    long: NDArray[np.bool_] = _shown_s(scores) > _longest_usual_s(scores)
    return long


def pauses(scores: ScoreTable, gaps: Sequence[Gap]) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of every long frame that has a state; ``gaps`` are known not to, and end it."""
    least_s, shown_s = _longest_usual_s(scores), _shown_s(scores)
    gaps_s, found = np.sort([gap.start_s for gap in gaps]), []
    for row in np.flatnonzero(shown_s > least_s).tolist():
        start_s = float(scores.time_s[row])
        end_s = start_s + float(shown_s[row])
        following = int(np.searchsorted(gaps_s, start_s))
        end_s = min(end_s, float(gaps_s[following])) if following < len(gaps_s) else end_s
        if not scores.reason[row] and end_s - start_s > least_s:
            found.append((start_s, end_s))
    return found


def with_pauses(warnings: tuple[str, ...], scores: ScoreTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """The warnings and, where it is not among them, one line about the pauses."""
    found = pauses(scores, gaps)
    if not found:
        return warnings
    start_s, end_s = max(found, key=lambda one: one[1] - one[0])
    longest = f"{end_s - start_s:.1f} s after the frame at {start_s:.2f} s"
    if len(found) == 1:
        line = f"no new frame for {longest}: until the next one its state is taken"
    else:
        line = (
            f"no new frame for a long time in {count_of(len(found), 'place')}, the longest {longest}:"
            " each time the state of the frame before is taken"
        )
    return warnings if line in warnings else (*warnings, line)


def _shown_s(scores: ScoreTable) -> NDArray[np.float64]:
    """(T,) seconds until the next frame, of the last one its duration; times that run back stand still."""
    time_s = np.maximum.accumulate(scores.time_s)
    return np.append(np.diff(time_s), scores.duration_s[-1:])


def _longest_usual_s(scores: ScoreTable) -> float:
    return max(LONG_S, LONG_TIMES * float(np.median(_shown_s(scores)))) if len(scores.time_s) else LONG_S
