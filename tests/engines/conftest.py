"""What the tests of the engines share: images, and a network that tells them apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.networks import fitted, patterns

from seqcls.models.resnet import GrayResNet


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return patterns()[0]


@pytest.fixture(scope="module")
def net() -> GrayResNet:
    return fitted(*patterns())
