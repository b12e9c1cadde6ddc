"""A timeline beside its labels: what counts as found, and that ignored stretches interrupt nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.errors import DataError
from seqcls.evaluation import evaluate as module
from seqcls.evaluation.clip_truth import ClipTruth, align_labels
from seqcls.evaluation.evaluate import evaluate_clips, pooled_metrics
from seqcls.evaluation.extras import Extras
from seqcls.evaluation.files import Evaluated, write_evaluation
from seqcls.geometry import Geometry, Layout, Region
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.models.trained_on import TrainedOn
from seqcls.reprocess import events_of


def labels(states: str, organ: str = "liver", patient: str = "P1") -> ClipLabels:
    """One character a frame: P present, . absent, i ignore, blank not labelled."""
    names = {"P": "present", ".": "absent", "i": "ignore"}
    spans = [
        LabelledSpan("clip.mp4", organ, names[c], start_index=i, end_index=i)  # type: ignore[arg-type]
        for i, c in enumerate(states)
        if c != " "
    ]
    return ClipLabels("clip.mp4", patient, tuple(spans))


def truth(found: str, labelled: str, patient: str = "P1") -> ClipTruth:
    return align_labels(timeline(liver=found), labels(labelled, patient=patient))


def test_a_perfect_timeline() -> None:
    (organ,) = pooled_metrics([truth("....PPPPPP....PPPP..", "....PPPPPP....PPPP..")]).organs
    assert organ.frames.auroc == organ.frames.accuracy == 1.0
    assert organ.intervals.f1_at == (1.0, 1.0, 1.0) and organ.intervals.edit == 1.0
    assert (organ.intervals.presences, organ.intervals.found, organ.intervals.false_events) == (2, 2, 0)
    assert organ.intervals.onset_median_s == organ.intervals.offset_median_s == 0


def test_false_and_missed_presences_are_counted() -> None:
    (organ,) = pooled_metrics([truth("PPPP......PPPP......", "..........PPPP..PPP.")]).organs
    assert (organ.intervals.presences, organ.intervals.found, organ.intervals.false_events) == (2, 1, 1)
    assert organ.frames.accuracy == pytest.approx(13 / 20)


@pytest.mark.parametrize("found", ["..PPPPPPPPP...", "..PPPP...PP...", "..PPPP???PP..."])
def test_an_ignored_stretch_interrupts_no_presence(found: str) -> None:
    (organ,) = pooled_metrics([truth(found, "..PPPPiiiPP...")]).organs
    assert organ.intervals.presences == 1 and organ.intervals.f1_at[2] == 1.0
    assert organ.intervals.false_events == 0


def test_absence_between_presences_does_interrupt() -> None:
    (organ,) = pooled_metrics([truth("..PPPPPPPPP...", "..PPPi..PPP...")]).organs
    assert organ.intervals.presences == 2 and organ.intervals.f1_at[2] < 1.0


def test_unlabelled_and_unscored_frames_do_not_count() -> None:
    one = truth("PP??PPPP..", "PPPPPP    ")
    assert one.codes.dtype == np.int8
    assert np.array_equal(one.codes[:, 0], [1, 1, 1, 1, 1, 1, -1, -1, -1, -1])
    assert one.accuracy(0) == 1.0 and pooled_metrics([one]).organs[0].frames.count == 4
    assert math.isnan(truth("PP..", "    ").accuracy(0))


def test_the_times_of_the_intervals() -> None:
    one = replace(truth("..PPPP....", "i.PPP....."), timeline=replace(timeline(liver="..PPPP...."), start_s=0.0))
    intervals = one.intervals(0)
    assert intervals.truth == (pytest.approx((0.2, 0.5)),)
    assert intervals.prediction == (pytest.approx((0.2, 0.6)),)
    assert intervals.ignore == (pytest.approx((0.0, 0.1)),)
    assert (intervals.start_s, intervals.end_s) == (0.0, pytest.approx(1.0))


def test_the_threshold_is_the_organs_onset() -> None:
    """m is a score of 0.45: below the default onset of 0.5, above one of 0.4."""
    one = truth("mmm.", "PPP.")
    assert one.accuracy(0) == pytest.approx(1 / 4)
    made = replace(one.timeline.provenance, intervals=(IntervalOptions(onset=0.4),))
    lower = replace(one, timeline=replace(one.timeline, provenance=made))
    assert lower.accuracy(0) == 1.0
    assert pooled_metrics([lower]).organs[0].frames.threshold == 0.4


def test_patients_are_drawn_not_clips() -> None:
    good, bad = "..PP", "PP.."
    clips = [truth(good, "..PP", "P0"), *(truth(good, "..PP", f"P{n}") for n in range(10)), truth(bad, "..PP", "P9")]
    (organ,) = pooled_metrics(clips).organs
    accuracy = organ.spread["accuracy"]
    assert (organ.patients, accuracy.groups, accuracy.rounds) == (10, 10, 1000)
    assert accuracy.value == organ.frames.accuracy == pytest.approx(11 / 12)
    assert 0.5 < accuracy.low < 11 / 12 < accuracy.high == 1.0
    assert organ.frames.count == 48 and organ.intervals.clips == 12
    (few,) = pooled_metrics(clips[:5]).organs
    assert few.patients == 4 and math.isnan(few.spread["accuracy"].low) and few.spread["sensitivity"].value == 1.0


def test_subgroups_by_scanner_and_site() -> None:
    """The scanner by the labels, else the DICOM header, else the layout."""
    made = timeline(liver="..PP")
    header = replace(made, source=replace(made.source, details=(("scanner", "ACME One"),)))
    region = Region(0, 0, 10, 10, 640, 480, kind="convex")
    layout = replace(made, provenance=replace(made.provenance, regions=(region,)))
    own = replace(labels("..PP"), scanner="Two", site="north")
    clips = [align_labels(made, own), align_labels(header, labels("PPPP", patient="P2")), align_labels(layout, own)]
    clips.append(align_labels(layout, labels("..PP", patient="P3")))
    assert [(clip.scanner, clip.scanner_from, clip.site) for clip in clips] == [
        ("Two", "labels", "north"),
        ("ACME One", "DICOM header", ""),
        ("Two", "labels", "north"),
        ("convex in 640 x 480", "layout", ""),
    ]
    groups = {(g.by, g.name): g.organs[0] for g in pooled_metrics(clips).subgroups}
    assert {key: organ.patients for key, organ in groups.items()} == {
        ("scanner", "ACME One"): 1, ("scanner", "Two"): 1, ("scanner", "convex in 640 x 480"): 1,
        ("site", "not stated"): 2, ("site", "north"): 1,
    }  # fmt: skip
    assert groups["scanner", "ACME One"].frames.accuracy == 0.5 and groups["site", "north"].intervals.clips == 2
    assert pooled_metrics(clips[:1]).subgroups == ()


def test_the_time_that_is_unknown_and_the_delay() -> None:
    """Of 1.4 s labelled, 0.2 s are unknown; the presence found is certain with its third frame, 0.2 s after its begin:
    that is labelled 0.1 s earlier."""
    one = truth("..??....PPPPPPPPPP", ".......PPPPPPP....")
    counts = one.counts(0, 0.2)
    assert counts.unknown_s == pytest.approx(0.2) and counts.duration_s == pytest.approx(1.8)
    (event,) = [e for e in events_of(one.timeline) if e.state == "present"]
    assert counts.delay_s == (pytest.approx(event.final_s - 0.7),) and event.final_s > 0.8
    (organ,) = pooled_metrics([one]).organs
    assert organ.intervals.unknown_share == pytest.approx(0.2 / 1.8)
    assert organ.intervals.delays == 1 and organ.spread["delay_median_s"].value == pytest.approx(counts.delay_s[0])
    assert truth("PPPP......", "PPPP......").counts(0, 0.2).delay_s == ()  # it may have been there before the clip
    margin = truth("......PPPPPP....PPPP", "....iiPPPPPP....iPPP").counts(0, 0.2).delay_s
    assert len(margin) == 2 and margin[0] > 0 > margin[1] - 0.3  # left out by a reader around the begin
    long = truth("." * 30 + "PPPP", "...." + "i" * 26 + "PPPP")
    assert long.counts(0, 0.2).delay_s == ()  # nobody knows when it came


def test_an_organ_without_labels_is_left_out() -> None:
    found = pooled_metrics([align_labels(timeline(kidney="....PPPP", liver="PPPP...."), labels("PPPP...."))])
    assert [organ.organ for organ in found.organs] == ["liver"]
    assert found.organs[0].frames.accuracy == 1.0


def test_labels_that_do_not_fit_are_told_or_refused() -> None:
    """Four frames at 10 Hz end at 0.40 s."""
    timed = ClipLabels(
        "clip.mp4", "P1", (LabelledSpan("clip.mp4", "liver", "present", 0.2, 9.0, where="l.csv, line 2"),)
    )
    told = "clip.mp4 ends at 0.40 s, but is labelled up to 9 s (l.csv, line 2)"
    result = pooled_metrics([align_labels(timeline(liver="..PP"), timed)] * 2)
    assert result.messages == (told,) and result.to_dict()["messages"] == [told]
    with pytest.raises(DataError, match=r"clip\.mp4 ends at 0\.40 s, .* up to 400 s .*: are these milliseconds\?"):
        align_labels(timeline(liver="..PP"), replace(timed, spans=(replace(timed.spans[0], start_s=200, end_s=400),)))
    (note,) = align_labels(timeline(kidney="..PP"), labels("..PP", "spleen")).messages
    assert note == "labels of spleen are not compared: the model knows kidney"


def test_organs_are_the_same_in_either_unicode_form() -> None:
    apart = {"schilddru\u0308se": "..PP"}
    found = align_labels(timeline(**apart), labels("..PP", "schilddr\u00fcse"))
    assert found.accuracy(0) == 1.0 and found.messages == ()


def test_the_record_for_json() -> None:
    labelled = replace(labels(".PPP", patient="P7"), file="P7/clip.mp4")
    record = pooled_metrics([align_labels(timeline(liver="..PP"), labelled)]).to_dict()
    assert record["clips"] == [
        {
            "file": "P7/clip.mp4",
            "verdict": "complete",
            "patient": "P7",
            "scanner": "",
            "site": "",
            "frames": 4,
            "accuracy": {"liver": 0.75},
        }
    ]
    assert record["organs"][0]["organ"] == "liver"
    assert set(record["organs"][0]) == {"organ", "patients", "frames", "intervals", "spread"}
    json.dumps(record)


@dataclass
class _Detector:
    """Answers with drawn timelines instead of reading clips."""

    organs = ("liver",)
    header: ModelHeader = field(default_factory=lambda: ModelHeader(organs=("liver",), geometry=Geometry()))

    def analyze(self, path: Path) -> object:
        return timeline(liver={"a.mp4": "..PP", "b.mp4": "PP.."}[path.name])


def test_labelled_clips_are_run_one_after_another() -> None:
    seen: list[ClipTruth] = []
    clips = [(Path("a.mp4"), labels("..PP")), (Path("b.mp4"), labels("..PP"))]
    result = evaluate_clips(_Detector(), clips, on_clip=seen.append)  # type: ignore[arg-type]
    assert [one.accuracy(0) for one in result.clips] == [1.0, 0.0]
    assert tuple(seen) == result.clips
    assert evaluate_clips(_Detector(), clips).organs[0].frames.accuracy == 0.5  # type: ignore[arg-type]


def test_several_clips_share_their_screens_as_in_a_run_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, used = Layout(Region(0, 0, 8, 8, 32, 16), (1,) * 512), list[tuple[Layout, ...]]()
    asked = list[int]()

    def with_layouts(known: Geometry, clips: Sequence[object]) -> Geometry:
        asked.append(len(clips))
        return replace(known, layouts=(*known.layouts, shared))

    class Watched(_Detector):
        def analyze(self, path: Path) -> object:
            used.append(self.header.geometry.layouts)
            return super().analyze(path)

    monkeypatch.setattr(module, "with_layouts", with_layouts)
    clips = [(Path("a.mp4"), labels("..PP")), (Path("b.mp4"), labels("..PP"))]
    evaluate_clips(Watched(), clips)  # type: ignore[arg-type]
    evaluate_clips(Watched(), clips[:1])  # type: ignore[arg-type]
    assert asked == [2] and used == [(shared,), (shared,), ()]


def test_what_the_model_was_trained_on_is_told_before_the_figures() -> None:
    """Of two clips one is of a patient of the training; a clip that is its own patient is nobody's."""
    marks = TrainedOn.of("data", [], patients=["P1", "b.mp4"])
    known = _Detector()
    known.header = replace(known.header, trained_on=(marks,))
    alone = replace(labels("..PP", patient="b.mp4"), file="b.mp4")
    result = evaluate_clips(known, [(Path("a.mp4"), labels("..PP")), (Path("b.mp4"), alone)])  # type: ignore[arg-type]
    assert result.seen == {"clip.mp4": ("patient",), "b.mp4": ()}
    (caveat,) = result.caveats
    assert caveat.startswith("1 of 2 clips is of a patient with the name of one trained on (clip.mp4)")
    assert (
        result.to_dict()["seen"] == [{"clip": "clip.mp4", "what": ["patient"]}]
        and result.to_dict()["messages"][0] == caveat
    )
    plain = evaluate_clips(_Detector(), [(Path("a.mp4"), labels("..PP"))])  # type: ignore[arg-type]
    assert plain.caveats == () and "does not say what it was trained on" in plain.messages[-1]


def test_a_model_no_better_than_chance_is_called_so() -> None:
    notes = pooled_metrics([truth("PP..PP..", "P.P.P.P.")]).notes
    assert len(notes) == 1 and notes[0].startswith("liver: no better than chance (AUROC 0.50")


def test_labels_of_other_organs_only_are_an_error() -> None:
    message = "the model knows liver, the labels kidney: nothing to compare"
    with pytest.raises(DataError, match=f"^{message}$"):
        evaluate_clips(_Detector(), [(Path("a.mp4"), labels("..PP", "kidney"))])  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^the model knows liver, the labels nothing: nothing to compare$"):
        evaluate_clips(_Detector(), [(Path("a.mp4"), labels("    "))])  # type: ignore[arg-type]


def test_messages_that_are_written_name_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.touch()
    noted = replace(labels("..PP"), notes=(f"{path} is not UTF-8 and was read as Windows-1252",))
    result = pooled_metrics([align_labels(timeline(liver="..PP"), noted)])
    assert result.to_dict()["messages"] == ["labels.csv is not UTF-8 and was read as Windows-1252"]
    header = ModelHeader(organs=("liver",), geometry=Geometry())
    extras = Extras(remarks=(f"{path} has no picture",))
    written = write_evaluation(result, Evaluated(header=header, name="m", digest=""), tmp_path / "out", extras)
    for text in (file.read_text(encoding="utf-8") for file in written if file.suffix in (".json", ".html", ".md")):
        assert tmp_path.name not in text
    assert "labels.csv is not UTF-8" in written[1].read_text(encoding="utf-8")


def test_messages_name_the_clip_as_its_labels_do() -> None:
    """Two folders may hold an IM1 each."""
    timed = ClipLabels("B/IM1", "P1", (LabelledSpan("B/IM1", "liver", "present", 0.2, 9.0),))
    assert align_labels(timeline(liver="..PP"), timed).messages[0].startswith("B/IM1 ends at 0.40 s")
