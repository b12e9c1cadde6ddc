"""`seqcls merge`: the mean of models as one file, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import Seqcls, one_line

from seqcls.models.file import read_header, write_model
from seqcls.models.untrained import random_model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of another organ, and one that was converted."""
    folder = tmp_path_factory.mktemp("models")
    header, tensors = random_model(size=32)
    write_model(folder / "a.safetensors", header, tensors)
    write_model(folder / "b.safetensors", header, {**tensors, "fc.bias": tensors["fc.bias"] + 1})
    write_model(folder / "other.safetensors", replace(header, organs=("liver",)), tensors)
    (folder / "b.onnx").touch()
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Where they lie, by links: each is 45 MB."""
    for model in written.iterdir():
        (tmp_path / model.name).hardlink_to(model)
    return tmp_path


def test_two_models_become_one(seqcls: Seqcls, folder: Path) -> None:
    done = seqcls("merge", "a.safetensors", "b.safetensors", "-o", "mean.safetensors")
    assert done.code == 0, done.err
    assert "the mean of 2 networks: a frame takes 2 times as long" in done.out and "begins at 0.5" in done.out
    assert "no int8 twin, which needs frames: `seqcls convert mean.safetensors --precision int8" in done.err
    assert "wrote mean.safetensors" in done.err and read_header("mean.safetensors").network_count == 2
    shown = seqcls("info", "mean.safetensors", "--card", "card")
    digests = read_header("mean.safetensors").networks
    assert "mean of 2 networks: resnet18" in shown.out and all(digest[:8] in shown.out for digest in digests)
    card, checklist = (
        Path("card", name).read_text(encoding="utf-8") for name in ("model-card.md", "claim-checklist.md")
    )
    assert "mean of 2 networks" in card and all(digest in card for digest in digests)
    assert "| 27 | Ensembling techniques | The mean of the calibrated logits of 2 networks. |" in checklist


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.safetensors", "-o", "m.safetensors"], 2, "two or more models, not of a.safetensors alone"),
        (["a.safetensors", "b.safetensors", "-o", "m.onnx"], 2, "-o must end in .safetensors"),
        (["a.safetensors", "b.safetensors", "-o", "b.safetensors", "--overwrite"], 2, "b.safetensors is what is read"),
        (["a.safetensors", "b.safetensors", "-o", "other.safetensors"], 1, "is there already: add --overwrite"),
        (
            ["a.safetensors", "other.safetensors", "-o", "m.safetensors"],
            1,
            "differ in organs: liver in the one, organ in the other",
        ),
        (["a.safetensors", "a.safetensors", "-o", "m.safetensors"], 1, "the same weights as a.safetensors"),
        (["a.safetensors", "gone.safetensors", "-o", "m.safetensors"], 1, "no model at gone.safetensors"),
        (["a.safetensors", "b.onnx", "-o", "m.safetensors"], 1, "b.onnx is a converted model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(seqcls: Seqcls, folder: Path, arguments: list[str], code: int, message: str) -> None:
    before = sorted(folder.iterdir())
    done = seqcls("merge", *arguments)
    assert done.code == code and message in one_line(done), done.err
    assert sorted(folder.iterdir()) == before
