"""timeline.json: comes back as it was, and what no run can have given is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import DataError
from seqcls.exports import export, read_run, write_run
from seqcls.exports import timeline_json as module
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.timeline import Sampling
from seqcls.types import FrameCounts, Gap

TWO = timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),))


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
    before["regions"][0]["confidence"] = 1.0
    before["geometry"]["layouts"] = []
    assert body["provenance"] == before


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("organs",), ["thyroid", "thyroid"], "organs: one or more different names"),
        (("organs",), ["thyroid", 5], r"organs\[1\] is 5, not a text"),
        (("start_s",), "soon", "start_s is 'soon', not a number"),
        (("end_s",), 9.0, r"end_s: 9.0, and the last interval of thyroid ends at 2.8"),
        (("intervals", 2, "state"), "maybe", r"intervals\[2\].state is 'maybe', not one of present, absent, unknown"),
        (("intervals", 2, "organ"), "liver", r"intervals\[2\].organ: 'liver' is none of the organs"),
        (("intervals", 1, "start_s"), 0.1, r"intervals\[1\].start_s: 0.1 is not where the one before ends"),
        (("intervals", 0, "end_s"), -1.0, r"intervals\[0\].end_s: -1.0 lies before start_s 0.0"),
        (("intervals", 0, "end_s"), None, r"intervals\[0\].end_s is None, not a number"),
        (("intervals", 0, "end_index"), -2, r"intervals\[0\].end_index: -2 lies before 0"),
        (("intervals", 0, "mean_score"), 1.5, r"intervals\[0\].mean_score: 1.5 is not in 0..1"),
        (("intervals", 0, "peak_score"), -0.5, r"intervals\[0\].peak_score: -0.5 is not in 0..1"),
        (("intervals", 0, "colour"), "red", r"intervals\[0\].colour is unknown"),
        (("end_s",), 1e300, r"end_s is 1e\+300, not in"),
        (("end_s",), 5e9, r"end_s: 5e\+09 is further than 4e\+09 s from 0"),
        (("start_s",), -4.1e9, r"start_s: -4.1e\+09 is further than"),
        (("intervals", 0, "start_index"), 10**13, r"intervals\[0\].start_index is 10000000000000, not in"),
        (("source", "width"), 10**18, "source.width is 1000000000000000000, not in 0..5e"),
        (("source", "height"), -3, r"source.height is -3, not in 0\.\."),
        (("source", "pixel_aspect"), 0, r"source.pixel_aspect is 0, not in 0.01..100"),
        (("source", "rate_hz"), 0, r"source.rate_hz is 0, not in 1e-06..1e\+06"),
        (("source", "rate_hz"), 1e300, r"source.rate_hz is 1e\+300, not in"),
        (("source", "declared_frames"), -1, r"source.declared_frames is -1, not in 0..1e\+12"),
        (("source", "declared_duration_s"), 1e300, r"source.declared_duration_s is 1e\+300, not in 0..4e\+09"),
        (("source", "region"), [0, 0, 10**13, 1], r"source.region\[2\] is 10000000000000, not in"),
        (("source", "region"), [-1, 0, 9, 9], r"source.region\[0\] is -1, not in"),
        (("coverage",), 1.5, r"coverage is 1.5, not in 0..1"),
        (("source", "details"), [["a", "b"]] * 1001, "source.details holds 1,001 entries, more than 1,000"),
        (("report", "delivered"), -1, "report.delivered is -1, not in"),
        (("frame_counts", "received"), 10**13, "frame_counts.received is 10000000000000, not in"),
        (("warnings",), ["w"] * 200_001, "warnings holds 200,001 entries, more than 200,000"),
        (("provenance", "smoothing", "window_s"), 1e300, "provenance.smoothing.window_s is 1e"),
        (("provenance", "smoothing", "dwell_s"), 5e9, "provenance.smoothing: smoothing dwell_s must be at most 4e"),
        (("provenance", "intervals", "trachea", "pad_s"), 5e9, r"provenance.intervals\[1\]: pad_s must be at most"),
        (("provenance", "sampling"), {"kind": "every", "margin": 7}, "provenance.sampling.margin is 7, not in 0..1"),
        (("provenance", "latency_ms"), {"p50": 1, "p95": 1, "p99": -1}, r"provenance.latency_ms\[2\] is -1.0, not in"),
        (
            ("report", "gaps"),
            [{"start_s": 2, "end_s": 1e10, "reason": ""}],
            r"report.gaps\[0\]: it reaches further than",
        ),
        (("source", "name"), "n" * 70_000, "source.name has 70,000 characters"),
        (("gaps",), [], "gaps: they are not the unknown intervals"),
        (("frame_counts", "received"), 21, "frame_counts: they do not add up"),
        (("frame_counts", "classified"), True, "frame_counts.classified is True, not a whole number"),
        (("report", "verdict"), "fine", "report.verdict is 'fine', not one of complete"),
        (("report", "gaps"), [{"start_s": 2, "end_s": 1, "reason": ""}], r"report.gaps\[0\].end_s: 1.0 lies before 2"),
        (("source", "kind"), "tape", "source.kind is 'tape', not one of file"),
        (("warnings",), "none", "warnings is 'none', not a list"),
        (("provenance", "smoothing", "window_s"), -1, "provenance.smoothing: smoothing window_s must be 0 or more"),
        (("provenance", "intervals", "trachea", "onset"), 2.0, r"provenance.intervals\[1\]: thresholds must"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_no_run_can_have_given_is_refused_by_its_field(
    place: tuple[str | int, ...], value: object, message: str, tmp_path: Path
) -> None:
    write_run(TWO, tmp_path)
    body = json.loads((tmp_path / "timeline.json").read_text(encoding="utf-8"))
    inner = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "timeline.json").write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value) and "timeline.json lacks or misstates" in str(caught.value)


def test_organs_and_intervals_are_counted_before_anything_is_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(TWO, tmp_path)
    monkeypatch.setattr(module, "MAX_INTERVALS", 4)
    with pytest.raises(DataError, match=r"intervals: \d+ are more than 4"):
        read_run(tmp_path)
    body = json.loads((tmp_path / "timeline.json").read_text(encoding="utf-8"))
    for organs, message in (
        ([f"o{k}" for k in range(101)], "101 organs are more than the 100"),
        (["o" * 101], "101 char"),
    ):
        (tmp_path / "timeline.json").write_text(json.dumps({**body, "organs": organs}), encoding="utf-8")
        with pytest.raises(DataError, match=f"timeline.json lacks or misstates .*{message}"):
            read_run(tmp_path)


def test_frames_that_were_cut_out_of_the_scores_are_missed(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "scores.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match=r"frame_counts: 20, and scores\.csv holds 19 frames"):
        read_run(tmp_path)


def test_numbers_that_json_lacks_are_refused(tmp_path: Path) -> None:
    write_run(TWO, tmp_path)
    text = (tmp_path / "timeline.json").read_text(encoding="utf-8")
    (tmp_path / "timeline.json").write_text(text.replace('"end_s": 2.8', '"end_s": NaN', 1), encoding="utf-8")
    with pytest.raises(DataError, match="NaN is no number of JSON"):
        read_run(tmp_path)


def test_what_lies_where_a_run_was_expected_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run at .*: expected .*timeline\.json; make one"):
        read_run(tmp_path)
    write_run(TWO, tmp_path / "P01")
    with pytest.raises(DataError, match=r"holds those of several clips; name one of them, such as .*P01"):
        read_run(tmp_path)
    (tmp_path / "pictures.csv").touch()
    with pytest.raises(DataError, match=r"pictures\.csv there is of single images, which have no timeline"):
        read_run(tmp_path)
