"""Commands one after the other in a process of their own that may neither reach out nor write where it should not.

As a program: ``python -m support.guarded PLAN RECORD``. PLAN is JSON: a list of {"arguments", "umask"}; RECORD gets, as
JSON, what was tried against the rules and how each command ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import platform
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

_FORBIDDEN = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.connect", "socket.bind", "socket.sendto"}  # fmt: skip
#: Number of the system call ``socket`` and the kernel's name of the architecture.
_SOCKET_CALL = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}

#: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_OVER_FILES = (1, 2)


def watch(tried: list[str]) -> None:
    """From now on Python's look-ups and sockets other than local ones are refused and recorded."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        outward = event == "socket.__new__" and arguments[1] != 1  # AF_UNIX
        if event in _FORBIDDEN or outward:
            tried.append(f"{event} {arguments[1:] if arguments else ''}")
            raise OSError(101, "refused by the test")

    sys.addaudithook(hook)


def forbid_native_sockets() -> bool:
    """The system kills this process, and its children, at the first socket that is no local one; False where that
    cannot be asked of it. What native libraries do, Python does not see."""
    call, architecture = _SOCKET_CALL.get(platform.machine(), (0, 0))
    if sys.platform != "linux" or not call:
        return False
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    allow, kill = 0x7FFF0000, 0x80000000
    rules = [  # operation, how far to jump where it holds and where not, operand
        (load, 0, 0, 4),  # the architecture
        (equal, 0, 4, architecture),
        (load, 0, 0, 0),  # the number of the call
        (equal, 0, 2, call),
        (load, 0, 0, 16),  # its first argument, the family
        (equal, 0, 1, 1),  # AF_UNIX
        (give, 0, 0, allow),
        (give, 0, 0, kill),
    ]
    program = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    held = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_rights = libc.prctl(38, 1, 0, 0, 0)
    return no_new_rights == 0 and libc.prctl(22, 2, ctypes.c_char_p(filter_), 0, 0) == 0


def give_up_rights_over_files() -> None:
    """A superuser writes into read-only folders; from now on this process, and its children, may not."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for right in _OVER_FILES:
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
    head = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    held = ctypes.create_string_buffer(24)  # effective, permitted, inheritable of rights 0 to 31, then of 32 to 63
    if libc.capget(head, held) == 0:
        kept = ~sum(1 << right for right in _OVER_FILES)
        low, high = (struct.unpack_from("III", held, at) for at in (0, 12))
        libc.capset(head, ctypes.create_string_buffer(struct.pack("6I", *(part & kept for part in low), *high)))


def can_write(folder: str) -> bool:
    """Whether a file can be made in there."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def run(arguments: list[str]) -> dict[str, Any]:
    """One command as the command line runs it: its exit code and what it printed."""
    from seqcls.cli import main

    sys.argv = ["seqcls", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    return {"arguments": arguments, "code": code, "out": out.getvalue(), "err": err.getvalue()}


def small_demo(folder: str) -> dict[str, Any]:
    """What `seqcls demo` does, with two patients."""
    from dataclasses import replace

    from seqcls.demo import UNSEEN, DemoOptions, demo
    from seqcls.phantom import SweepOptions

    sweep = SweepOptions(patient=UNSEEN, width=160, height=120, duration_s=12.0, rate_hz=2.0)
    small = DemoOptions(patients=2, sweeps=sweep, unseen=replace(sweep, duration_s=6.0), size=32, epochs=1, samples_per_epoch=32, precision="fp32")  # fmt: skip
    demo(folder, small, lambda _label, _total: contextlib.nullcontext(lambda _done: None))
    return {"arguments": ["demo"], "code": 0, "out": "", "err": ""}


def small_review(run_folder: str, clips: str, folder: str) -> dict[str, Any]:
    """What `seqcls review` does but for its server: a socket ends this process. One label, and one frame that is shown."""
    import time

    from seqcls.review.clips import clips_to_review
    from seqcls.review.session import ReviewSession

    session = ReviewSession(clips_to_review([Path(run_folder)], Path(clips)), Path(folder), "reader1")
    track = {"spans": [{"first": 0, "behind": 5, "mark": "present"}]}
    posted = {"clip": 0, "organ": session.clip(0)["organs"][0]["organ"], "session": "s" * 12, "turn": 1, "base": 0}
    session.edit({**posted, "action": "add", "prediction": "shown", "track": track})
    while session.frame(0, 0) is None:
        time.sleep(0.05)
    session.close()
    return {"arguments": ["review"], "code": 0, "out": "", "err": ""}


def main(plan: str, record: str) -> None:
    """See the top."""
    tried: list[str] = []
    done: list[dict[str, Any]] = []
    give_up_rights_over_files()
    open_home = can_write(str(Path.home()))
    native = forbid_native_sockets()
    watch(tried)
    for step in json.loads(Path(plan).read_text(encoding="utf-8")):
        os.umask(step["umask"])
        command, *rest = step["arguments"]
        small = {"demo": small_demo, "review": small_review}.get(command)
        done.append(small(*rest) if small is not None else run([command, *rest]))
    reporting = [name for name in sys.modules if name.startswith("openvino_telemetry") and sys.modules[name]]
    os.umask(0o077)
    result = {"native": native, "open_home": open_home, "tried": tried, "reporting": reporting, "done": done}
    Path(record).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
