"""Facts about a model, whatever its header says."""

from __future__ import annotations

from dataclasses import replace

from support.novelties import reference

from seqcls.geometry import Geometry, Region
from seqcls.intervals import IntervalOptions
from seqcls.models.about import caveats, facts_of, training_options
from seqcls.models.file import ModelHeader
from seqcls.models.operating_curve import OperatingPoint
from seqcls.models.trained_on import TrainedOn

HEADER = ModelHeader(organs=("liver", "node"), geometry=Geometry(size=64))


def flat(header: ModelHeader, digest: str = "") -> dict[str, str]:
    return {name: value for _, facts in facts_of(header, "m.safetensors", digest) for name, value in facts}


def test_a_model_that_says_little() -> None:
    found = flat(HEADER)
    assert found["organs"] == "liver, node" and found["input"] == "64 × 64 pixels, (gray / 255 − 0.449) / 0.226"
    assert (found["seen in training"], found["tuned"], found["calibration: node"]) == ("no marks", "no", "none")
    assert "weights" not in found and "written by" not in found and found["all organs"].startswith("onset 0.5")


def test_a_model_that_says_much() -> None:
    point = OperatingPoint(organ="node", delay_s=0.5, onset=0.4, sensitivity=0.9, specificity=0.8, event_f1=0.77)
    header = replace(
        HEADER,
        version="1.0",
        calibration=((1.0, 0.0), (2.5, -1.25)),
        intervals=(IntervalOptions(), IntervalOptions(onset=0.4)),
        regions=tuple(Region(0, 0, 4, 5 + at // 2, 10, 20, kind="convex") for at in range(12)),
        trained_on=(TrainedOn.of("x", []),),
        operating_curve=(point,),
        training={"classes": {"frames": 12, "clips": 3, "patients": 1, "liver": {"present": 5, "absent": 7}}},
    )
    found = flat(header, "ab")
    assert found["calibration: node"] == "sigmoid(2.5 × logit − 1.25)" and found["weights"] == "SHA-256 ab"
    assert found["tuned: node"] == "1 operating point, event F1 up to 0.770" and "tuned: liver" not in found
    assert found["regions trained on"].endswith("and 2 more") and found["trained on: liver"] == "5 present, 7 absent"
    assert found["seen in training"].startswith("marks of 1 data set") and found["node"].startswith("onset 0.4")


def test_an_interrupted_training_is_told() -> None:
    training = {"interrupted": True, "epochs": 1, "options": {"epochs": 3}}
    told = "the model's training was interrupted after 1 of 3 epochs: train it to its end before its figures count"
    assert flat(replace(HEADER, training=training))["take care"] == told
    assert caveats(replace(HEADER, training=training)) == (told,) and caveats(HEADER) == ()
    assert caveats(replace(HEADER, training={**training, "interrupted": "yes", "options": 3})) == ()
    assert caveats(replace(HEADER, training={"interrupted": True, "options": 3}))[0].startswith(
        "the model's training was"
    )


def test_a_mean_names_its_networks() -> None:
    found = flat(replace(HEADER, networks=("a" * 64, "b" * 64), novelty=reference()), "ab")
    assert found["network"] == "mean of 2 networks: resnet18, one gray plane, 2 outputs"
    assert (found["network 1"], found["network 2"]) == (f"SHA-256 {'a' * 64}", f"SHA-256 {'b' * 64}")
    assert found["frames unlike it"].endswith("; measured by the first of 2 networks")


def test_a_header_may_say_anything() -> None:
    """Its training is free in form: what is no text or number is left out, and nothing steers a terminal."""
    wild = {"classes": [1], "validation": {"frames": "many", "liver": 3}, "weights": "\x1b[2J", "epochs": True}
    found = flat(replace(HEADER, training={**wild, "options": {"a\x1b": {"b": "c" * 99}}}, version="\u202e"))
    assert found["begun from"] == r"\x1b[2J" and "epochs" not in found and "\u202e" not in found["written by"]
    ((name, value),) = training_options(replace(HEADER, training={"options": {"a": {"b": "c" * 99}}}))
    assert (name, len(value)) == ("a.b", 40)
    assert training_options(replace(HEADER, training={"options": 3})) == []
