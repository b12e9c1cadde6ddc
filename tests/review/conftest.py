"""What the tests of a review share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def decoders_start_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ahead of the first clip: half of these tests decode nothing, and two processes take longer than they do."""
    monkeypatch.setattr("seqcls.sources.isolated.DecoderPool.warm", lambda *_: None)
