"""What a timeline states of each frame: by its intervals, not by the frame's score."""

from __future__ import annotations

import numpy as np
from support.timelines import timeline

from seqcls.frame_states import frame_states


def test_the_states_of_each_frame() -> None:
    made = timeline(liver="..PPPPPP??????", kidney="PPPP....??????")
    states = frame_states(made)
    assert states.shape == (14, 2) and states.dtype == np.int8
    assert states[:, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1]
    assert states[:, 1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1]


def test_frames_that_no_interval_holds_are_unknown() -> None:
    """Frame 20 is not in the clip; those before it are looked up by their numbers."""
    made = timeline(liver="..PPPP")
    assert frame_states(made, np.array([1, 3, 20]))[:, 0].tolist() == [0, 1, -1]
