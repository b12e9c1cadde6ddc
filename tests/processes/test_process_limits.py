"""What a process gives up stays given up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqcls.processes.process_limits import limit_memory

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, os, socket, sys
from seqcls.processes.process_limits import limit_this_process
given_up = limit_this_process(1 << 30)
said = {}
def attempt(name, work):
    try:
        work()
    except (OSError, MemoryError) as error:
        said[name] = type(error).__name__
def write():
    with open("written", "wb", buffering=0) as out:
        out.seek((8 << 30) - 1)
        out.write(b"x")
        out.write(b"x")  # too many
import numpy as np
attempt("memory", lambda: np.ones(2 << 30, np.uint8))
attempt("write", write)
attempt("files", lambda: [open(os.devnull) for _ in range(300)])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    attempt("network", lambda: out.connect(("192.0.2.1", 9)))  # sends nothing
sys.stdout.write(json.dumps([given_up, said]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="bounds everything on Linux alone")
def test_memory_files_and_where_allowed_the_network_are_given_up(tmp_path: Path) -> None:
    import json

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    given_up, said = json.loads(done.stdout)
    assert given_up[:2] == ["memory", "files"], done.stderr
    assert (said["memory"], said["write"], said["files"]) == ("MemoryError", "OSError", "OSError")
    assert (tmp_path / "written").stat().st_size == 8 << 30  # of which the disk holds one block
    assert "network" not in given_up or said["network"] == "OSError"


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
