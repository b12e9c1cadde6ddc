"""Messages of children: whole, bounded, and nothing but numbers, text and images."""

from __future__ import annotations

import io
import os
import struct
import threading

import numpy as np
import pytest

from seqcls.processes.child_messages import Message, receive, send


@pytest.mark.parametrize("shape", [(48, 64), (3, 5, 3), (600, 800)])
def test_an_image_comes_as_it_was_sent(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as source, os.fdopen(writing, "wb") as sink:
        sender = threading.Thread(target=send, args=(sink, Message(b"F", 0.25, 1 / 3, "weak", image[:, ::-1])))
        sender.start()  # more than a pipe holds
        got = receive(source)
        sender.join()
    assert got is not None and (got.kind, got.first, got.second, got.text) == (b"F", 0.25, 1 / 3, "weak")
    assert got.image is not None and np.array_equal(got.image, image[:, ::-1])


def test_texts_that_are_no_utf8_and_the_end() -> None:
    pipe = io.BytesIO()
    send(pipe, Message(b"E", text="P\udcff \u00e9"))
    send(pipe, Message(b"."))
    content = pipe.getvalue()
    pipe = io.BytesIO(content)
    assert receive(pipe) == Message(b"E", text="P\udcff \u00e9") and receive(pipe) == Message(b".")
    assert receive(pipe) is None and receive(io.BytesIO(content[:30])) is None


@pytest.mark.parametrize("sizes", [(1 << 31, 0, 0, 0), (0, 1 << 20, 1 << 20, 0), (0, 4, 4, 200)])
def test_an_impossible_size_is_refused_before_anything_is_made(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="impossible size"):
        receive(io.BytesIO(struct.pack("<cddIIIBb", b"F", 0.0, 0.0, *sizes, -1)))
