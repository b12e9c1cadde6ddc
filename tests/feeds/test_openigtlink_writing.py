"""What is written is read back by this package's own reader, and has the layout of the standard."""

from __future__ import annotations

import numpy as np

from seqcls.feeds.openigtlink_wire import Message, Receiver
from seqcls.feeds.openigtlink_writing import image_message, string_message


def test_messages_are_read_back() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    receiver = Receiver()
    receiver.add(image_message("an image", image, 12.5) + string_message("ä" * 11, "hello", 12.5))
    first, second = receiver.take(), receiver.take()
    assert isinstance(first, Message) and isinstance(second, Message) and first.image is not None
    assert (first.type, first.device, first.timestamp_s, first.image.tolist()) == (
        "IMAGE",
        "an image",
        12.5,
        image.tolist(),
    )
    assert (second.type, second.device) == ("STRING", "ä" * 10)
    assert string_message("d", "hello", 0.0)[58:] == b"\0\x03\0\x05hello"
