"""A clip's results appear by one rename of a finished folder: that is the commit, and the checkpoint.

What tells of it is ``clip.json`` in that folder, which is written before the rename: a folder that has one is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from seqcls.errors import OutputError, SeqclsError, one_line
from seqcls.exports import RUN_ENDS, exported_in, read_run
from seqcls.exports.run_folders import COMMIT
from seqcls.files import make_folder, sync_folder
from seqcls.files.json_record import known_fields, record_from
from seqcls.files.json_text import read_json, write_json
from seqcls.files.named_files import open_regular
from seqcls.files.output_lock import OutputBusyError, only_writer
from seqcls.files.safe_names import is_clip_name
from seqcls.files.temporaries import is_temporary, replace_folder, sweep, temporary_folder
from seqcls.rendering.cut_files import CUTS_NAME, cuts_in
from seqcls.timeline import Timeline

FORMAT = 1
_MAX_BYTES = 1 << 20
#: What is read again by ``verify``; all else can be made from it.
_DATA = ("timeline.json", "pictures.csv", "intervals.csv", "scores.csv")
_SHOWN = ("timeline.png", "overlay.mp4")
#: What a run may leave in a clip's folder, and what may go with it when it is replaced.
_OF_A_RUN = frozenset({COMMIT, *_DATA, "timeline.png", "report.html", "thumbnail.jpg", "overlay.mp4"})

Status = Literal["done", "truncated", "damaged", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What is known of a clip whose results are there."""

    path: str
    """Which clip, as the run names it."""
    content: str
    """Digest of what the clip holds, without the middle of a large file."""
    whole: str = ""
    """Digest of every byte, where ``content`` has not seen them all."""
    run: str
    """Digest of the model and of the options: see ``result_key.run_key``."""
    status: Status
    """done: all of it was read; truncated, damaged: as far as it went; interrupted: by a person."""
    reason: str = ""
    """Why it is not done."""
    duration_s: float | None = None
    """Length of the clip in seconds; None for single images, which have no time."""
    coverage: float = 1.0
    """The share that could be scored, 0..1."""
    warnings: tuple[str, ...] = ()
    """What a reader must know besides."""
    seconds: Mapping[str, float | None] = field(default_factory=dict)
    """For how long each organ is in view; None where all of the clip is unknown."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The files that hold the results, with the SHA-256 of each."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """Likewise, of pictures and videos that were made of them; only ``fault_of`` looks for these."""

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing left to be done for this clip."""
        return self.status != "interrupted"

    def is_of(self, path: str, content: str, whole: str) -> bool:
        """Whether these are the results of what the clip holds now, by the digests of an ``Entry``; where it cannot be
        read now, but was, its results stand."""
        same = content in ("", self.content) and self.path == path
        return same and (not whole or self.whole in ("", whole))


def commit_of(
    timelines: Sequence[Timeline], *, path: str, content: str, whole: str = "", run: str, is_clip: bool
) -> Commit:
    """Of a clip's one timeline, or of those of single images."""
    verdicts = {one.report.verdict for one in timelines}
    status: Status = "done"
    for bad in ("truncated", "damaged", "interrupted"):
        status = bad if bad in verdicts else status
    reasons = [reason for one in timelines for reason in one.report.reasons if one.report.verdict != "complete"]
    notes = [note for one in timelines for note in one.notes if note not in reasons[:1]]
    first = timelines[0]
    seconds = {
        organ: None
        if all(span.state == "unknown" for span in first.of(organ))
        else round(sum((span.duration_s for span in first.of(organ, "present")), 0.0), 6)
        for organ in (first.organs if is_clip else ())
    }
    return Commit(
        path=path,
        content=content,
        whole=whole,
        run=run,
        status=status,
        reason=reasons[0] if reasons else "",
        duration_s=round(first.end_s - first.start_s, 6) if is_clip else None,
        coverage=round(sum(one.coverage for one in timelines) / len(timelines), 6),
        warnings=tuple(dict.fromkeys(notes)),
        seconds=seconds,
    )


def read_commit(folder: Path) -> Commit | None:
    """What is committed in a clip's folder; None where nothing is, or where a file of it is gone."""
    try:
        body = read_json(folder / COMMIT, _MAX_BYTES)
        if body["format"] != FORMAT:
            return None
        found = record_from(Commit, known_fields(Commit, body), COMMIT)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not set(found.files) <= set(_DATA) or not all(map(_is_shown, found.shown)):
        return None
    if not all(type(each) in (int, float, type(None)) for each in found.seconds.values()):
        return None  # nothing that ``seal`` wrote
    place = os.fspath(folder)  # paths as text: this is asked of each clip of an archive
    return found if all(os.path.isfile(f"{place}/{name}") for name in found.files) else None  # noqa: PTH113


def commits_in(root: Path) -> Iterator[tuple[Path, Commit]]:
    """The folder and the commit of every clip whose results lie below ``root``, in the order of their folders."""
    for path in sorted(root.rglob(COMMIT)):
        if not any(map(is_temporary, path.relative_to(root).parts)):
            found = read_commit(path.parent)
            if found is not None:
                yield path.parent, found


def fault_of(folder: Path, commit: Commit) -> str:
    """Why committed results cannot be used, found by reading all of them; "" where they can."""
    for name, digest in {**commit.files, **commit.shown}.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} has changed since it was written"
        except OSError as error:
            return f"{name} cannot be read ({one_line(error)})"
    try:
        if "timeline.json" in commit.files:
            read_run(folder)
    except SeqclsError as error:
        return one_line(error)
    return ""


@contextmanager
def committed(folder: Path, *, replaces: Callable[[], bool]) -> Iterator[Path]:
    """Yields a new folder; what is written into it, a commit by ``seal`` as the last, becomes ``folder`` in one step.

    Without a commit it is removed. An error inside leaves everything as it was. ``replaces``: asked where ``folder`` is
    there already whether it may be replaced; files in it that no run wrote are kept. Raises OutputBusyError where
    somebody else has written there, or is writing, and OutputError.
    """
    make_folder(folder.parent)
    if folder.exists() and not folder.is_dir():
        raise OutputBusyError(f"{folder} is a file, where results are to go: move it away")
    _require_idle(folder)
    if folder.exists() and not replaces():
        raise OutputBusyError(f"another run has written {folder} meanwhile; its results are kept")
    with temporary_folder(folder.parent) as scratch:
        new = scratch / "new"
        make_folder(new)
        try:
            yield new
        except OutputError as error:
            raise OutputError(str(error).replace(str(new), str(folder))) from error.__cause__
        if not (new / COMMIT).exists():  # there was nothing to be kept
            return
        _require_idle(folder)
        try:
            _put_in_place(new, folder, scratch, replaces)
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {one_line(error)}; choose another place") from error
        sync_folder(folder.parent)


def seal(folder: Path, commit: Commit) -> None:
    """Write the commit of what lies in the new folder, which is then ready to be put in its place."""
    files, shown = (
        {name: _digest(folder / name) for name in names if (folder / name).is_file()} for names in (_DATA, _SHOWN)
    )
    shown |= {f"{CUTS_NAME}/{path.name}": _digest(path) for path in cuts_in(folder / CUTS_NAME)[0]}
    write_json(folder / COMMIT, {"format": FORMAT, **asdict(replace(commit, files=files, shown=shown))})


def _put_in_place(new: Path, folder: Path, scratch: Path, replaces: Callable[[], bool]) -> None:
    """Raises OSError, OutputError."""
    try:
        os.rename(new, folder)  # noqa: PTH104 - onto an empty folder too, which Path.replace says less clearly
    except OSError:
        if not folder.is_dir():
            raise
        if not replaces():
            raise OutputBusyError(f"another run has written {folder} meanwhile; its results are kept") from None
        _keep_others(folder, new)
        replace_folder(new, folder, scratch)


def _require_idle(folder: Path) -> None:
    """Raises OutputBusyError where a run is writing there by itself."""
    if folder.is_dir():
        sweep(folder)
        with only_writer(folder, is_folder=True):
            pass


def _keep_others(old: Path, new: Path) -> None:
    """What a person put into the old folder goes on in the new one. Raises OSError, OutputError."""
    cuts, others = cuts_in(old / CUTS_NAME)
    if others:
        raise OutputError(f"{others[0]} is no clip that --cut wrote, so it is not replaced: move it away")
    exported = {path.name for path in exported_in(old)}
    for path in sorted(old.iterdir()):
        if path.name in _OF_A_RUN or path.name in exported or is_temporary(path.name) or (new / path.name).exists():
            continue
        if path.name == CUTS_NAME and cuts:
            continue
        if path.is_dir() and not path.is_symlink():
            raise OutputError(f"{path} is no part of a run, so {old} is not replaced: move it away")
        try:
            os.link(path, new / path.name, follow_symlinks=False)
        except (OSError, NotImplementedError):
            shutil.copy2(path, new / path.name, follow_symlinks=False)


def is_run(folder: Path) -> bool:
    """Whether results of any run lie in the folder, committed or not."""
    return any((folder / name).exists() for name in RUN_ENDS)


def _is_shown(name: str) -> bool:
    folder, _, last = name.rpartition("/")
    return name in _SHOWN or (folder == CUTS_NAME and is_clip_name(last))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
