"""What a model was trained on: known again by clip, frame and patient, and by nothing else; in little room."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from seqcls.errors import ModelError
from seqcls.files.json_record import record_from
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader
from seqcls.models.trained_on import MAX_SETS, TrainedOn, known_frames, seen_in_training, seen_messages, together

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (5, 8, 8), np.uint8)
KNOWN = TrainedOn.of("abc", IMAGES[:3], ["d1", "d2"], ["Müller", "P2"])


def test_clips_frames_and_patients_are_known_again() -> None:
    assert known_frames([KNOWN], IMAGES).tolist() == [True, True, True, False, False]
    assert seen_in_training([KNOWN], clip_digest="d2", images=IMAGES[3:], patient="P3") == ("clip",)
    assert seen_in_training([KNOWN], clip_digest="d3", images=IMAGES[2:], patient="P2") == ("frames", "patient")
    assert seen_in_training([KNOWN], patient="Mu\u0308ller") == ("patient",)  # as macOS writes it
    # A digest is no name, and nothing is known of what is not stated.
    assert seen_in_training([KNOWN], clip_digest="P2", patient="d1") == ()
    assert seen_in_training([KNOWN]) == seen_in_training([], clip_digest="d1", images=IMAGES) == ()


def test_a_frame_differs_by_one_pixel_or_by_its_shape() -> None:
    other = IMAGES[:1].copy()
    other[0, 7, 7] ^= 1
    assert not known_frames([KNOWN], other).any()
    assert not known_frames([KNOWN], IMAGES[:1].reshape(1, 4, 16)).any()


def test_what_is_blank_tells_nothing() -> None:
    blank = np.full((1, 8, 8), 7, np.uint8)
    assert not known_frames([TrainedOn.of("abc", blank, [""], [""])], blank).any()
    assert seen_in_training([TrainedOn.of("abc", blank, [""], [""])], clip_digest="", patient="") == ()
    assert TrainedOn.of("abc", blank, [""]).frames == TrainedOn.of("abc", []).clips == ()


def test_no_name_no_digest_and_the_same_marks_again() -> None:
    text = json.dumps(asdict(KNOWN))
    assert "P2" not in text and "ller" not in text and "d1" not in text
    assert TrainedOn.of("abc", IMAGES[:3], ["d2", "d1"], ["P2", "Müller"]) == KNOWN
    other = TrainedOn.of("xyz", IMAGES[:3], ["d1", "d2"], ["Müller", "P2"])
    assert other.patients != KNOWN.patients and other.salt != KNOWN.salt
    assert record_from(TrainedOn, json.loads(text)) == KNOWN


def test_what_chose_the_epoch_is_not_what_was_trained_on() -> None:
    chose = TrainedOn.of("abc", IMAGES[3:4], ["d3"], ["P3"], role="validation")
    both = [KNOWN, chose]
    assert known_frames(both, IMAGES).tolist() == [True, True, True, False, False]
    for known in ({"clip_digest": "d3"}, {"images": IMAGES[3:4]}, {"patient": "P3"}):
        assert seen_in_training(both, **known) == ("validation",)  # type: ignore[arg-type]
    assert seen_in_training(both, clip_digest="d3", patient="P2") == ("patient",)
    assert seen_messages({"a": ("validation",), "b": ()}) == (
        "1 of 2 clips served to choose this model's epoch and thresholds (a): their figures flatter",
    )


def test_many_frames_take_less_than_a_megabyte() -> None:
    images = np.arange(100_000, dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2)
    many = TrainedOn.of("abc", images[1:])
    assert len(json.dumps(asdict(many))) < 900_000 and max(map(len, many.frames)) < 1 << 16
    assert known_frames([many], images[-9000:]).all()
    assert not known_frames([many], images[-9000:] ^ np.uint8(255)).any()


def test_of_too_many_frames_a_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.models.trained_on.MAX_MARKS", 20)
    images = RANDOM.integers(0, 255, (80, 4, 4), np.uint8)
    assert known_frames([TrainedOn.of("abc", images)], images).sum() == 20


@pytest.mark.parametrize(
    "broken",
    [{"salt": "xy"}, {"salt": "00"}, {"frames": ("AAA",)}, {"clips": ("AAAA",)}, {"patients": ("äää",)}],
    ids=str,
)
def test_what_is_no_list_of_marks_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="no list of marks"):
        TrainedOn(**{**asdict(KNOWN), **broken})  # type: ignore[arg-type]


def test_a_model_made_of_others_has_seen_what_they_have() -> None:
    other = TrainedOn.of("xyz", IMAGES[3:4])
    both = together([KNOWN], [other, KNOWN], [])
    assert both == (KNOWN, other)
    assert known_frames(both, IMAGES).tolist() == [True, True, True, True, False]


def test_data_sets_are_bounded_for_every_frame_is_hashed_for_each() -> None:
    many = [TrainedOn(salt=f"{number:032x}") for number in range(MAX_SETS + 1)]
    assert together(many) == tuple(many[:MAX_SETS])
    text = ModelHeader(organs=("liver",), geometry=Geometry(), trained_on=tuple(many)).to_json()
    with pytest.raises(ModelError, match=r"trained_on holds 101 entries, more than 100"):
        ModelHeader.from_json(text)


def test_messages_name_clips_and_doubt_names_of_patients() -> None:
    assert seen_messages({"a": (), "b": ()}) == ()
    assert seen_messages({"a": ("clip",), "b": ("frames", "patient"), "c": (), "d": ("patient",), "e": ()}) == (
        "2 of 5 clips were trained on (a, b): their figures say nothing about new patients",
        "1 of 5 clips is of a patient with the name of one trained on (d): if it is the same person, their figures say"
        " nothing about new patients",
    )
    several = {f"c{number}": ("clip",) for number in range(5)}
    assert seen_messages(several)[0].startswith("5 of 5 clips were trained on (c0, c1, c2, and 2 more): ")  # type: ignore[arg-type]
