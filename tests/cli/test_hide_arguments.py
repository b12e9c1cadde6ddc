"""The command line hides the secrets of its arguments from other people's list of processes."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep arguments out of reach")
def test_other_people_do_not_see_the_password_in_the_list_of_processes() -> None:
    code = (
        "import sys; from pathlib import Path; from seqcls.cli.hide_arguments import cover_arguments\n"
        "assert cover_arguments()\n"
        "print(Path('/proc/self/cmdline').read_bytes().replace(bytes(1), b' ').decode(), sys.argv[1])"
    )
    secret = "rtsp://user:hunter2@probe/live?token=hunter2"
    done = subprocess.run([sys.executable, "-c", code, secret], capture_output=True, text=True, check=True)
    shown, own = done.stdout.strip().rsplit(" ", 1)
    assert "hunter2" not in shown and "rtsp://" in shown and own == secret
