"""What lands on disk: complete, exact enough to come back, harmless in a spreadsheet or a browser."""

from __future__ import annotations

import csv
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import DataError, OutputError, UsageError
from seqcls.exports import WRITERS, export, read_run, write_intervals_csv, write_run
from seqcls.files import atomic_path, prove_writable, require_writable
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.timeline import Sampling
from seqcls.types import FrameCounts, Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_intervals_csv_covers_the_clip_without_holes(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    table = rows(tmp_path / "i.csv")
    assert list(table[0])[:9] == [
        "file",
        "organ",
        "state",
        "start_s",
        "end_s",
        "start_frame",
        "end_frame",
        "mean_score",
        "peak_score",
    ]
    for organ in TWO.organs:
        own = [r for r in table if r["organ"] == organ]
        assert own[0]["start_s"] == "0.000000" and float(own[-1]["end_s"]) == pytest.approx(TWO.end_s)
        assert all(a["end_s"] == b["start_s"] for a, b in itertools.pairwise(own))
        frames = [f for r in own if r["start_frame"] for f in range(int(r["start_frame"]), int(r["end_frame"]) + 1)]
        assert frames == list(range(20))
    assert {r["state"] for r in table} == {"present", "absent", "unknown"}
    lost = next(r for r in table if r["reason"] == "lost")
    assert (lost["start_frame"], lost["mean_score"], lost["start_s"], lost["end_s"]) == ("", "", "1.200000", "2.000000")


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    back = read_run(tmp_path)
    assert str(back.intervals) == str(TWO.intervals)  # NaN is not equal to itself, but prints alike
    assert (back.source, back.organs, back.gaps, back.frame_counts, back.report) == (
        TWO.source,
        TWO.organs,
        TWO.gaps,
        TWO.frame_counts,
        TWO.report,
    )
    for name in ("index", "time_s", "duration_s", "raw", "smooth"):
        assert np.array_equal(
            getattr(back.scores, name), getattr(TWO.scores, name), equal_nan=name in ("raw", "smooth")
        ), name
    assert back.scores.reason == TWO.scores.reason and back.coverage == TWO.coverage


def test_timeline_json_is_strict_json_and_says_what_it_is(tmp_path: Path) -> None:
    assert export(TWO, tmp_path, "json") == (tmp_path / "timeline.json",)

    def no_constants(name: str) -> float:
        raise AssertionError(f"{name} is not JSON")

    body = json.loads((tmp_path / "timeline.json").read_text(encoding="utf-8"), parse_constant=no_constants)
    assert body["format"] == 2 and "not a medical device" in body["note"]
    assert body["frame_counts"]["received"] == 20 and body["coverage"] == pytest.approx(TWO.coverage)
    assert 0 < TWO.coverage < 1


def test_vtt(tmp_path: Path) -> None:
    export(timeline(liver="..PPPP..", kidney="....PPPP"), tmp_path, "vtt")
    assert (tmp_path / "timeline.vtt").read_text(encoding="utf-8") == (
        "WEBVTT\n\nNOTE Research software, not a medical device.\n\n"
        "00:00:00.200 --> 00:00:00.400\nliver\n\n"
        "00:00:00.400 --> 00:00:00.600\nliver · kidney\n\n"
        "00:00:00.600 --> 00:00:00.800\nkidney\n"
    )


def test_srt_numbers_cues_and_marks_the_unknown(tmp_path: Path) -> None:
    export(timeline(liver="PPPP????"), tmp_path, "srt")
    text = (tmp_path / "timeline.srt").read_text(encoding="utf-8")
    assert text == "1\n00:00:00,000 --> 00:00:00,400\nliver\n\n2\n00:00:00,400 --> 00:00:00,800\nliver?\n"


def test_vtt_escapes_markup(tmp_path: Path) -> None:
    export(timeline(**{"<b>&": "PPPP"}), tmp_path, "vtt")
    assert "&lt;b&gt;&amp;\n" in (tmp_path / "timeline.vtt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["=1+1.mp4", "+x", "-2+3", "@cmd", "\tx"])
def test_csv_cells_are_no_formulas(tmp_path: Path, name: str) -> None:
    write_run(timeline(name=name, **{"=organ": "PPPP"}), tmp_path)
    for file in ("intervals.csv", "scores.csv"):
        for row in rows(tmp_path / file):
            cells = [c for key, c in row.items() if key not in ("start_frame", "end_frame")]
            assert not any(c.startswith(("=", "+", "-", "@", "\t")) for c in [*cells, *row])
    assert read_run(tmp_path).source.name == name


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    for wrong in ("docx", "vtt,docx", "", [], ["vtt", "t.docx"]):
        with pytest.raises(UsageError, match="choose from csv, json, srt, vtt"):
            export(TWO, tmp_path / "out", wrong)
    assert sorted(WRITERS) == ["csv", "json", "srt", "vtt"] and not (tmp_path / "out").exists()


def test_several_formats_at_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    written = export(TWO, tmp_path, ["CSV", "vtt"])
    assert [path.name for path in written] == ["intervals.csv", "timeline.vtt"]
    assert all(path.stat().st_size for path in written)
    with pytest.raises(OutputError, match=r"timeline\.vtt is there already"):
        export(TWO, tmp_path, "srt, vtt")
    assert not (tmp_path / "timeline.srt").exists()
    assert len(export(TWO, tmp_path, "srt, vtt", overwrite=True)) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "timeline.json").unlink(), "no run at"),
        (lambda d: (d / "timeline.json").write_text("{"), "is not a timeline"),
        (lambda d: (d / "timeline.json").write_text('{"format": 99}'), "format 99"),
        (lambda d: (d / "timeline.json").write_text("[]"), "format None"),
        (lambda d: (d / "scores.csv").unlink(), "no scores"),
        (lambda d: (d / "scores.csv").write_text("a,b\n1,2\n"), "is not a scores.csv"),
        (lambda d: (d / "scores.csv").write_text(""), "is not a scores.csv"),
    ],
    ids=["no run", "cut json", "newer", "list", "no scores", "other csv", "empty csv"],
)
def test_reading_a_spoilt_run_is_one_clear_line(tmp_path: Path, spoil: object, message: str) -> None:
    write_run(TWO, tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=message) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)
    assert "timeline.json lacks" not in str(caught.value)  # the file that is at fault is named, and no other


def test_atomic_path_leaves_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_a_folder_that_cannot_be_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another with -o"):
        require_writable(tmp_path / "file" / "below")


def test_proving_a_folder_leaves_nothing_behind_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    prove_writable(tmp_path / "old" / "a" / "b")
    prove_writable(tmp_path / "old")
    assert [p.name for p in tmp_path.rglob("*")] == ["old"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another with -o"):
        prove_writable(tmp_path / "file" / "below")


def test_times_keep_a_microsecond(tmp_path: Path) -> None:
    write_intervals_csv(TWO, tmp_path / "i.csv")
    written = [float(r["start_s"]) for r in rows(tmp_path / "i.csv")]
    assert written == pytest.approx([i.start_s for i in TWO.intervals], abs=1e-6)
    assert all(math.isfinite(w) for w in written)


BIG = timeline(a="..PPPP?PPPP......P..PPP", **{"=b, c": "PPP....?.......PPPP...."[:23]}, gaps=(Gap(1.5, 2.5, "lost"),))


def test_scores_csv_is_the_same_in_any_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = tuple('-odd, "quoted"\n' if reason else "" for reason in BIG.scores.reason)
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
    assert lines[0] == "file,frame,time_s,duration_s,reason,measured,thyroid,thyroid smoothed,trachea,trachea smoothed"
    assert lines[1] == "clip.mp4,0,0.0,0.1,,1,0.100000001,0.100000001,0.899999976,0.899999976"
    assert lines[8] == "clip.mp4,7,0.7,0.1,black,1,,,," and len(lines) == 21


@pytest.mark.parametrize(
    "change",
    [{"organs": None}, {"organs": 5}, {"source": []}, {"source": None}, {"start_s": None}, {"end_s": "x"}, {"report": []}, {"report": 5}, {"intervals": [5]}, {"gaps": [[]]}, {"frame_counts": []}, {"provenance": 5}],
    ids=str,
)  # fmt: skip
def test_a_timeline_that_somebody_changed_is_refused_in_one_line(change: dict[str, object], tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    body = json.loads((tmp_path / "timeline.json").read_text(encoding="utf-8"))
    (tmp_path / "timeline.json").write_text(json.dumps({**body, **change}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tail", ["clip.mp4,20\n", "x\n", '"' + "x" * 200_000, "clip.mp4,a,0.1,0.1,,1,1,1,1,1\n", f"clip.mp4,{2**70},0.1,0.1,,1,1,1,1,1\n"], ids=["short", "one", "huge", "letters", "count"])  # fmt: skip
def test_scores_that_somebody_changed_are_refused_in_one_line(tail: str, tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    with (tmp_path / "scores.csv").open("a", encoding="utf-8") as stream:
        stream.write(tail)
    with pytest.raises(DataError, match=r"scores\.csv"):
        read_run(tmp_path)


FORMAT_1 = """{
 "format": 1, "made_by": "seqcls 0.1.0", "note": "Research software, not a medical device.",
 "source": {"name": "neck.mp4", "kind": "file", "region": null, "details": [["pixel format", "yuv420p"]]},
 "organs": ["thyroid"], "start_s": 0.0, "end_s": 0.2, "coverage": 1.0,
 "intervals": [{"organ": "thyroid", "state": "present", "start_s": 0.0, "end_s": 0.2, "start_index": 0, "end_index": 1,
  "mean_score": 0.9, "peak_score": null, "reason": ""}],
 "gaps": [],
 "ledger": {"received": 2, "classified": 2, "skipped": 0, "dropped": 0, "rejected": 0},
 "report": {"verdict": "complete", "reasons": [], "delivered": 2, "gaps": []},
 "warnings": ["small"],
 "provenance": {
  "model": "neck.safetensors", "model_dataset": "d07", "model_version": "0.1.0", "engine": "PyTorch 2.14.1, cpu, fp32",
  "smoothing": {"kind": "median", "window_s": 0.4, "look_ahead_s": 0.2, "time_constant_s": 0.2, "dwell_s": 2.0},
  "intervals": {"thyroid":
   {"onset": 0.3, "offset": 0.21, "min_present_s": 0.3, "min_absent_s": 0.2, "pad_s": 0.0}},
  "gate": {"enabled": true, "black": true, "frozen": true, "no_contact": true, "not_ultrasound": true, "freeze_s": 1.0},
  "geometry": {"size": 112, "region": [1, 2, 30, 40]},
  "regions": [{"x0": 18, "y0": 18, "x1": 378, "y1": 290, "width": 400, "height": 300,
   "polygon": [[18, 18], [378, 18], [200, 289]], "kind": "convex"}],
  "sampling": {"kind": "every", "step_s": null, "margin": 0.2},
  "journal": {"sessions": ["a", "b"], "began": "2030-01-01T00:00:00+00:00"},
  "latency_ms": {"p50": 5.13, "p95": 7.0, "p99": null}
 }
}
"""
SCORES = """file,frame,time_s,duration_s,reason,measured,thyroid,thyroid smoothed
neck.mp4,0,0.0,0.1,,1,0.899999976,0.899999976
neck.mp4,1,0.1,0.1,,1,0.899999976,0.899999976
"""


def test_a_timeline_of_format_1_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "timeline.json").write_text(FORMAT_1, encoding="utf-8")
    (tmp_path / "scores.csv").write_text(SCORES, encoding="utf-8")
    old = read_run(tmp_path)
    assert old.frame_counts == FrameCounts(received=2, classified=2) and math.isnan(old.intervals[0].peak_score)
    made = old.provenance
    assert (made.model, made.model_dataset, made.smoothing.kind) == ("neck.safetensors", "d07", "median")
    assert [(i.onset, i.offset) for i in made.intervals] == [(0.3, 0.21)]
    assert made.geometry == Geometry(size=112, region=(1, 2, 30, 40)) and made.gate == GateOptions()
    assert made.regions[0].polygon == ((18, 18), (378, 18), (200, 289)) and made.sampling == Sampling()
    assert made.sessions == ("a", "b") and str(made.latency_ms) == "(5.13, 7.0, nan)"
    write_run(old, tmp_path / "new")
    assert read_run(tmp_path / "new").provenance.to_dict(old.organs) == made.to_dict(old.organs)
    body = json.loads((tmp_path / "new" / "timeline.json").read_text(encoding="utf-8"))
    assert body["format"] == 2 and body["frame_counts"]["received"] == 2 and "ledger" not in body
    before = json.loads(FORMAT_1)["provenance"]
    before["sampling"]["undecided"] = 0
    assert body["provenance"] == before
