"""Options that carry several values: what they take, and one line for what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.cli import options, train_settings
from seqcls.cli.live_options import parse_camera
from seqcls.errors import UsageError
from seqcls.feeds.camera_options import CameraOptions
from seqcls.intervals import IntervalOptions
from seqcls.smoothing import SmoothingOptions
from seqcls.training.options import AugmentOptions, TrainOptions

MODEL = SmoothingOptions(kind="mean", window_s=0.5, look_ahead_s=0.25)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, MODEL),
        ("none", SmoothingOptions(kind="none")),
        ("median", SmoothingOptions(kind="median")),
        ("median,window=0.6", SmoothingOptions(kind="median", window_s=0.6, look_ahead_s=0.3)),
        ("median,window=0.6,look-ahead=0.1", SmoothingOptions(kind="median", window_s=0.6, look_ahead_s=0.1)),
        ("window=1", SmoothingOptions(window_s=1.0, look_ahead_s=0.5)),
        ("look-ahead=0", SmoothingOptions(look_ahead_s=0.0)),
        ("exponential, time-constant=0.4", SmoothingOptions(kind="exponential", time_constant_s=0.4)),
        ("hmm,dwell=3", SmoothingOptions(kind="hmm", dwell_s=3.0)),
    ],
)
def test_smoothing(text: str | None, expected: SmoothingOptions) -> None:
    assert options.changed_smoothing(MODEL, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magic", "unknown smoothing 'magic'"),
        ("median,width=1", "does not know 'width=1'; it takes NAME=VALUE with one of window, look-ahead"),
        ("median,0.6", "does not know '0.6'"),
        (
            "median,dwell=2",
            "--smoothing median does not know 'dwell=2'; it takes NAME=VALUE with one of window, look-ahead",
        ),
        ("hmm,window=1", "--smoothing hmm does not know 'window=1'; it takes NAME=VALUE with one of dwell"),
        ("dwell=1", "--smoothing mean does not know"),
        ("none,window=1", "it takes no settings"),
        ("window=1,window=2", "states window twice"),
        ("window=wide", "--smoothing window takes a number, not 'wide'"),
        ("look-ahead=9", "look_ahead_s"),
    ],
)
def test_wrong_smoothing(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.changed_smoothing(MODEL, text)


def test_a_lower_onset_takes_the_offset_along() -> None:
    model = (IntervalOptions(onset=0.5, offset=0.4), IntervalOptions(onset=0.5, offset=0.2))
    changed = options.changed_intervals(model, onset=0.3, offset=None, pad_s=0.1)
    assert [(o.onset, o.offset, o.pad_s) for o in changed] == [(0.3, 0.3, 0.1), (0.3, 0.2, 0.1)]
    assert options.changed_intervals(model, onset=None, offset=None) == model
    with pytest.raises(UsageError, match="thresholds"):
        options.changed_intervals(model, onset=0.3, offset=0.4)


def test_regions() -> None:
    assert [options.parse_region(text) for text in (None, "auto", "none")] == ["auto", "auto", "none"]
    assert options.parse_region("1,2,30,40") == (1, 2, 30, 40)
    for wrong in ("here", "1,2,3", "1,2,3,x"):
        with pytest.raises(UsageError, match="--region takes auto, none or"):
            options.parse_region(wrong)


def test_a_region_may_be_a_file_of_layouts() -> None:
    assert options.region_or_layouts(None) == (None, None) and options.region_or_layouts("none") == ("none", None)
    assert options.region_or_layouts("1,2,30,40") == ("1,2,30,40", None)
    assert options.region_or_layouts("a/known.json") == (None, Path("a/known.json"))


def test_cameras() -> None:
    assert parse_camera(None) == CameraOptions()
    assert parse_camera("size=1280X720,rate=29.97,backend=v4l2") == CameraOptions(
        size=(1280, 720), rate_hz=29.97, backend="v4l2"
    )
    for wrong, message in (
        ("1280x720", "does not know '1280x720'"),
        ("size=big", "WIDTHxHEIGHT"),
        ("rate=x", "number"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_camera(wrong)


def test_rare_options_are_read_as_the_type_of_their_field() -> None:
    settings = {"weight_decay": "0.01", "freeze_epochs": "3", "balance": "no", "schedule": "constant"}
    changed = options.changed(TrainOptions(), settings, "--set")
    assert (changed.weight_decay, changed.freeze_epochs, changed.balance, changed.schedule) == (
        0.01,
        3,
        False,
        "constant",
    )
    assert options.changed(AugmentOptions(), {"shadow": "1"}, "--set") == AugmentOptions(shadow=1.0)
    for wrong, message in (
        ({"freeze_epochs": "2.5"}, "--set freeze_epochs takes a whole number, not '2.5'"),
        ({"balance": "perhaps"}, "--set balance takes yes or no"),
        ({"warmup": "x"}, "--set warmup takes a number"),
        ({"warmup": "1"}, "warmup must be 0 or more and below 1"),
        ({"schedule": "luck"}, "unknown schedule 'luck'"),
    ):
        with pytest.raises(UsageError, match=message):
            options.changed(TrainOptions(), wrong, "--set")


def test_every_training_option_is_on_the_command_line_once() -> None:
    flags = {
        "epochs", "batch_size", "samples_per_epoch", "lr", "optimizer", "loss", "augment", "progressive", "patience", "weights",
        "device", "seed",
    }  # fmt: skip
    assert flags | set(train_settings.RARE) == {field for field in TrainOptions.__dataclass_fields__}
    assert not flags & set(train_settings.RARE) and not set(train_settings.RARE) & set(train_settings.RARE_AUGMENT)
    with pytest.raises(UsageError, match="does not know 'epochs=3'; it takes NAME=VALUE with one of weight_decay"):
        options.parse_settings(["epochs=3"], train_settings.RARE, "--set")
    with pytest.raises(UsageError, match="--set does not take epochs: it has a flag of its own, --epochs"):
        options.parse_settings(["epochs=3"], train_settings.RARE, "--set", flags=train_settings.FLAGS)
    with pytest.raises(UsageError, match=r"^--set takes NAME=VALUE with one of weight_decay"):
        options.parse_settings(["?"], train_settings.RARE, "--set")
    with pytest.raises(UsageError, match="--set weight_decay lacks its value: write weight_decay=VALUE"):
        options.parse_settings(["weight_decay"], train_settings.RARE, "--set")
