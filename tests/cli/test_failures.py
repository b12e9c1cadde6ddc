"""Which errors end a command over many clips, and which only one clip."""

from __future__ import annotations

import pytest

from seqcls.cli.failures import Failures
from seqcls.errors import OutputError, SeqclsError, SourceError, UsageError
from seqcls.files.output_lock import OutputBusyError


def test_one_that_fails_is_counted_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    failures, seen = Failures(count=2), list[SeqclsError]()
    for error in (SourceError("no clip"), OutputBusyError("another run")):
        with failures.reported(seen.append):
            raise error
    with failures.reported(seen.append):
        pass
    assert failures.count == 4 and [str(error) for error in seen] == ["no clip", "another run"]
    assert "seqcls: no clip" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failures", "error"),
    [
        (Failures(), OutputError("full")),
        (Failures(alone=True), SourceError("no clip")),
        (Failures(alone=True), OutputBusyError("another run")),
        (Failures(ends=(OutputError, UsageError)), UsageError("wrong")),
    ],
    ids=["disk", "alone", "alone and busy", "usage"],
)
def test_what_the_next_one_would_meet_ends_the_command(failures: Failures, error: SeqclsError) -> None:
    with pytest.raises(type(error)), failures.reported():
        raise error
    assert failures.count == 0
