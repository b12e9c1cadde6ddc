"""The memory of a run for days: seqcls/live/memory.py."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Six threads allocate at the same time; then the C library reports its pools, one <heap> each.
POOLS = """
import ctypes, sys, threading
{before}
both = threading.Barrier(6)
def allocate():
    both.wait()
    kept = [bytearray(1000) for _ in range(1000)]
    both.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def pools(before: str) -> int:
    code = POOLS.format(before=before)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.count("<heap nr=")


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "malloc_info"),
    reason="needs the GNU C library",
)
def test_threads_share_one_pool_of_memory() -> None:
    assert pools("") > 1
    assert pools("from seqcls.live.malloc import share_one_pool; assert share_one_pool()") == 1
