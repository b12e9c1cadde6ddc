"""Stable pseudonyms for names of clips, folders and patients: a keyed hash, which nobody without the key can undo.

A name alone is no secret (there are few patients and few ways to write their names), so a plain hash of it could be
found by trying. HMAC-SHA256 with a key that is kept apart cannot (RFC 2104).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import SeqclsError, UsageError, one_line
from seqcls.files import nfc
from seqcls.files.named_files import read_regular
from seqcls.sources.base import Source
from seqcls.sources.found import FoundSource
from seqcls.text.foreign_text import for_name, for_terminal, from_name
from seqcls.timeline import Timeline
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: What every pseudonym begins with: none is a number, or the name of an option.
PREFIX = "h-"
#: Letters and digits of a pseudonym, 5 bits each: of 100,000 names two are alike once in 200 million times.
_LENGTH = 12
_MIN_KEY_BYTES, _MAX_KEY_BYTES, _MIN_DIFFERENT_BYTES = 32, 4096, 10
_MAKE_KEY = 'make one with: python -c "import secrets; print(secrets.token_hex(32))" > KEYFILE; chmod 600 KEYFILE'
#: Shorter names, and words that messages are made of, are hidden only where they stand beside a slash.
_MIN_ALONE = 3
_WORDS = frozenset(
    {
        "clip", "clips", "data", "dicom", "file", "files", "folder", "frame", "frames", "home", "image", "images",
        "input", "media", "mnt", "name", "output", "source", "test", "tmp", "train", "validation", "video", "videos",
    }
)  # fmt: skip
#: What may stand around a part of a path; "" is the text's begin and end.
_SLASHES = ("/", "\\")
_ENDS = ("", *_SLASHES, " ", "'", '"', ":", ",", ";", "(", ")")
_PSEUDONYM = re.compile(r"(?<!\w)[a-z]+-([a-z2-7]+)(?!\w)")
#: Names of an earlier run that had a key: they are none to hide, and stay what they are.
_EARLIER = re.compile(rf"{PREFIX}[a-z2-7]{{{_LENGTH}}}")
_WORD = re.compile(r"\w+")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}")


class Pseudonyms:
    """Names as a run may show them. Equal names get equal pseudonyms, with the same key also in other runs.

    ``key``: None draws one, which is forgotten with the run. Raises SeqclsError in the method that would give two names
    one pseudonym.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._given: dict[str, str] = {}
        self._hidden: dict[str, str] = {}
        self._kept: set[str] = set()
        #: Of the names in it: first word -> how many characters stand before that word -> lengths.
        self._lengths: dict[str, dict[int, set[int]]] = {}

    def of(self, text: str, kind: str = "name") -> str:
        """The pseudonym of a text; the same text of another kind (a patient, a study) has another one."""
        text = f"{kind}\0{for_terminal(nfc(text))}"
        code = base64.b32encode(self._digest(text)).decode().lower()[:_LENGTH]
        if self._given.setdefault(code, text) != text:
            raise SeqclsError("two names have the same pseudonym with this key; use another key")
        return f"{PREFIX}{code}" if kind == "name" else f"{kind}-{code}"

    def file(self, name: str) -> str:
        """Of one part of a path on the disk. A suffix stays, so that a name with and without it belong together."""
        if name in ("", ".", "..") or self._is_own(name):
            return name
        suffix = PurePath(name).suffix
        suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
        return self.of(for_name(name.removesuffix(suffix))) + suffix.lower()

    def path(self, path: str) -> str:
        """Part by part, so that folders keep together what belongs together; with slashes."""
        return "/".join(self.file(part) for part in path.replace("\\", "/").split("/"))

    def uid(self, uid: str) -> str:
        """A DICOM UID in place of another (PS3.5 B.2)."""
        digest = self._digest(f"uid\0{uid}")
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    def remember(self, *paths: str | Path) -> None:
        """Hide these names, and each part of them, in what ``hide`` is asked for."""
        for path in map(str, paths):
            if "://" in path:
                self._hide_as(path, self.of(path))
                continue
            for part in {*path.replace("\\", "/").split("/"), *Path(path).absolute().parts}:
                for name in {part, PurePosixPath(part).stem} - {"", ".", ".."}:
                    self._hide_as(name, self.file(name))

    def keep(self, *paths: str | Path | None) -> None:
        """What the user named on purpose (a model, an output, a label file) stays readable in what ``hide`` gives, but
        for what is the very name of a clip or of its folder."""
        for path in filter(None, map(str, filter(None, paths))):
            self._kept |= {path, str(Path(path).absolute()), Path(path).name} - {""}

    def remember_patients(self, *patients: str) -> None:
        """Hide these, too, under the pseudonyms of patients."""
        for patient in filter(None, patients):
            self._hide_as(patient, self.of(patient, "patient"))

    def _hide_as(self, name: str, pseudonym: str) -> None:
        for written in {name, for_terminal(name), for_name(name)}:
            if (word := _WORD.search(written)) is not None:  # of signs alone, it names nobody
                self._hidden[written] = pseudonym
                self._lengths.setdefault(word[0], {}).setdefault(word.start(), set()).add(len(written))

    def hide(self, text: str) -> str:
        """The text with every remembered name replaced by its pseudonym."""
        parts: list[str] = []
        done = 0
        # By the first word of each name: an archive has 100,000 names, and each frame may have a reason.
        own = [found.span() for found in _PSEUDONYM.finditer(text) if found[1] in self._given]
        own += self._spans_kept(text)
        for word in _WORD.finditer(text):
            # What is kept is no name, but a longer name may begin with it.
            kept_until = max((end for begin, end in own if begin <= word.start() < end), default=0)
            for begin, end in self._candidates(word):
                name = text[begin:end]
                if begin >= done and end > kept_until and name in self._hidden and _stands_alone(text, begin, end):
                    parts += [text[done:begin], self._hidden[name]]
                    done = end
                    break
        return "".join([*parts, text[done:]])

    def _spans_kept(self, text: str) -> list[tuple[int, int]]:
        return [
            found.span()
            for kept in self._kept - self._hidden.keys()
            for found in re.finditer(rf"(?<![\w./\\-]){re.escape(kept)}(?![\w-])", text)
        ]

    def _candidates(self, word: re.Match[str]) -> list[tuple[int, int]]:
        """Where names of which this is the first word would begin and end, the longest first."""
        places = [
            (word.start() - before, word.start() - before + length)
            for before, lengths in self._lengths.get(word[0], {}).items()
            for length in lengths
            if word.start() >= before
        ]
        return sorted(places, key=lambda place: place[0] - place[1])

    def source(self, source: FoundSource) -> FoundSource:
        """The same clip, or set of images, under its pseudonym."""
        return replace(
            source,
            path=self.path(source.path) if source.path else self.of(source.spec) if "://" in source.spec else "",
            image_paths=tuple(map(self.path, source.image_paths)),
            study=self.of(source.study, "study") if source.study else "",
            series=self.of(source.series, "series") if source.series else "",
        )

    def info(self, info: SourceInfo) -> SourceInfo:
        """What a source says of itself; a camera's number is no name."""
        if info.kind == "camera":
            return info
        name = self.of(info.name) if "://" in info.name else self.file(from_name(info.name))
        return replace(info, name=name, path=self.path(from_name(info.path)) if info.path else "")

    def remember_timeline(self, timeline: Timeline) -> None:
        """Hide the names of the clip that a finished run is of."""
        if timeline.source.kind != "camera":
            self.remember(*map(from_name, filter(None, (timeline.source.name, timeline.source.path))))

    def report(self, report: SourceReport) -> SourceReport:
        """What a source says at its end."""
        gaps = tuple(replace(gap, reason=self.hide(gap.reason)) for gap in report.gaps)
        return replace(report, reasons=tuple(map(self.hide, report.reasons)), gaps=gaps)

    def timeline(self, timeline: Timeline) -> Timeline:
        """The same timeline without names: of the source, in reasons and in warnings."""
        scores = timeline.scores
        reasons = {reason: self.hide(reason) for reason in set(scores.reason)}
        return replace(
            timeline,
            source=self.info(timeline.source),
            intervals=tuple(replace(each, reason=self.hide(each.reason)) for each in timeline.intervals),
            scores=replace(scores, reason=tuple(reasons[reason] for reason in scores.reason)),
            report=self.report(timeline.report),
            warnings=tuple(map(self.hide, timeline.warnings)),
            provenance=replace(
                timeline.provenance,
                videos=tuple(replace(each, file=self.hide(each.file)) for each in timeline.provenance.videos),
            ),
        )

    def labels(self, labels: ClipLabels) -> ClipLabels:
        """The labels of a clip under its pseudonym, and that of its patient; a clip may be its own patient."""
        own = labels.patient == labels.file
        return replace(
            labels,
            file=self.path(labels.file),
            patient=self.path(labels.file) if own else self.of(labels.patient, "patient"),
            notes=tuple(map(self.hide, labels.notes)),
        )

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")

    def _is_own(self, name: str) -> bool:
        stem = name.split(".")[0]
        return _EARLIER.fullmatch(stem) is not None or (
            stem.startswith(PREFIX) and stem.removeprefix(PREFIX) in self._given
        )


def _stands_alone(text: str, begin: int, end: int) -> bool:
    """Whether a name there is one, and no part of a word; a short one, or a common word, is one beside a slash only."""
    name, before, after = text[begin:end], text[begin - 1 : begin], text[end : end + 1]
    if _WORD.match(before) or _WORD.match(after):
        return False
    if len(name) >= _MIN_ALONE and name not in _WORDS:
        return True
    return (before in _SLASHES and after in _ENDS) or (after in _SLASHES and before in _ENDS)


def read_key(path: Path) -> bytes:
    """The key in a file, without blanks and line ends around it: editors add them.

    Raises UsageError for a file that is absent, that others can read, or that holds no key: too short, too long, or the
    same few characters again and again.
    """
    try:
        key = read_regular(path, _MAX_KEY_BYTES).strip()
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UsageError(f"{path}: no such key for names; {_MAKE_KEY}") from None
    except OSError as error:
        raise UsageError(f"{path}: the key for names cannot be read ({one_line(error)}); {_MAKE_KEY}") from None
    if sys.platform != "win32" and mode & 0o077:
        raise UsageError(f"{path}: others can read the key for names (mode {mode & 0o777:o}); chmod 600 it")
    if len(key) < _MIN_KEY_BYTES or len(set(key)) < _MIN_DIFFERENT_BYTES:
        raise UsageError(f"{path}: the key for names is too weak ({len(key)} bytes); {_MAKE_KEY}")
    return key


def real_names(names: Pseudonyms, paths: Iterable[str]) -> dict[str, str]:
    """From the pseudonym of each path, and of its last part where that is unique, back to the path."""
    back: dict[str, str] = {}
    twice: set[str] = set()
    for path in paths:
        back[names.path(path)] = path
        last = names.file(path.rsplit("/", 1)[-1])
        if back.setdefault(last, path) != path:
            twice.add(last)
    return {name: path for name, path in back.items() if name not in twice}


class RenamedSource(AbstractContextManager[Source]):
    """A source whose facts and gaps name nobody. ``source``: read through this one alone."""

    def __init__(self, source: Source, names: Pseudonyms) -> None:
        self.info = names.info(source.info)
        self._source, self._names = source, names

    def __iter__(self) -> Iterator[Frame | Gap]:
        known = None
        for item in self._source:
            if self._source.info is not known:  # the first frame may tell more
                known = self._source.info
                self.info = self._names.info(known)
            yield replace(item, reason=self._names.hide(item.reason)) if isinstance(item, Gap) else item

    def report(self) -> SourceReport:
        return self._names.report(self._source.report())

    def close(self) -> None:
        self._source.close()

    def __exit__(self, *_: object) -> None:
        self.close()
