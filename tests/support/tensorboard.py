"""What stands in a file of events."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


def events(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Step and values of each record of a file of events, after its first one; each with a length and two checksums
    (TFRecord), the second of which is of the record itself."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    content, at, records = path.read_bytes(), 0, []
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        record = content[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", content, at + 12 + length) == (masked_crc32c(record),)
        records.append(Event.FromString(record))
        at += 16 + length
    assert records[0].file_version == "brain.Event:2"
    for record in records[1:]:
        yield record.step, {value.tag: value.simple_value for value in record.summary.value}
