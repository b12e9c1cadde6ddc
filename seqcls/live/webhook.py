"""A sink of events: a web address that each is posted to."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable

import seqcls
from seqcls.errors import UsageError
from seqcls.journal.writer import Wall, utc_now
from seqcls.live.background import Notify, nothing
from seqcls.live.event_queue import EventQueue
from seqcls.live.notify import NotDeliveredError, why
from seqcls.live.queued_sink import QueuedSink, RefusedError

_AGAIN = frozenset({408, 425, 429})


class Webhook(QueuedSink):
    """POSTs each event as JSON to an http or https address; proxies are taken from the environment.

    Credentials in the address (``https://user:password@host``) are sent as HTTP Basic; the address is only ever shown
    as scheme and host, for paths hold secrets too, and ``headers``, which are sent with each event, never. A try takes
    ``timeout_s`` at most, with ``pause`` between tries. What is answered with a code of 4xx is refused for good,
    but for 408, 425 and 429; redirects are not followed: they would drop the event and carry the credentials elsewhere.

    Raises UsageError for another kind of address.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        notify: Notify = nothing,
        wall: Wall = utc_now,
        timeout_s: float = 5.0,
        queue: EventQueue | None = None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._url, self.shown, authorization = _address(url)
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "User-Agent": f"seqcls/{seqcls.__version__}"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._headers |= {name.title(): value for name, value in headers}
        self._opener = urllib.request.build_opener(_NoRedirects)
        super().__init__(f"webhook {self.shown}", 2 * timeout_s + 2, notify, wall, queue, pause)

    def _deliver(self, line: str) -> None:
        try:
            self._post(line.encode("ascii"))
        except urllib.error.HTTPError as error:
            with error:
                answer = f"answers {error.code}"
            if 300 <= error.code < 400:
                raise RefusedError(f"{answer}, a redirect: state the final address") from None
            if error.code < 500 and error.code not in _AGAIN:
                raise RefusedError(answer) from None
            raise NotDeliveredError(answer) from None
        except (OSError, http.client.HTTPException) as error:
            raise NotDeliveredError("cannot be reached: " + self._reason(error)) from None

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(self._url, data=body, headers=self._headers, method="POST")
        with self._opener.open(request, timeout=self._timeout_s):
            return

    def _reason(self, error: Exception) -> str:
        inner = getattr(error, "reason", error)
        if isinstance(inner, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        return why(inner if isinstance(inner, Exception) else error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """A redirect is an error as any other answer that is none."""


def _address(url: str) -> tuple[str, str, str]:
    """The address without credentials, what may be shown of it, the Authorization header or "". Raises UsageError."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = "" if parts.hostname is None else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:  # says the address
        raise UsageError(
            "the webhook address cannot be read: write https://host/path, and a port from 1 to 65535 behind the host"
        ) from None
    bad = not host or port == ":0" or any(c <= " " or c == "\x7f" for c in url)
    if parts.scheme not in ("http", "https") or bad:
        raise UsageError(
            "the webhook address must look like https://host/path or http://host:port/path, with a port from 1 to"
            " 65535, without spaces"
        )
    safe = "/%:=&?~+!$,;'@()*[]"
    path = urllib.parse.quote(parts.path if parts.path else "/", safe=safe)
    query = urllib.parse.quote(parts.query, safe=safe)
    authorization = ""
    if parts.username is not None:
        secret = f"{parts.username}:{'' if parts.password is None else parts.password}"
        authorization = "Basic " + base64.b64encode(urllib.parse.unquote(secret).encode("utf-8")).decode("ascii")
    bare = urllib.parse.urlunsplit((parts.scheme, host + port, path, query, ""))
    return bare, f"{parts.scheme}://{host}{port}", authorization
