"""Frames read many at once: the same as one by one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journals import (
    SOURCE,
    Clock,
    entries_in,
    exactly,
    made_by,
    sealed,
)

from seqcls.journal import (
    create_journal,
)
from seqcls.journal.format import decode, encode
from seqcls.journal.reader import JournalReader
from seqcls.journal.scored_frames import Frames, frames, scored_row
from seqcls.types import MAX_INDEX, MAX_TIME_S, Event, FrameScore

seconds = st.floats(-MAX_TIME_S, MAX_TIME_S)


counts = st.integers(0, MAX_INDEX)


novelties = st.just(float("nan")) | st.floats(0, 1, width=32)


scores = st.lists(st.floats(width=32), min_size=2, max_size=2).map(lambda s: np.array(s, np.float32))


@settings(max_examples=300, deadline=None)
@given(
    record=st.builds(FrameScore, counts, seconds, seconds, scores, st.just(""), st.just(True), novelties),
    at_s=seconds,
    number=counts,
)
def test_the_short_way_to_a_frame_and_the_long_one_agree(record: FrameScore, at_s: float, number: int) -> None:
    line = encode(number, at_s, record)[:-1]
    long = decode(line, 2)
    if (row := scored_row(line, 2)) is not None:
        (short,) = entries_in(frames([row]))
        assert (short.number, short.at_s, exactly(short.record)) == (long.number, long.at_s, exactly(long.record))
    with_blanks = json.dumps(json.loads(line[9:])).encode()  # not as it is written
    assert scored_row(sealed(with_blanks)[:-1], 2) is None
    for organs in (1, 3):
        assert scored_row(line, organs) is None
        with pytest.raises(ValueError, match="2 scores"):
            decode(line, organs)
    for wrong in (b"0" * 8 + line[8:], line + b" ", line.replace(b'"at"', b'"aT"')):
        if wrong != line:
            assert scored_row(wrong, 2) is None
            with pytest.raises(ValueError):
                decode(wrong, 2)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5, 1e-5, 0.8519571, 3.4e-38])
def test_scores_as_engines_give_them_go_the_short_way(value: float) -> None:
    line = encode(7, 0.25, FrameScore(3, 0.1, 1 / 30, np.array([value, 1 / 3], np.float32)))
    row = scored_row(line[:-1], 2)
    assert row is not None
    block = frames([row])
    assert block.scores.tolist() == [[np.float32(value), np.float32(1 / 3)]] and block.scores.dtype == np.float32
    assert (block.number, block.at_s.tolist(), block.index.tolist()) == (7, [0.25], [3])
    assert (block.time_s.tolist(), block.duration_s.tolist()) == ([0.1], [1 / 30])


def test_frames_come_in_pieces_that_hold_what_the_lines_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.journal.reader._MAX_FRAMES", 7)
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a", "b"), source=SOURCE, provenance=made_by(),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        for i in range(20):
            clock.now_s = 1000 + i / 3
            writer.write(FrameScore(i, i / 3, 1 / 3, np.array([i / 20, 1e-5], np.float32)))
        writer.write(Event("a", "present", 0.0, 0, 0.1), FrameScore(20, 7.0, 0.1, np.array([1, 0], np.float32)))
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    sizes, back = [], []
    for block in JournalReader(tmp_path / "j", io.BytesIO((tmp_path / "j").read_bytes())).blocks():
        sizes.append(len(block.index) if isinstance(block, Frames) else 0)
        back += entries_in(block) if isinstance(block, Frames) else [block]
    assert sizes == [0, 7, 7, 6, 0, 1]
    assert [encode(entry.number, entry.at_s, entry.record) for entry in back[1:]] == lines[1:]
