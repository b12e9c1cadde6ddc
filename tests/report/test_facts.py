"""Facts about a run, for a person."""

from __future__ import annotations

from dataclasses import replace

from support.timelines import timeline

from seqcls.geometry import Geometry, Region
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.report.facts import facts_about, summary
from seqcls.smoothing import SmoothingOptions


def test_what_is_known_is_said_and_nothing_else() -> None:
    run = timeline(liver="PP??", kidney="....", smoothing=SmoothingOptions(kind="mean"))
    found = {title: dict(facts) for title, facts in facts_about(run, None)}
    assert found["Input"]["frames"] == "4 frames: 2 classified, 2 rejected"
    assert "ultrasound region" not in found["Input"] and list(found["Model"]) == ["organs"]
    options = found["From scores to intervals"]
    assert options["smoothing"] == "mean, window 0.5 s, look ahead 0.25 s" and options["its delay"].startswith("0.25 s")
    assert list(options)[2:] == ["all organs"]
    assert summary(run) == "0.40 s · 4 frames"


def test_organs_with_options_of_their_own_are_told_apart() -> None:
    run = timeline(liver="P", kidney=".")
    used = replace(run.provenance, intervals=(IntervalOptions(), IntervalOptions(onset=0.7)), model="m\n.safetensors")
    region = Region(x0=1, y0=2, x1=30, y1=40, width=64, height=48)
    run = replace(run, provenance=replace(used, regions=(region,)), end_s=3725.0)
    found = {title: dict(facts) for title, facts in facts_about(run, None)}
    assert "onset 0.7" in found["From scores to intervals"]["kidney"]
    assert found["Input"]["ultrasound region"] == f"{region.kind} 1, 2, 30, 40"
    assert summary(run) == r"1 h 2 min · 1 frame · model m\n.safetensors"


def test_the_training_is_read_however_it_is_written() -> None:
    training = {"classes": {"frames": 3607, "clips": 16, "patients": "many"}, "best_auroc": 0.98765, "epochs": True}
    header = ModelHeader(organs=("liver",), geometry=Geometry(size=32), training=training)
    model = dict(facts_about(timeline(liver="P"), header)[1][1])
    assert model["trained on"] == "3,607 frames, 16 clips" and model["best AUROC"] == "0.988" and "epochs" not in model
