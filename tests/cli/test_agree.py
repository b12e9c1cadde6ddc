"""`seqcls agree`, as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

from support.commands import Seqcls, bright_clip, one_line

HEAD = "file,organ,start_s,end_s,state\n"


def test_two_readers_and_their_clips(seqcls: Seqcls, tmp_path: Path) -> None:
    bright_clip(tmp_path / "clips/c.mp4", [True] * 20)
    Path("ann.csv").write_text(HEAD + "c.mp4,liver,0,1,present\nc.mp4,liver,1,2,absent\n")
    Path("bob.csv").write_text(HEAD + "c.mp4,liver,0,1.5,present\nc.mp4,liver,1.5,2,absent\n")
    done = seqcls("agree", "ann.csv", "bob.csv", "-o", "out")
    assert done.code == 0 and "ann / bob" in done.out and "75.0%" in done.out and "--clips" in done.err
    by_frame = seqcls("agree", "ann.csv", "bob.csv", "--clips", "clips", "-o", "out", "--overwrite")
    assert by_frame.code == 0 and "--clips" not in by_frame.err
    (pair,) = json.loads(Path("out/agreement.json").read_text(encoding="utf-8"))["pairs"]
    assert pair["by_frame"] and pair["organs"][0]["moments"] == 20 and pair["organs"][0]["agreement"] == 0.75
    assert "another" in one_line(seqcls("agree", "ann.csv"))
    assert "--overwrite" in one_line(seqcls("agree", "ann.csv", "bob.csv", "-o", "out"))


def test_with_a_key_nobody_is_named(seqcls: Seqcls, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef0123456789ABCDEF")
    key.chmod(0o600)
    Path("ann.csv").write_text(HEAD + "Doe.mp4,liver,0,1,present\nRoe.mp4,liver,1,2,absent\n")
    Path("bob.csv").write_text(HEAD + "Doe.mp4,liver,0,1.5,present\n")
    done = seqcls("agree", "ann.csv", "bob.csv", "-o", "Doe/out", "--hash-names", key)
    assert done.code == 0, done.err
    assert "Roe" not in done.out + done.err and "1 clip of one reading alone" in done.err
    text = Path("Doe/out/agreement.json").read_text(encoding="utf-8")
    assert "Doe" not in text and "Roe" not in text
