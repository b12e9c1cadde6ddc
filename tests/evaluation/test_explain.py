"""Grad-CAM points at what the network looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import HEADER, disc_frames, fitted, needs

from seqcls.evaluation import explain
from seqcls.evaluation.explain import grad_cam, why_not
from seqcls.models.file import write_model
from seqcls.models.networks import joined


@needs("captum")
def test_the_heat_lies_on_what_speaks_for_presence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of it than by chance within the disc, over images that show it; nothing where nothing speaks for it."""
    frames = disc_frames()
    tensors = fitted(frames.images, frames.targets).tensors()
    write_model(tmp_path / "m.safetensors", HEADER, tensors)
    two = replace(HEADER, networks=("a" * 64, "b" * 64)), joined([tensors] * 2)  # the mean of one with itself
    images = frames.images[12:18]
    heat = grad_cam(tmp_path / "m.safetensors", images, [0] * len(images))
    assert heat.shape == images.shape and heat.dtype == np.float32 and heat.min() >= 0
    assert set(heat.reshape(len(heat), -1).max(axis=1).tolist()) <= {0.0, 1.0} and heat.max() == 1
    assert np.array_equal(heat, grad_cam(tmp_path / "m.safetensors", images, [0] * len(images)))
    monkeypatch.setattr(explain, "read_model", lambda path: two)
    assert grad_cam(Path("two.safetensors"), images, [0] * len(images)) == pytest.approx(heat, abs=1e-6)
    monkeypatch.undo()
    assert grad_cam(tmp_path / "m.safetensors", images[:0], []).shape == (0, *images.shape[1:])


def test_why_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a converted model has no gradients" in why_not(Path("m.onnx"))
    monkeypatch.setattr(explain, "find_spec", lambda name: None)
    assert why_not(Path("m.safetensors")).endswith("pip install 'seqcls[explain]'")
