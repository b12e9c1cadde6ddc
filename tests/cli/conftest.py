"""What the tests of the command line share: the program in this process, a stand-in model, and one that knows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.commands import Done, Seqcls, Trained
from support.drawn import labelled_folder
from support.fakes import detector


@pytest.fixture
def seqcls(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Seqcls:
    """Run a command in an empty working directory."""
    from seqcls.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEQCLS_MODEL", raising=False)
    monkeypatch.setenv("COLUMNS", "110")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["seqcls", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run


@pytest.fixture(autouse=True)
def no_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training ends without its int8 twin, which takes longer than all else: tests/convert/test_make_twin.py has it."""
    monkeypatch.setattr("seqcls.convert.make_twin.make_twin", lambda *_: (None, "no twin in this test"))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model file's name; whatever is loaded, brightness is the classifier and "node" the organ. Clips are decoded in
    this process unless --sandbox is given: to start children takes longer than all else."""
    monkeypatch.setattr("seqcls.cli.run.SANDBOX_FROM", 1_000_000)
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: detector(organs=("node",)))
    return "m.safetensors"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Frames by the command itself, and a model that knows them, by arithmetic: to train one takes ten times as long."""
    from support.networks import fitted

    from seqcls.cli import app
    from seqcls.datasets.dataset import load_frames
    from seqcls.geometry import Geometry
    from seqcls.models.file import ModelHeader, write_model
    from seqcls.models.trained_on import TrainedOn

    folder = tmp_path_factory.mktemp("trained")
    clips, labels = labelled_folder(folder, clips=3)
    data, model = folder / "data", folder / "node.safetensors"
    app(["extract", str(clips), "--labels", str(labels), "-o", str(data)], standalone_mode=False)
    frames = load_frames(data, Geometry(size=32))
    marks = TrainedOn.of("drawn", frames.images)
    header = ModelHeader(organs=frames.organs, geometry=frames.geometry, version="test", trained_on=(marks,))
    write_model(model, header, fitted(frames.images, frames.targets).tensors())
    return Trained(clips, labels, model, data)
