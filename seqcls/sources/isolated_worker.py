"""The process that reads clips for ``isolated``: orders come by its stdin, frames go to its stdout."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from seqcls import errors
from seqcls.errors import SeqclsError, one_line
from seqcls.processes.child_messages import Message
from seqcls.processes.parent import Parent
from seqcls.sources import open_found
from seqcls.sources.decoder_child import END, ERROR, FRAME, GAP, INFO, REPORT, Order, VideoOrder
from seqcls.sources.images import deep_sample
from seqcls.sources.levels import SetLevels
from seqcls.sources.video_seek import SeekableVideo
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: What does anything else that the parent asks for.
More = Callable[[Any], None]


def main() -> None:
    """Read one clip after the other until stdin is closed or nobody reads any more."""
    serve(Parent())


def serve(parent: Parent, more: More | None = None) -> None:
    """Never returns. ``more``: for what is no order to read a clip."""
    levels: SetLevels | None = None
    try:
        with suppress(OSError):  # nobody reads any more
            while True:
                order = parent.next()
                if isinstance(order, VideoOrder):
                    _answered(order.name, partial(_show, order, parent), parent)
                elif isinstance(order, Order):
                    parent.stopped.clear()
                    if order.images is not None:
                        levels = SetLevels(partial(deep_sample, order.images)) if order.images else None
                    _answered(order.name, partial(_read, order, levels, parent), parent)
                elif more is not None:
                    more(order)
    finally:
        os._exit(0)  # native libraries may hang in their clean-up


def _answered(name: str, work: Callable[[], None], parent: Parent) -> None:
    """Do it, and send that it has ended, or with which error."""
    try:
        work()
        parent.send(Message(END))
    except BrokenPipeError:
        raise
    except SeqclsError as error:
        kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__)
        parent.send(Message(ERROR, text=f"{kind}\n{error}"))
    except MemoryError:
        text = f"{name}: needs more memory than decoding may take; cut it, or scale it down"
        parent.send(Message(ERROR, text=f"SourceError\n{text}"))
    except Exception as error:
        what = f"{type(error).__name__}: {one_line(error)}"
        text = f"{name}: reading failed ({what}); please report this with what led to it"
        parent.send(Message(ERROR, text=f"SourceError\n{text}"))


def _read(order: Order, levels: SetLevels | None, parent: Parent) -> None:
    with open_found(order.found, rate_hz=order.rate_hz, levels=levels, color=order.color) as source:
        parent.send(Message(INFO, text=_plain(source.info)))
        for item in source:
            if parent.stopped.is_set():
                break
            parent.send(_message(item))
        parent.send(Message(INFO, text=_plain(source.info)))  # reading on may have shown more
        parent.send(Message(REPORT, text=_plain(source.report())))


def _show(order: VideoOrder, parent: Parent) -> None:
    with closing(SeekableVideo(order.path, np.frombuffer(order.time_s, np.float64), order.threads)) as video:
        parent.send(Message(INFO, text=_plain(video.info)))
        while isinstance(index := parent.next(), int):
            parent.send(Message(FRAME, image=video.image(index)))


def _message(item: Frame | Gap) -> Message:
    if isinstance(item, Gap):
        return Message(GAP, item.start_s, item.end_s, item.reason)
    return Message(FRAME, item.time_s, item.duration_s, item.damaged, item.image)


def _plain(record: SourceInfo | SourceReport) -> str:
    return json.dumps(asdict(record))
