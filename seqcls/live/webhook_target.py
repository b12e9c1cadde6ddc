"""Where events are posted to, and with which headers: both are secrets, and come from a file or the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seqcls.credentials import WEBHOOK, WEBHOOK_HEADER, secret, stated_lines
from seqcls.errors import UsageError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # a token of RFC 9110
#: What the connection itself depends on.
_OURS = ("host", "content-length", "content-type", "transfer-encoding", "connection")


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """An address, and headers that go with each event; neither is shown."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def webhook_target(stated: str | None, environ: Mapping[str, str] = os.environ) -> WebhookTarget | None:
    """The target that ``stated`` is or leads to, else that of $SEQCLS_WEBHOOK, else None.

    ``stated``: an address, or a file with the address on its first line and headers on others, as ``Name: value``. The
    headers of $SEQCLS_WEBHOOK_HEADER are added. Raises UsageError, without what is secret.
    """
    if stated is None:
        lines, where = secret(WEBHOOK, environ).splitlines(), f"${WEBHOOK}"
    else:
        lines = stated_lines("--webhook", stated, "https://host/path")
        where = "the webhook" if "://" in stated else "the file of the webhook"
        if not lines:
            raise UsageError(f"{where} is empty: write the address on its first line")
    if not lines:
        return None
    url, *headers = lines
    more = secret(WEBHOOK_HEADER, environ).splitlines()
    return WebhookTarget(url.strip(), (*_headers(headers, where), *_headers(more, f"${WEBHOOK_HEADER}")))


def _headers(lines: Sequence[str], where: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(str.strip, lines):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise UsageError(f"{where} holds a header that cannot be read: write Name: value, in ASCII")
        if name.lower() in _OURS:
            raise UsageError(f"{where} states {name}, which is decided by the connection; leave it out")
        found.append((name, value))
    return found
