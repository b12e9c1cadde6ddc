"""What every command says of its progress."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from support.timelines import timeline

from seqcls.cli import console
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


def test_a_command_that_is_slow_to_say_anything_says_that_it_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, is_said = list[str](), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(console, "notify", lambda text: (said.append(text), is_said.set()))
        with console.starting(after_s=0.0):
            assert is_said.wait(60)
    assert said == ["starting"]
    for say in (console.notify, console.warn, console.fail, lambda _: None):
        with console.starting(after_s=60.0):
            (timer,) = console._starting
            say("something else")
        timer.join(60)  # it was cancelled
    assert "starting" not in capsys.readouterr().err
