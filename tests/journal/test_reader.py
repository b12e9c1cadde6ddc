"""Journals that were cut, flipped, mixed up or made by hand: what is whole is read, the rest is counted."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.journals import (
    ORGANS,
    Clock,
    begin,
    entries_of,
    exactly,
    frame,
    records_of,
    sealed,
    write_frames,
)

from seqcls.errors import DataError, NoFramesError
from seqcls.journal import (
    NOT_RECORDED,
    Damage,
    Journal,
    RunSummary,
    read_journal,
    reader,
    resume,
)
from seqcls.journal.format import FORMAT
from seqcls.types import Event, FrameCounts, Gap


def check_against(written: Journal, path: Path) -> Journal | None:
    """Whatever is in ``path`` now: only records that were written, each where it was; and always a timeline."""
    known = {
        entry.number: exactly(entry.record)
        for entry in entries_of(written.path)
        if entry.number and not _is_close(entry)
    }
    try:
        journal = read_journal(path)
    except DataError:
        return None
    numbers = []
    for entry in entries_of(path):
        numbers.append(entry.number)
        assert entry.number == 0 or _is_close(entry) or exactly(entry.record) == known[entry.number]
    assert numbers == sorted(set(numbers)) and len(numbers) == journal.count
    try:
        timeline = journal.timeline()
    except NoFramesError:
        return journal
    assert timeline.frame_counts.balanced
    for organ in ORGANS:
        found = timeline.of(organ)
        assert found[0].start_s == timeline.start_s and found[-1].end_s == timeline.end_s
        assert all(a.end_s == b.start_s for a, b in pairwise(found))
    return journal


def _is_close(entry: Any) -> bool:
    return type(entry.record).__name__ == "Close"


def test_cut_at_every_byte(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    written = read_journal(small)
    path = tmp_path / "cut"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        lines, torn = whole[:size].count(b"\n"), size - whole[:size].rfind(b"\n") - 1
        if lines == 0:
            with pytest.raises(DataError):
                read_journal(path)
            continue
        journal = check_against(written, path) if torn < 2 else read_journal(path)
        assert journal is not None and journal.count == lines and journal.closed is None
        assert journal.damage == Damage(0, 0, torn)
    path.write_bytes(whole)
    assert read_journal(path).closed is not None


def test_what_was_cut_anywhere_is_gone_on_with(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    path = tmp_path / "cut"
    first = whole.index(b"\n") + 1
    for size in [first, *range(first + 1, len(whole), 41), len(whole)]:
        path.write_bytes(whole[:size])
        lines = whole[:size].count(b"\n")
        clock = Clock(60.0)
        resumed = resume(path, session="second", monotonic=clock.monotonic, wall=clock.wall)
        assert resumed.healed_bytes == size - whole[:size].rfind(b"\n") - 1
        write_frames(
            resumed.writer, clock, range(resumed.journal.next_index, resumed.journal.next_index + 3), resumed.time_s
        )
        resumed.writer.close()
        journal = read_journal(path)
        assert journal.damage.summary == "" and journal.count == lines + 4 and journal.sessions == ("first", "second")
        timeline = journal.timeline()
        if resumed.journal.start_s is None:
            assert resumed.gap is None and resumed.time_s == 0
        else:
            path.write_bytes(whole[:size])
            before = read_journal(path).timeline()
            # The clock said 0.3 from the fourth frame on.
            passed_s = 60.0 - min(0.1 * (before.scores.index[-1] if before.end_s < 0.5 else 3), 0.3)
            last_s = before.scores.time_s[-1] if before.end_s != 0.8 else 0.8
            assert resumed.journal.end_s == resumed.time_s == pytest.approx(last_s + passed_s)
            assert timeline.gaps[-1] == resumed.gap == Gap(before.end_s, resumed.time_s, NOT_RECORDED)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_moved_and_missing_bytes(small: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    written = read_journal(small)
    path = tmp_path / "flipped"
    first = small.read_bytes().index(b"\n")
    survived = 0
    for _ in range(150):
        data = bytearray(small.read_bytes())
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(first + 1 if rng.random() < 0.9 else 0, len(data))
            match rng.randrange(5):
                case 0 | 1:
                    data[at] ^= 1 << rng.randrange(8)
                case 2:
                    data[at] = rng.choice(b'\n\r\0"{} 0')
                case 3:
                    del data[at : at + rng.randint(1, 200)]
                case _:
                    data[at:at] = rng.choice([b"\n", bytes(rng.randint(1, 500)), bytes(data[at - 90 : at])])
        path.write_bytes(bytes(data))
        survived += check_against(written, path) is not None
    assert survived > 75


def test_a_hole_in_the_middle_is_a_gap(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(*(frame(i) for i in range(30)))
        writer.finish(RunSummary(end_s=3.0, frame_counts=FrameCounts(received=30, classified=30), verdict="complete"))
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    lines[11] = lines[11].replace(b"0", b"1", 1)
    del lines[12:16]
    (tmp_path / "j").write_bytes(b"".join(lines))
    journal = read_journal(tmp_path / "j")
    assert (journal.damage.bad_lines, journal.damage.lost_records, journal.damage.torn_bytes) == (1, 5, 0)
    timeline = journal.timeline()
    assert [(round(g.start_s, 6), round(g.end_s, 6), g.reason) for g in timeline.gaps] == [(1.0, 1.5, NOT_RECORDED)]
    assert timeline.report.verdict == "damaged" and "5 records missing" in " ".join(timeline.report.reasons)
    assert timeline.frame_counts.received == 30


def test_a_lost_event_costs_no_time(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0), Event("liver", "present", 0.0, 0, 0.3), frame(1, 0.113), frame(2, 0.2))
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    (tmp_path / "j").write_bytes(b"".join(lines[:2] + lines[3:]))
    journal = read_journal(tmp_path / "j")
    assert journal.damage.lost_records == 1 and journal.timeline().report.gaps == ()


def test_a_damaged_journal_is_gone_on_with(small: Path, tmp_path: Path) -> None:
    lines = small.read_bytes().splitlines(keepends=True)
    (tmp_path / "j").write_bytes(b"".join([*lines[:2], b"junk\n", *lines[4:-1]]))
    before = (tmp_path / "j").read_bytes()
    resumed = resume(tmp_path / "j")
    with resumed.writer as writer:
        assert writer.write(frame(resumed.journal.next_index, resumed.time_s))
    assert (tmp_path / "j").read_bytes().startswith(before), "only what follows the last whole line may be cut off"
    journal = read_journal(tmp_path / "j")
    assert (journal.damage.bad_lines, journal.damage.lost_records, journal.count) == (1, 2, len(lines) - 1)
    assert journal.timeline().scores.index.tolist() == [0, 3, 4, 5, 6]


def test_only_the_first_opening_counts(small: Path, tmp_path: Path) -> None:
    lines = small.read_bytes().splitlines(keepends=True)
    opening = json.loads(lines[0][9:])
    early = sealed(json.dumps({**GOOD, "n": 0, "scores": [0.1]}).encode())
    first = sealed(json.dumps({**opening, "n": 1}).encode())
    second = sealed(json.dumps({**opening, "n": 2, "organs": ["x"], "intervals": [{}]}).encode())
    (tmp_path / "j").write_bytes(early + first + second + lines[3])
    journal = read_journal(tmp_path / "j")
    assert (journal.damage.bad_lines, journal.count, journal.opening.organs) == (2, 2, ORGANS)


GOOD = {"n": 9, "at": 0.5, "kind": "frame", "index": 4, "time_s": 0.5, "duration_s": 0.1, "scores": [0.1, 0.2]}


STAMP = {"wall": "2030-01-01T00:00:00+00:00", "monotonic_s": 1}


SEALED = sealed(json.dumps({**GOOD, "n": 4}).encode())


GAP = {"n": 9, "at": 0, "kind": "gap", "start_s": 0, "end_s": 1, "reason": ""}


CLOSE = {"n": 9, "at": 0, "kind": "close", "end_s": 1, "frame_counts": {}, "verdict": "complete", "reasons": [], "warnings": [], "regions": [], "latency_ms": None, **STAMP}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        [], 1, None, {}, {"n": 9}, {**GOOD, "n": -1}, {**GOOD, "n": True}, {**GOOD, "n": "9"}, {**GOOD, "at": "nan"},
        {**GOOD, "kind": []}, {**GOOD, "kind": "frames"}, {**GOOD, "index": 1.5}, {**GOOD, "index": 1 << 63},
        {**GOOD, "time_s": None}, {**GOOD, "time_s": True}, {**GOOD, "time_s": 10**400}, {**GOOD, "time_s": "inf"},
        {**GOOD, "scores": 0.5}, {**GOOD, "scores": [0.5]}, {**GOOD, "scores": ["x", 1]}, {**GOOD, "scores": [[1], 2]},
        {**GOOD, "reason": 3}, {**GOOD, "measured": 1}, {**GAP, "end_s": {}}, {**GAP, "reason": None},
        {**GAP, "kind": "event", "organ": "liver"}, {"n": 9, "at": 0, "kind": "state", "state": "x", "reason": "", "wall": "noon", "monotonic_s": 1},
        {"n": 9, "at": 0, "kind": "state", "state": "x", "reason": "", "wall": "2030-01-01T00:00:00", "monotonic_s": 1},
        {**GOOD, "time_s": 4.1e9}, {**GOOD, "time_s": -1e99}, {**GOOD, "duration_s": 1e10}, {**GOOD, "index": 10**12 + 1}, {**GOOD, "index": -1}, {**GOOD, "n": -3}, {**CLOSE, "end_s": -1e11}, {**GAP, "end_s": 1e300},
        {**CLOSE, "end_s": 1e300}, {**GOOD, "x": [[[[]]] * 9] * 9, "reason": "r" * 70_000},
        {**CLOSE, "frame_counts": []}, {**CLOSE, "frame_counts": {"received": -1}}, {**CLOSE, "frame_counts": {"eaten": 1}}, {**CLOSE, "verdict": "fine"},
        {**CLOSE, "reasons": "x"}, {**CLOSE, "regions": 5}, {**CLOSE, "regions": [5]}, {**CLOSE, "latency_ms": [1]}, {"n": 9, "at": 0, "kind": "resume", **STAMP},
    ],
    ids=lambda body: json.dumps(body)[:90],
)  # fmt: skip
def test_a_line_of_the_wrong_make_is_counted_and_passed_over(body: Any, small: Path, tmp_path: Path) -> None:
    line = sealed(json.dumps(body).encode())
    lines = small.read_bytes().splitlines(keepends=True)
    path = tmp_path / "j"
    path.write_bytes(b"".join([*lines[:5], line]))
    journal = read_journal(path)
    assert (journal.damage.bad_lines, journal.count) == (1, 5)
    journal.timeline()


@pytest.mark.parametrize(
    "good", [GOOD, {**GOOD, "scores": None, "reason": "black"}, {**GOOD, "scores": ["nan", 1e300]}, GAP, CLOSE]
)
def test_the_makes_above_are_right_but_for_what_is_wrong(good: Any, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b"".join([*small.read_bytes().splitlines(keepends=True)[:5], sealed(json.dumps(good).encode())]))
    assert read_journal(path).damage.bad_lines == 0


@pytest.mark.parametrize(
    "junk",
    [b"x" * (3 << 20) + b"\n", sealed(b'"' + b"a" * (1 << 20) + b'"'), sealed(b"[" * 500_000), sealed(b"9" * 9000), b"x" * (1 << 20) + SEALED, b"\n", b"00000000 \n", bytes(4096) + b"\n"],
    ids=["3 MiB", "sealed 1 MiB", "nested", "digits", "record after 1 MiB", "empty", "empty sealed", "zeros"],
)  # fmt: skip
def test_junk_between_records(junk: bytes, small: Path, tmp_path: Path) -> None:
    lines = small.read_bytes().splitlines(keepends=True)
    path = tmp_path / "j"
    path.write_bytes(b"".join([*lines[:4], junk, *lines[4:]]))
    journal = read_journal(path)
    assert (journal.damage.bad_lines, journal.damage.lost_records, journal.count) == (1, 0, len(lines))
    assert [exactly(r) for r in records_of(path)] == [exactly(r) for r in records_of(small)]
    assert journal.timeline().report.verdict == "damaged"


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_other_line_ends_do_no_harm(small: Path, tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.journal.reader._CHUNK_BYTES", chunk)
    (tmp_path / "j").write_bytes(small.read_bytes().replace(b"\n", b"\r\n"))
    journal = read_journal(tmp_path / "j")
    assert [exactly(r) for r in records_of(tmp_path / "j")] == [exactly(r) for r in records_of(small)]
    assert journal.damage.summary == ""
    resume(tmp_path / "j").writer.close()
    assert read_journal(tmp_path / "j").count == journal.count + 1


def test_two_journals_in_one_file_are_not_mixed(small: Path, tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(small.read_bytes() * 2)
    journal = read_journal(tmp_path / "j")
    assert journal.count == read_journal(small).count == journal.damage.bad_lines


def test_what_is_no_journal_is_said_in_one_line(small: Path, tmp_path: Path) -> None:
    lines = small.read_bytes().splitlines(keepends=True)
    opening = json.loads(lines[0][9:])
    newer = sealed(json.dumps({**opening, "format": FORMAT + 1, "seqcls": "9.9", "organs": 7}).encode())
    made = opening["provenance"]
    short = sealed(json.dumps({**opening, "provenance": {**made, "intervals": {}}}).encode())
    odd = sealed(json.dumps({**opening, "provenance": {**made, "smoothing": {"kind": "magic"}}}).encode())
    cases = {
        "newer": (newer, f"seqcls 9.9 in journal format {FORMAT + 1}"), "empty": (b"", "first record"), "headless": (b"".join(lines[1:]), "first record"),
        "crowd": (sealed(json.dumps({**opening, "organs": [f"o{k}" for k in range(101)]}).encode()), "101 organs are more than the 100"),
        "short": (short, "first record"), "odd": (odd, "first record"), "text": (b"hello\n", "first record"),
    }  # fmt: skip
    for name, (data, said) in cases.items():
        (tmp_path / name).write_bytes(data)
        for open_it in (read_journal, resume):
            with pytest.raises(DataError, match=said) as caught:
                open_it(tmp_path / name)
            assert "\n" not in str(caught.value) and name in str(caught.value)
        assert (tmp_path / name).read_bytes() == data
    for missing in (tmp_path / "none", tmp_path):
        for open_it in (read_journal, resume):
            with pytest.raises(DataError, match=r"no journal at|not a file"):
                open_it(missing)


def test_what_is_mostly_no_journal_is_not_read_to_its_end(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many lines as a disk holds, none of them a record, took a minute for each 20 MB."""
    monkeypatch.setattr(reader, "MAX_BAD_LINES", 20)
    path = tmp_path / "j"
    path.write_bytes(small.read_bytes() + b"\n" * 20)
    assert read_journal(path).damage.bad_lines == 20
    path.write_bytes(small.read_bytes() + b"\n" * 1000)
    with pytest.raises(DataError, match=r"j is no journal: \d\d lines of it are no records$"):
        read_journal(path)


def test_a_reader_beside_the_writer_sees_what_was_there(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0), frame(1))
        journal = read_journal(tmp_path / "j")
        writer.write(frame(2))
        assert journal.count == 3 and read_journal(tmp_path / "j").count == 4
