"""A reader's edits on disk: durable before they are acknowledged, whatever happens to the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from seqcls.datasets.labels import read_labels
from seqcls.errors import DataError, OutputError, UsageError
from seqcls.review.store import Edit, ReaderStore, StaleEditError
from seqcls.review.tracks import Opened, Span, Track

EDIT = Edit(
    session="s" * 12, turn=1, clip="a/neck 1.mp4", organ="node", action="split", prediction="shown", frames=40,
    track=Track((Span(0, 10, "absent"), Span(10, 20, "present"), Span(20, 30, "uncertain"), Span(30, 40, "present", "model"))),
    times=((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)), numbers=((0, 9), (10, 19), (20, 29), (30, 39)),
)  # fmt: skip
EVIL = "=<script>alert(\"1\")</script>\u2028'x'.mp4"


def opened(folder: Path, reader: str = "anna") -> ReaderStore:
    return ReaderStore(folder, reader, lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))


def test_labels_are_what_extract_takes(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.add(EDIT, 0).number == 1
    (clip,) = read_labels(store.labels_path)
    spans = [(span.organ, span.state, span.start_s, span.end_s) for span in clip.spans]
    assert clip.file == "a/neck 1.mp4"
    assert spans == [("node", "absent", 0.0, 1.0), ("node", "present", 1.0, 2.0), ("node", "ignore", 2.0, 3.0)]
    table = store.labels_path.read_text().splitlines()
    assert table[3] == "a/neck 1.mp4,node,2.000000,3.000000,ignore,uncertain,20,29,anna,shown"
    assert len(table) == 4  # what only the model says is no label
    store.close()


def test_spans_that_meet_are_one_label(tmp_path: Path) -> None:
    store = opened(tmp_path)
    track = Track((Span(0, 10, "present"), Span(10, 20, "present"), Span(25, 40, "present")), Opened(39, "absent"))
    store.add(replace(EDIT, track=track, times=((0.0, 1.0), (1.0, 2.0), (2.5, 4.0)), numbers=EDIT.numbers[1:]), 0)
    assert [(s.start_s, s.end_s) for s in read_labels(store.labels_path)[0].spans] == [(0.0, 2.0), (2.5, 4.0)]
    store.close()


def test_all_is_there_again_and_says_how_it_came_about(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(EDIT, 0)
    store.add(replace(EDIT, turn=2, organ="duct", prediction="hidden"), 0)
    store.note("view", session="s" * 12, clip=EDIT.clip, prediction="hidden")
    labels = store.labels_path.read_text()
    store.close()
    store.labels_path.unlink()
    again = opened(tmp_path)
    assert again.labels_path.read_text() == labels and again.edits == 2 and not again.damaged_lines
    assert again.last[EDIT.clip, "node"] == replace(EDIT, number=1, at="2026-01-02T03:04:05.000+00:00")
    again.close()
    kinds = [json.loads(line)["kind"] for line in store.path.read_text().splitlines()]
    assert kinds == ["opened", "edit", "edit", "view", "opened"]


def test_an_edit_that_is_sent_again_is_kept_once(tmp_path: Path) -> None:
    """The answer was lost, or the server was killed between the disk and the answer."""
    store = opened(tmp_path)
    assert store.add(EDIT, 0).number == store.add(EDIT, 0).number == 1
    store.close()
    store = opened(tmp_path)
    assert store.add(EDIT, 0).number == 1 and store.edits == 1
    assert store.add(replace(EDIT, turn=2), 1).number == 2
    store.close()


def test_two_pages_do_not_overwrite_each_other(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(EDIT, 0)
    with pytest.raises(StaleEditError) as told:
        store.add(replace(EDIT, session="other-page", track=Track(), times=(), numbers=()), 0)
    assert told.value.edit is not None and told.value.edit.track == EDIT.track
    assert store.add(replace(EDIT, session="other-page", track=Track(), times=(), numbers=()), 1).number == 2
    with pytest.raises(StaleEditError):  # an old one, sent late
        store.add(replace(EDIT, turn=1), 2)
    store.close()


def test_readers_are_kept_apart(tmp_path: Path) -> None:
    anna, bert = opened(tmp_path), opened(tmp_path, "bert")
    anna.add(EDIT, 0)
    assert bert.last == {} and anna.path != bert.path and anna.labels_path != bert.labels_path
    with pytest.raises(OutputError, match="another run"):
        opened(tmp_path)
    anna.close()
    bert.close()


@pytest.mark.parametrize("reader", ["", "  ", "a\nb", "x" * 61, "a\u202eb"])
def test_names_that_are_none(tmp_path: Path, reader: str) -> None:
    with pytest.raises(UsageError, match="reader"):
        opened(tmp_path, reader)


def test_a_name_becomes_a_safe_file_and_two_do_not_share_one(tmp_path: Path) -> None:
    store = opened(tmp_path, "../Dr. A/B")
    assert store.path.parent == tmp_path and "/" not in store.path.name
    store.close()
    with pytest.raises(DataError, match="choose another --reader"):
        opened(tmp_path, "../Dr. A:B")


def test_a_torn_line_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(EDIT, 0)
    store.close()
    whole = store.path.read_bytes()
    last = whole.splitlines(keepends=True)[1]
    for cut in (1, len(last) // 2, len(last) - 1):
        store.path.write_bytes(whole + last[:cut])
        again = opened(tmp_path)
        assert again.edits == 1 and not again.damaged_lines
        assert again.add(replace(EDIT, turn=2 + cut), 1).number == 2
        again.close()
        third = opened(tmp_path)
        assert third.edits == 2 and not third.damaged_lines
        third.close()
        store.path.write_bytes(whole)


def test_damage_is_counted_and_the_rest_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(EDIT, 0)
    store.add(replace(EDIT, turn=2), 1)
    store.close()
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(lines[0] + lines[1].replace(b'"behind":10', b'"behind":99') + b"nonsense\n" + lines[2])
    again = opened(tmp_path)
    assert again.damaged_lines == 2 and again.last[EDIT.clip, "node"].number == 2
    again.close()
    store.path.write_text("file,organ\n")
    with pytest.raises(DataError, match="holds no edits"):
        opened(tmp_path)


def test_a_disk_that_is_full_is_said_and_nothing_is_lost_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            store.add(EDIT, 0)
    other = replace(EDIT, track=Track((Span(0, 40, "ignore"),)), times=((0.0, 4.0),), numbers=((0, 39),))
    assert store.add(other, 0).track == other.track  # sent again, and changed meanwhile
    store.close()
    again = opened(tmp_path)
    assert again.last[EDIT.clip, "node"].track == other.track and not again.damaged_lines
    again.close()


def test_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(replace(EDIT, clip=EVIL), 0)
    assert "\n=" not in store.labels_path.read_text() and "\u2028" not in store.labels_path.read_text()
    assert read_labels(store.labels_path)[0].file == EVIL.replace("\u2028", "\\u2028")
    store.close()


_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from review.test_store import EDIT
from seqcls.review.store import ReaderStore
store = ReaderStore(Path(sys.argv[1]), "anna")
base = 0
for turn in range(1, 100000):
    base = store.add(replace(EDIT, turn=turn), base).number
    print(base, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_loses_no_edit_that_was_acknowledged(tmp_path: Path) -> None:
    tests = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        while acknowledged < 40:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    acknowledged = max([acknowledged, *told])
    store = opened(tmp_path)
    assert store.edits >= acknowledged and not store.damaged_lines
    assert len(store.labels_path.read_text().splitlines()) == 4
    store.close()


def test_a_frame_that_shares_its_time_is_no_stretch(tmp_path: Path) -> None:
    """Labels are stretches of time: one of no length would make the whole file unreadable."""
    store = opened(tmp_path)
    track = Track((Span(0, 1, "present"), Span(1, 40, "absent")))
    store.add(replace(EDIT, track=track, times=((0.4, 0.4), (0.4, 4.0)), numbers=((0, 0), (1, 39))), 0)
    assert [(span.state, span.start_s) for span in read_labels(store.labels_path)[0].spans] == [("absent", 0.4)]
    store.close()
