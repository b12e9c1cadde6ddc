"""Children: which modules they find, and that they end."""

from __future__ import annotations

import sys

import pytest

from seqcls.processes.child_program import end, program, start


def test_a_child_answers_and_ends_when_its_stdin_does() -> None:
    child = start([sys.executable, "-c", "import sys; print(sys.stdin.readline().upper())"])
    out, _ = child.communicate(b"hello\n", 20)
    assert out.strip() == b"HELLO" and child.returncode == 0
    end(child)  # it has ended already


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows cannot ignore its end")
def test_a_child_that_ignores_a_polite_request_is_killed() -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"
    )
    with start([sys.executable, "-c", code]) as child:
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        end(child)
        assert child.returncode == -9


def test_the_command_names_the_module_and_no_place_that_is_not_ours() -> None:
    command = program("seqcls.feeds.capture_worker")
    assert command[0] == sys.executable and command[3] == "seqcls.feeds.capture_worker" and "" not in command[4:]
