"""What tests of the journal share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.journals import write_small


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole journal with a record of most kinds; not to be changed."""
    return write_small(tmp_path_factory.mktemp("journal") / "small")
