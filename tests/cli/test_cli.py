"""The program as a whole: its commands, wrong usage, exit codes, options that were removed."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer
from support.commands import Seqcls, bright_clip, one_line

from seqcls.cli import app, console, run, train
from seqcls.cli.commands import COMMANDS, command, spelt_as_on_disk


def test_commands_are_listed_in_the_order_of_use() -> None:
    names = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert names == [
        "demo",
        "inspect",
        "extract",
        "split",
        "check",
        "train",
        "folds",
        "tune",
        "import",
        "merge",
        "evaluate",
        "info",
        "agree",
        "run",
        "replay",
        "report",
        "find",
        "review",
        "export",
        "import-labels",
        "proxy",
        "deidentify",
        "convert",
        "bench",
        "doctor",
    ]


def test_options_are_few_enough_to_read() -> None:
    assert len(inspect.signature(run.run).parameters) <= 49
    assert len(inspect.signature(train.train).parameters) <= 30


@pytest.mark.parametrize("command", ["run", "train"])
def test_help_has_a_panel_per_stage_and_fits(seqcls: Seqcls, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = seqcls(command, "--help").out
    panels = {
        "run": ("Input:", "Model:", "Smoothing:", "Intervals:", "Live:", "Output:"),
        "train": ("Data:", "Training:", "Augmentation:", "Speed:", "Output:"),
    }[command]
    assert [name for name in panels if f"─ {name}" in text] == list(panels)
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run", "a.mp4", "-o", ""], "--output"),
        (["run", "a.mp4", "--output="], "--output"),
        (["run", "a.mp4", "-qo", ""], "--output"),
        (["run", "a.mp4", "-m", ""], "--model"),
        (["run", "a.mp4", "--where", "a or b", "--where", ""], "--where"),
        (["run", "a.mp4", ""], "SOURCE..."),
        (["train", "data", "-l", ""], "--labels"),
        (["find", "out", ""], "EXPRESSION"),
        (["replay", ""], "RUN"),
    ],
    ids=str,
)
def test_an_empty_value_is_refused(seqcls: Seqcls, tmp_path: Path, arguments: list[str], name: str) -> None:
    """That of a variable which is not set: an empty path would be the working directory."""
    done = seqcls(*arguments)
    assert done.code == 2 and list(tmp_path.iterdir()) == []
    assert one_line(done) == f"seqcls: {name} is empty: state a value, or set the variable that was to hold it"


def test_unknown_options_exit_with_2(seqcls: Seqcls) -> None:
    assert seqcls("run", "--colour").code == 2
    assert seqcls("fly").code == 2


@pytest.mark.parametrize(
    "arguments", [[], ["run", "--serve"], ["run", "x.mp4", "--"], ["--colour"], ["bench", "x.mp4"]]
)
def test_wrong_usage_repeats_no_secret(seqcls: Seqcls, arguments: list[str]) -> None:
    done = seqcls(*arguments, "rtsp://nurse:hunter2@host/1?token=hunter2")
    assert done.code in (1, 2) and "hunter2" not in done.out + done.err and "Traceback" not in done.err


@pytest.mark.parametrize("command", ["report", "export", "replay", "inspect", "proxy", "agree", "run", "train"])
def test_a_name_that_no_disk_takes_is_one_line(seqcls: Seqcls, command: str) -> None:
    done = seqcls(command, *[304 * "n"] * (1 + (command == "agree")), *["-o", "x.y"] * (command in ("proxy", "train")))
    lines = done.err.splitlines()
    assert done.code in (1, 2) and lines[-1].startswith("seqcls: ") and "Traceback" not in done.err
    assert command in ("run", "train") or "too long" in lines[-1]


def test_a_clip_or_an_address_is_no_command(seqcls: Seqcls, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mp4", [True] * 5)
    assert "seqcls run x.mp4" in seqcls("x.mp4").err
    assert "seqcls run rtsp://***@host/1" in seqcls("rtsp://nurse:hunter2@host/1").err


def test_options_of_the_library_are_shown_as_flags() -> None:
    shown = console.in_flags("a=1: use precision=fp32 or auto; add overwrite=True, or state rate_hz=NUMBER")
    assert shown == "a=1: use --precision fp32 or auto; add --overwrite, or state --fps NUMBER"


def test_every_path_is_spelt_as_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    composed, apart = "Schilddr\u00fcse", "Schilddru\u0308se"
    Path(apart).mkdir()
    seen: list[dict[str, object]] = []
    spelt_as_on_disk(lambda **given: seen.append(given))(labels=Path(composed, "l.csv"), organ=composed, size=None)
    assert seen == [{"labels": Path(apart, "l.csv"), "organ": composed, "size": None}]


def test_the_list_in_the_help_says_what_each_commands_own_help_begins_with() -> None:
    for name, (_, line) in COMMANDS.items():
        assert " ".join(command(name).help.split("\n\n")[0].split()) == line, name


@pytest.mark.parametrize("given", ["abc", "clip.mp"])
def test_a_port_that_is_none(seqcls: Seqcls, given: str) -> None:
    done = seqcls("run", "0", "--serve", given)
    expected = f"seqcls: --serve takes a port up to 65535, ADDRESS:PORT, or nothing for any free port, not {given!r}"
    assert (done.code, one_line(done)) == (2, expected)


def test_ctrl_c_says_so(seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a command that does not end cleanly by itself, too."""

    def ctrl_c(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqcls.cli.results._journal_at", ctrl_c)
    Path("out").mkdir()
    done = seqcls("export", "out", "--to", "vtt")
    assert (done.code, done.err) == (130, "seqcls: interrupted\n")


def test_the_shell_completes_commands_and_values() -> None:
    def completed(words: str) -> list[str]:
        environment = {
            **os.environ, "_SEQCLS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")),
        }  # fmt: skip
        code = "import sys; sys.argv = ['seqcls']; from seqcls.cli import app; app(prog_name='seqcls')"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert completed("seqcls re") == ["replay", "report", "review"]
    assert completed("seqcls run --engine o") == ["openvino", "onnx"]


def test_ctrl_c_before_a_command_has_begun(seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqcls.cli.app", interrupted)
    done = seqcls("doctor")
    assert (done.code, done.err) == (130, "seqcls: interrupted\n")


def test_what_libraries_warn_of_is_not_shown(seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.cli.app", lambda: warnings.warn("folder/a person.dcm: odd", stacklevel=1))
    monkeypatch.setattr(logging.root, "handlers", [])
    done = seqcls("doctor")
    assert (done.code, done.err) == (0, "") and logging.getLogger("pydicom").hasHandlers()
