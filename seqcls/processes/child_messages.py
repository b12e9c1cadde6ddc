"""What passes between seqcls and a child that reads images for it: texts, numbers and images, through its pipes.

What comes from a child is not trusted, for it works on foreign data: lengths are bounded before anything is allocated,
and nothing of it is unpickled.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from seqcls.processes.shared_images import MIN_BYTES, SharedImages
from seqcls.types import MAX_PIXELS

#: What follows, two numbers, the length of a text, height, width, channels (0: gray without an axis), and in which slot
#: of the shared memory the image is (-1: behind this).
_HEAD = struct.Struct("<cddIIIBb")
_MAX_TEXT_BYTES = 64 << 20  # a report lists every gap


@dataclass(frozen=True, slots=True)
class Message:
    """One message; what its numbers mean depends on ``kind``, one byte. image: (H, W) or (H, W, 3) uint8."""

    kind: bytes
    first: float = 0.0
    second: float = 0.0
    text: str = ""
    image: NDArray[np.uint8] | None = None


def send(pipe: IO[bytes], message: Message, shared: SharedImages | None = None) -> None:
    """Write it whole, a large image into ``shared`` where there is one. Raises OSError when nobody reads any more."""
    text, image = message.text.encode(errors="surrogatepass"), message.image
    height, width, *channels = (0, 0) if image is None else image.shape
    depth, slot = channels[0] if channels else 0, -1
    if image is not None and shared is not None and image.nbytes >= MIN_BYTES:
        slot = shared.put(image)
    head = _HEAD.pack(message.kind, message.first, message.second, len(text), height, width, depth, slot)
    pipe.write(head + text)
    if image is not None and slot < 0:
        pipe.write(np.ascontiguousarray(image).data.cast("B"))
    pipe.flush()


def receive(pipe: IO[bytes], shared: SharedImages | None = None) -> Message | None:
    """The next message, None at the pipe's end. Raises ValueError for what no child of ours would send.

    ``pipe`` should have no buffer: images are read to where they stay.
    """
    head = _read(pipe, _HEAD.size)
    if head is None:
        return None
    kind, first, second, length, height, width, channels, slot = _HEAD.unpack(head.data)
    if length > _MAX_TEXT_BYTES or height * width > MAX_PIXELS or channels not in (0, 3):
        raise ValueError("a message of an impossible size")
    text = _read(pipe, length)
    shape = (height, width, channels) if channels else (height, width)
    image = None
    if height and width and slot >= 0 and shared is not None:
        image = shared.take(slot, shape)
    elif height and width:
        body = _read(pipe, height * width * max(channels, 1))
        image = None if body is None else body.reshape(shape)
    if text is None or (height and width and image is None):
        return None
    return Message(kind, first, second, text.tobytes().decode(errors="surrogatepass"), image)


def _read(pipe: IO[bytes], count: int) -> NDArray[np.uint8] | None:
    """(count,) uint8, None at the pipe's end."""
    content = np.empty(count, np.uint8)
    rest = content.data
    while len(rest):
        done: int = pipe.readinto(rest)  # type: ignore[attr-defined]  # an unbuffered file has it
        if not done:
            return None
        rest = rest[done:]
    return content


def child_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """A child's stdin and stdout, out of reach of native libraries: these write to stdout, and on Windows a library
    that is being loaded waits until nobody reads from stdin."""
    orders, messages = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    return orders, messages


def end_with_parent(orders: IO[bytes]) -> None:
    """For a thread of the child: a parent that was killed cannot end its child, which may be stuck in native code."""
    with suppress(OSError):
        orders.read()
    os._exit(0)
