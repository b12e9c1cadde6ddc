"""What makes two results the same: the clip's content, the model, the options that change results, and the format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from seqcls.files.json_text import json_line
from seqcls.files.named_files import open_regular
from seqcls.geometry import Layout
from seqcls.sources.clip_digest import LOOKED_AT, clip_digest
from seqcls.sources.found import FoundSource, files_of
from seqcls.sources.remote import remote_digest, remote_digests

#: Raised whenever the same clip, model and options give other results than before.
RESULT_FORMAT = 1
_PART = 1 << 20


def run_key(options: Mapping[str, Any], layouts: Sequence[Layout]) -> str:
    """SHA-256 in hex of all that decides the results of a run besides its clips.

    ``options``: plain values, the model's digest among them. ``layouts``: the screens that were found in several clips
    together, for a clip's region may come from there.
    """
    known = [layout.to_dict() for layout in layouts]
    plain = json.dumps([RESULT_FORMAT, json.loads(json_line(options)), json.loads(json_line(known))], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def content_digest(source: FoundSource) -> str:
    """SHA-256 in hex of what a clip holds, whatever it is called; "" where it cannot be read.

    Of one file it is ``clip_digest``: size, beginning and end. Of several it is made of theirs, in order.
    """
    if source.remote is not None:
        return remote_digest(source.remote)
    digests = [clip_digest(str(path)) for path in files_of(source)]
    if not all(digests):
        return ""
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def content_digests(sources: Sequence[FoundSource]) -> Generator[str, None, None]:
    """As ``content_digest`` of each, in their order; objects of a store are looked at side by side. Close it in any
    case."""
    with closing(remote_digests([one.remote for one in sources if one.remote is not None])) as remote:
        for source in sources:
            yield content_digest(source) if source.remote is None else next(remote)


def whole_digest(source: FoundSource) -> str:
    """As ``content_digest``, of every byte: what tells two clips apart that differ in the middle alone."""
    if source.remote is not None:
        return source.remote.mark  # made of what the store itself says of all bytes
    digest = hashlib.sha256()
    try:
        for path in files_of(source):
            with open_regular(path) as file:
                while part := file.read(_PART):
                    digest.update(part)
    except (OSError, ValueError):
        return ""
    return digest.hexdigest()


def unseen_digest(source: FoundSource) -> str:
    """As ``whole_digest``; "" where ``content_digest`` has seen every byte, and nothing is left to be told apart."""
    if source.remote is not None:
        return whole_digest(source)
    with suppress(OSError, ValueError):
        if all(path.stat().st_size <= 2 * LOOKED_AT for path in files_of(source)):
            return ""
    return whole_digest(source)


def is_rewritten(source: FoundSource, content: str, mark: str) -> bool:
    """Whether a clip of this ``content_digest`` and ``stamp`` may hold something else now. A time of writing that is
    the same, and only that of a change of its rights or links another, is none."""
    now = stamp(source)
    if now == mark:
        return False
    if content_digest(source) != content:
        return True
    return bool(unseen_digest(source)) and written(now) != written(mark)


def stamp(source: FoundSource) -> str:
    """What changes whenever a clip's files are written: their sizes and times. "" where they cannot be looked at.

    As long as it stays the same, the content need not be read to be known.
    """
    if source.remote is not None:
        return source.remote.mark
    with suppress(OSError, ValueError):
        marks = [_mark(path) for path in files_of(source)]
        return marks[0] if len(marks) == 1 else hashlib.sha256(" ".join(marks).encode()).hexdigest()
    return ""


def written(mark: str) -> str:
    """Of a ``stamp`` of one file, its size and when it was written: to rename it changes neither."""
    return mark.rpartition("-")[0] or mark


def _mark(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}"
