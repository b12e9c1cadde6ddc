"""A child's end of what it has with its parent: objects that it is asked for come in, messages and images go out."""

from __future__ import annotations

import json
import os
import pickle
import queue
import struct
import threading
from contextlib import suppress
from typing import IO, Any

from seqcls.processes.child_messages import Message, child_pipes, send
from seqcls.processes.process_limits import limit_this_process
from seqcls.processes.shared_images import SharedImages

#: What the parent writes: an object, as the length of its pickle and that; or that the child is to leave what it does.
ORDER, STOP = b"O", b"S"
LENGTH = struct.Struct("<I")
#: What a child is given first: the memory that it may take, and its end of ``SharedImages`` (-1: none).
SETTINGS = struct.Struct("<qii")
#: The first message: what the child has given up, see ``limit_this_process``.
READY = b"R"


class Parent:
    """Made once, first of all, by a program that is a child: from here on it has no more than it may have.

    stopped: set once the parent wants what it asked for to be left.
    """

    def __init__(self) -> None:
        orders, self._messages = child_pipes()
        memory_bytes, *fds = SETTINGS.unpack(orders.read(SETTINGS.size))
        self._shared = SharedImages.for_child(fds) if fds[0] >= 0 else None
        given_up = limit_this_process(memory_bytes)
        self._wanted = queue.SimpleQueue[Any]()
        self.stopped = threading.Event()
        threading.Thread(target=self._listen, args=(orders,), daemon=True).start()
        self.send(Message(READY, text=json.dumps(given_up)))

    def next(self) -> Any:
        """What the parent sent next, once it is there."""
        return self._wanted.get()

    def send(self, message: Message) -> None:
        """Raises OSError when nobody reads any more."""
        send(self._messages, message, self._shared)

    def _listen(self, orders: IO[bytes]) -> None:
        """A parent that was killed cannot end its child, which may be stuck in native code."""
        with suppress(OSError, EOFError):
            while kind := orders.read(1):
                if kind == ORDER:
                    (length,) = LENGTH.unpack(orders.read(LENGTH.size))
                    self._wanted.put(pickle.loads(orders.read(length)))  # it comes from the parent alone
                else:
                    self.stopped.set()
        os._exit(0)
