"""What follows from a damaged picture is unknown up to the next key frame, and no longer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from support.clips import make, read

from seqcls.sources.error_propagation import ErrorPropagation

TYPES = {"I": 1, "P": 2, "B": 3}


def verdicts(shown: str, *, lost_before: int | None = None, codec: str = "h264") -> str:
    """Frames in the order in which they are shown, one a tick: I P B, in small letters where the decoder marks them as
    damaged. "." for a good one, "D" damaged, "p" spoilt by another. ``lost_before``: a packet is lost before this."""
    propagation = ErrorPropagation(codec)

    def decoded() -> Any:
        for tick, letter in enumerate(shown):
            if tick == lost_before:
                propagation.lost()
            key = letter in "Ii"
            propagation.packet(SimpleNamespace(pts=tick, is_keyframe=key))
            kind = TYPES[letter.upper()]
            yield SimpleNamespace(pts=tick, key_frame=key, pict_type=kind, damaged=letter.islower())

    judged = propagation.judged(decoded(), lambda frame: frame.damaged)
    return "".join("D" if damaged else "p" if spoilt else "." for _, damaged, spoilt in judged)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("IPPPIPP", "......."),
        ("IPpPPIPP", "..Dpp..."),
        ("IBBpBBPIP", ".ppDppp.."),  # the first two are predicted from the damaged one, too
        ("IPPiPPI", "...Dpp."),
        ("IPpBBIBBP", "..Dpp...."),
        ("IIiII", "..D.."),
        ("IPp", "..D"),
    ],
)
def test_up_to_the_next_key_frame(shown: str, found: str) -> None:
    assert verdicts(shown) == found


def test_nothing_follows_from_a_b_picture_where_it_is_an_end() -> None:
    assert verdicts("IBbBPBBP", codec="mpeg2video") == "..D....."
    assert verdicts("IBbBPBBP", codec="h264") == "..Dppppp"  # it may be one that others refer to


def test_a_key_frame_of_long_ago_ends_nothing() -> None:
    """Where packets are lost, a decoder gives one that it held behind later frames."""
    propagation = ErrorPropagation("mpeg2video")
    propagation.lost(5)
    shown = [(7, 3), (8, 3), (6, 1), (9, 2), (12, 1), (13, 2)]
    frames = [SimpleNamespace(pts=pts, pict_type=kind, key_frame=kind == 1) for pts, kind in shown]
    assert [propagation.reaches(frame, False) for frame in frames] == [True, True, True, True, False, False]


def test_a_lost_packet_spoils_what_is_behind_it() -> None:
    assert verdicts("IPPPPIP", lost_before=3) == "...pp.."
    assert verdicts("IIIII", lost_before=3) == "....."


def test_frames_without_times() -> None:
    """As in AVI: a key frame that came in behind the loss ends it."""
    propagation = ErrorPropagation("mpeg4")
    packets = [SimpleNamespace(pts=None, is_keyframe=key) for key in (False, True)]
    frames = [SimpleNamespace(pts=None, key_frame=key, pict_type=1 if key else 2) for key in (False, True, False)]
    propagation.lost()
    propagation.packet(packets[0])
    found = [propagation.reaches(frames[0], False), propagation.reaches(frames[1], False)]  # one from before the loss
    propagation.packet(packets[1])
    found += [propagation.reaches(frame, False) for frame in frames[1:]]
    assert found == [True, True, False, False]


@pytest.mark.parametrize("kind", ["mp4 h264", "mkv h264", "avi mpeg4", "ts h264", "wmv"])
def test_certain_frames_of_a_damaged_clip_are_those_of_the_whole_one(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, kind, frames=60)
    whole = {round(frame.time_s, 3): frame.image.copy() for frame in read(path)[0]}
    data = bytearray(path.read_bytes())
    if kind.startswith("ts"):  # a packet of 188 bytes is lost
        place = 188 * round(0.4 * len(data) / 188)
        del data[place : place + 188]
    elif kind == "wmv":  # FFmpeg passes over what it cannot read, and says nothing
        begin, length = len(data) * 2 // 5, len(data) // 10
        data[begin : begin + length] = bytes(length)
    else:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        hit = next(n for n in range(20, 40) if not (packets[n].is_keyframe or packets[n + 1].is_keyframe))
        data[packets[hit].pos : packets[hit].pos + packets[hit].size] = b"\xff" * packets[hit].size
    path.write_bytes(data)
    frames, _, report = read(path)
    certain = [frame for frame in frames if not frame.damaged]
    assert report.verdict == "damaged" and len(certain) < len(frames)
    assert all(np.array_equal(frame.image, whole[round(frame.time_s, 3)]) for frame in certain)
    assert any(frame.damaged == "predicted from a damaged picture" for frame in frames)
