"""Children: which modules they find, and that they end."""

from __future__ import annotations

import sys

import pytest

from seqcls.child_program import end, limit_memory, program, start


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


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone bounds what is mapped")
def test_memory_is_bounded_beside_what_is_taken_already(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    asked = list[tuple[int, tuple[int, int]]]()
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append((kind, limits)))
    assert limit_memory(1 << 20) and limit_memory(5 << 20)
    (kind, (soft, hard)), (_, (more, _)) = asked
    assert kind == resource.RLIMIT_DATA and soft == hard > 10 << 20
    assert (more - soft) >> 20 in range(3, 6)  # what the test itself takes meanwhile
    monkeypatch.setattr(resource, "setrlimit", lambda *_: (_ for _ in ()).throw(ValueError))
    assert not limit_memory(1)
