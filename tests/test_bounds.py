"""The bounds that the documentation states are those of the code."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs/privacy-and-security.md"
ROWS = re.findall(r"^\| (.+) \| (\d+)( MB)? \| `([\w.]+)\.(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[3]}.{row[4]}" for row in ROWS])
def test_a_bound_is_the_one_that_is_stated(row: tuple[str, str, str, str, str]) -> None:
    _, number, megabytes, module, name = row
    assert getattr(import_module(f"seqcls.{module}"), name) == int(number) << (20 if megabytes else 0)


def test_the_table_is_found() -> None:
    assert len(ROWS) > 30
