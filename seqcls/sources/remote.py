"""Clips behind an address that fsspec reads, such as s3://: listed, and copied into a scratch folder to be read.

A fault of the network costs a wait, then the clip, never the run; so does a server that sends too little
(``least_rate``).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from seqcls.errors import SourceError, one_line
from seqcls.files.temporaries import temporary_folder
from seqcls.sources.base import Source
from seqcls.sources.clip_digest import LOOKED_AT, clip_digest
from seqcls.sources.least_rate import at_least
from seqcls.sources.redact import redact
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: Those of object stores; what begins otherwise is a feed or a file.
SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
#: Before each further try, in seconds.
WAITS_S = (1.0, 4.0)
#: A try that has taken so long is the last: libraries of object stores wait, and try again, by themselves. Where
#: nothing answers that takes s3fs some minutes.
MAX_WAIT_S = 120.0
#: Azure's library hands over up to 32 MB at a time.
_IN_LARGE_PARTS = frozenset({"az", "abfs", "abfss"})
#: A list of which nobody sees how far it is may take ten minutes, as if it had so many bytes.
_LIST_BYTES = 5_400_000
#: Objects that are looked at side by side: most of the time of one is waiting, and of one that trickles all.
_LOOKS = 8
#: What libraries call an answer that is shorter than it says, and our word for it.
_CUT_SHORT = frozenset({"ClientPayloadError", "ContentLengthError", "IncompleteRead", "IncompleteReadError"})
_PART = "only a part came"
_T = TypeVar("_T")


class NotFetchedError(SourceError):
    """The clip did not come, which says nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One object: its address, size in bytes, and the mark that changes when it is written."""

    url: str
    size: int
    mark: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name


def is_remote(spec: str) -> bool:
    """Whether a name is an address of an object store."""
    scheme, mark, _ = spec.partition("://")
    return bool(mark) and scheme.lower() in SCHEMES


def place_of(url: str) -> Path:
    """As if it were a path: for what comes below what."""
    scheme, _, rest = url.partition("://")
    return Path("/", scheme, rest.strip("/"))


def listed(spec: str) -> list[Remote]:
    """The objects below an address, or the one that it names. Raises SourceError."""
    files = tried(spec, lambda: _found(spec), what="listed")
    if not files:
        raise SourceError(f"{redact(spec)}: holds nothing; check the address and the credentials")
    return files


def _found(spec: str) -> list[Remote]:
    system, path = _opened(spec)
    system.invalidate_cache()
    scheme = spec.partition("://")[0]
    with _pages_of(system) as came:
        found = _asked(system, "find", path, detail=True, brings=_LIST_BYTES, came=came)
    return [
        Remote(f"{scheme}://{name.lstrip('/')}", int(facts["size"] or 0), _mark(facts))
        for name, facts in sorted(found.items())
        if facts.get("type") == "file"
    ]


@contextmanager
def _pages_of(system: Any) -> Iterator[Callable[[], int] | None]:
    """For ``at_least``: S3 hands a list over in pages of a thousand objects, each of which is enough for a window.
    None for other stores, which do not show them."""
    if not hasattr(system, "set_session"):
        yield None
        return
    from fsspec.asyn import sync

    sync(system.loop, system.set_session)
    events, pages = system.s3.meta.events, 0

    def count(**_: Any) -> None:
        nonlocal pages
        pages += 1

    events.register("after-call.s3", count)
    try:
        yield lambda: pages * 10**9
    finally:
        events.unregister("after-call.s3", count)


def _mark(facts: dict[str, Any]) -> str:
    """What an object store says of an object's version."""
    known = [facts[name] for name in ("ETag", "etag", "md5Hash", "LastModified", "last_modified") if name in facts]
    return hashlib.sha256(f"{facts.get('size')} {known[:1]}".encode()).hexdigest()


def remote_digest(remote: Remote) -> str:
    """As ``clip_digest``, without fetching the whole; "" where it does not come at once.

    All other clips wait for this one meanwhile, so it is asked for once, and each end has a window of ``least_rate``:
    what does not come is fetched, or fails, when its turn has come.
    """
    try:
        return tried(remote.url, lambda: _digest(remote), waits_s=())
    except SourceError:
        return ""


def remote_digests(remotes: Sequence[Remote]) -> Generator[str, None, None]:
    """As ``remote_digest`` of each, in their order; some are looked at side by side. Close it in any case."""
    looks = [Future[str]() for _ in remotes]
    waiting, lock = iter(list(zip(remotes, looks, strict=True))), threading.Lock()

    def look() -> None:
        while True:
            with lock:
                remote, found = next(waiting, (None, None))
            if remote is None or found is None or not found.set_running_or_notify_cancel():
                return
            try:
                found.set_result(remote_digest(remote))
            except BaseException as error:
                found.set_exception(error)

    for _ in range(min(_LOOKS, len(remotes))):  # nobody who ends the program waits for these
        threading.Thread(target=look, name="seqcls-look", daemon=True).start()
    try:
        yield from (found.result() for found in looks)
    finally:
        for found in looks:
            found.cancel()


def _digest(remote: Remote) -> str:
    system, path = _opened(remote.url)
    digest = hashlib.sha256(str(remote.size).encode())
    ends: dict[int, bytes] = {}  # of a small object both are the same
    for place in (0, max(0, remote.size - LOOKED_AT)):
        if place not in ends:
            end = min(remote.size, place + LOOKED_AT)
            ends[place] = _asked(system, "cat_file", path, start=place, end=end)
            if len(ends[place]) != end - place:
                raise OSError(_PART)
        digest.update(ends[place])
    return digest.hexdigest()


@contextmanager
def fetched(remote: Remote) -> Iterator[Path]:
    """A copy in a scratch folder, gone afterwards.

    Raises SourceError where the object cannot be fetched as a whole, and as it was listed.
    """
    with temporary_folder() as folder:
        copy = folder / remote.name
        tried(remote.url, lambda: _fetch(remote, copy))
        yield copy


class FetchedSource(AbstractContextManager[Source]):
    """A clip that lies in a scratch folder while it is open. ``opens``: opens the copy.

    Raises what ``fetched`` and ``opens`` raise.
    """

    def __init__(self, remote: Remote, opens: Callable[[Path], Source]) -> None:
        with ExitStack() as stack:
            copy = stack.enter_context(fetched(remote))
            self.digest = clip_digest(str(copy))
            self._source = opens(copy)
            stack.callback(self._source.close)
            self._open = stack.pop_all()

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @info.setter
    def info(self, info: SourceInfo) -> None:
        self._source.info = info

    def __iter__(self) -> Iterator[Frame | Gap]:
        return iter(self._source)

    def report(self) -> SourceReport:
        return self._source.report()

    def close(self) -> None:
        self._open.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _fetch(remote: Remote, copy: Path) -> None:
    system, path = _opened(remote.url)
    _require_listed(remote, system, path)
    came = None if remote.url.partition("://")[0].lower() in _IN_LARGE_PARTS else lambda: _size(copy)
    _asked(system, "get_file", path, str(copy), brings=remote.size, came=came)
    if copy.stat().st_size != remote.size:
        raise OSError(f"only {copy.stat().st_size} of {remote.size} bytes came")
    _require_listed(remote, system, path)  # else its parts may be of two versions


def _require_listed(remote: Remote, system: Any, path: str) -> None:
    """Raises NotFetchedError where the object is not the one that was listed."""
    system.invalidate_cache()
    if _mark(_asked(system, "info", path)) != remote.mark:
        raise NotFetchedError(f"{remote.name}: has changed since it was listed; run the same command again")


def _asked(
    system: Any, name: str, *of: Any, brings: int = 0, came: Callable[[], int] | None = None, **more: Any
) -> Any:
    """What a method of the file system gives, if it comes at the least rate. Raises TooSlowError."""
    if not system.async_impl:  # in memory
        return getattr(system, name)(*of, **more)
    from fsspec.asyn import sync

    def work() -> Any:
        return at_least(getattr(system, f"_{name}")(*of, **more), brings, came)

    return sync(system.loop, work)


def _size(path: Path) -> int:
    """In bytes; 0 where it is not there yet."""
    return path.stat().st_size if path.exists() else 0


def _opened(spec: str) -> tuple[Any, str]:
    """The file system, and the path in it. Raises SourceError where a library for it is missing."""
    if find_spec("fsspec") is None:
        raise SourceError(f"{redact(spec)}: is read by fsspec, which is not here; pip install 'seqcls[cloud]'")
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(spec)
    except (ImportError, ValueError) as error:
        why = one_line(error)
        raise SourceError(f"{redact(spec)}: cannot be read here ({why}); pip install 'seqcls[cloud]'") from error
    return system, str(path)


def tried(
    spec: str,
    work: Callable[[], _T],
    wait: Callable[[float], None] | None = None,
    *,
    waits_s: Sequence[float] | None = None,
    what: str = "fetched",
) -> _T:
    """What does not come is waited for, and asked for again; what is forbidden or not there is not. ``waits_s``: before
    each further try; None for WAITS_S. ``what``: is to be done."""
    name, began_s = redact(spec), time.monotonic()
    for wait_s in (*(WAITS_S if waits_s is None else waits_s), None):
        try:
            return work()
        except SourceError:
            raise
        except FileNotFoundError as error:
            raise NotFetchedError(f"{name}: there is no such object; check the address") from error
        except PermissionError as error:
            raise NotFetchedError(f"{name}: may not be read ({one_line(error)}); check the credentials") from error
        except Exception as error:  # libraries of object stores raise their own kinds
            if wait_s is None or time.monotonic() - began_s >= MAX_WAIT_S:
                raise NotFetchedError(
                    f"{name}: cannot be {what} ({_why(error)}); run the same command again"
                ) from error
            (time.sleep if wait is None else wait)(wait_s)
    raise AssertionError("unreachable")


def _why(error: Exception) -> str:
    """In words that a person understands."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in _CUT_SHORT:
            return _PART
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, (TypeError, AttributeError, LookupError)):  # its library fell over what the store said
        return "the store's answer cannot be understood, as when it refuses: check the credentials"
    return one_line(error)
