"""A clip's file is known again by its bytes alone."""

from __future__ import annotations

from pathlib import Path

from seqcls.sources.clip_digest import clip_digest


def test_clips_of_one_name_and_size_differ_in_their_bytes(tmp_path: Path) -> None:
    one, other, copy = (tmp_path / name for name in ("one.mp4", "other.mp4", "copy.mp4"))
    one.write_bytes(b"a" * 3_000_000)
    other.write_bytes(b"a" * 2_999_999 + b"b")
    copy.write_bytes(one.read_bytes())
    assert clip_digest(str(one)) == clip_digest(str(copy)) != clip_digest(str(other))
    assert clip_digest("rtsp://probe/live") == clip_digest("0") == clip_digest(str(tmp_path)) == ""
    assert clip_digest("n" * 304) == clip_digest("a\0b") == ""
