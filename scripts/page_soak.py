"""The live page under 1,000 connections at a time: is who has the token heard, do memory and descriptors stay flat?

    python scripts/page_soak.py                      # 10 rounds of 1,000 connections, a few minutes; Linux

Each round opens connections that say nothing, begin a request and do not end it, have no token, or hang up, as fast as
they are taken, and leaves them open; meanwhile somebody with the token asks for the page and for news. Figures of the
server's process after each round; exits with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import http.client
import resource
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

#: The server in a process of its own, which ends with its stdin.
SERVER = """
import sys
import numpy as np
from seqcls.live.display.server import PageServer
from seqcls.live.snapshot import LiveView
from seqcls.types import FrameCounts
page = PageServer(token=sys.argv[1])
page.publish(LiveView(source="soak", feed="running", last_frame_s=0.0, now_s=1.0, organs=(), frame_counts=FrameCounts(),
                      rate_hz=30.0, latency_ms=(1.0, 1.0, 1.0), image=np.zeros((480, 640), np.uint8)))
print(page.port, flush=True)
sys.stdin.read()
page.close()
"""
#: Growth after the first round that is no leak, descriptors at any time, and how long who has the token may wait: news
#: come after 0.2 to 0.5 s by intent.
MAX_MIB, MAX_DESCRIPTORS, MAX_WAIT_S = 8.0, 100, 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000, help="in each round")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    wanted = options.connections + 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    token = secrets.token_urlsafe(24)
    command = [sys.executable, "-c", SERVER, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            return soak(child.pid, int(child.stdout.readline()), token, options.connections, options.rounds)
        finally:
            child.stdin.close()


def soak(pid: int, port: int, token: str, connections: int, rounds: int) -> int:
    ask(port, token, "/")
    print("round   MiB  descriptors  threads  answered  median wait  longest wait")
    figures, longest_s, failed = [], 0.0, 0
    for number in range(rounds):
        began = [stranger(port, kind) for kind in range(connections // 2)]
        waits_s = []
        for kind in range(connections // 2, connections):
            began.append(stranger(port, kind))
            if kind % 25 == 0:  # in the midst of them
                wait_s = ask(port, token, "/view?seen=1" if kind % 50 else "/")
                failed += wait_s is None
                waits_s += [] if wait_s is None else [wait_s]
        mib, descriptors, threads = state(pid)
        longest_s = max(longest_s, *waits_s)
        print(
            f"{number:>5}{mib:>6.1f}{descriptors:>13}{threads:>9}{len(waits_s):>10}"
            f"{median(waits_s):>11.3f} s{max(waits_s):>12.3f} s"
        )
        figures.append((mib, descriptors))
        for connection in began:
            connection.close()
    growth, most = figures[-1][0] - figures[0][0], max(descriptors for _, descriptors in figures)
    print(f"grown by {growth:.1f} MiB, {most} descriptors at most; {failed} with the token were not answered")
    return int(growth > MAX_MIB or most > MAX_DESCRIPTORS or failed > 0 or longest_s > MAX_WAIT_S)


def stranger(port: int, kind: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    whole = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port
    said = [b"", b"GET / HTTP/1.1\r\nHost:", b"G", whole, None][kind % 5]
    with suppress(OSError):
        if said is None:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(said)
    return connection


def ask(port: int, token: str, path: str) -> float | None:
    """Seconds until the whole answer is there; None where there is none."""
    began_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Cookie": f"seqcls_{port}={token}"})
        answer = connection.getresponse()
        answer.read()
        return time.monotonic() - began_s if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def state(pid: int) -> tuple[float, int, int]:
    """MiB in memory, open descriptors, threads."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(lines["Threads"])


if __name__ == "__main__":
    sys.exit(main())
