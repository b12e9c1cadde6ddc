"""The window's picture: every state by colour and word, nothing that looks alive without a feed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqcls.errors import UsageError
from seqcls.live.view import LiveView, OrganView
from seqcls.live.window import COLORS, Window, draw
from seqcls.types import Ledger, State


def organ(name: str, state: State) -> OrganView:
    return OrganView(name, state, 0.0, None if state == "unknown" else 0.5, 0.5, 0.35, (), (), 0)


VIEW = LiveView(
    source="probe",
    feed="running",
    feed_since_s=0.0,
    now_s=1.0,
    organs=(organ("liver", "present"),),
    ledger=Ledger(),
    rate_hz=30.0,
    latency_ms=(1.0, 2.0, 3.0),
    picture=np.full((60, 80), 200, np.uint8),
)


@pytest.mark.parametrize("state", ["present", "absent", "unknown"])
def test_each_state_has_its_colour(state: State) -> None:
    image = draw(replace(VIEW, organs=(organ("liver", state),)))
    side = image[:, -420:].reshape(-1, 3)
    counts = {name: int((side == color).all(axis=1).sum()) for name, color in COLORS.items()}
    assert max(counts, key=lambda name: counts[name]) == state and counts[state] > 20_000


def test_a_feed_that_stalls_dims_the_picture() -> None:
    running, stalled = draw(VIEW), draw(replace(VIEW, feed="stalled"))
    assert running[:, :-420].mean() > 2.5 * stalled[:, :-420].mean()


@pytest.mark.parametrize("shape", [(1, 1), (2000, 10), (10, 2000), (480, 640)])
def test_pictures_of_any_shape(shape: tuple[int, int]) -> None:
    image = draw(replace(VIEW, picture=np.full(shape, 90, np.uint8)))
    assert image.shape[0] == 640 and image.shape[1] <= 2 * 640 + 420


def test_many_organs_long_names_and_no_numbers() -> None:
    organs = tuple(organ("ein sehr langer Name für ein Organ " * 3, "unknown") for _ in range(12))
    nothing = (float("nan"),) * 3
    assert draw(replace(VIEW, organs=organs, picture=None, latency_ms=nothing)).dtype == np.uint8


def test_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(UsageError, match="--serve"):
        Window()
