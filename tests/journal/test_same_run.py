"""A run goes on only as the very run that it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Layout, Region
from seqcls.intervals import IntervalOptions
from seqcls.journal.format import Opening, decode, encode
from seqcls.journal.same_run import differences, layouts_digest
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Provenance
from seqcls.types import SourceInfo

SOURCE = SourceInfo(name="neck.mp4", kind="file", width=64, height=48, declared_duration_s=1 / 3, path="a/neck.mp4")
PROVENANCE = Provenance(
    smoothing=SmoothingOptions(), intervals=(IntervalOptions(),), model="m.safetensors", model_dataset="d",
    model_digest="w", source_digest="s", layouts_digest="l", gate=GateOptions(), geometry=Geometry(size=64, region=(1, 2, 30, 40)),
)  # fmt: skip
OPENING = Opening(
    session="s", organs=("liver",), source=SOURCE, provenance=PROVENANCE, wall="2030-01-01T00:00:00+00:00",
    monotonic_s=1.0, seqcls="1",
)  # fmt: skip


@pytest.fixture
def opening() -> Opening:
    """As it comes back from a file."""
    record = decode(encode(0, 0.0, OPENING).rstrip(b"\n"), None).record
    assert isinstance(record, Opening)
    return record


def test_the_same_run_goes_on_also_by_another_path_and_engine(opening: Opening) -> None:
    source = replace(SOURCE, path="/elsewhere/neck.mp4", details=(("a", "b"),))
    assert differences(opening, ("liver",), source, replace(PROVENANCE, engine="other", model="renamed")) == ()
    older = replace(
        opening,
        provenance=replace(PROVENANCE, model_digest="", source_digest="", layouts_digest="", gate=None, geometry=None),
    )
    assert differences(older, ("liver",), SOURCE, PROVENANCE) == ()


@pytest.mark.parametrize(
    ("source", "change", "what"),
    [
        ({"name": "liver.mp4"}, {}, "another source (a/neck.mp4)"),
        ({"declared_duration_s": 0.3}, {}, "another source (a/neck.mp4)"),
        ({}, {"model_digest": "v"}, "another model (m.safetensors)"),
        ({}, {"source_digest": "t"}, "another source (a/neck.mp4)"),
        ({}, {"model_dataset": "e"}, "another model (m.safetensors)"),
        ({}, {"geometry": Geometry(size=64)}, "another region"),
        ({}, {"layouts_digest": "m"}, "another region"),
        ({}, {"gate": GateOptions(enabled=False)}, "another gate"),
        ({}, {"intervals": (IntervalOptions(onset=0.9),)}, "other options"),
    ],
)
def test_another_run_does_not(opening: Opening, source: dict, change: dict, what: str) -> None:  # type: ignore[type-arg]
    assert differences(opening, ("liver",), replace(SOURCE, **source), replace(PROVENANCE, **change)) == (what,)


def test_other_organs_are_another_model(opening: Opening) -> None:
    assert differences(opening, ("spleen",), SOURCE, PROVENANCE) == ("another model (m.safetensors)",)


def test_another_file_of_layouts_is_another_region() -> None:
    one = Layout(Region(2, 2, 30, 40, 64, 48, kind="stated"), tuple(range(32)) * 24)
    moved = replace(one, region=replace(one.region, x0=3))
    digests = [layouts_digest(Geometry(layouts=layouts)) for layouts in ((), (one,), (moved,), (one, moved))]
    assert len(set(digests)) == 4 and all(len(digest) == 64 for digest in digests)
    assert layouts_digest(Geometry(layouts=(replace(one),))) == digests[1]
    assert layouts_digest(Geometry(region=(0, 0, 9, 9), layouts=(one,))) == digests[0], "a stated region needs none"
