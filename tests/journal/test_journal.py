"""The journal: nothing that was written is lost, nothing that was not written is read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import fakes
from support.journals import (
    ORGANS,
    SMOOTHERS,
    SOURCE,
    Clock,
    begin,
    equal_tables,
    exactly,
    frame,
    made_by,
    sealed,
    write_small,
)

from seqcls import detector as runner
from seqcls.cli import results
from seqcls.errors import DataError, NoFramesError, OutputError, UsageError
from seqcls.exports import read_run
from seqcls.gate import GateOptions
from seqcls.intervals import IntervalOptions
from seqcls.journal import (
    JOURNAL_NAME,
    FeedChange,
    Record,
    create_journal,
    read_journal,
    resume,
    timeline_from_journal,
)
from seqcls.journal.format import decode, encode
from seqcls.postprocess import PostProcess
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Event, Frame, FrameCounts, FrameScore, Gap, SourceInfo


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("journal") / "small")


seconds = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20).filter(lambda text: "://" not in text)
counts = st.integers(0, 2**63 - 1)
scores = st.lists(st.floats(width=32), min_size=2, max_size=2).map(lambda s: np.array(s, np.float32))
records = st.one_of(
    st.builds(FrameScore, counts, seconds, seconds, st.none() | scores, texts, st.booleans()),
    st.builds(Gap, seconds, seconds, texts),
    st.builds(Event, texts, st.sampled_from(["present", "absent", "unknown"]), seconds, counts, seconds, texts),
    st.builds(FeedChange, texts, texts, st.just("2030-01-01T00:00:00.000+00:00"), seconds),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(records, max_size=12), batch=st.integers(1, 5))
def test_records_come_back_bit_for_bit(tmp_path: Path, written: list[Any], batch: int) -> None:
    path = tmp_path / "run.journal"
    path.unlink(missing_ok=True)
    with begin(path, Clock()) as writer:
        for start in range(0, len(written), batch):
            assert writer.write(*written[start : start + batch])
    journal = read_journal(path)
    assert [exactly(r) for r in journal][1:] == [exactly(_one_nan(r)) for r in written]
    assert journal.damage.summary == "" and journal.count == len(written) + 1 and journal.last_number == len(written)


def _one_nan(record: Record) -> Record:
    """NaN has many bit patterns, of which one survives."""
    if not isinstance(record, FrameScore) or record.scores is None:
        return record
    return replace(record, scores=np.where(np.isnan(record.scores), np.float32(np.nan), record.scores))


@pytest.mark.parametrize(
    "bits", [1, 0x007FFFFF, 0x00800000, 0x3DCCCCCD, 0x3EAAAAAB, 0x3F7FFFFF, 0x80000000, 0x7F7FFFFF]
)
def test_float32_at_its_edges(tmp_path: Path, bits: int) -> None:
    score = np.array([bits, 0], np.uint32).view(np.float32)
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(FrameScore(0, 0.1 + 0.2, 1 / 30, score))
    back = list(read_journal(tmp_path / "j"))[1]
    assert isinstance(back, FrameScore) and back.scores is not None and back.scores.dtype == np.float32
    assert back.scores.tobytes() == score.tobytes() and (back.time_s, back.duration_s) == (0.1 + 0.2, 1 / 30)


@settings(max_examples=300, deadline=None)
@given(
    record=st.builds(FrameScore, counts, seconds, seconds, scores, st.just(""), st.just(True)),
    at_s=seconds,
    number=counts,
)
def test_the_short_way_to_a_frame_and_the_long_one_agree(record: FrameScore, at_s: float, number: int) -> None:
    line = encode(number, at_s, record)[:-1]
    with_blanks = json.dumps(json.loads(line[9:])).encode()  # not as it is written: read as JSON
    long = decode(sealed(with_blanks)[:-1], 2)
    short = decode(line, 2)
    assert (short.number, short.at_s, exactly(short.record)) == (long.number, long.at_s, exactly(long.record))
    for organs in (1, 3):
        with pytest.raises(ValueError, match="2 scores"):
            decode(line, organs)
    for wrong in (b"0" * 8 + line[8:], line + b" ", line.replace(b'"at"', b'"aT"')):
        if wrong != line:
            with pytest.raises(ValueError):
                decode(wrong, 2)


def test_scores_as_engines_give_them_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.journal.format.json.loads", None)
    for value in (0.0, 1.0, 0.5, 1e-5, 0.8519571, 3.4e-38):
        line = encode(7, 0.25, FrameScore(3, 0.1, 1 / 30, np.array([value, 1 / 3], np.float32)))
        decoded = decode(line[:-1], 2).record
        assert isinstance(decoded, FrameScore) and decoded.scores is not None
        assert decoded.scores[0] == np.float32(value) and decoded.duration_s == 1 / 30


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
        writer.state("stalled", "no frame for 2 s \x1b[2J")
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
        writer.finish(end_s=1, frame_counts=FrameCounts(), verdict="complete", reasons=[url])
    assert b"s3cret" not in (tmp_path / "j").read_bytes()
    assert next(r.reason for r in read_journal(tmp_path / "j") if isinstance(r, Gap)).startswith("cannot open ")


# --- the same timeline


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: o.kind)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "torn"])
def test_a_run_and_its_journal_give_the_same_timeline(
    smoothing: SmoothingOptions, closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path / "j", Clock(), smoothing)

    class Journalled(PostProcess):
        def push(self, item: FrameScore | Gap) -> Iterator[Event]:
            writer.write(item)
            for event in super().push(item):
                writer.write(event)
                yield event

    monkeypatch.setattr(runner, "PostProcess", Journalled)
    levels = [0.9 if c == "P" else None if c == "?" else 0.1 for c in "..PPPP?PPPP......P..PPPP..????...PPPPPPP"]
    live = fakes.detector(smoothing=smoothing).analyze(_with_gap(fakes.frames(levels)))
    if closed:
        writer.finish(
            end_s=live.end_s,
            frame_counts=live.frame_counts,
            verdict=live.report.verdict,
            reasons=live.report.reasons,
            warnings=live.warnings,
            regions=live.provenance.regions,
            latency_ms=(1.5, 2.0, math.nan),
        )
    writer.close()
    again = timeline_from_journal(read_journal(tmp_path / "j"))
    assert str(again.intervals) == str(live.intervals) and again.gaps == live.gaps
    assert (again.start_s, again.end_s, again.coverage, again.frame_counts) == (
        live.start_s,
        live.end_s,
        live.coverage,
        live.frame_counts,
    )
    assert again.report.gaps == live.report.gaps and again.organs == live.organs and again.warnings == live.warnings
    equal_tables(again.scores, live.scores)
    if closed:
        assert again.report == live.report and again.provenance.regions == live.provenance.regions
        assert str(again.provenance.latency_ms) == "(1.5, 2.0, nan)"
    else:
        assert again.report.verdict == "truncated" and "without being closed" in again.report.reasons[0]


def _with_gap(frames: Iterator[Frame | Gap]) -> Iterator[Frame | Gap]:
    for item in frames:
        assert isinstance(item, Frame)
        if item.index == 12:
            yield Gap(1.2, 2.2, "lost")
        yield replace(item, time_s=item.time_s + (item.index >= 12))


def test_other_options_give_another_timeline(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(*(frame(i, liver=0.6 if 5 <= i < 15 else 0.1) for i in range(20)))
    journal = read_journal(tmp_path / "j")
    assert [(i.start_s, i.end_s) for i in timeline_from_journal(journal).of("liver", "present")] == [(0.5, 1.5)]
    stricter = timeline_from_journal(journal, intervals=[IntervalOptions(onset=0.7)] * 2)
    assert stricter.of("liver", "present") == () and stricter.provenance.intervals[0].onset == 0.7
    smoother = timeline_from_journal(journal, SmoothingOptions(kind="mean", window_s=4, look_ahead_s=2))
    assert smoother.of("liver", "present") == () and smoother.provenance.smoothing.window_s == 4
    with pytest.raises(UsageError, match="2 organs need"):
        timeline_from_journal(journal, intervals=[IntervalOptions()])


def test_numbers_that_frames_skip_were_dropped(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0), frame(3), frame(4, reason="black"))
    frame_counts = timeline_from_journal(read_journal(tmp_path / "j")).frame_counts
    assert frame_counts == FrameCounts(received=5, classified=2, dropped=2, rejected=1) and frame_counts.balanced


def test_nothing_recorded_is_said(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.state("connecting")
    with pytest.raises(NoFramesError, match="before the first frame"):
        timeline_from_journal(read_journal(tmp_path / "j"))


# --- the command


def replay(*arguments: Any) -> int:
    """`seqcls replay`; its exit code, errors raised."""
    import typer

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("replay")(results.replay)
    app.command("export")(results.export)
    try:
        return app(["replay", *map(str, arguments)], standalone_mode=False) or 0
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a live run that crashed leaves."""
    with begin(tmp_path / "live" / JOURNAL_NAME, Clock(), model="m") as writer:
        writer.write(*(frame(i, liver=0.6 if 5 <= i < 15 else 0.1) for i in range(20)))
    return tmp_path / "live"


@pytest.mark.parametrize("pick", [lambda f: f, lambda f: f / JOURNAL_NAME], ids=["folder", "file"])
def test_replay_of_a_torn_journal(
    folder: Path, pick: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(pick(folder), "-o", folder) == 3
    out = capsys.readouterr().out
    assert "without being closed" in out and "truncated" in out
    timeline = read_run(folder)
    assert [(i.start_s, i.end_s) for i in timeline.of("liver", "present")] == [(0.5, 1.5)]
    assert timeline.provenance.model == "m" and (folder / "timeline.png").stat().st_size > 1000
    # A run like any other from here on.
    assert replay(folder, "--onset", "0.7", "-o", folder / "stricter") == 0
    assert read_run(folder / "stricter").of("liver", "present") == ()
    results.export(folder, to="vtt", output=None, overwrite=False)
    assert (folder / "timeline.vtt").is_file()


def test_a_timeline_of_before_the_run_was_resumed_is_not_taken_for_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = folder / JOURNAL_NAME
    with pytest.raises(DataError, match="seqcls replay"):
        results.export(folder, to="vtt", output=None, overwrite=False)
    assert replay(folder, "-o", folder) == 3
    os.utime(journal, ns=(0, (folder / "timeline.json").stat().st_mtime_ns - 1))
    capsys.readouterr()
    results.export(folder, to="vtt", output=None, overwrite=False)
    assert "warning" not in capsys.readouterr().err
    resumed = resume(journal, monotonic=Clock(30.0).monotonic, wall=Clock(30.0).wall)
    resumed.writer.write(frame(20, resumed.time_s))
    resumed.writer.close()  # and crashed before it wrote its timeline
    os.utime(journal, ns=(0, (folder / "timeline.json").stat().st_mtime_ns + 1))
    assert replay(folder) == 3
    assert "21 frames" in capsys.readouterr().out
    results.export(folder, to="srt", output=None, overwrite=False)
    assert "brings that up to date" in " ".join(capsys.readouterr().err.split())


def test_an_interrupted_end_says_that_nothing_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    whole = (folder / JOURNAL_NAME).read_bytes()
    monkeypatch.setattr("seqcls.exports.scores_csv._score_cells", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results.write_from_journal(folder / JOURNAL_NAME, folder)
    assert "seqcls replay" in capsys.readouterr().err and (folder / JOURNAL_NAME).read_bytes() == whole
    assert sorted(path.name for path in folder.iterdir()) == ["intervals.csv", JOURNAL_NAME]
    monkeypatch.undo()
    timeline = results.write_from_journal(folder / JOURNAL_NAME, folder)
    assert str(read_run(folder).intervals) == str(timeline.intervals)


@pytest.mark.parametrize("provenance", [None, 5, [], {}, {"smoothing": {"kind": "mean", "x": 1}, "intervals": {}}])
def test_a_run_that_does_not_say_its_options(provenance: Any, folder: Path) -> None:
    replay(folder, "-o", folder / "out")
    body = json.loads((folder / "out" / "timeline.json").read_text(encoding="utf-8"))
    (folder / "out" / "timeline.json").write_text(json.dumps({**body, "provenance": provenance}), encoding="utf-8")
    with pytest.raises(DataError):
        replay(folder / "out")


def test_replay_of_a_whole_journal_with_other_options(small: Path, tmp_path: Path) -> None:
    assert replay(small, "-o", tmp_path / "same") == 0
    assert read_run(tmp_path / "same").report.verdict == "complete"
    assert replay(small, "-o", tmp_path / "none", "--onset", "0.95", "--smoothing", "none") == 0
    assert read_run(tmp_path / "none").of("liver", "present") == ()
    with pytest.raises(OutputError, match="--overwrite"):
        replay(small, "-o", tmp_path / "same")


def test_replay_of_what_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(3000))
    with pytest.raises(DataError, match="no journal that can be read"):
        replay(tmp_path / "clip.mp4")
    with pytest.raises(DataError, match="no run at"):
        replay(tmp_path / "none")
