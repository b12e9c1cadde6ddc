"""What decoders report in their log alone becomes a reason, and the frame is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import av.logging
import pytest
from support.clips import make, read
from support.media import read_number

from seqcls.sources.decoder_log import decoder_messages


def test_a_frame_whose_checksum_does_not_fit_is_damaged(tmp_path: Path) -> None:
    """FFV1 decodes it all the same, fills the slice from the frame before and says so in its log."""
    path = make(tmp_path, "avi ffv1", frames=8)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][5]
    data = bytearray(path.read_bytes())
    data[packet.pos + packet.size // 2] ^= 4
    path.write_bytes(data)
    frames, gaps, report = read(path)
    assert [bool(frame.damaged) for frame in frames] == [k >= 5 for k in range(8)] and not gaps  # it has one key frame
    assert report.verdict == "damaged" and "slice CRC mismatch" in report.reasons[0]


def test_messages_about_damage_are_collected_from_this_thread_alone(caplog: pytest.LogCaptureFixture) -> None:
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    with decoder_messages() as outer, decoder_messages() as found:
        for _ in range(2):
            av.logging.log(av.logging.ERROR, "ffv1", "slice CRC mismatch 1A2B3C4D!")
        av.logging.log(av.logging.ERROR, "h264", "co located POCs unavailable")
        av.logging.log(av.logging.WARNING, "mpeg2video", "ac-tex damaged at 10 -3")
        av.logging.log(av.logging.ERROR, "wmv1", "dc overflow- block: 0 qscale: 2//")
    damage = [
        "slice CRC mismatch N",
        "slice CRC mismatch N",
        "ac-tex damaged at N N",
        "dc overflow- block: N qscale: N//",
    ]
    assert found == damage and outer == []
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
    with decoder_messages() as found:
        pass
    assert found == [] and not [r for r in caplog.records if r.levelno > logging.ERROR]


def test_a_level_that_somebody_set_is_put_back() -> None:
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with decoder_messages():
            assert av.logging.get_level() == av.logging.VERBOSE
        assert av.logging.get_level() == av.logging.VERBOSE
    finally:
        av.logging.set_level(None)


def test_numbers_of_a_clip_are_not_touched_by_listening(tmp_path: Path) -> None:
    frames, _, report = read(make(tmp_path, "avi ffv1", frames=5))
    assert [read_number(frame.image) for frame in frames] == list(range(5)) and report.verdict == "complete"
