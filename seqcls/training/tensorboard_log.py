"""Epochs as TensorBoard shows them: curves of losses, rates and figures in a file of events.

The name of the file says when the training began and nothing of the computer or its user, as other writers have it;
inside are names of curves, epochs, times and numbers. Nothing is sent anywhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqcls.errors import OutputError, UsageError, one_line
from seqcls.evaluation.metrics import FrameMetrics
from seqcls.files import make_folder
from seqcls.third_party import library
from seqcls.training.epoch import Epoch

#: What TensorBoard knows a file by, and what is ours among such files.
_PREFIX, _SUFFIX = "events.out.tfevents.", ".seqcls"
#: The first record of every file.
_VERSION = "brain.Event:2"


class TensorBoardLog:
    """One file of events in ``folder``, anew for each start; what earlier ones wrote there is removed with the first
    epoch.

    A training that goes on is told of the epochs that have ended already (``fit``), so each stands there once. Where
    nothing can be written, the training goes on. on_message: gets lines for the user. Used in a ``with`` block, which
    closes the file. Raises UsageError where tensorboardX is not installed.
    """

    def __init__(self, folder: Path, on_message: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        try:
            self._tensorboard = library("tensorboardX")
            self._events = library("tensorboardX.proto.event_pb2")
        except ImportError:
            raise UsageError("TensorBoard's files need tensorboardX: pip install 'seqcls[tensorboard]'") from None
        self._folder, self._on_message, self._clock = folder, on_message, clock
        self._writer: Any = None
        self._failed = False

    def __call__(self, epoch: Epoch) -> None:
        """Add one that has ended."""
        self._add(epoch.number, dict(_curves(epoch)))

    def add_figures(self, epoch: int, organs: Sequence[str], metrics: Sequence[FrameMetrics]) -> None:
        """What the model of this epoch reaches on the validation, by organ, calibrated and at its thresholds."""
        names = ("auroc", "accuracy", "sensitivity", "specificity")
        own = zip(organs, metrics, strict=True)
        self._add(epoch, {f"best epoch/{organ} {name}": getattr(one, name) for organ, one in own for name in names})

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        if self._failed or not known:
            return
        try:
            if self._writer is None:
                self._writer = self._opened()
            event = self._events.Event(wall_time=self._clock(), step=step)
            for name, value in known.items():
                event.summary.value.add(tag=name, simple_value=value)
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except (OSError, OutputError) as error:
            self._failed = True
            self._on_message(f"no curves for TensorBoard from epoch {step} on: {one_line(error)}")

    def _opened(self) -> Any:
        make_folder(self._folder)
        for old in self._folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            old.unlink()
        now_s = self._clock()
        writer = self._tensorboard.RecordWriter(str(self._folder / f"{_PREFIX}{int(now_s)}{_SUFFIX}"))
        writer.write(self._events.Event(wall_time=now_s, file_version=_VERSION).SerializeToString())
        return writer


def _curves(epoch: Epoch) -> Iterator[tuple[str, float]]:
    """By their names: curves with the same word before the slash stand together."""
    yield "loss/training", epoch.loss
    yield "loss/validation", epoch.validation_loss
    yield "auroc/validation", epoch.auroc
    for one in epoch.organs:
        yield f"auroc/{one.organ}", one.auroc
    yield "rate/learning", epoch.lr
    yield "rate/images per second", epoch.images_per_s
