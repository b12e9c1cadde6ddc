"""scores.csv: exact enough to come back, in pieces of any size."""

from __future__ import annotations

import csv
import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import DataError
from seqcls.exports import read_run, write_run
from seqcls.exports.scores_csv import read_scores_csv
from seqcls.types import Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


BIG = timeline(a="..PPPP?PPPP......P..PPP", **{"=b, c": "PPP....?.......PPPP...."[:23]}, gaps=(Gap(1.5, 2.5, "lost"),))


def test_scores_csv_is_the_same_in_any_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = tuple('-odd, "quoted"' if reason else "" for reason in BIG.scores.reason)
    big = replace(BIG, scores=replace(BIG.scores, reason=reasons))
    write_run(big, tmp_path / "whole")
    monkeypatch.setattr("seqcls.exports.scores_csv._ROWS", 5)
    written: list[int] = []
    write_run(big, tmp_path / "pieces", written.append)
    assert written == [5, 10, 15, 20, 23]
    assert (tmp_path / "whole" / "scores.csv").read_bytes() == (tmp_path / "pieces" / "scores.csv").read_bytes()
    read: list[int] = []
    back = read_run(tmp_path / "pieces", read.append)
    assert read == [5, 10, 15, 20] and back.scores.reason == reasons
    for name in ("index", "time_s", "duration_s", "raw", "smooth", "measured"):
        np.testing.assert_array_equal(getattr(back.scores, name), getattr(big.scores, name))


def test_scores_csv_line_by_line(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert (
        lines[0]
        == "file,frame,time_s,duration_s,reason,measured,thyroid,thyroid smoothed,trachea,trachea smoothed,path"
    )
    assert lines[1] == "clip.mp4,0,0.0,0.1,,1,0.100000001,0.100000001,0.899999976,0.899999976,"
    assert lines[8] == "clip.mp4,7,0.7,0.1,black,1,,,,," and len(lines) == 21


def test_the_novelty_comes_back(tmp_path: Path) -> None:
    """Beside raw scores that a frame unlike training keeps."""
    novelty = np.float32([0.25, math.nan, *[0.75] * 18])
    reason = (*TWO.scores.reason[:8], "unlike training", *TWO.scores.reason[9:])
    write_run(replace(TWO, scores=replace(TWO.scores, novelty=novelty, reason=reason)), tmp_path)
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(",path,novelty") and [line.rpartition(",")[2] for line in lines[1:4]] == [
        "0.25",
        "",
        "0.75",
    ]
    back = read_scores_csv(tmp_path / "scores.csv", TWO.organs)
    assert back.novelty is not None and back.novelty.tobytes() == novelty.tobytes()
    assert back.reason[8] == "unlike training" and back.raw[8].tolist() == TWO.scores.raw[8].tolist()
    write_run(replace(TWO, scores=replace(TWO.scores, novelty=novelty + 1)), tmp_path, overwrite=True)
    with pytest.raises(DataError, match=r"a novelty outside 0\.\.1"):
        read_scores_csv(tmp_path / "scores.csv", TWO.organs)


def test_every_row_leads_to_its_file(tmp_path: Path) -> None:
    source = replace(TWO.source, path="=P01/clip.mp4")
    write_run(replace(TWO, source=source), tmp_path)
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert {line.rpartition(",")[2] for line in lines} == {"path", "'=P01/clip.mp4"} and len(lines) == 21
    assert read_run(tmp_path).source == source


def test_runs_without_a_path_are_read_still(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    whole = read_run(tmp_path)
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    old = "".join(f"{line.rpartition(',')[0]}\n" for line in lines)
    (tmp_path / "scores.csv").write_text(old, encoding="utf-8")
    np.testing.assert_array_equal(read_run(tmp_path).scores.smooth, whole.scores.smooth)


UGLY = [
    "a.mp4,{},0.0,0.04,,1,0.1,0.30000000000000004,0.999999999,1e-45,",
    "a.mp4,{},0.04,5e-324,,0,-0.0,,1,1e-05,P1/a.mp4",
    "a.mp4, {} ,1_0.5,0.1,no contact,1,,,,,",
    "a.mp4,{},+11.123456789012345678,00.5,'=odd,1,nan,NaN,0.123456789012345678901234567890,1.4012985e-45,x",
    "a.mp4,{},11.2,1e-400,\u2028 line,1,1.0000000000000001,0.5,0.5,0.5,x",
]
QUOTED = [
    '"a, b.mp4",{},12,0.04,"black, ""lost""\nline",1,0.5,0.5,0.5,0.5,"x"',
    "a.mp4,{},13,0.04,,1,0.5,0.5,0.5,0.5,\r",
]


def one_by_one(path: Path) -> list[tuple[object, ...]]:
    """Each row by itself, with Python's own conversions."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    return [
        (
            *(
                int(row[1]),
                struct.pack("dd", float(row[2]), float(row[3])),
                row[4].removeprefix("'"),
                bool(int(row[5])),
            ),
            struct.pack("4f", *(float(cell) if cell else math.nan for cell in row[6:10])),
        )
        for row in rows
    ]


@pytest.mark.parametrize("size", [1, 3, 4096])
@pytest.mark.parametrize("kinds", [UGLY, [*UGLY, QUOTED[0], *UGLY], [QUOTED[1], *UGLY]], ids=["plain", "quoted", "cr"])
@pytest.mark.parametrize("end", ["\n", ""], ids=["whole", "no newline"])
def test_what_is_read_many_rows_at_a_time_is_bit_by_bit_what_each_row_says(
    kinds: list[str], end: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.exports.scores_csv._ROWS", size)
    path = tmp_path / "scores.csv"
    lines = ["file,frame,time_s,duration_s,reason,measured,a,a smoothed,b,b smoothed,path"]
    lines += [kind.format(row) for row, kind in enumerate(kinds * 3)]
    path.write_bytes(("\n".join(lines) + end).encode())
    table = read_scores_csv(path, ("a", "b"))
    found = zip(table.index, table.time_s, table.duration_s, table.reason, table.measured, table.raw, table.smooth, strict=True)  # fmt: skip
    assert [
        (int(i), struct.pack("dd", t, d), why, bool(m), struct.pack("4f", raw[0], smooth[0], raw[1], smooth[1]))
        for i, t, d, why, m, raw, smooth in found
    ] == one_by_one(path)
    assert table.raw.flags.c_contiguous and table.raw.shape == (len(kinds) * 3, 2)


def test_which_line_is_short_is_said(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    path = tmp_path / "scores.csv"
    for quote in ("", '"'):
        text = path.read_text(encoding="utf-8").splitlines()
        text[7] = f"{quote}clip.mp4{quote},6,0.6"
        (tmp_path / "short.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
        with pytest.raises(DataError, match="3 cells in line 8"):
            read_scores_csv(tmp_path / "short.csv", ("thyroid", "trachea"))


@pytest.mark.parametrize("tail", ["clip.mp4,20\n", "x\n", '"' + "x" * 200_000, "clip.mp4,a,0.1,0.1,,1,1,1,1,1,\n", f"clip.mp4,{2**70},0.1,0.1,,1,1,1,1,1,\n", "clip.mp4,20,9,0.1,,1,1,1,1.5,1,\n", "clip.mp4,20,9,0.1,,1,1,1,1,-1,\n", "clip.mp4,20,nan,0.1,,1,1,1,1,1,\n", "clip.mp4,20,1e300,0.1,,1,1,1,1,1,\n", f"clip.mp4,{10**13},9,0.1,,1,1,1,1,1,\n", "clip.mp4,0,0,0.1,,1,1,1,1,1,\n", "clip.mp4,20,9,-0.1,,1,1,1,1,1,\n"], ids=["short", "one", "huge", "letters", "count", "above 1", "below 0", "no time", "never", "no frame", "back", "shrinks"])  # fmt: skip
def test_scores_that_somebody_changed_are_refused_in_one_line(tail: str, tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    with (tmp_path / "scores.csv").open("a", encoding="utf-8") as stream:
        stream.write(tail)
    with pytest.raises(DataError, match=r"scores\.csv"):
        read_run(tmp_path)
