"""What a person does while a run goes on: done at once, journalled, and no image from outside the region."""

from __future__ import annotations

import errno
import io
import itertools
import json
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from support.fakes import Replay, detector, frames
from support.journals import Clock, begin, records_of

from seqcls.cli import dashboard, tables
from seqcls.errors import UsageError
from seqcls.journal import PAUSED, Action, create_journal, read_journal
from seqcls.live.display.publisher import view_json
from seqcls.live.operator import SNAPSHOTS, Operator
from seqcls.live.options import LiveOptions
from seqcls.live.session import LiveSession
from seqcls.live.snapshot import LiveView
from seqcls.types import Frame, Gap, SourceInfo


def test_each_act_is_told_and_what_is_none_refused(tmp_path: Path) -> None:
    messages: list[str] = []
    operator = Operator(tmp_path / "s", notify=messages.append)
    operator.act("mark", 3725.9, lambda: None)
    operator.act("mark", 3726.0, lambda: None)
    operator.act("snapshot", 2.0, lambda: None)
    operator.act("pause", 5.0, lambda: None)
    assert operator.paused and operator.marks == 2
    operator.act("snapshot", 6.0, lambda: np.zeros((4, 4), np.uint8))
    operator.act("pause", 7.0, lambda: None)
    assert not operator.paused
    with pytest.raises(UsageError):
        operator.act("fly" * 20, 8.0, lambda: None)
    operator.close()
    assert messages == [
        "mark 1 at 1:02:05",
        "mark 2 at 1:02:06",
        "no snapshot: there is nothing now that may be kept",
        "paused at 0:00:05: nothing is scored or recorded",
        "no snapshot: there is nothing now that may be kept",
        "went on at 0:00:07",
    ]
    assert not (tmp_path / "s").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LiveView, LiveView]:
    """12 s at 10 frames/s by a clock of its own: liver at 2-4 s and from 6 s on, where a person marks 3.0 s, pauses from
    8 to 9 s, and keeps the image at 10 s. The folder, the view at 8.5 s, and the one before the end."""
    folder, made, now = tmp_path_factory.mktemp("run"), detector(organs=("liver", "kidney")), [0.0]
    levels: list[float | None] = [0.1] * 20 + [0.9] * 20 + [0.1] * 20 + [0.9] * 60
    journal = create_journal(folder / "j", organs=made.organs, provenance=made.provenance, source=SourceInfo(name="probe", kind="stream"), monotonic=lambda: now[0])  # fmt: skip
    operator = Operator(folder / SNAPSHOTS, journal=journal)
    taken, views = threading.Semaphore(0), []
    tick = itertools.count(0, 1e-8)  # every look at the clock is later: none is too soon for a snapshot
    acts = {30: "mark", 80: "pause", 90: "pause", 100: "snapshot"}

    def source() -> Iterator[Frame | Gap]:
        for item in frames(levels):
            assert isinstance(item, Frame)
            yield item
            assert taken.acquire(timeout=20)
            now[0] = item.time_s + 0.1
            if (act := acts.get(item.index + 1)) is not None:
                session.act(act)

    def on_view(view: LiveView) -> None:
        if view.frame_counts.classified + view.frame_counts.rejected > len(views):
            views.append(view)
            taken.release()

    options = LiveOptions(keep="every", view_every_s=1e-9)
    session = LiveSession(
        made, Replay(source()), options=options, journal=journal, operator=operator, on_view=on_view, on_end=operator.close,
        checklist={"liver": 5.0, "kidney": 60.0}, clock=lambda: now[0] + next(tick),
    )  # fmt: skip
    session.run()
    return folder, views[85], views[-1]


def test_every_number_on_the_screen_is_that_of_the_journal(run: tuple[Path, LiveView, LiveView]) -> None:
    folder, _, last = run
    journal = read_journal(folder / "j")
    timeline = journal.timeline()
    liver = timeline.of("liver", "present")
    assert [(round(i.start_s, 6), round(i.end_s, 6)) for i in liver] == [(2.0, 4.0), (6.0, 8.0), (9.0, 12.0)]
    console = Console(width=160, height=40, file=(shown := io.StringIO()))
    console.print(dashboard.Screen(last, 160, 40), end="")
    screen, page = shown.getvalue(), json.loads(view_json(last))
    organ = last.organs[0]
    assert organ.presences == len(liver) == 3
    assert organ.present_s == pytest.approx(sum(i.duration_s for i in liver), abs=0.11)  # the last one grows
    assert [(s.start_s, s.end_s) for s in organ.latest[:-1]] == [(i.start_s, i.end_s) for i in liver[:-1]]
    assert (
        f"3 x present, {organ.present_s:.2f} s in all" in screen and page["organs"][0]["present_s"] == organ.present_s
    )
    assert "0:00:02–0:00:04  0:00:06–0:00:08  0:00:09–now" in screen
    assert len(page["organs"][0]["latest"]) == 3
    counts = timeline.frame_counts
    assert (counts.received, counts.classified, counts.rejected) == (120, 110, 10)
    assert (
        last.frame_counts == counts
        and page["frame_counts"]["rejected"] == 10
        and "120 received = 110 classified" in screen
    )
    assert last.now_s == pytest.approx(timeline.end_s, abs=0.11)
    table = timeline.scores
    smooth = dict(zip(np.round(table.time_s, 3).tolist(), table.smooth[:, 0].tolist(), strict=True))
    scores = [(smooth[time_s], score) for time_s, score in organ.trace]
    assert len(scores) > 110 and all(
        score == pytest.approx(true, abs=5e-4, nan_ok=True) for true, score in scores if score is not None
    )
    assert [score is None for _, score in scores] == [math.isnan(true) for true, _ in scores]
    assert organ.score == pytest.approx(scores[-1][0]) and f"liver   {organ.score:.2f}" in screen
    assert organ.since_s == liver[-1].start_s and f"for {tables.clock(last.now_s - 9.0, whole=True)}" in screen
    told = [(i.state, i.start_s) for i in timeline.of("liver")]
    assert (
        [(span.state, span.start_s) for span in organ.spans]
        == told
        == [(s["state"], s["start_s"]) for s in page["organs"][0]["spans"]]
    )
    assert journal.closed is not None and last.latency_ms == pytest.approx(journal.closed.latency_ms, abs=0.005)
    recent = table.time_s[table.time_s > last.now_s - 5]
    assert last.rate_hz == pytest.approx((len(recent) - 1) / (recent[-1] - recent[0]), rel=0.03)
    assert f"{last.rate_hz:.1f} frames/s" in screen
    kidney = sum(i.duration_s for i in timeline.of("kidney", "present"))
    assert last.checklist == f"still to see: kidney {60 - kidney:.1f} s" and last.checklist in screen


def test_a_snapshot_that_the_disk_does_not_take_is_said_at_once_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    said: list[str] = []
    with begin(tmp_path / "j", Clock()) as journal:
        operator = Operator(tmp_path, journal=journal, notify=said.append)
        assert not operator.incomplete
        with monkeypatch.context() as patch:
            patch.setattr("seqcls.live.operator.atomic_path", full)
            operator.act("snapshot", 1.0, lambda: np.zeros((4, 4), np.uint8))
            operator.close()
    assert said == ["no snapshot: No space left on device"]
    assert operator.incomplete == "1 snapshot not written (No space left on device)"
    assert not [record for record in records_of(tmp_path / "j") if isinstance(record, Action)]


def test_what_the_journal_cannot_take_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    journal = begin(tmp_path / "j", Clock())
    operator = Operator(tmp_path / "s", journal=journal, notify=said.append)
    journal.close()
    operator.act("mark", 1.0, lambda: None)
    operator.act("snapshot", 2.0, lambda: np.zeros((4, 4), np.uint8))
    operator.close()
    assert said == [
        "mark 1 at 0:00:01, which the journal could not take",
        "snapshot snapshot-00-00-02.000.png at 0:00:02, which the journal could not take",
    ]
    assert (tmp_path / "s" / "snapshot-00-00-02.000.png").is_file()


def test_what_a_person_did_is_journalled_at_its_time(run: tuple[Path, LiveView, LiveView]) -> None:
    folder, paused, _ = run
    acts = [(r.action, round(r.time_s, 1), r.file) for r in records_of(folder / "j") if isinstance(r, Action)]
    file = "snapshot-00-00-10.000.png"
    assert acts == [("mark", 3.0, ""), ("pause", 8.0, ""), ("continue", 9.0, ""), ("snapshot", 10.0, file)]
    image = cv2.imread(str(folder / SNAPSHOTS / file), cv2.IMREAD_UNCHANGED)
    assert image.shape == (32, 32) and 200 < image.mean() < 255
    unknown = [
        (round(i.start_s, 6), round(i.end_s, 6), i.reason)
        for i in read_journal(folder / "j").timeline().of("liver", "unknown")
    ]
    assert unknown == [(8.0, 9.0, PAUSED)]
    assert paused.paused and paused.word == "paused" and paused.image is None and not paused.holds
    assert [(organ.state, organ.score, organ.reason) for organ in paused.organs] == [("unknown", None, "paused")] * 2
