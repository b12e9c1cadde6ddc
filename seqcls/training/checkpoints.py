"""The checkpoints of a training, in a folder beside the model: written as it goes, taken up by the next one, and gone
once the model is there.

Each holds everything, the best weights so far included. The last KEPT are kept, so that one which a power cut has
damaged costs an epoch and not the training. They are for the very same training alone: the same frames, options,
device, and versions of seqcls and PyTorch. With others the model would be neither the one nor the other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import OutputError, UsageError
from seqcls.files.json_text import json_line, parse_json
from seqcls.training.checkpoint_file import Checkpoint, read_checkpoint, remove_files, write_checkpoint
from seqcls.training.epoch import Epoch, epoch_from

#: In the folder of the learning curves.
FOLDER = "checkpoints"
KEPT = 2
#: Share of the time that writing may take, and how long the first one is taken to need: a checkpoint follows every
#: epoch, but for epochs of a second or so, which are lost in as little time as they are done again.
MAX_SHARE, FIRST_S = 0.1, 1.0
_NAME = re.compile(r"(?P<name>[a-z]+\d*)-(?P<step>\d{8})\.safetensors")


class Checkpoints:
    """Of one training, ``name``; others of the same command lie in the same folder.

    resume: whether what lies there is taken up; else it is replaced once there is something newer. command: what all
    trainings of the command have in common and ``bound_to`` does not know. on_message: gets lines for the user.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "model",
        resume: bool = False,
        command: Mapping[str, str] = MappingProxyType({}),
        on_message: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.name, self.resume, self.on_message = folder, name, resume, on_message
        self.command = dict(command)
        self._bound: Mapping[str, Any] = {}
        self._took_s, self._ended_s = FIRST_S, time.monotonic()

    def of_fold(self, number: int) -> Checkpoints:
        """Those of a round of cross-validation."""
        return Checkpoints(
            self.folder, name=f"fold{number}", resume=self.resume, command=self.command, on_message=self.on_message
        )

    def exist(self) -> bool:
        """Whether something that was not finished lies there, of this training or of its folds."""
        return any(True for _ in self._files(""))

    def require_command(self) -> None:
        """Raise UsageError where what lies there, of any of its trainings, is of a command with another ``command``."""
        for _, path in sorted(self._files(""), key=lambda file: file[1].stat().st_size):
            try:
                was = read_checkpoint(path).facts["bound"]
            except (ValueError, KeyError):
                continue  # a damaged one is named by who takes it up
            self._require({name: was[name] for name in self.command if name in was}, self.command)
            return

    def begin(self, bound: Mapping[str, Any]) -> Checkpoint | None:
        """The newest that is whole, None where there is none or nothing is to be taken up.

        bound: what it must have been written with (``bound_to``). Raises UsageError where that was something else.
        """
        self._bound, self._ended_s = self._known(bound), time.monotonic()
        if not self.resume:
            remove_files([path for _, path in self._files("") if path.name.startswith(f"{self.name}-")])
            return None
        return next(self._whole([path for _, path in reversed(self._files(self.name))]), None)

    def is_due(self) -> bool:
        """Whether enough time has passed since the last one."""
        return time.monotonic() - self._ended_s >= self._took_s / MAX_SHARE

    def save(self, checkpoint: Checkpoint) -> None:
        """Write one more, and remove those that are too old to be of use, or of later steps: these are damaged, or the
        training would have gone on from them. Where that fails, the training goes on."""
        began_s = time.monotonic()
        path = self.folder / f"{self.name}-{checkpoint.step:08d}.safetensors"
        try:
            write_checkpoint(path, self._with_bound(checkpoint))
            known = self._files(self.name)
            later = [path for step, path in known if step > checkpoint.step]
            remove_files([*later, *[path for step, path in known if step <= checkpoint.step][:-KEPT]])
        except OutputError as error:
            self.on_message(f"this checkpoint is not kept: {error}")
        self._ended_s = time.monotonic()
        self._took_s = self._ended_s - began_s

    def keep_scores(self, scores: NDArray[np.float32], course: Sequence[Epoch], bound: Mapping[str, Any]) -> None:
        """What came of a fold instead of what led to it: (T, K) scores of the frames left out, and its epochs. Where
        that fails, the training goes on."""
        self._bound = self._known(bound)
        try:
            found = Checkpoint(
                step=0, tensors={"scores": scores}, facts={"course": [asdict(epoch) for epoch in course]}
            )
            write_checkpoint(self._scores_path(), self._with_bound(found))
            remove_files([path for _, path in self._files(self.name)])
        except OutputError as error:
            self.on_message(f"the scores of this fold are not kept: {error}")

    def scores(self, bound: Mapping[str, Any]) -> tuple[NDArray[np.float32], tuple[Epoch, ...]] | None:
        """What ``keep_scores`` was given. Raises UsageError as ``begin``."""
        self._bound = self._known(bound)
        paths = [self._scores_path()] if self.resume and self._scores_path().is_file() else []
        found = next(self._whole(paths), None)
        if found is None:
            return None
        course = tuple(epoch_from(plain) for plain in found.facts.get("course", ()))
        return np.asarray(found.tensors["scores"], np.float32), course

    def remove(self) -> None:
        """All of them, the oldest first: killed amidst, the newest are still there. Raises OutputError."""
        remove_files([path for _, path in self._files("")])
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _whole(self, paths: list[Path]) -> Iterator[Checkpoint]:
        for path in paths:
            try:
                checkpoint = read_checkpoint(path)
                was = checkpoint.facts["bound"]
            except (ValueError, KeyError) as error:
                self.on_message(f"{path} is damaged ({error}): taking the one before it, if there is one")
                continue
            self._require(was, self._bound)
            yield checkpoint

    def _require(self, was: Any, now: Any) -> None:
        if differs := difference(was, now):
            raise UsageError(
                f"the unfinished training in {self.folder} is another one: {differs}; repeat its command with"
                " resume=True, or begin anew with overwrite=True"
            )

    def _known(self, bound: Mapping[str, Any]) -> Any:
        return parse_json(json_line({**self.command, **bound}))

    def _with_bound(self, checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, facts={**checkpoint.facts, "bound": self._bound})

    def _scores_path(self) -> Path:
        return self.folder / f"{self.name}-{0:08d}.safetensors"

    def _files(self, name: str) -> list[tuple[int, Path]]:
        """By step; of one training without the scores, or of all, with them."""
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match and (not name or (match["name"] == name and int(match["step"]))):
                found.append((int(match["step"]), path))
        return sorted(found)


def difference(was: Any, now: Any, place: str = "") -> str:
    """The first of what differs, in the order of ``now``, as ``epochs was 12, now 20``; "" where nothing does. Of what
    is kept as a digest nobody could tell more than that it differs."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = dict.fromkeys([*now, *was])
        inside = (difference(was.get(name), now.get(name), f"{place}.{name}" if place else name) for name in names)
        return next(filter(None, inside), "")
    if was == now:
        return ""
    if is_digest(was) or is_digest(now):
        return f"the {place} changed"
    return f"{place} {'were' if isinstance(now, list) else 'was'} {_short(was)}, now {_short(now)}"


def is_digest(value: Any) -> bool:
    """Whether it is a SHA-256, which says nothing to a person."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))[:60]
    return (value if isinstance(value, str) else json_line(value))[:60]
