"""A record and its line: what was written comes back, and a person can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.journals import (
    ORGANS,
    SOURCE,
    Clock,
    begin,
    exactly,
    frame,
    made_by,
    records_of,
    sealed,
)

from seqcls.gate import GateOptions
from seqcls.intervals import IntervalOptions
from seqcls.journal import (
    FeedChange,
    Record,
    RunSummary,
    create_journal,
    read_journal,
    resume,
)
from seqcls.smoothing import SmoothingOptions
from seqcls.types import MAX_INDEX, MAX_TIME_S, Event, FrameCounts, FrameScore, Gap, SourceInfo

seconds = st.floats(-MAX_TIME_S, MAX_TIME_S, allow_nan=False)


texts = st.text(max_size=20).filter(lambda text: "://" not in text)


counts = st.integers(0, MAX_INDEX)


scores = st.lists(st.floats(width=32), min_size=2, max_size=2).map(lambda s: np.array(s, np.float32))


records = st.one_of(
    st.builds(FrameScore, counts, seconds, seconds, st.none() | scores, texts, st.booleans()),
    st.builds(Gap, seconds, seconds, texts),
    st.builds(Event, texts, st.sampled_from(["present", "absent", "unknown"]), seconds, counts, seconds, texts),
    st.builds(FeedChange, texts, texts, st.just("2030-01-01T00:00:00.000+00:00"), seconds),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(records, max_size=12), batch=st.integers(1, 5))
def test_records_come_back_bit_for_bit(tmp_path: Path, written: list[Any], batch: int) -> None:
    path = tmp_path / "run.journal"
    path.unlink(missing_ok=True)
    with begin(path, Clock()) as writer:
        for start in range(0, len(written), batch):
            assert writer.write(*written[start : start + batch])
    journal = read_journal(path)
    assert [exactly(r) for r in records_of(path)][1:] == [exactly(_one_nan(r)) for r in written]
    assert journal.damage.summary == "" and journal.count == len(written) + 1 and journal.last_number == len(written)


def _one_nan(record: Record) -> Record:
    """A score that is no number comes back as NaN, in one of its many bit patterns."""
    if not isinstance(record, FrameScore) or record.scores is None:
        return record
    return replace(record, scores=np.where(np.isfinite(record.scores), record.scores, np.float32(np.nan)))


@pytest.mark.parametrize(
    "bits", [1, 0x007FFFFF, 0x00800000, 0x3DCCCCCD, 0x3EAAAAAB, 0x3F7FFFFF, 0x80000000, 0x7F7FFFFF]
)
def test_float32_at_its_edges(tmp_path: Path, bits: int) -> None:
    score = np.array([bits, 0], np.uint32).view(np.float32)
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(FrameScore(0, 0.1 + 0.2, 1 / 30, score))
    back = records_of(tmp_path / "j")[1]
    assert isinstance(back, FrameScore) and back.scores is not None and back.scores.dtype == np.float32
    assert back.scores.tobytes() == score.tobytes() and (back.time_s, back.duration_s) == (0.1 + 0.2, 1 / 30)


def test_the_opening_says_what_the_run_is(tmp_path: Path) -> None:
    smoothing = SmoothingOptions(kind="hmm", dwell_s=1.25)
    with begin(tmp_path / "j", Clock(2.5), smoothing, model="m.safetensors", gate=GateOptions(freeze_s=2.0)):
        pass
    opening = read_journal(tmp_path / "j").opening
    assert (opening.session, opening.organs) == ("first", ORGANS)
    assert (
        opening.source == SOURCE and opening.wall == "2030-01-01T00:00:02.500+00:00" and opening.monotonic_s == 5002.5
    )
    assert opening.provenance == made_by(smoothing, model="m.safetensors", gate=GateOptions(freeze_s=2.0))


def test_a_person_can_read_it(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path / "j", clock) as writer:
        clock.now_s = 1.5
        writer.write(frame(0))
        writer.state("stalled", "no frame within 2 s \x1b[2J")
    lines = (tmp_path / "j").read_bytes().decode("ascii").split("\n")
    assert lines[-1] == "" and lines[1][9:] == (
        '{"n":1,"at":1.5,"kind":"frame","index":0,"time_s":0.0,"duration_s":0.1,"scores":[0.9,0.33333334]}'
    )
    state = json.loads(lines[2][9:])
    assert state["kind"] == "state" and state["monotonic_s"] == 5001.5 and "\x1b" not in lines[2]


@pytest.mark.parametrize(
    "url",
    ["rtsp://joe:s3cret@host/live", "http://host/v?user=joe&pwd=s3cret", "rtsp://joe:p@s3cret@h/x", "rtsp://j:a/s3cret@h", "http://h/a;key=s3cret"],
)  # fmt: skip
def test_no_secret_reaches_the_file(tmp_path: Path, url: str) -> None:
    with create_journal(
        tmp_path / "j", organs=("o",), provenance=made_by(intervals=[IntervalOptions()], model=url),
        source=SourceInfo(name=url, kind="stream", details=(("url", url),)),
    ) as writer:  # fmt: skip
        writer.write(Gap(0, 1, f"cannot open {url}: refused"), FrameScore(0, 0.0, 0.1, None, url))
        writer.state("retrying", url)
        writer.finish(RunSummary(end_s=1, frame_counts=FrameCounts(), verdict="complete", reasons=(url,)))
    assert b"s3cret" not in (tmp_path / "j").read_bytes()
    assert next(r.reason for r in records_of(tmp_path / "j") if isinstance(r, Gap)).startswith("cannot open ")


FORMAT_1 = """
{"n":0,"at":0.0,"kind":"open","session":"first","organs":["liver"],"smoothing":{"kind":"mean","window_s":0.5,"look_ahead_s":0.25,"time_constant_s":0.2,"dwell_s":2.0},"intervals":[{"onset":0.6,"offset":0.4,"min_present_s":0.3,"min_absent_s":0.2,"pad_s":0.0}],"source":{"name":"probe","kind":"camera"},"provenance":{"model":"m.safetensors","model_dataset":"d07","engine":"ONNX Runtime 1.20, cpu"},"wall":"2030-01-01T00:00:00.000+00:00","monotonic_s":5.0,"seqcls":"0.1.0","format":1}
{"n":1,"at":0.1,"kind":"frame","index":0,"time_s":0.0,"duration_s":0.1,"scores":[0.9]}
{"n":2,"at":0.2,"kind":"close","end_s":0.1,"ledger":{"received":1,"classified":1,"skipped":0,"dropped":0,"rejected":0},"verdict":"complete","reasons":[],"warnings":[],"provenance":{"latency_ms":{"p50":1.5,"p95":null,"p99":3.0},"regions":[{"x0":1,"y0":2,"x1":30,"y1":40,"width":64,"height":48,"polygon":[],"kind":"stated"}]},"wall":"2030-01-01T00:00:00.200+00:00","monotonic_s":5.2}
"""


def test_a_journal_of_format_1_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"".join(sealed(line.encode()) for line in FORMAT_1.strip().splitlines()))
    journal = read_journal(tmp_path / "j")
    timeline = journal.timeline()
    assert journal.damage.summary == "" and timeline.frame_counts == FrameCounts(received=1, classified=1)
    made = timeline.provenance
    assert (made.model, made.model_dataset, made.sessions) == ("m.safetensors", "d07", ("first",))
    assert made.smoothing.window_s == 0.5 and [(i.onset, i.offset) for i in made.intervals] == [(0.6, 0.4)]
    assert [region.box for region in made.regions] == [(1, 2, 30, 40)] and str(made.latency_ms) == "(1.5, nan, 3.0)"
    resume(tmp_path / "j").writer.finish(RunSummary(end_s=0.1, frame_counts=FrameCounts(), verdict="complete"))
    assert read_journal(tmp_path / "j").closed is not None
