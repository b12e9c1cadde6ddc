"""What the tests of the live page share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.pages import TOKEN

from seqcls.live.display.server import PageServer


@pytest.fixture
def page() -> Iterator[PageServer]:
    served = PageServer(token=TOKEN)
    yield served
    served.close()
