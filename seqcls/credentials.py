"""Secrets from where other users of the machine cannot see them: the environment, or a file.

The variable NAME holds the secret itself, NAME_FILE the name of a file that holds it, as containers are given theirs.
Arguments are no such place: every user sees them in the list of processes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.files.named_files import read_regular

SOURCE_USER = "SEQCLS_SOURCE_USER"
SOURCE_PASSWORD = "SEQCLS_SOURCE_PASSWORD"
WEBHOOK = "SEQCLS_WEBHOOK"
WEBHOOK_HEADER = "SEQCLS_WEBHOOK_HEADER"
MQTT = "SEQCLS_MQTT"
PAGE_TOKEN = "SEQCLS_PAGE_TOKEN"
NAMES = (SOURCE_USER, SOURCE_PASSWORD, WEBHOOK, WEBHOOK_HEADER, MQTT, PAGE_TOKEN)

_MAX_BYTES = 4096


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret ``name``, "" where there is none. Raises UsageError, without it, for a file that cannot be read."""
    stated, file = environ.get(name, ""), environ.get(f"{name}_FILE", "")
    if stated and file:
        raise UsageError(f"${name} and ${name}_FILE are both set; unset one")
    return "\n".join(secret_lines(Path(file))) if file else stated


def secret_lines(file: Path) -> list[str]:
    """The lines of a file of secrets, without blank ones at its end. Raises UsageError, without what it holds."""
    try:
        text = read_regular(file, _MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        raise UsageError(f"{file}: the credentials cannot be read ({why}); check the file") from None
    return text.rstrip("\r\n").splitlines()


def stated_lines(option: str, stated: str, example: str) -> list[str]:
    """The lines of what an option states, which is an address itself or a file that holds it. Raises UsageError,
    without what was stated: it may be an address all the same, and a secret."""
    if "://" in stated:
        return [stated]
    try:
        there = Path(stated).exists()
    except (OSError, ValueError):  # too long for a name
        there = False
    if not there:
        raise UsageError(
            f"{option}: no such file, and no address: write {example}, or name a file with it on its first line"
        )
    return secret_lines(Path(stated))


def kept_token(file: Path) -> str:
    """The token on the first line of the file, which is made where it is not there: its owner's alone. Raises
    UsageError where others can read it, or it cannot be read or made."""
    try:
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as made:
                made.write(f"{secrets.token_urlsafe(24)}\n")
    except OSError as error:
        raise UsageError(f"{file}: the token cannot be kept there ({error.strerror}); name another file") from None
    if open_to_others(file):
        raise UsageError(f"other users can read the token in {file}: chmod 600 {file}, or remove it to get a new one")
    lines = secret_lines(file)
    if not lines:
        raise UsageError(f"{file} holds no token: remove it to get a new one")
    return lines[0].strip()


def secret_files(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files that the environment names."""
    return [Path(file) for name in NAMES if (file := environ.get(f"{name}_FILE", ""))]


def open_to_others(file: Path) -> bool:
    """Whether users other than its owner may read or write the file; False on Windows, which has no such bits."""
    try:
        return os.name != "nt" and bool(file.stat().st_mode & 0o077)
    except (OSError, ValueError):
        return False


def without_secrets(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a child process that has no business with them."""
    hidden = {*NAMES, *(f"{name}_FILE" for name in NAMES)}
    return {name: value for name, value in environ.items() if name.upper() not in hidden}
