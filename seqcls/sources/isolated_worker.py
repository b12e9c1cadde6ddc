"""The process that reads clips for ``isolated``: orders come by its stdin, frames go to its stdout."""

from __future__ import annotations

import json
import os
import pickle
import queue
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict
from functools import partial
from typing import IO

import numpy as np

from seqcls import errors
from seqcls.errors import SeqclsError, one_line
from seqcls.processes.child_messages import Message, child_pipes, send
from seqcls.processes.process_limits import limit_this_process
from seqcls.processes.shared_images import SharedImages
from seqcls.sources import open_found
from seqcls.sources.decoder_child import (
    END,
    ERROR,
    FRAME,
    GAP,
    INFO,
    LENGTH,
    ORDER,
    READY,
    REPORT,
    SETTINGS,
    Order,
    VideoOrder,
)
from seqcls.sources.images import deep_sample
from seqcls.sources.levels import SetLevels
from seqcls.sources.video_seek import SeekableVideo
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: A clip; a video, then numbers of its frames, then None.
_Wanted = queue.SimpleQueue[Order | VideoOrder | int | None]


def main() -> None:
    """Read one clip after the other until stdin is closed or nobody reads any more."""
    orders, messages = child_pipes()
    memory_bytes, *fds = SETTINGS.unpack(orders.read(SETTINGS.size))
    shared = SharedImages.for_child(fds) if fds[0] >= 0 else None
    given_up = limit_this_process(memory_bytes)
    wanted: _Wanted = queue.SimpleQueue()
    levels: SetLevels | None = None
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(orders, wanted, stopped), daemon=True).start()
    try:
        with suppress(OSError):  # nobody reads any more
            send(messages, Message(READY, text=json.dumps(given_up)))
            while True:
                order = wanted.get()
                if isinstance(order, VideoOrder):
                    _answered(order.name, partial(_show, order, wanted, messages, shared), messages)
                elif isinstance(order, Order):
                    if order.images is not None:
                        levels = SetLevels(partial(deep_sample, order.images)) if order.images else None
                    _answered(order.name, partial(_read, order, levels, messages, shared, stopped), messages)
    finally:
        os._exit(0)  # native libraries may hang in their clean-up


def _listen(orders: IO[bytes], wanted: _Wanted, stopped: threading.Event) -> None:
    """Pass the orders on. A parent that was killed cannot end its child, which may be stuck in native code."""
    with suppress(OSError, EOFError):
        while kind := orders.read(1):
            if kind == ORDER:
                (length,) = LENGTH.unpack(orders.read(LENGTH.size))
                order = pickle.loads(orders.read(length))  # it comes from the parent alone
                stopped.clear()
                wanted.put(order)
            else:
                stopped.set()
    os._exit(0)


def _answered(name: str, work: Callable[[], None], messages: IO[bytes]) -> None:
    """Do it, and send that it has ended, or with which error."""
    try:
        work()
        send(messages, Message(END))
    except BrokenPipeError:
        raise
    except SeqclsError as error:
        kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__)
        send(messages, Message(ERROR, text=f"{kind}\n{error}"))
    except MemoryError:
        text = f"{name}: needs more memory than decoding may take; cut it, or scale it down"
        send(messages, Message(ERROR, text=f"SourceError\n{text}"))
    except Exception as error:
        what = f"{type(error).__name__}: {one_line(error)}"
        text = f"{name}: reading failed ({what}); please report this with what led to it"
        send(messages, Message(ERROR, text=f"SourceError\n{text}"))


def _read(
    order: Order,
    levels: SetLevels | None,
    messages: IO[bytes],
    shared: SharedImages | None,
    stopped: threading.Event,
) -> None:
    with open_found(order.found, rate_hz=order.rate_hz, levels=levels, color=order.color) as source:
        send(messages, Message(INFO, text=_plain(source.info)))
        for item in source:
            if stopped.is_set():
                break
            send(messages, _message(item), shared)
        send(messages, Message(INFO, text=_plain(source.info)))  # reading on may have shown more
        send(messages, Message(REPORT, text=_plain(source.report())))


def _show(order: VideoOrder, wanted: _Wanted, messages: IO[bytes], shared: SharedImages | None) -> None:
    with closing(SeekableVideo(order.path, np.frombuffer(order.time_s, np.float64), order.threads)) as video:
        send(messages, Message(INFO, text=_plain(video.info)))
        while isinstance(index := wanted.get(), int):
            send(messages, Message(FRAME, image=video.image(index)), shared)


def _message(item: Frame | Gap) -> Message:
    if isinstance(item, Gap):
        return Message(GAP, item.start_s, item.end_s, item.reason)
    return Message(FRAME, item.time_s, item.duration_s, item.damaged, item.image)


def _plain(record: SourceInfo | SourceReport) -> str:
    return json.dumps(asdict(record))
