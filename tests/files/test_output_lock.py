"""One writer to an output at a time, whoever it is and however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seqcls.errors import OutputError
from seqcls.files import output_lock
from seqcls.files.output_lock import OutputBusyError, only_writer
from seqcls.files.temporaries import sweep


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_lock, "_TRY_AGAIN_S", (0.0,))


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "whole"])
def test_the_second_is_refused_and_nothing_stays(tmp_path: Path, is_folder: bool) -> None:
    output = tmp_path / "a" / "out"
    with only_writer(output, is_folder=is_folder):
        with (
            pytest.raises(OutputBusyError, match="another run is writing into"),
            only_writer(output, is_folder=is_folder),
        ):
            pass
        with only_writer(tmp_path / "a" / "other", is_folder=is_folder):
            pass
        with only_writer(None, is_folder=is_folder):
            pass
    assert list(tmp_path.iterdir()) == []
    with only_writer(output, is_folder=is_folder):
        output.parent.joinpath("kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_two_spellings_are_one_output(tmp_path: Path) -> None:
    with (
        only_writer(tmp_path / "Schilddr\u00fcse.onnx", is_folder=False),
        pytest.raises(OutputBusyError),
        only_writer(tmp_path / "schilddru\u0308se.onnx", is_folder=False),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals and links")
def test_a_killed_writer_keeps_nobody_out_and_its_lock_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from seqcls.files.output_lock import only_writer\n"
        "with only_writer(Path(sys.argv[1]), is_folder=True): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    with only_writer(tmp_path, is_folder=True):
        sweep(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1  # held
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_put_into_a_folder_that_another_writes(tmp_path: Path) -> None:
    """Not below it either way: only what lies in it would be of two runs."""
    run = tmp_path / "out"
    with only_writer(run, is_folder=True):
        with (
            pytest.raises(OutputBusyError, match="run is writing into"),
            only_writer(run / "x.csv", is_folder=False),
        ):
            pass
        with only_writer(run / "cuts" / "x.csv", is_folder=False), only_writer(tmp_path / "x.csv", is_folder=False):
            pass
        assert [path.name for path in run.iterdir()] == [f".seqcls-{'0' * 16}.part"]
    with only_writer(run / "x.csv", is_folder=False), only_writer(run / "y.csv", is_folder=False):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals and links")
@pytest.mark.parametrize("kind", ["a link", "a folder", "no file"])
def test_what_lies_in_the_place_of_the_lock_is_named_and_left_alone(tmp_path: Path, kind: str) -> None:
    victim, place = tmp_path / "victim", tmp_path / "out" / f".seqcls-{'0' * 16}.part"
    place.parent.mkdir()
    if kind == "a link":
        place.symlink_to(victim)
    elif kind == "a folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    why = f"part is {kind}, and seqcls needs this name for its lock: remove it"
    with pytest.raises(OutputError, match=why), only_writer(place.parent, is_folder=True):
        pass
    with only_writer(place.parent / "x.csv", is_folder=False):
        pass
    assert not victim.exists() and os.path.lexists(place)


def test_where_no_folder_can_be_made_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write into"), only_writer(tmp_path / "file" / "out", is_folder=True):
        pass
