"""`seqcls import`: a checkpoint of another program, used by the other commands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.commands import Seqcls, bright_clip, one_line

from seqcls.models.file import read_header, write_model
from seqcls.models.resnet import build
from seqcls.models.untrained import random_model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a ResNet-18 with two classes and three planes, which has learnt nothing."""
    _, tensors = random_model(size=32, organs=("absent", "present"))
    state = {name: torch.from_numpy(value) for name, value in tensors.items()}
    state["conv1.weight"] = state["conv1.weight"].repeat(1, 3, 1, 1)
    path = tmp_path_factory.mktemp("old") / "old.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    return path


def test_a_checkpoint_becomes_a_model_that_the_others_take(seqcls: Seqcls, checkpoint: Path) -> None:
    done = seqcls(
        "import", checkpoint, "--organs", "thyroid", "-o", "m.safetensors", "--size", "32", "--region", "none"
    )
    assert done.code == 0, done.err
    assert done.out == "thyroid: a softmax over two classes, of which 1 is presence\n"
    assert "--present-class 0" in done.err and "Resize((32, 32)) stretches them" in done.err
    assert "next: seqcls tune m.safetensors CLIPS --labels LABELS" in done.err
    header = read_header("m.safetensors")
    assert (header.organs, header.geometry.size, header.geometry.region) == (("thyroid",), 32, "none")
    shown = seqcls("info", "m.safetensors").out
    assert "imported from" in shown and "old.pth" in shown and str(checkpoint.parent) not in shown
    assert "mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225" in shown
    assert "the whole image" in shown and "no marks" in shown

    bright_clip(Path("clip.mp4"), [True] * 6)
    assert seqcls("run", "clip.mp4", "-m", "m.safetensors", "-o", "result").code == 0
    assert seqcls("report", "result", "-m", "m.safetensors").code == 0
    assert seqcls("export", "result", "--to", "srt").code == 0
    converted = seqcls("convert", "m.safetensors", "-o", "m.xml")
    assert converted.code == 0, converted.err
    assert seqcls("info", "m.xml", "--card", "card").code == 0
    assert "old.pth, which another program trained." in Path("card/claim-checklist.md").read_text(encoding="utf-8")


def test_without_organs_it_is_what_a_training_starts_from(seqcls: Seqcls, checkpoint: Path) -> None:
    refused = seqcls("train", ".", "--weights", checkpoint)
    assert refused.code == 1 and "`seqcls import old.pth -o old.safetensors`" in one_line(refused)
    done = seqcls("import", checkpoint, "-o", "start.safetensors")
    assert done.code == 0, done.err
    assert done.out == "" and "next: seqcls train DATA --weights start.safetensors" in done.err
    net, origin = build(1, weights="start.safetensors")
    assert origin == "start.safetensors weights, new last layer"
    _, tensors = random_model(size=32, organs=("absent", "present"))
    assert net.tensors()["layer4.1.conv2.weight"].tobytes() == tensors["layer4.1.conv2.weight"].tobytes()
    run = seqcls("run", "clip.mp4", "-m", "start.safetensors")
    assert run.code == 1 and "no seqcls header" in one_line(run)


def test_what_is_read_is_never_written_over(seqcls: Seqcls, checkpoint: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", *random_model(size=32, organs=("a",)))
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()
    for target in ("m.safetensors", "link.safetensors"):
        for command in (
            ("import", "m.safetensors", "--organs", "a"),
            ("merge", "m.safetensors", "m.safetensors"),
            ("train", ".", "--weights", "m.safetensors"),
        ):
            done = seqcls(*command, "-o", target, "--overwrite")
            assert done.code == 2 and "is what is read: name another file with -o" in one_line(done), command
    assert (tmp_path / "m.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.pth", "--organs", "a", "-o", "m.safetensors"], 1, "no weights at gone.pth"),
        (["labels.csv", "--organs", "a", "-o", "m.safetensors"], 2, "for `seqcls import-labels`"),
        (["{old}", "--organs", "a", "-o", "m.pth"], 2, "-o must end in .safetensors"),
        (["{old}", "--organs", "a,", "-o", "m.safetensors"], 1, "organ '' is no name"),
        (["{old}", "--organs", "../a", "-o", "m.safetensors"], 1, "organ '../a' must not hold '/'"),
        (["{old}", "--organs", "a,b,c", "-o", "m.safetensors"], 1, "2 outputs for 3 organs"),
        (["{old}", "--organs", "a", "--mean", "x", "--std", "1", "-o", "m.safetensors"], 2, "--mean takes a number"),
        (["{old}", "--organs", "a", "--mean", "0", "-o", "m.safetensors"], 2, "state both"),
        (["{old}", "--size", "32", "-o", "m.safetensors"], 2, "--size says how a model reads images: name its organs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(seqcls: Seqcls, checkpoint: Path, arguments: list[str], code: int, message: str) -> None:
    done = seqcls("import", *(argument.format(old=checkpoint) for argument in arguments))
    assert done.code == code and message in one_line(done), done.err
    assert not Path("m.safetensors").exists()


def test_what_is_there_stays(seqcls: Seqcls, checkpoint: Path) -> None:
    Path("m.safetensors").write_text("mine")
    done = seqcls("import", checkpoint, "--organs", "a", "-o", "m.safetensors")
    assert done.code == 1 and "add --overwrite" in one_line(done) and Path("m.safetensors").read_text() == "mine"


def test_the_other_commands_load_no_pickle(seqcls: Seqcls, checkpoint: Path) -> None:
    done = seqcls("run", "clip.mp4", "-m", checkpoint)
    assert done.code == 1 and "`seqcls import old.pth --organs NAME -o MODEL`" in one_line(done)
