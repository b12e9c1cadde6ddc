"""The process's own command line, as `ps` shows it to everybody on the machine, without the secrets in it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from seqcls.sources.redact import HIDDEN, redact


def holds_secrets(arguments: Sequence[str]) -> bool:
    """Whether an address among them holds what nobody is to see; of a command that is not known."""
    return any(
        one != other and before != "--on-event"
        for before, one, other in zip(["", *arguments], arguments, covered(arguments), strict=False)
        if not one.startswith("--on-event=")
    )


def covered(arguments: Sequence[str]) -> list[str]:
    """Arguments without what may be secret: passwords and query values of addresses, all of a webhook's address but its
    host, and the command of --on-event."""
    shown = []
    option = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if option in _OPTIONS:
            shown.append(_OPTIONS[option](argument))
        elif equals and name in _OPTIONS:
            shown.append(f"{name}={_OPTIONS[name](value)}")
        else:
            shown.append(redact(argument))
        option = argument
    return shown


def _webhook(value: str) -> str:
    """Paths of webhooks are keys; a file's name is none."""
    if "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    path = f"/{HIDDEN}" if parts.path.strip("/") or parts.query or parts.fragment else parts.path
    return f"{parts.scheme}://{HIDDEN if user else ''}{at}{host}{path}"


def _command(value: str) -> str:
    return HIDDEN


_OPTIONS: dict[str, Callable[[str], str]] = {"--webhook": _webhook, "--on-event": _command}


def cover_arguments() -> bool:
    """Overwrite them where the system keeps the arguments; whether that was done. Linux alone: elsewhere, and for the
    moment before this, secrets belong into the environment or a file.
    """
    if sys.platform != "linux":
        return False
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end: 48 and 49 of proc(5)
        shown = Path("/proc/self/cmdline").read_bytes()
        if not 0 < len(shown) == end - start:
            return False
        parts = [part.decode(errors="surrogateescape") for part in shown.split(b"\0")]
        text = "\0".join(covered(parts)).encode(errors="surrogateescape")
        # The last byte stays 0: after another one the system shows what follows, which is the environment.
        ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)
    except (OSError, ValueError, IndexError):
        return False
    return True
