"""What every command says of its progress."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.timelines import timeline

from seqcls.cli.console import rate_text, timeline_in_flags
from seqcls.types import SourceReport


@pytest.mark.parametrize(
    ("per_s", "shown"), [(0.384, "0.38/s"), (0.05, "0.05/s"), (1.24, "1.2/s"), (9.96, "10/s"), (379.4, "379/s")]
)
def test_a_rate_below_one_is_no_zero(per_s: float, shown: str) -> None:
    assert rate_text(per_s) == shown


def test_what_is_written_speaks_of_flags() -> None:
    made = timeline(node="PP")
    said = "state the rate by rate_hz=NUMBER"
    made = replace(
        made,
        source=replace(made.source, details=(("times from", said),)),
        report=SourceReport("complete", (said,), 2),
        warnings=("unknown there (novelty=False scores them all the same)",),
    )
    flagged = timeline_in_flags(made)
    assert flagged.warnings == ("unknown there (--no-novelty scores them all the same)",)
    assert flagged.report.reasons == ("state the rate by --fps NUMBER",)
    assert flagged.source.details == (("times from", "state the rate by --fps NUMBER"),)
