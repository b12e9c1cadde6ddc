"""Embeddings: the features before the last layer, whatever engine gives the scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.fakes import detector

import seqcls
from seqcls.convert.convert import ConvertOptions, convert
from seqcls.errors import ModelError, NoFramesError, UsageError
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader, write_model
from seqcls.models.merged import merge
from seqcls.models.untrained import random_model

HEADER = ModelHeader(organs=("a", "b"), geometry=Geometry(size=32, region="none"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    _, tensors = random_model(size=32, organs=HEADER.organs)
    write_model(folder / "m.safetensors", HEADER, tensors)
    write_model(folder / "n.safetensors", HEADER, {**tensors, "layer4.1.bn2.bias": tensors["layer4.1.bn2.bias"] + 1})
    return folder


def test_the_last_layer_on_features_gives_the_scores(folder: Path) -> None:
    made = seqcls.load(folder / "m.safetensors", precision="fp32", exact=True)
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 60, 3), np.uint8)
    found = made.features(images)
    assert found.shape == (5, 512) and found.dtype == np.float32 and (found >= 0).all()
    _, tensors = random_model(size=32, organs=HEADER.organs)
    logits = found @ tensors["fc.weight"].T + tensors["fc.bias"]
    assert np.allclose(HEADER.probabilities(logits), made.score(images), atol=1e-4)
    assert np.array_equal(made.features(list(images[2:3])), found[2:3]), "an image does not depend on the others"
    with pytest.raises(NoFramesError):
        made.features([])
    with pytest.raises(UsageError, match="float"):
        made.features(images / 255)
    with pytest.raises(UsageError, match="hint takes"):
        made.features(images, hint=(3, 3, 2, 4))


def test_a_file_that_is_another_model_by_now_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes((folder / "m.safetensors").read_bytes())
    made = seqcls.load(path)
    write_model(path, *random_model(size=32, organs=("other",)))
    with pytest.raises(ModelError, match="load it again"):
        made.features(np.full((1, 32, 32), 90, np.uint8))


def test_a_mean_has_the_features_of_each(folder: Path, tmp_path: Path) -> None:
    mean = merge([folder / "m.safetensors", folder / "n.safetensors"])
    write_model(tmp_path / "mean.safetensors", mean.header, mean.tensors)
    image = np.full((1, 32, 32), 90, np.uint8)
    both, first = (
        seqcls.load(path).features(image) for path in (tmp_path / "mean.safetensors", folder / "m.safetensors")
    )
    assert both.shape == (1, 1024) and np.array_equal(both[:, :512], first)
    assert not np.array_equal(both[:, 512:], first)


def test_a_converted_model_and_a_detector_without_a_file_have_none(folder: Path, tmp_path: Path) -> None:
    convert(folder / "m.safetensors", tmp_path / "m.xml", ConvertOptions())
    with pytest.raises(ModelError, match=r"can be run only; name the .safetensors"):
        seqcls.load(tmp_path / "m.xml").features(np.zeros((1, 32, 32), np.uint8))
    with pytest.raises(UsageError, match=r"seqcls\.load"):
        detector().features(np.zeros((1, 32, 32), np.uint8))
