"""What the page holds of a timeline: exact, compact, the same each time."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np
from support.timelines import timeline

from seqcls.geometry import Region
from seqcls.report.data import outline, pack, page_data


def test_numbers_lie_in_planes_and_times_as_differences() -> None:
    packed = zlib.decompress(base64.b64decode(pack([np.array([1, 258], np.uint16), np.array([7, 9], np.uint8)])))
    assert packed == bytes([1, 2, 0, 1, 7, 9])
    run = timeline(liver="P.?")
    block = np.frombuffer(zlib.decompress(base64.b64decode(page_data(run).block)), np.uint8)
    assert len(block) == 3 * (8 + 8 + 2 + 1 + 4)
    bits = np.ascontiguousarray(block[:24].reshape(8, 3).T).view(np.uint64)[:, 0]
    assert np.cumsum(bits, dtype=np.uint64).view(np.float64).tolist() == run.scores.time_s.tolist()
    scores = np.ascontiguousarray(block[-12:].reshape(4, 3).T).view(np.float32)[:, 0]
    np.testing.assert_array_equal(scores, run.scores.raw[:, 0])


def test_facts_hold_each_organs_intervals_and_every_reason_once() -> None:
    run = timeline(liver="PPP???...", kidney=".........")
    facts = page_data(run).facts
    assert facts["reasons"] == ["", "black"] and facts["organs"] == ["liver", "kidney"]
    assert [(i["state"], i["start_s"], i["end_s"]) for i in facts["intervals"][0]] == [
        ("present", 0.0, 0.3), ("unknown", 0.3, 0.6), ("absent", 0.6, 0.9),
    ]  # fmt: skip
    assert page_data(run) == page_data(run)


def test_the_outline_is_that_of_the_only_region() -> None:
    run = timeline(liver="P")
    assert outline(run) == []
    region = Region(x0=100, y0=50, x1=300, y1=150, width=400, height=200)
    used = replace(run.provenance, regions=(region,))
    assert outline(replace(run, provenance=used)) == [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
    assert outline(replace(run, provenance=replace(used, regions=(region, region)))) == []
