"""The command line hides the secrets of its arguments from other people's list of processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seqcls.cli.hide_arguments import covered, holds_secrets


@pytest.mark.parametrize(
    ("arguments", "shown", "secret"),
    [
        (["run", "rtsp://cam/1"], ["run", "rtsp://cam/1"], False),
        (["rtsp://me:word@cam/1"], ["rtsp://***@cam/1"], True),
        (["--webhook", "https://hooks/T0/key"], ["--webhook", "https://hooks/***"], True),
        (["--webhook=https://a:b@hooks?k=v"], ["--webhook=https://***@hooks/***"], True),
        (["--webhook", "https://hooks/"], ["--webhook", "https://hooks/"], False),
        (["--webhook", "hook.txt"], ["--webhook", "hook.txt"], False),
        (["--webhook", "http://[x/key"], ["--webhook", "***"], True),
        (["--on-event", "curl -H 'Key: x' http://a:b@c"], ["--on-event", "***"], False),
        (["--on-event=curl -u a:b"], ["--on-event=***"], False),
        (["--region=a=b", "-o", "x"], ["--region=a=b", "-o", "x"], False),
    ],
)
def test_what_is_secret_in_arguments_is_covered(arguments: list[str], shown: list[str], secret: bool) -> None:
    assert (covered(arguments), holds_secrets(arguments)) == (shown, secret)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep arguments out of reach")
def test_other_people_do_not_see_the_password_in_the_list_of_processes() -> None:
    code = (
        "import sys; from pathlib import Path; from seqcls.cli.hide_arguments import cover_arguments\n"
        "assert cover_arguments()\n"
        "print(Path('/proc/self/cmdline').read_bytes().replace(bytes(1), b' ').decode(), sys.argv[1])"
    )
    secret = "rtsp://user:hunter2@probe/live?token=hunter2"
    more = ["--webhook", "http://h/hunter2", "--on-event", "hunter2"]
    done = subprocess.run([sys.executable, "-c", code, secret, *more], capture_output=True, text=True, check=True)
    shown, own = done.stdout.strip().rsplit(" ", 1)
    assert "hunter2" not in shown and "rtsp://" in shown and own == secret
