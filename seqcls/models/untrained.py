"""A model that has learnt nothing, for measuring speed and for trying whether an engine works."""

from __future__ import annotations

import numpy as np

from seqcls import __version__
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader, Tensors, resnet18_shapes


def random_model(size: int = 224, organs: tuple[str, ...] = ("organ",)) -> tuple[ModelHeader, Tensors]:
    """As slow as a trained one, with meaningless scores: random weights (He et al. 2015), norms that change nothing."""
    header = ModelHeader(organs=organs, geometry=Geometry(size=size), version=__version__)
    draws, tensors = np.random.default_rng(0), {}
    for name, shape in resnet18_shapes(len(organs)).items():
        if len(shape) > 1:
            spread = (2 / np.prod(shape[1:])) ** 0.5
            tensors[name] = draws.normal(0, spread, shape).astype(np.float32)
        else:
            keeps = name.endswith(("running_var", "weight"))
            tensors[name] = np.full(shape, 1.0 if keeps else 0.0, np.float32)
    return header, tensors
