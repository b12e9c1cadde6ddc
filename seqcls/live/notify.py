"""Sinks of events besides the screen: lines on stdout, a web address, a command.

Each delivers one event after another in a thread of its own. Nothing that goes wrong there reaches the run: a person is
notified in one line, the first time and, with a count, at the end.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, TextIO

import seqcls
from seqcls.credentials import without_secrets
from seqcls.errors import UsageError
from seqcls.journal.writer import Wall, utc_now
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.processes.child_program import own_group
from seqcls.text.foreign_text import for_terminal
from seqcls.types import Event

#: Events that wait for a slow receiver; what comes beyond is counted as not delivered.
MAX_WAITING = 1000

_TRIES = 3
_AGAIN = frozenset({408, 425, 429})


class NotDeliveredError(Exception):
    """Why an event did not arrive: a sentence's end for a person, without secrets."""


def event_json(event: Event, wall_time: datetime) -> str:
    """One line of ASCII without a line end; ``wall_time`` (with its offset) is when the event was emitted."""
    record = {
        "organ": event.organ,
        "state": event.state,
        "start_s": round(event.start_s, 6),
        "final_s": round(event.final_s, 6),
        "index": event.index,
        "reason": event.reason,
        "wall_time": wall_time.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
    }
    return json.dumps(record, allow_nan=False)


class _BackgroundSink:
    """What the sinks share: a thread behind a bounded queue, and notifying a person of failures."""

    def __init__(self, name: str, close_s: float, notify: Notify, wall: Wall) -> None:
        self.delivered = 0
        self._name, self._close_s, self._notify, self._wall = name, close_s, notify, wall
        self._failures = 0
        self._full = self._closed = False
        self._stopping = threading.Event()
        self._worker: BackgroundWorker[tuple[Event, datetime]] = BackgroundWorker(
            name.split()[0], self._work, limit=MAX_WAITING, failed=self._fail, interrupt=self._interrupt
        )

    @property
    def lost(self) -> int:
        """Events that were not delivered."""
        return self._failures + self._worker.dropped

    def event(self, event: Event) -> None:
        """Queue the event for delivery."""
        if not self._worker.put((event, self._wall())) and not self._full:
            self._full = True
            self._notify(f"{self._name} cannot keep up: events are left out")

    def close(self) -> None:
        """Deliver what waits, within ``close_s`` seconds at most, and end. May be called again."""
        if self._closed:
            return
        self._closed = True
        ended = self._worker.close(self._close_s)
        if not ended:
            self._failures += 1  # the event that it hangs in
            self._notify(f"{self._name} hangs and is left behind")
        if self.lost > 1 or (self.lost and not self._failures):
            self._notify(f"{self._name}: {self.lost} of {self.lost + self.delivered} events were not delivered")

    def _work(self, item: tuple[Event, datetime]) -> None:
        self._deliver(item[0], event_json(*item))
        self.delivered += 1

    def _deliver(self, event: Event, line: str) -> None:
        """Raises NotDeliveredError, or anything else, when the event did not arrive."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            why = str(error) if isinstance(error, NotDeliveredError) else _why(error)
            self._notify(f"{self._name} {why}; the run goes on")

    def _interrupt(self) -> None:
        self._stopping.set()


class JsonLines(_BackgroundSink):
    """One line of JSON per event on ``stream`` (stdout), written at once. Silent once the stream is closed."""

    def __init__(
        self, stream: TextIO | None = None, *, notify: Notify = nothing, wall: Wall = utc_now,
        close_s: float = 4.0,
    ) -> None:  # fmt: skip
        self._stream = sys.stdout if stream is None else stream
        self._gone = False
        self._descriptor = _descriptor_of(self._stream)
        super().__init__("stdout", close_s, notify, wall)

    def _deliver(self, event: Event, line: str) -> None:
        if self._gone:
            raise NotDeliveredError("was closed")
        try:
            self._write(line + "\n")
        except (OSError, ValueError, AttributeError) as error:  # closed on the other side, here, or never there
            self._gone = True
            raise NotDeliveredError(f"takes no more events ({_why(error)})") from None

    def _write(self, line: str) -> None:
        if self._descriptor is None:
            self._stream.write(line)
            self._stream.flush()
            return
        # Past the stream's buffer: a reader that stopped reading would block us inside of its lock, and Python aborts
        # at exit when a thread holds that.
        left = line.encode("ascii")
        while left:
            left = left[os.write(self._descriptor, left) :]


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


class Webhook(_BackgroundSink):
    """POSTs each event as JSON to an http or https address; proxies are taken from the environment.

    Credentials in the address (``https://user:password@host``) are sent as HTTP Basic; the address is only ever shown
    as scheme and host, for paths hold secrets too, and ``headers``, which are sent with each event, never. Three tries
    of ``timeout_s`` each, with a pause between them by ``sleep``; redirects are not followed: they would drop the event
    and carry the credentials elsewhere.

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
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._url, self.shown, authorization = _address(url)
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "User-Agent": f"seqcls/{seqcls.__version__}"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._headers |= {name.title(): value for name, value in headers}
        self._opener = urllib.request.build_opener(_NoRedirects)
        super().__init__(f"webhook {self.shown}", 2 * timeout_s + 2, notify, wall)
        self._sleep = self._stopping.wait if sleep is None else sleep

    def _deliver(self, event: Event, line: str) -> None:
        for number in range(_TRIES):
            try:
                return self._post(line.encode("ascii"))
            except urllib.error.HTTPError as error:
                with error:
                    why = f"answers {error.code}"
                if 300 <= error.code < 400:
                    raise NotDeliveredError(f"{why}, a redirect: state the final address") from None
                if error.code < 500 and error.code not in _AGAIN:
                    raise NotDeliveredError(why) from None
            except (OSError, http.client.HTTPException) as error:
                why = "cannot be reached: " + self._reason(error)
            if number + 1 == _TRIES or self._stopping.is_set():
                break
            self._sleep(0.5 * 4**number)
        raise NotDeliveredError(why)

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(self._url, data=body, headers=self._headers, method="POST")
        with self._opener.open(request, timeout=self._timeout_s):
            return

    def _reason(self, error: Exception) -> str:
        inner = getattr(error, "reason", error)
        if isinstance(inner, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        return _why(inner if isinstance(inner, Exception) else error)


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
        raise UsageError("the webhook address cannot be read: write https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or any(c <= " " or c == "\x7f" for c in url):
        raise UsageError("the webhook address must look like https://host/path or http://host/path, without spaces")
    safe = "/%:=&?~+!$,;'@()*[]"
    path = urllib.parse.quote(parts.path if parts.path else "/", safe=safe)
    query = urllib.parse.quote(parts.query, safe=safe)
    authorization = ""
    if parts.username is not None:
        secret = f"{parts.username}:{'' if parts.password is None else parts.password}"
        authorization = "Basic " + base64.b64encode(urllib.parse.unquote(secret).encode("utf-8")).decode("ascii")
    bare = urllib.parse.urlunsplit((parts.scheme, host + port, path, query, ""))
    return bare, f"{parts.scheme}://{host}{port}", authorization


class OnEvent(_BackgroundSink):
    """Runs a command for each event, one at a time, without a shell.

    The event is JSON on the child's stdin and in SEQCLS_ORGAN, SEQCLS_STATE, SEQCLS_START_S, SEQCLS_FINAL_S and
    SEQCLS_REASON; its environment holds no secrets of ours. What the child prints is thrown away. A child that runs
    longer than ``limit_s`` is killed, with the processes it started where the system has process groups.

    Raises UsageError for a command that cannot be split, or a program that does not exist.
    """

    def __init__(
        self, command: str, *, notify: Notify = nothing, wall: Wall = utc_now, limit_s: float = 30.0,
        close_s: float = 10.0,
    ) -> None:  # fmt: skip
        self._command = split_command(command)
        if shutil.which(self._command[0]) is None:
            raise UsageError(f"the program for events, {self._command[0]}, was not found; check its name")
        self._limit_s = limit_s
        self._child: subprocess.Popen[bytes] | None = None
        super().__init__("on-event command", close_s, notify, wall)

    def _deliver(self, event: Event, line: str) -> None:
        if self._stopping.is_set():
            raise NotDeliveredError("was not started any more")
        child = self._child = self._start(event)
        if self._stopping.is_set():  # meanwhile, and whoever set it saw no child to kill
            _kill(child)
        try:
            child.communicate(line.encode("ascii") + b"\n", self._limit_s)
        except subprocess.TimeoutExpired:
            raise NotDeliveredError(f"ran longer than {self._limit_s:g} s and was killed") from None
        finally:
            _kill(child)
            self._child = None
            child.wait()
            if child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.close()
        if child.returncode and self._stopping.is_set():
            raise NotDeliveredError("was still running at the end and was killed")
        if child.returncode:
            raise NotDeliveredError(f"ended with {child.returncode}")

    def _start(self, event: Event) -> subprocess.Popen[bytes]:
        values = {
            "ORGAN": event.organ,
            "STATE": event.state,
            "START_S": f"{event.start_s:.6f}",
            "FINAL_S": f"{event.final_s:.6f}",
            "REASON": event.reason,
        }
        environment = {**without_secrets(), **{f"SEQCLS_{k}": for_terminal(v) for k, v in values.items()}}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(self._command, env=environment, **pipes, **own_group())

    def _interrupt(self) -> None:
        super()._interrupt()
        if (child := self._child) is not None:
            _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.returncode is not None:
        return
    if os.name == "nt":
        child.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def split_command(command: str, *, posix: bool = os.name != "nt") -> list[str]:
    """Program and arguments; on Windows backslashes stand for themselves. Raises UsageError."""
    try:
        words = shlex.split(command, posix=posix)
    except ValueError:
        raise UsageError("the command for events has a quotation mark without its partner") from None
    if not posix:
        words = [word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word for word in words]
    if not words or not words[0]:
        raise UsageError("the command for events is empty; write a program and its arguments")
    return words


def _why(error: Exception) -> str:
    """What happened, without any text that could repeat the address."""
    text = getattr(error, "strerror", None)
    return str(text) if isinstance(text, str) and text else type(error).__name__
