"""Secrets of network sources: put into the URL as late as can be, taken out of every text that a person may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from seqcls.credentials import SOURCE_PASSWORD, SOURCE_USER, secret, secret_lines
from seqcls.errors import SourceError, UsageError

HIDDEN = "***"

# Two letters at least: "C:/" is a drive. One slash is enough: people mistype. Bounded: a search tries a long word again
# from each of its letters. Of a longer "scheme" the end is taken.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,63}:[/\\]+")
_HOST = re.compile(r"(\[[^\[\]\s]*\]|[^:\[\]\s]*)(:\d+)?")
_CLOSING = re.compile(r"['\")\]>,.:;]*$")
_STREAM_KEY = re.compile(r"^([^/\\?#]*[/\\]+[^/\\?#]*[/\\]+)[^?#]+?(['\")\]>,.:;]*)(?=$|[?#])")
_VALUE = re.compile(r"([^=&;]*=)[^&;]*")
# From the beginning of a word alone: from its middle the answer would be the same, at quadratic cost.
_BARE_USERINFO = re.compile(r"(?<![^\s:/\\@'\"(])[^\s:/\\@'\"(]+:[^\s@]{1,4096}@")
_hide_userinfo = partial(_BARE_USERINFO.sub, f"{HIDDEN}@")


def redact(text: str) -> str:
    """The text with the userinfo, query values and fragment of every URL in it, and what follows an RTMP application,
    replaced by ``***``.

    Where a malformed URL leaves open what is secret (an unescaped ``/``, ``?`` or ``#`` in a password), rather too much
    is hidden than too little. Only blanks end a URL: one with blanks in its password has to be passed through
    ``without_blanks`` before. Doing it twice changes nothing.
    """
    if ":" not in text:
        return text
    parts: list[str] = []
    place = 0
    while (match := _SCHEME.search(text, place)) is not None:
        end = _end_of_url(text, match.end())
        rest = text[match.end() : end]
        parts += [_hide_userinfo(text[place : match.start()]), match.group(), _of_url(match.group(), rest)]
        place = end
    return "".join([*parts, _hide_userinfo(text[place:])])


def without_blanks(url: str) -> str:
    """A URL as typed, with its blanks escaped, so that nobody can mistake where it ends."""
    return re.sub(r"\s", lambda blank: quote(blank.group()), url.strip())


def _end_of_url(text: str, start: int) -> int:
    """Where blank space begins, or behind the next ``@`` word when what comes before it looks like half a password."""
    end = _next_blank(text, start)
    authority = re.split(r"[/\\?#]", text[start:end], maxsplit=1)[0]
    if (authority.endswith(":") or not _HOST.fullmatch(_CLOSING.sub("", authority))) and "@" not in text[start:end]:
        line_end = text.find("\n", start)
        at = text.find("@", end, len(text) if line_end < 0 else line_end)
        if at >= 0:
            return _next_blank(text, at)
    return end


def _next_blank(text: str, start: int) -> int:
    match = re.compile(r"\s").search(text, start)
    return len(text) if match is None else match.start()


def _of_url(scheme: str, rest: str) -> str:
    """RTMP has the stream's key in its path: rtmp://host/app/key."""
    shown = _rest(rest)
    if not scheme.lower().startswith("rtmp"):
        return shown
    if "/" in rest.rpartition("@")[0].replace("\\", "/"):
        return HIDDEN  # an @ in the key, or a slash in the password
    return _STREAM_KEY.sub(rf"\g<1>{HIDDEN}\g<2>", shown)


def _rest(rest: str) -> str:
    """What follows a URL's scheme, redacted."""
    body = _CLOSING.sub("", rest)
    tail = rest[len(body) :]
    before, mark, query = body.partition("?")
    if "@" in before:
        if "@" in query:
            return HIDDEN + tail  # nobody knows where the host is
        return f"{HIDDEN}@{_path(before.rpartition('@')[2])}{_query(mark, query)}{tail}"
    authority = re.split(r"[/\\#;]", before, maxsplit=1)[0]
    if not _HOST.fullmatch(authority) or ("@" in query and "=" not in query.partition("@")[0]):
        return HIDDEN + tail  # a password with a question mark in it, or a query: either way a secret
    return f"{_path(before)}{_query(mark, query)}{tail}"


def _path(path: str) -> str:
    """Fragment and path parameters hidden."""
    path, mark, _ = path.partition("#")
    path = re.sub(r"(;[^=;/]*=)[^;/]*", rf"\g<1>{HIDDEN}", path)
    return f"{path}#{HIDDEN}" if mark else path


def _query(mark: str, query: str) -> str:
    if not query:
        return mark
    query, fragment, _ = query.partition("#")
    pieces = re.split(r"([&;])", query)
    hidden = [
        piece if piece in ("&", ";", "") else _VALUE.sub(rf"\g<1>{HIDDEN}", piece) if "=" in piece else HIDDEN
        for piece in pieces
    ]
    return mark + "".join(hidden) + (f"#{HIDDEN}" if fragment else "")


def credentials(url: str, environ: Mapping[str, str], file: Path | None = None) -> str:
    """The URL with userinfo: its own, else that of ``file`` (user on the first line, password on the second), else that
    of $SEQCLS_SOURCE_USER and $SEQCLS_SOURCE_PASSWORD (or of the files that these name with _FILE), else none.

    Raises SourceError when the file cannot be read or holds something else. The result must not be shown.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        return url
    if file is not None:
        user, password = _from_file(file)
    else:
        user, password = secret(SOURCE_USER, environ), secret(SOURCE_PASSWORD, environ)
        if not user and password:
            raise SourceError(f"${SOURCE_PASSWORD} is set but ${SOURCE_USER} is not; set both or none")
    if not user:
        return url
    userinfo = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"{scheme}://{userinfo}@{rest}"


def _from_file(file: Path) -> tuple[str, str]:
    try:
        lines = secret_lines(file)
    except UsageError as error:
        raise SourceError(str(error)) from None
    if len(lines) != 2 or not lines[0]:
        raise SourceError(f"{file}: must hold two lines, the user and the password")
    return lines[0], lines[1]
