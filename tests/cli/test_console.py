"""What every command says of its progress."""

from __future__ import annotations

import pytest

from seqcls.cli.console import rate_text


@pytest.mark.parametrize(
    ("per_s", "shown"), [(0.384, "0.38/s"), (0.05, "0.05/s"), (1.24, "1.2/s"), (9.96, "10/s"), (379.4, "379/s")]
)
def test_a_rate_below_one_is_no_zero(per_s: float, shown: str) -> None:
    assert rate_text(per_s) == shown
