"""The README does what it says: its Python and its commands are run, as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import typer
from support import tiny_network
from support.drawn import labelled_folder, write_clip

from seqcls.cli import app, main
from seqcls.models.untrained import random_model

README = Path(__file__).resolve().parent.parent / "README.md"
#: Small, so that the README's commands end in seconds; they are given as environment-free extra options.
QUICK = {
    "train": [
        "--weights",
        "none",
        "--size",
        "32",
        "--epochs",
        "2",
        "--samples-per-epoch",
        "32",
        "--batch-size",
        "16",
    ],
    "convert": ["--precision", "fp32"],  # a network of two epochs is too frail for int8
    "bench": ["--repeats", "1"],
    "review": ["--no-browser"],
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ seqcls ")]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands speak of."""
    folder = tmp_path_factory.mktemp("readme")
    labelled_folder(folder, clips=3, organ="thyroid")
    for reader in ("ann", "bob"):
        shutil.copy(folder / "labels.csv", folder / f"{reader}.csv")
    write_clip(folder / "clip.mp4", [5 <= i < 25 for i in range(30)], seed=9)
    (folder / "archive/2024").mkdir(parents=True)
    from pydicom.data import get_testdata_file

    cine = get_testdata_file("examples_ybr_color.dcm")
    assert cine is not None
    shutil.copy(cine, folder / "archive/2024/cine.dcm")
    _, tensors = random_model(size=32)
    torch.save(
        {**{name: torch.from_numpy(one) for name, one in tensors.items()}, "conv1.weight": torch.ones(64, 3, 7, 7)},
        folder / "old.pth",
    )
    return folder


def test_the_commands_run_in_order(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, as the tests of the command line do: a start of its own for each would take a minute."""
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("SEQCLS_MODEL", raising=False)
    monkeypatch.setattr("seqcls.cli.review.stops_cleanly", lambda *_: nullcontext(lambda: True))  # as after Ctrl-C
    monkeypatch.setattr("seqcls.training.operating_search.MIN_EVENTS", 3)  # its clips are few
    monkeypatch.setattr(
        "seqcls.convert.make_twin.make_twin", lambda *_: (None, "no twin in this test")
    )  # it takes long
    ran = []
    for command in commands():
        made = command[command.index("-o") + 1] if command[1] in ("extract", "train") else None
        if made is not None and (workplace / made).exists() and "--overwrite" not in command:
            continue  # the README names these twice
        if "--folds" in command:
            tiny_network.stand_in(monkeypatch.setattr)
        monkeypatch.setattr(sys, "argv", [*command, *QUICK.get(command[1], [])])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        assert not code, f"{' '.join(command)}: {capsys.readouterr().err}"
        ran.append(command[1])
    assert set(ran) == set(typer.main.get_command(app).commands) - {"demo"}  # type: ignore[attr-defined]
    for name in ("intervals.csv", "scores.csv", "timeline.json", "timeline.png", "timeline.vtt", "timeline.srt"):
        assert (workplace / "result" / name).is_file()


def test_the_python_runs(workplace: Path) -> None:
    (code,) = blocks("python")
    assert (workplace / "organ.safetensors").is_file(), "made by the commands before"
    done = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_two_set_up_commands_are_there() -> None:
    text = README.read_text(encoding="utf-8")
    assert "$ pip install . && seqcls demo" in text and "$ pip install '.[dev]' && pytest" in text


def test_every_file_that_the_readme_names_exists() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / link).exists(), link
